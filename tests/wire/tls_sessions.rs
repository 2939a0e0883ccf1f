//! Sessions that are resumed where they may be, connections that come byte by byte, hellos that were tampered
//! with, and the end of a process.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    h2::{GOAWAY, H2},
    scratch,
    tls::{BOTH, Endpoint, ONLY_12, ONLY_13, Offer, bulk, offering},
    tls_config::{INSPECT, downstream, serving, tcp_chain, to, trusting},
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

on_each_engine!(
    a_session_opens_no_other_door,
    processes_with_the_same_keys_share_sessions,
    records_may_come_byte_by_byte,
    hellos_that_were_tampered_with_harm_nobody,
    a_client_may_have_to_guess_twice,
    a_drain_says_the_end,
    a_request_may_come_with_the_end_of_the_handshake,
);

/// A chain for which the ClientHello is looked at.
fn by_name() -> String {
    let context = serving(&["any"]);
    to(
        &format!("filter_chain_match: {{server_names: [any.test]}}, {context}"),
        "c",
    )
}

fn keys() -> String {
    let file = scratch("ticket.key");
    std::fs::write(&file, bulk(80)).unwrap();
    format!(
        "session_ticket_keys: {{keys: [{{filename: {}}}]}},",
        file.display()
    )
}

/// Whether a session was resumed, and whether a request is answered.
fn visit(at: SocketAddr, offer: &std::sync::Arc<rustls::ClientConfig>) -> (bool, bool) {
    let Ok(mut client) = Client::try_secure(at, offer, "any.test") else {
        return (false, false);
    };
    let is_resumed = client.agreed().is_resumed;
    let _ = client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    (is_resumed, client.next_answer("GET").is_some())
}

