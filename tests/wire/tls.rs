//! TLS as it should be: clients and endpoints of others, every version, certificate and protocol.

use crate::support::{
    Client, Cluster, Command, Origin, Proxy, Setup,
    h2::H2,
    scratch,
    tls::{BOTH, Endpoint, ONLY_12, ONLY_13, Offer, bulk, der, offering},
    tls_config::{downstream, serving, to, trusting},
    tls_pki::pki,
    tls_programs::{Program, has, run},
};
use engines::EngineKind;
use rustls::ProtocolVersion;
use std::io::{BufRead, Read, Write};

on_each_engine!(
    clients_of_others_are_served,
    a_certificate_is_chosen_by_name_and_by_what_the_client_can_check,
    a_name_gets_the_certificate_that_is_for_it,
    bodies_pass_unchanged_in_both_directions,
    requests_share_a_connection,
    sessions_are_resumed_on_any_worker,
    a_websocket_passes,
    versions_can_be_left_out,
);

/// Answers with as many bytes as the path says, or with the request's body.
fn sized() -> Origin {
    Origin::new(|request, stream| {
        let len = request.path().strip_prefix("/b/");
        let body = match len.and_then(|len| len.parse().ok()) {
            Some(len) => bulk(len),
            None => request.body.clone(),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
    })
}

fn over(origin: &Origin, chain: &str) -> String {
    Setup::default()
        .listen_chains("tls", "", &[to(chain, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

const PYTHON: &str = r#"
import http.client, ssl, sys
ca, port, version = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
body = bytes(i * 7 % 251 for i in range(300000))
client = http.client.HTTPSConnection("localhost", port, context=context)
for _ in range(3):
    client.request("POST", "/echo", body=body)
    assert client.getresponse().read() == body
session = client.sock.session
import socket
again = context.wrap_socket(socket.create_connection(("localhost", port)), server_hostname="localhost", session=session)
again.sendall(b"GET /b/5 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
text = b""
while part := again.recv(4096):
    text += part
print(again.version(), again.session_reused, text.endswith(bytes(i * 7 % 251 for i in range(5))))
"#;

fn clients_of_others_are_served(engine: EngineKind) {
    let origin = sized();
    let proxy = Proxy::start(engine, &over(&origin, &serving(&["any"])));
    let (at, ca) = (proxy.at("tls"), format!("{}/ca.pem", pki()));
    if has("curl") {
        let body = bulk(2 << 20);
        for (version, told) in [("--http1.1", "1.1"), ("--http2", "2")] {
            for tls in ["--tlsv1.2", "--tlsv1.3"] {
                let url = format!("https://localhost:{}/echo", at.port());
                let out = "%{stderr}%{http_version} %{http_code}";
                let args = [
                    "-s",
                    version,
                    tls,
                    "--cacert",
                    &ca,
                    "-w",
                    out,
                    "-H",
                    "expect:",
                    "--data-binary",
                    "@-",
                    &url,
                ];
                let (good, answer, said) = run("curl", &args, &body);
                assert!(good && answer == body, "{args:?} {said}");
                assert_eq!(said, format!("{told} 200"));
            }
        }
    }
    if has("openssl") {
        for (version, told) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
            let args = [
                version,
                "-CAfile",
                &ca,
                "-verify_return_error",
                "-servername",
                "any.test",
            ];
            let said = Program::s_client(at, &args).ask();
            assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
            assert!(said.contains(&format!("New, {told}, ")), "{said}");
        }
    }
    if has("python3") {
        let port = at.port().to_string();
        for (version, told) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
            let args = ["-c", PYTHON, &ca, &port, version];
            let (good, out, said) = run("python3", &args, b"");
            assert!(good, "{said}");
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{told} True True\n")
            );
        }
    }
    proxy.settle();
}

fn a_certificate_is_chosen_by_name_and_by_what_the_client_can_check(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let origin = sized();
    let proxy = Proxy::start(engine, &over(&origin, &serving(&["any", "www", "www-rsa"])));
    for (version, schemes, told) in [
        ("-tls1_3", "ecdsa_secp256r1_sha256", "id-ecPublicKey"),
        ("-tls1_3", "rsa_pss_rsae_sha256", "rsaEncryption"),
        (
            "-tls1_3",
            "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256",
            "id-ecPublicKey",
        ),
        ("-tls1_2", "ECDSA+SHA256", "id-ecPublicKey"),
        ("-tls1_2", "RSA+SHA256", "rsaEncryption"),
    ] {
        let args = [
            version,
            "-sigalgs",
            schemes,
            "-servername",
            "www.test",
            "-showcerts",
        ];
        let said = Program::s_client(proxy.at("tls"), &args).ask();
        assert!(said.contains("HTTP/1.1 200 OK"), "{schemes}: {said}");
        let key = said.lines().find(|line| line.contains("a:PKEY")).unwrap();
        assert!(key.contains(told), "{schemes}: {key}");
    }
}

fn a_name_gets_the_certificate_that_is_for_it(engine: EngineKind) {
    let origin = sized();
    let chain = serving(&["any", "www", "wild"]);
    let proxy = Proxy::start(engine, &over(&origin, &chain));
    let at = proxy.at("tls");
    for (name, certificate) in [
        ("www.test", "www"),
        ("WWW.Test", "www"),
        ("a.wild.test", "wild"),
        ("any.test", "any"),
        // An address is not sent as a name.
        ("127.0.0.1", "any"),
    ] {
        for versions in [ONLY_12, ONLY_13] {
            let offer = Offer {
                versions,
                ..Offer::default()
            };
            let mut client = Client::secure(at, &offering(&offer), name);
            assert_eq!(client.agreed().certificate, der(certificate), "{name}");
            assert_eq!(client.get("/b/3").body.len(), 3);
        }
    }
    // Whoever asks for nobody's name, or for a name two levels below, gets the first.
    for name in ["nobody.test", "a.b.wild.test", "wild.test"] {
        let refused = Client::try_secure(at, &offering(&Offer::default()), name);
        let why = refused.err().unwrap().to_string();
        assert!(
            why.contains("NotValidForName") || why.contains("not valid for name"),
            "{why}"
        );
    }
}

fn bodies_pass_unchanged_in_both_directions(engine: EngineKind) {
    const LEN: usize = 5 << 20;
    let endpoint = Endpoint {
        certificate: "origin",
        alpn: &["http/1.1"],
        ..Endpoint::default()
    };
    let inner = Origin::secure(&endpoint, |request, out| {
        let body = match request.path() {
            "/echo" => request.body.clone(),
            _ => bulk(LEN),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        out.write_all(head.as_bytes())
            .and_then(|()| out.write_all(&body))
            .is_ok()
    });
    let upstream = trusting("origin.test");
    let cluster = Cluster {
        name: "c",
        cluster: &upstream,
    };
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .cluster(&cluster, &[inner.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let body = bulk(LEN);
    for versions in [ONLY_12, ONLY_13] {
        let offer = Offer {
            versions,
            ..Offer::default()
        };
        let mut client = Client::secure(proxy.at("tls"), &offering(&offer), "any.test");
        assert!(client.get("/down").body == body);
        let head = format!("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: {LEN}\r\n\r\n");
        client.send(head);
        client.send(&body);
        assert!(client.answer().body == body);
    }
    let offer = Offer {
        alpn: &["h2"],
        ..Offer::default()
    };
    let client = Client::secure(proxy.at("tls"), &offering(&offer), "any.test");
    let mut client = H2::over(client, &[]);
    assert!(client.get("/down").body == body);
    drop(client);
    proxy.settle();
}

fn requests_share_a_connection(engine: EngineKind) {
    let origin = sized();
    let proxy = Proxy::start(engine, &over(&origin, &serving(&["any"])));
    let mut client = Client::any(proxy.at("tls"));
    for len in [0, 1, 5, 20_000] {
        assert_eq!(client.get(&format!("/b/{len}")).body, bulk(len));
    }
    // Behind one another, in one record and in many.
    let many: String = (0..20)
        .map(|len| format!("GET /b/{len} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .collect();
    client.send(&many);
    for len in 0..20 {
        assert_eq!(client.answer().body, bulk(len));
    }
    for byte in many.as_bytes() {
        client.send([*byte]);
    }
    for len in 0..20 {
        assert_eq!(client.answer().body, bulk(len));
    }
    let request = "GET /b/9 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    assert_eq!(client.ask(request).body.len(), 9);
    // The end is said.
    assert!(client.is_closed());
    assert_eq!(client.fault, None);
    assert_eq!(origin.connections(), 1);
    drop(client);
    proxy.settle();
}

fn sessions_are_resumed_on_any_worker(engine: EngineKind) {
    let origin = sized();
    let file = scratch("two.yaml");
    std::fs::write(&file, over(&origin, &serving(&["any"]))).unwrap();
    let (file, engine) = (file.display().to_string(), engine.to_string());
    let args = ["run", "-c", &file, "--engine", &engine, "--workers", "2"];
    let proxy = Command::new(&args).start();
    for versions in [ONLY_12, ONLY_13] {
        let offer = offering(&Offer {
            versions,
            ..Offer::default()
        });
        for number in 0..12 {
            let mut client = Client::secure(proxy.at("tls"), &offer, "any.test");
            assert_eq!(
                client.agreed().is_resumed,
                number > 0,
                "{versions:?} {number}"
            );
            // The tickets come with the answer.
            assert_eq!(client.get("/b/3").body.len(), 3);
        }
    }
    let page = proxy.page("/stats/prometheus");
    assert!(
        page.contains("ringlb_tls_resumed_total{side=\"downstream\"} 22"),
        "{page}"
    );
}

fn a_websocket_passes(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let mut lines = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
        while lines
            .next()
            .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
        {}
        let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut room = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut room) {
            stream.write_all(&room[..len]).unwrap();
        }
    });
    let chain = crate::support::tls_config::http_chain(
        &serving(&["any"]),
        "upgrade_configs: [{upgrade_type: websocket}],",
        "[{match: {prefix: /}, route: {cluster: c}}]",
    );
    let yaml = Setup::default()
        .listen_chains("tls", "", &[chain])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut client = Client::any(proxy.at("tls"));
    let head = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_eq!(client.ask(head).status, 101);
    for text in ["one", "two", &"x".repeat(3000)] {
        client.send(text);
        assert_eq!(client.take(text.len()), text.as_bytes());
    }
    client.say_end();
    assert!(client.is_closed());
    drop(client);
    proxy.settle();
}

fn versions_can_be_left_out(engine: EngineKind) {
    let origin = sized();
    let only = |least: &str, most: &str| {
        let params = format!(
            "{{tls_minimum_protocol_version: {least}, tls_maximum_protocol_version: {most}}}"
        );
        downstream(&format!(
            "common_tls_context: {{tls_certificates: [cert(any)], tls_params: {params}}}"
        ))
    };
    let yaml = Setup::default()
        .listen_chains("new", "", &[to(&only("TLSv1_3", "TLSv1_3"), "c")])
        .listen_chains("old", "", &[to(&only("TLSv1_2", "TLSv1_2"), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for (name, versions, version) in [
        ("new", BOTH, Some(ProtocolVersion::TLSv1_3)),
        ("old", BOTH, Some(ProtocolVersion::TLSv1_2)),
        ("new", ONLY_12, None),
        ("old", ONLY_13, None),
    ] {
        let offer = offering(&Offer {
            versions,
            ..Offer::default()
        });
        let client = Client::try_secure(proxy.at(name), &offer, "any.test");
        assert_eq!(
            client.ok().map(|client| client.agreed().version),
            version,
            "{name}"
        );
    }
    let page = proxy.page("/stats/prometheus");
    assert!(
        page.contains("ringlb_tls_faults_total{detail=\"tls_no_shared_version\"} 2"),
        "{page}"
    );
}
