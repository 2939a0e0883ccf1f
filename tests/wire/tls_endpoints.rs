//! Endpoints with TLS that are told apart, do not go on, or attack.

use crate::support::{
    Client, Cluster, Origin, PATIENCE, Proxy, Setup,
    tls::{Endpoint, bulk},
    tls_config::{serving, tcp_chain, to, trusting, upstream},
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
};

on_each_engine!(
    an_endpoint_is_told_why_it_is_refused,
    endpoints_have_names_and_sockets_of_their_own,
    endpoints_that_do_not_go_on_are_left,
    an_endpoint_may_change_keys_and_not_renegotiate,
    sessions_with_endpoints_are_resumed,
);

fn hello(certificate: &str) -> Origin {
    let endpoint = Endpoint {
        certificate,
        ..Endpoint::default()
    };
    Origin::secure(&endpoint, |_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .is_ok()
    })
}

fn socket(at: std::net::SocketAddr, more: &str) -> String {
    let address = format!(
        "address: {{socket_address: {{address: {}, port_value: {}}}}}",
        at.ip(),
        at.port()
    );
    format!("{{endpoint: {{{address}{}}}}}", more)
}

/// By `hostname`, and by `transport_socket_matches`.
fn endpoints_have_names_and_sockets_of_their_own(engine: EngineKind) {
    let (named, other, plain) = (hello("origin"), hello("elsewhere"), Origin::echo("plain"));
    let ca = "common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}";
    let by_name = upstream(ca);
    let good = [
        socket(named.at(), ", hostname: origin.test"),
        socket(other.at(), ", hostname: elsewhere.test"),
    ];
    let swapped = socket(named.at(), ", hostname: elsewhere.test");
    let matched = format!(
        "transport_socket_matches: [{{name: tls, match: {{secure: true}}, {}}}]",
        trusting("origin.test")
    );
    let meta = "filter_metadata: {envoy.transport_socket_match: {secure: true}}";
    let secure = socket(named.at(), "").replacen(
        "{endpoint",
        &format!("{{metadata: {{{meta}}}, endpoint"),
        1,
    );
    let mixed = [secure, socket(plain.at(), "")];
    let mut setup = Setup::default();
    for name in ["good", "swapped", "mixed"] {
        setup = setup.listen_chains(name, "", &[to("", name)]);
    }
    for (name, cluster, endpoints) in [
        ("good", &by_name, good.join(", ")),
        ("swapped", &by_name, swapped),
        ("mixed", &matched, mixed.join(", ")),
    ] {
        setup = setup.cluster_of(&Cluster { name, cluster }, &endpoints);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for (name, expected) in [
        ("good", &["hello"; 4][..]),
        ("mixed", &["hello", "hello", "plain / ", "plain / "]),
    ] {
        let mut client = Client::new(proxy.at(name));
        let mut bodies: Vec<_> = (0..4).map(|_| client.get("/").text()).collect();
        bodies.sort();
        assert_eq!(bodies, expected, "{name}");
    }
    assert_eq!(Client::new(proxy.at("swapped")).get("/").status, 503);
}

/// All of a ClientHello: who closes with some of it unread resets the connection.
fn take_hello(stream: &mut TcpStream) {
    let mut head = [0; 5];
    if stream.read_exact(&mut head).is_ok() {
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let _ = stream.read_exact(&mut vec![0; len]);
    }
}

/// What breaks a handshake off in its own way, and how that is told.
fn wayward() -> [(&'static str, Origin, &'static str); 5] {
    let silent = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let garbage = Origin::raw(|mut stream| {
        take_hello(&mut stream);
        let _ = stream.write_all(&bulk(50_000));
    });
    let rude = Origin::raw(|mut stream| {
        take_hello(&mut stream);
        // The beginning of a ServerHello.
        let _ = stream.write_all(&[22, 3, 3, 0, 100, 2, 0, 0, 96, 3, 3]);
    });
    let curt = Origin::raw(|mut stream| {
        // What it leaves unread makes this a reset.
        let _ = stream.read_exact(&mut [0; 5]);
    });
    let endless = Origin::raw(|mut stream| {
        take_hello(&mut stream);
        // Records of a message without an end.
        let record = [
            &[22, 3, 3, 0x40, 0][..],
            &[2, 0xff, 0xff, 0xff],
            &[0; 0x4000 - 4],
        ]
        .concat();
        while stream.write_all(&record).is_ok() {}
    });
    [
        ("silent", silent, "tls_handshake_timeout: "),
        ("garbage", garbage, "tls_"),
        ("rude", rude, "tls_truncated: "),
        ("curt", curt, "tls_truncated: "),
        ("endless", endless, "tls_handshake_too_long: "),
    ]
}

fn endpoints_that_do_not_go_on_are_left(engine: EngineKind) {
    let context = format!("connect_timeout: 0.3s\n    {}", trusting("origin.test"));
    let mut setup = Setup::default();
    let mut endpoints = Vec::from(wayward());
    endpoints.push(("plain", Origin::echo("plain"), "tls_"));
    for (name, origin, _) in &endpoints {
        let tunnel = format!("{name}-tcp");
        let cluster = Cluster {
            name,
            cluster: &context,
        };
        setup = setup
            .listen_chains(name, "", &[to("", name)])
            .listen_chains(&tunnel, "", &[tcp_chain("", name)])
            .cluster(&cluster, &[origin.at()]);
    }
    let good = hello("origin");
    let cluster = Cluster {
        name: "good",
        cluster: &context,
    };
    let setup = setup
        .listen_chains("good", "", &[to(&serving(&["any"]), "good")])
        .cluster(&cluster, &[good.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut neighbour = Client::any(proxy.at("good"));
    for (name, _, why) in &endpoints {
        let answer = Client::new(proxy.at(name)).get("/");
        assert_eq!(answer.status, 503, "{name}");
        let told = answer.text();
        assert!(
            told.contains(&format!("failure reason: {why}")),
            "{name}: {told}"
        );
        let mut tunnel = Client::new(proxy.at(&format!("{name}-tcp")));
        tunnel.send("early");
        assert!(tunnel.is_closed(), "{name}");
        assert_eq!(neighbour.get("/").text(), "hello");
    }
    let asked = endpoints
        .iter()
        .map(|(_, origin, _)| origin.requests().len());
    assert_eq!(asked.sum::<usize>(), 0, "nothing was said in the clear");
    assert_eq!(proxy.metric("ringlb_cluster_connect_timeouts_total"), 2);
    assert!(proxy.metric("ringlb_cluster_handshake_failures_total") >= 10);
    assert!(proxy.resident_bytes() < 100 << 20);
    drop(neighbour);
    proxy.settle();
}

/// What `openssl s_server` does when it is told to.
fn an_endpoint_may_change_keys_and_not_renegotiate(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let (chain, key) = (format!("{}/any.pem", pki()), format!("{}/any.key", pki()));
    for version in ["-tls1_2", "-tls1_3"] {
        let (mut server, at) = Program::s_server(&[version, "-cert", &chain, "-key", &key]);
        let context = trusting("any.test");
        let cluster = Cluster {
            name: "c",
            cluster: &context,
        };
        let yaml = Setup::default()
            .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
            .cluster(&cluster, &[at])
            .yaml();
        let proxy = Proxy::start(engine, &yaml);
        let mut client = Client::any(proxy.at("tcp"));
        client.send("first\n");
        server.line_with("first");
        server.send("answer\n");
        assert_eq!(client.take(7), b"answer\n");
        if version == "-tls1_3" {
            for key in ["k\n", "K\n"] {
                server.send(key);
                client.send("again\n");
                server.line_with("again");
                server.send("and back\n");
                assert_eq!(client.take(9), b"and back\n");
            }
        } else {
            server.send("r\n");
            assert_eq!(client.rest(), b"");
            until("it is counted", || {
                proxy.labelled("ringlb_tls_faults_total{detail=\"tls_renegotiation\"}") == 1
            });
        }
        drop(client);
        proxy.settle();
    }
}

fn sessions_with_endpoints_are_resumed(engine: EngineKind) {
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let origin = Origin::secure(&endpoint, |_, out| {
        let _ =
            out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        false
    });
    let context = trusting("origin.test");
    let cluster = Cluster {
        name: "c",
        cluster: &context,
    };
    let yaml = Setup::default()
        .listen_chains("http", "", &[to("", "c")])
        .cluster(&cluster, &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut client = Client::new(proxy.at("http"));
    for number in 0..6 {
        assert_eq!(client.get("/").text(), "ok");
        let resumed = proxy.labelled("ringlb_tls_resumed_total{side=\"upstream\"}");
        assert_eq!(resumed, number);
    }
    assert_eq!(origin.connections(), 6);
}

fn an_endpoint_is_told_why_it_is_refused(engine: EngineKind) {
    let (out, told) = mpsc::channel();
    let endpoint = Endpoint {
        certificate: "stranger",
        ..Endpoint::default()
    };
    let origin = Origin::secure_raw(&endpoint, move |tls| {
        let end = tls.read(&mut [0]);
        let _ = out.send(end.map_err(|error| error.to_string()));
    });
    let context = trusting("origin.test");
    let cluster = Cluster {
        name: "c",
        cluster: &context,
    };
    let yaml = Setup::default()
        .listen_chains("http", "", &[to("", "c")])
        .cluster(&cluster, &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    assert_eq!(Client::new(proxy.at("http")).get("/").status, 503);
    let why = told.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(why.contains("alert") && why.contains("UnknownCA"), "{why}");
    proxy.settle();
}
