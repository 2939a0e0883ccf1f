//! TLS towards endpoints: whom we believe, what is told when we do not, and answers that are cut short.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    h2::H2,
    scratch,
    tls::{Endpoint, Offer, bulk, offering},
    tls_config::{http_chain, log_to, serving, tcp_chain, to, trusting, upstream},
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;

on_each_engine!(
    an_endpoint_of_another_is_asked,
    endpoints_have_to_be_who_they_should_be,
    endpoints_are_shown_our_certificate,
    an_answer_that_is_cut_short_is_not_passed_off_as_whole,
    protocols_are_agreed_on,
    a_tunnel_that_is_cut_short_is_not_ended_well,
);

fn hello(certificate: &str) -> Origin {
    hello_from(&Endpoint {
        certificate,
        ..Endpoint::default()
    })
}

fn hello_from(endpoint: &Endpoint<'_>) -> Origin {
    Origin::secure(endpoint, |_, out| {
        out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
            .is_ok()
    })
}

/// A listener that leads `/NAME` to the cluster of that name.
fn by_path(names: &[&str], manager: &str) -> Setup {
    let route = |name: &&str| {
        format!("{{match: {{path: /{name}}}, route: {{cluster: {name}, timeout: 0s}}}}")
    };
    let routes: Vec<_> = names.iter().map(route).collect();
    let chain = http_chain(
        &serving(&["any"]),
        manager,
        &format!("[{}]", routes.join(", ")),
    );
    Setup::default().listen_chains("tls", "", &[chain])
}

