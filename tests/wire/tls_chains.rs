//! One port for many: filter chains by whether there is TLS, by server name and by protocol, and TLS that is
//! passed on as it is.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    h2::H2,
    tls::{Endpoint, Offer, der, offering},
    tls_config::{INSPECT, serving, tcp_chain, to},
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use std::io::{Read, Write};

on_each_engine!(
    one_port_serves_plain_and_tls,
    a_name_and_a_protocol_lead_to_a_chain,
    tls_is_passed_on_by_its_name,
    an_endpoint_of_another_gets_what_is_passed_on,
    whoever_says_nothing_is_closed,
);

fn when(condition: &str, rest: &str) -> String {
    format!("filter_chain_match: {{{condition}}}, {rest}")
}

fn one_port_serves_plain_and_tls(engine: EngineKind) {
    let origin = Origin::echo("a");
    let chains = [
        to(&when("transport_protocol: tls", &serving(&["any"])), "c"),
        to(&when("transport_protocol: raw_buffer", ""), "c"),
    ];
    // Without the condition too, the inspector tells them apart.
    let yaml = Setup::default()
        .listen_chains("one", INSPECT, &chains)
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let at = proxy.at("one");
    for _ in 0..3 {
        let mut plain = Client::new(at);
        assert_eq!(plain.get("/plain").text(), "a /plain ");
        let mut secure = Client::any(at);
        assert_eq!(secure.get("/secure").text(), "a /secure ");
        // Many requests at once, the first in pieces.
        let mut plain = Client::new(at);
        for byte in b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n" {
            plain.send([*byte]);
        }
        plain.send("GET /b HTTP/1.1\r\nhost: h\r\n\r\nGET /c HTTP/1.1\r\nhost: h\r\n\r\n");
        for path in ["/a", "/b", "/c"] {
            assert_eq!(plain.answer().text(), format!("a {path} "));
        }
        let mut plain = H2::new(at);
        assert_eq!(plain.get("/").status, 200);
    }
    let mut finished = Client::new(at);
    finished.send("GET /last HTTP/1.1\r\nhost: h\r\n\r\n");
    finished.finish();
    assert_eq!(finished.answer().text(), "a /last ");
    let protos: Vec<_> = origin
        .requests()
        .iter()
        .map(|r| {
            (
                r.path().to_owned(),
                r.field("x-forwarded-proto").map(str::to_owned),
            )
        })
        .collect();
    assert!(
        protos.contains(&("/plain".into(), Some("http".into()))),
        "{protos:?}"
    );
    assert!(
        protos.contains(&("/secure".into(), Some("https".into()))),
        "{protos:?}"
    );
    drop(finished);
    proxy.settle();
}