/// All listeners seal with the same keys; who got in by one is not let in by another.
fn a_session_opens_no_other_door(engine: EngineKind) {
    let origin = Origin::echo("a");
    let keys = keys();
    let context = |auth: &str, validation: &str| {
        downstream(&format!(
            "{keys} {auth} common_tls_context: {{tls_certificates: [cert(any)], {validation}}}"
        ))
    };
    let ca = "validation_context: {trusted_ca: file(ca.pem)}";
    let other = "validation_context: {trusted_ca: file(other.pem)}";
    let staff = "validation_context: {trusted_ca: file(ca.pem), \
                 match_typed_subject_alt_names: [{san_type: DNS, matcher: {suffix: .staff.test}}]}";
    let require = "require_client_certificate: true,";
    let yaml = Setup::default()
        .listen_chains("open", "", &[to(&context("", ""), "c")])
        .listen_chains("optional", "", &[to(&context("", ca), "c")])
        .listen_chains("strict", "", &[to(&context(require, ca), "c")])
        .listen_chains("staff", "", &[to(&context(require, staff), "c")])
        .listen_chains("other", "", &[to(&context(require, other), "c")])
        .listen_chains("twin", "", &[to(&context(require, ca), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for versions in [ONLY_12, ONLY_13] {
        for (certificate, first, second, is_let_in) in [
            ("", "open", "strict", false),
            ("", "optional", "strict", false),
            ("", "open", "optional", true),
            ("bob", "strict", "staff", false),
            ("alice", "strict", "staff", true),
            ("stranger", "other", "strict", false),
            ("alice", "strict", "other", false),
            ("alice", "strict", "open", true),
        ] {
            let offer = offering(&Offer {
                versions,
                certificate,
                ..Offer::default()
            });
            let case = format!("{versions:?} {certificate} {first} {second}");
            assert_eq!(visit(proxy.at(first), &offer), (false, true), "{case}");
            assert_eq!(visit(proxy.at(first), &offer), (true, true), "{case}");
            assert_eq!(visit(proxy.at(second), &offer).1, is_let_in, "{case}");
        }
        // One that asks for just the same is the same.
        let offer = offering(&Offer {
            versions,
            certificate: "alice",
            ..Offer::default()
        });
        assert_eq!(visit(proxy.at("strict"), &offer), (false, true));
        assert!(visit(proxy.at("twin"), &offer).1);
    }
    proxy.settle();
}

fn processes_with_the_same_keys_share_sessions(engine: EngineKind) {
    let origin = Origin::echo("a");
    let context = downstream(&format!(
        "{} common_tls_context: {{tls_certificates: [cert(any)]}}",
        keys()
    ));
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxies = [Proxy::start(engine, &yaml), Proxy::start(engine, &yaml)];
    for versions in [ONLY_12, ONLY_13] {
        let offer = offering(&Offer {
            versions,
            ..Offer::default()
        });
        assert_eq!(visit(proxies[0].at("tls"), &offer), (false, true));
        for number in 0..4 {
            assert_eq!(
                visit(proxies[1 - number % 2].at("tls"), &offer),
                (true, true),
                "{versions:?}"
            );
        }
    }
}

/// Hands on what comes in so many bytes a packet.
fn dribble(to: SocketAddr, bytes: usize) -> Origin {
    let carry = move |mut from: TcpStream, mut into: TcpStream| {
        let mut room = [0; 16 << 10];
        while let Ok(len @ 1..) = from.read(&mut room) {
            for part in room[..len].chunks(bytes) {
                if into.write_all(part).is_err() {
                    return;
                }
            }
        }
        let _ = into.shutdown(Shutdown::Write);
    };
    Origin::raw(move |near| {
        let far = TcpStream::connect(to).unwrap();
        far.set_nodelay(true).unwrap();
        let (from, into) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let back = std::thread::spawn(move || carry(from, into));
        carry(near, far);
        let _ = back.join();
    })
}

fn records_may_come_byte_by_byte(engine: EngineKind) {
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let origin = Origin::secure(&endpoint, |request, out| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            request.body.len()
        );
        out.write_all(&[head.as_bytes(), &request.body].concat())
            .is_ok()
    });
    for bytes in [1, 3, 1000] {
        let far = dribble(origin.at(), bytes);
        let context = trusting("origin.test");
        let yaml = Setup::default()
            .listen_chains("http", "", &[to(&serving(&["any"]), "c")])
            .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
            .cluster(
                &Cluster {
                    name: "c",
                    cluster: &context,
                },
                &[far.at()],
            )
            .yaml();
        let proxy = Proxy::start(engine, &yaml);
        let data = bulk(6000 * bytes.min(20));
        for listener in ["http", "tcp"] {
            let near = dribble(proxy.at(listener), bytes);
            for versions in [ONLY_12, ONLY_13] {
                let offer = offering(&Offer {
                    versions,
                    ..Offer::default()
                });
                let mut client = Client::secure(near.at(), &offer, "any.test");
                client.send(format!(
                    "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
                    data.len()
                ));
                client.send(&data);
                assert!(client.answer().body == data, "{listener} {bytes}");
            }
        }
    }
}

/// One byte of each is another; whatever comes of it, others are served.
fn hellos_that_were_tampered_with_harm_nobody(engine: EngineKind) {
    use rustls::{ClientConnection, pki_types::ServerName};
    let origin = Origin::echo("a");
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
        .listen_chains("inspected", INSPECT, &[by_name()])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut neighbour = Client::any(proxy.at("tls"));
    let name = ServerName::try_from("any.test").unwrap();
    let offer = offering(&Offer {
        alpn: &["h2", "http/1.1"],
        ..Offer::default()
    });
    let mut tls = ClientConnection::new(offer, name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let listeners = ["tls", "tcp", "inspected"];
    for at in 0..hello.len() {
        for (number, listener) in listeners.into_iter().enumerate() {
            // The lengths of the first bytes in each way, of the others in one.
            if at > 60 && at % 3 != number {
                continue;
            }
            let mut bad = hello.clone();
            bad[at] ^= [0x01, 0x80, 0xff][(at / 3 + number) % 3];
            let mut client = Client::new(proxy.at(listener));
            let _ = client.try_send(&bad);
            // It sends no more: what waits for more ends too.
            let _ = client.stream.shutdown(Shutdown::Write);
            let _ = client.rest();
        }
    }
    assert_eq!(neighbour.get("/after").status, 200);
    drop(neighbour);
    proxy.settle();
}

/// In the same packet, and with the end of the client's direction behind it.
fn a_request_may_come_with_the_end_of_the_handshake(engine: EngineKind) {
    use rustls::{ClientConnection, pki_types::ServerName};
    let origin = Origin::echo("a");
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
        .listen_chains("inspected", INSPECT, &[by_name()])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for listener in ["tls", "tcp", "inspected"] {
        for versions in [ONLY_12, ONLY_13] {
            for is_finished in [false, true] {
                let offer = offering(&Offer {
                    versions,
                    ..Offer::default()
                });
                let name = ServerName::try_from("any.test").unwrap();
                let mut tls = ClientConnection::new(offer, name).unwrap();
                let requests =
                    "GET /1 HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\n\r\n";
                tls.writer().write_all(requests.as_bytes()).unwrap();
                let mut client = Client::new(proxy.at(listener));
                client.go_on(tls).unwrap();
                // A tunnel tells its endpoint how the client ended.
                if is_finished && listener == "tcp" {
                    client.say_end();
                } else if is_finished {
                    client.finish();
                }
                for path in ["/1", "/2"] {
                    assert_eq!(client.answer().text(), format!("a {path} "), "{listener}");
                }
            }
        }
    }
    proxy.settle();
}

/// Its first guess of a group is one that we do not have.
fn a_client_may_have_to_guess_twice(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let origin = Origin::echo("a");
    let yaml = Setup::default()
        .listen_chains("tls", INSPECT, &[by_name()])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let ca = format!("{}/ca.pem", pki());
    for groups in ["P-521:P-256", "X448:X25519", "P-384:P-256"] {
        let args = [
            "-tls1_3",
            "-groups",
            groups,
            "-servername",
            "any.test",
            "-CAfile",
            &ca,
            "-verify_return_error",
        ];
        let said = Program::s_client(proxy.at("tls"), &args).ask();
        assert!(said.contains("HTTP/1.1 200 OK"), "{groups}: {said}");
    }
    let said = Program::s_client(
        proxy.at("tls"),
        &["-tls1_3", "-groups", "X448", "-servername", "any.test"],
    )
    .ask();
    assert!(said.contains("handshake failure"), "{said}");
}

fn a_drain_says_the_end(engine: EngineKind) {
    let origin = Origin::echo("a");
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let mut proxy = Proxy::start(engine, &yaml);
    for versions in [BOTH, ONLY_12] {
        let offer = offering(&Offer {
            versions,
            ..Offer::default()
        });
        assert_eq!(visit(proxy.at("tls"), &offer), (false, true));
    }
    let mut idle = Client::any(proxy.at("tls"));
    assert_eq!(idle.get("/").status, 200);
    let offer = offering(&Offer {
        alpn: &["h2"],
        ..Offer::default()
    });
    let mut many = H2::over(Client::secure(proxy.at("tls"), &offer, "any.test"), &[]);
    let id = many.request("POST", "/late", &[("content-length", "4")], false);
    // A handshake that has begun.
    let mut late = Client::new(proxy.at("tls"));
    late.send([22, 3, 1]);
    until("it is under way", || {
        proxy.metric("ringlb_listener_connections_active") == 3
    });
    proxy.signal(Signal::SIGTERM);
    assert!(idle.is_closed());
    assert_eq!(idle.fault, None);
    drop(idle);
    while many.next().unwrap().kind != GOAWAY {}
    many.send(0, 1, id, b"late");
    assert_eq!(many.reply(id).status, 200);
    drop((many, late));
    assert!(proxy.wait().0.success());
}