fn endpoints_have_to_be_who_they_should_be(engine: EngineKind) {
    let ca = "sni: origin.test, common_tls_context: {validation_context: {trusted_ca: file(ca.pem), crl: file(crl.pem)}}";
    let plain = "sni: origin.test";
    let untrusted = "sni: origin.test, common_tls_context: {validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}}";
    let sans = "sni: origin.test, common_tls_context: {validation_context: {trusted_ca: file(ca.pem), \
                match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: elsewhere.test}}]}}";
    // Name, context, the endpoint's certificate, how it ends.
    let cases = [
        ("good", ca, "origin", None),
        ("name", ca, "elsewhere", Some("tls_certificate_name")),
        ("expired", ca, "expired", Some("tls_certificate_expired")),
        ("stranger", ca, "stranger", Some("tls_unknown_ca")),
        ("revoked", ca, "revoked", Some("tls_certificate_revoked")),
        ("self", ca, "self", Some("tls_unknown_ca")),
        // Without a word about it, whom the system trusts.
        ("default", plain, "origin", Some("tls_unknown_ca")),
        ("untrusted", untrusted, "self", None),
        ("elsewhere", untrusted, "elsewhere", None),
        ("sans", sans, "elsewhere", None),
        ("wrong-sans", sans, "origin", Some("tls_certificate_san")),
    ];
    let log = scratch("upstream.log");
    let format = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON% %RESPONSE_CODE_DETAILS%";
    let names = cases.map(|(name, ..)| name);
    let mut setup = by_path(&names, &log_to(&log, format));
    let mut origins = Vec::new();
    for (name, context, certificate, _) in &cases {
        let origin = hello(certificate);
        let context = upstream(context);
        setup = setup.cluster(
            &Cluster {
                name,
                cluster: &context,
            },
            &[origin.at()],
        );
        origins.push(origin);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::any(proxy.at("tls"));
    for (name, _, _, refusal) in &cases {
        let answer = client.get(&format!("/{name}"));
        let status = if refusal.is_some() { 503 } else { 200 };
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        if let Some(detail) = refusal {
            let told = format!("transport failure reason: {detail}: ");
            assert!(answer.text().contains(&told), "{name}: {}", answer.text());
        }
    }
    drop(client);
    proxy.settle();
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    until("all is logged", || lines().lines().count() == cases.len());
    for ((name, _, _, refusal), line) in cases.iter().zip(lines().lines()) {
        let Some(detail) = refusal else {
            assert_eq!(line, format!("/{name} 200 - - via_upstream"));
            continue;
        };
        assert!(
            line.starts_with(&format!("/{name} 503 UF {detail}:_")),
            "{line}"
        );
        let (_, details) = line
            .split_once("upstream_reset_before_response_started")
            .unwrap();
        assert!(
            details.starts_with(&format!("{{connection_failure|{detail}:_")),
            "{line}"
        );
    }
    assert_eq!(proxy.metric("ringlb_cluster_handshake_failures_total"), 7);
}

fn endpoints_are_shown_our_certificate(engine: EngineKind) {
    let mutual = Endpoint {
        certificate: "origin",
        is_mutual: true,
        ..Endpoint::default()
    };
    let origin = hello_from(&mutual);
    let with = "sni: origin.test, common_tls_context: {tls_certificates: [cert(alice)], validation_context: {trusted_ca: file(ca.pem)}}";
    let (with, without) = (upstream(with), trusting("origin.test"));
    let setup = by_path(&["with", "without"], "")
        .cluster(
            &Cluster {
                name: "with",
                cluster: &with,
            },
            &[origin.at()],
        )
        .cluster(
            &Cluster {
                name: "without",
                cluster: &without,
            },
            &[origin.at()],
        );
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::any(proxy.at("tls"));
    for _ in 0..2 {
        assert_eq!(client.get("/with").status, 200);
        assert_eq!(client.get("/without").status, 503);
    }
}

/// What is answered, whether it ends without `close_notify`, and whether that cuts it short.
const ANSWERS: [(&str, &str, bool, bool); 6] = [
    ("unframed-rude", "HTTP/1.1 200 OK\r\n\r\nsome", true, true),
    (
        "unframed-polite",
        "HTTP/1.1 200 OK\r\n\r\nsome",
        false,
        false,
    ),
    (
        "counted-rude",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome",
        true,
        true,
    ),
    (
        "counted-polite",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome",
        false,
        true,
    ),
    (
        "chunked-rude",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n",
        true,
        true,
    ),
    (
        "whole-rude",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsome",
        true,
        false,
    ),
];

fn an_answer_that_is_cut_short_is_not_passed_off_as_whole(engine: EngineKind) {
    let context = trusting("origin.test");
    let mut setup = by_path(&ANSWERS.map(|(name, ..)| name), "");
    let mut origins = Vec::new();
    for (name, answer, is_rude, _) in ANSWERS {
        let endpoint = Endpoint {
            certificate: "origin",
            is_rude,
            ..Endpoint::default()
        };
        let origin = Origin::secure(&endpoint, move |_, out| {
            out.write_all(answer.as_bytes()).unwrap();
            false
        });
        setup = setup.cluster(
            &Cluster {
                name,
                cluster: &context,
            },
            &[origin.at()],
        );
        origins.push(origin);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for (name, _, _, is_cut) in ANSWERS {
        let mut client = Client::any(proxy.at("tls"));
        // The whole answer may have to be known before any of it is passed on.
        let answer = client.get(&format!("/{name}"));
        assert_eq!(
            answer.is_cut || answer.status != 200,
            is_cut,
            "{name}: {answer:?}"
        );
        let offer = Offer {
            alpn: &["h2"],
            ..Offer::default()
        };
        let client = Client::secure(proxy.at("tls"), &offering(&offer), "any.test");
        let mut client = H2::over(client, &[]);
        let reply = client.get(&format!("/{name}"));
        assert_eq!(
            reply.reset.is_some() || reply.status != 200,
            is_cut,
            "{name}: {reply:?}"
        );
        // The connection goes on.
        assert_eq!(client.get("/whole-rude").body, b"some");
    }
    proxy.settle();
}

fn protocols_are_agreed_on(engine: EngineKind) {
    let inner = Origin::echo("a");
    // An endpoint that speaks both is a proxy of ours.
    let context = serving(&["origin"]);
    let far = Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .cluster(&Cluster::default(), &[inner.at()]);
    let far = Proxy::start(engine, &far.yaml());
    let old = hello_from(&Endpoint {
        certificate: "origin",
        alpn: &["http/1.1"],
        ..Endpoint::default()
    });
    let options = |config: &str| {
        format!(
            "typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
                 {{\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, {config}}}}}\n    {}",
            trusting("origin.test")
        )
    };
    let auto = options("auto_config: {}");
    let http2 = options("explicit_http_config: {http2_protocol_options: {}}");
    let http1 = options("explicit_http_config: {http_protocol_options: {}}");
    let downstream = options("use_downstream_protocol_config: {http2_protocol_options: {}}");
    let log = scratch("agreed.log");
    let mut setup = by_path(
        &["auto", "http2", "http1", "same", "old", "old2"],
        &log_to(&log, "%REQ(:PATH)%"),
    );
    for (name, cluster, at) in [
        ("auto", &auto, far.at("tls")),
        ("http2", &http2, far.at("tls")),
        ("http1", &http1, far.at("tls")),
        ("same", &downstream, far.at("tls")),
        ("old", &auto, old.at()),
        ("old2", &http2, old.at()),
    ] {
        setup = setup.cluster(&Cluster { name, cluster }, &[at]);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut one = Client::any(proxy.at("tls"));
    let offer = Offer {
        alpn: &["h2"],
        ..Offer::default()
    };
    let two = Client::secure(proxy.at("tls"), &offering(&offer), "any.test");
    let mut two = H2::over(two, &[]);
    for (name, status) in [
        ("auto", 200),
        ("http2", 200),
        ("http1", 200),
        ("same", 200),
        ("old", 200),
        ("old2", 503),
    ] {
        let path = format!("/{name}");
        for _ in 0..2 {
            assert_eq!(
                (one.get(&path).status, two.get(&path).status),
                (status, status),
                "{name}"
            );
        }
    }
    // Told apart: HTTP/2 is what auto and http2 agreed on, and the same where the client's is.
    assert!(inner.requests().len() >= 16);
    drop((one, two));
    proxy.settle();
}

/// The client is to see that the end was not meant.
fn a_tunnel_that_is_cut_short_is_not_ended_well(engine: EngineKind) {
    use std::io::Write;
    let endpoints = [false, true].map(|is_rude| {
        let endpoint = Endpoint {
            certificate: "origin",
            ..Endpoint::default()
        };
        Origin::secure_raw(&endpoint, move |tls| {
            tls.write_all(b"some").unwrap();
            tls.flush().unwrap();
            if !is_rude {
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        })
    });
    let context = trusting("origin.test");
    let mut setup = Setup::default();
    for (name, origin) in ["polite", "rude"].into_iter().zip(&endpoints) {
        setup = setup
            .listen_chains(name, "", &[tcp_chain(&serving(&["any"]), name)])
            .cluster(
                &Cluster {
                    name,
                    cluster: &context,
                },
                &[origin.at()],
            );
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for name in ["polite", "rude"] {
        let mut client = Client::any(proxy.at(name));
        assert_eq!(client.rest(), b"some", "{name}");
        assert_eq!(client.fault.is_some(), name == "rude", "{:?}", client.fault);
    }
    proxy.settle();
}

/// `openssl s_server` gives files away.
fn an_endpoint_of_another_is_asked(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let (served, data) = (scratch("served"), bulk(1 << 20));
    std::fs::create_dir_all(&served).unwrap();
    std::fs::write(served.join("bulk.txt"), &data).unwrap();
    let (folder, pki) = (served.display().to_string(), pki());
    let (mut setup, mut servers) = (Setup::default(), Vec::new());
    let cases = [
        ("old", "-tls1_2", "any"),
        ("old-rsa", "-tls1_2", "www-rsa"),
        ("new", "-tls1_3", "any"),
        ("new-rsa", "-tls1_3", "www-rsa"),
    ];
    for (name, version, key) in cases {
        let (chain, secret) = (format!("{pki}/{key}.pem"), format!("{pki}/{key}.key"));
        let args = [version, "-cert", &chain, "-key", &secret, "-WWW"];
        let (server, at) = Program::s_server_in(&folder, &args);
        let upstream = trusting(if key == "any" { "any.test" } else { "www.test" });
        let cluster = Cluster {
            name,
            cluster: &upstream,
        };
        setup = setup
            .listen_chains(name, "", &[to("", name)])
            .cluster(&cluster, &[at]);
        servers.push(server);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for (name, ..) in cases {
        let mut client = Client::new(proxy.at(name));
        for _ in 0..2 {
            let answer = client.get("/bulk.txt");
            assert!(answer.status == 200 && !answer.is_cut, "{name}");
            assert!(answer.body == data, "{name}");
        }
    }
}