fn a_name_and_a_protocol_lead_to_a_chain(engine: EngineKind) {
    let names = ["www", "wild", "h2", "rest"];
    let origins = names.map(Origin::echo);
    let chains = [
        to(&when("server_names: [www.test]", &serving(&["www"])), "www"),
        to(
            &when("server_names: ['*.wild.test']", &serving(&["wild"])),
            "wild",
        ),
        to(
            &when("application_protocols: [h2]", &serving(&["any"])),
            "h2",
        ),
    ];
    let rest = format!("default_filter_chain: {},", to(&serving(&["any"]), "rest"));
    let mut setup = Setup::default()
        .listen_chains("one", &format!("{INSPECT} {rest}"), &chains)
        .listen_chains("none", INSPECT, &chains[..2]);
    for (name, origin) in names.iter().zip(&origins) {
        setup = setup.cluster(&Cluster { name, cluster: "" }, &[origin.at()]);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    let h1 = offering(&Offer {
        alpn: &["http/1.1"],
        ..Offer::default()
    });
    for (name, certificate, told) in [
        ("www.test", "www", "www"),
        ("WWW.test", "www", "www"),
        ("x.wild.test", "wild", "wild"),
        ("any.test", "any", "rest"),
    ] {
        let mut client = Client::secure(proxy.at("one"), &h1, name);
        assert_eq!(client.agreed().certificate, der(certificate), "{name}");
        assert_eq!(client.get("/").text(), format!("{told} / "));
    }
    let h2 = offering(&Offer {
        alpn: &["h2", "http/1.1"],
        ..Offer::default()
    });
    let client = Client::secure(proxy.at("one"), &h2, "any.test");
    assert_eq!(client.agreed().alpn.as_deref(), Some("h2"));
    assert_eq!(H2::over(client, &[]).get("/").body, b"h2 / ");
    // A name counts more than a protocol.
    let client = Client::secure(proxy.at("one"), &h2, "www.test");
    assert_eq!(H2::over(client, &[]).get("/").body, b"www / ");
    // Who matches nothing is closed without a word, and counted.
    let no_chain = "ringlb_listener_no_chain_total";
    assert_eq!(proxy.metric(no_chain), 0);
    assert!(Client::try_secure(proxy.at("none"), &h1, "any.test").is_err());
    let mut plain = Client::new(proxy.at("none"));
    plain.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(plain.is_closed());
    until("both are counted", || proxy.metric(no_chain) == 2);
    proxy.settle();
}

/// What is sent first comes in pieces, whole or as many records.
fn tls_is_passed_on_by_its_name(engine: EngineKind) {
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let far = Origin::secure(&endpoint, |request, out| {
        let body = request.path();
        write!(
            out,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .is_ok()
    });
    let near = Origin::echo("near");
    let chains = [
        tcp_chain(
            &when("server_names: [origin.test, '*.origin.test']", ""),
            "far",
        ),
        to(&when("transport_protocol: tls", &serving(&["any"])), "near"),
    ];
    let yaml = Setup::default()
        .listen_chains("one", INSPECT, &chains)
        .cluster(
            &Cluster {
                name: "far",
                cluster: "",
            },
            &[far.at()],
        )
        .cluster(
            &Cluster {
                name: "near",
                cluster: "",
            },
            &[near.at()],
        )
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for chunk in [1, 7, 100, 10_000] {
        let mut client = in_pieces(proxy.at("one"), "origin.test", chunk);
        assert_eq!(client.agreed().certificate, der("origin"));
        assert_eq!(client.get("/pieces").text(), "/pieces");
        let mut client = in_pieces(proxy.at("one"), "any.test", chunk);
        assert_eq!(client.get("/pieces").text(), "near /pieces ");
    }
    // The process has the key of neither the endpoint nor the session.
    assert_eq!(
        proxy.labelled("ringlb_tls_handshakes_total{side=\"downstream\",version=\"TLSv1.3\"}"),
        4
    );
    proxy.settle();
}

/// A ClientHello in so small packets, then the rest of the handshake.
fn in_pieces(to: std::net::SocketAddr, name: &'static str, chunk: usize) -> Client {
    use rustls::{ClientConnection, pki_types::ServerName};
    let name = ServerName::try_from(name).unwrap();
    let mut tls = ClientConnection::new(offering(&Offer::default()), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let mut client = Client::new(to);
    for part in hello.chunks(chunk) {
        client.send(part);
    }
    client.go_on(tls).unwrap();
    client
}

fn an_endpoint_of_another_gets_what_is_passed_on(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let (chain, key) = (
        format!("{}/origin.pem", pki()),
        format!("{}/origin.key", pki()),
    );
    let (_server, at) = Program::s_server(&["-cert", &chain, "-key", &key, "-rev"]);
    let passed = tcp_chain(&when("server_names: [origin.test]", ""), "far");
    let yaml = Setup::default()
        .listen_chains("one", INSPECT, &[passed])
        .cluster(
            &Cluster {
                name: "far",
                cluster: "",
            },
            &[at],
        )
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for chunk in [1, 50] {
        let mut client = in_pieces(proxy.at("one"), "origin.test", chunk);
        client.send("backwards\n");
        assert_eq!(client.take(10), b"sdrawkcab\n");
    }
}

fn whoever_says_nothing_is_closed(engine: EngineKind) {
    let origin = Origin::echo("a");
    let greeter = Origin::raw(|mut stream| {
        stream.write_all(b"welcome").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let secure = to(&when("transport_protocol: tls", &serving(&["any"])), "c");
    let plain = tcp_chain(&when("transport_protocol: raw_buffer", ""), "greeter");
    let chains = [secure, plain];
    let go_on = format!(
        "{INSPECT} listener_filters_timeout: 0.2s, continue_on_listener_filters_timeout: true,"
    );
    let yaml = Setup::default()
        .listen_chains(
            "strict",
            &format!("{INSPECT} listener_filters_timeout: 0.2s,"),
            &chains,
        )
        .listen_chains("lenient", &go_on, &chains)
        .cluster(&Cluster::default(), &[origin.at()])
        .cluster(
            &Cluster {
                name: "greeter",
                cluster: "",
            },
            &[greeter.at()],
        )
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut neighbour = Client::any(proxy.at("strict"));
    let mut silent = Client::new(proxy.at("strict"));
    let mut partial = Client::new(proxy.at("strict"));
    partial.send([22, 3, 1, 2, 0, 1, 0, 1]);
    assert!(silent.is_closed() && partial.is_closed());
    assert_eq!(proxy.metric("ringlb_listener_inspect_timeouts_total"), 2);
    // A server that speaks first.
    let mut client = Client::new(proxy.at("lenient"));
    assert_eq!(client.take(7), b"welcome");
    assert_eq!(proxy.metric("ringlb_listener_inspect_timeouts_total"), 3);
    // Too long a hello is given to the chain for what is no TLS, or nobody.
    let record = [&[22, 3, 1, 0x40, 0][..], &[1, 1, 0, 0], &[0; 0x4000 - 4]].concat();
    let mut huge = Client::new(proxy.at("strict"));
    let _ = huge.try_send(record.repeat(8));
    drop(huge);
    assert_eq!(neighbour.get("/after").status, 200);
    drop((neighbour, client));
    proxy.settle();
}
