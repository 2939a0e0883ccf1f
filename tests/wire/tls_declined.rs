//! What TLS 1.3 knows and ringlb has no part in: early data, and certificates that are asked for after the handshake.
//! Peers that offer them are served; peers that send them unasked are refused.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, scratch,
    tls::Endpoint,
    tls_config::{INSPECT, downstream, serving, tcp_chain, to, upstream},
    tls_openssl::allow_early_data,
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use std::{fs, io::Write, net::SocketAddr, path::Path, path::PathBuf};

on_each_engine!(
    early_data_is_passed_over_and_what_follows_is_answered,
    early_data_without_end_harms_its_sender_only,
    clients_that_could_be_asked_later_are_not,
    endpoints_cannot_ask_later,
    an_endpoint_that_asks_later_is_told_an_alert,
);

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Listeners that see a ClientHello in each way.
const LISTENERS: [&str; 3] = ["tls", "tcp", "inspected"];

/// Answers with the path, and ends the connection.
fn once() -> Origin {
    Origin::new(|request, stream| {
        let path = request.path();
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            path.len() + 2
        );
        let _ = stream.write_all(format!("{head}{path}.\n").as_bytes());
        false
    })
}

fn setup(origin: &Origin) -> Setup {
    let named = format!(
        "filter_chain_match: {{server_names: [any.test]}}, {}",
        serving(&["any"])
    );
    Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
        .listen_chains("inspected", INSPECT, &[to(&named, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
}

/// A file with a session of that listener; its ticket is said to allow early data, which none of ours does.
fn session(at: SocketAddr) -> PathBuf {
    let file = scratch("session.pem");
    let path = file.display().to_string();
    let args = ["-tls1_3", "-servername", "any.test", "-sess_out", &path];
    let said = Program::s_client(at, &args).ask();
    assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
    fs::write(&file, allow_early_data(&fs::read_to_string(&file).unwrap())).unwrap();
    file
}

/// Resumes it with early data, then asks.
fn ask_early(at: SocketAddr, session: &Path, early: &[u8], more: &[&str]) -> String {
    let file = scratch("early");
    fs::write(&file, early).unwrap();
    let (session, file) = (session.display().to_string(), file.display().to_string());
    let args = ["-tls1_3", "-servername", "any.test", "-sess_in", &session];
    let args = [&args[..], &["-early_data", &file], more].concat();
    Program::s_client(at, &args).ask()
}

fn early_data_is_passed_over_and_what_follows_is_answered(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let origin = once();
    let proxy = Proxy::start(engine, &setup(&origin).yaml());
    for listener in LISTENERS {
        let at = proxy.at(listener);
        for (early, more, is_resumed) in [
            (
                &b"GET /early HTTP/1.1\r\nhost: h\r\n\r\n"[..],
                &[][..],
                true,
            ),
            (&[b'x'; 12_000], &[], true),
            // Its first guess of a group is none of ours: the early data is between two hellos.
            (
                b"GET /early HTTP/1.1\r\nhost: h\r\n\r\n",
                &["-groups", "P-521:P-256"],
                true,
            ),
        ] {
            let said = ask_early(at, &session(at), early, more);
            assert!(
                said.contains("Early data was rejected"),
                "{listener} {said}"
            );
            assert_eq!(said.contains("Reused, TLSv1.3"), is_resumed, "{said}");
            assert!(said.contains("/asked."), "{listener} {more:?} {said}");
        }
    }
    // Nothing of it has got to an endpoint.
    let mut asked = origin.requests().into_iter();
    assert!(asked.all(|request| request.path() == "/asked"));
    proxy.settle();
}

/// More than is passed over; see `EARLY_DATA_TRIED_BYTES_MAX`. (For many small records see `tls`'s own tests.)
fn early_data_without_end_harms_its_sender_only(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let origin = once();
    let proxy = Proxy::start(engine, &setup(&origin).yaml());
    for (number, listener) in LISTENERS.into_iter().enumerate() {
        let at = proxy.at(listener);
        let said = ask_early(at, &session(at), &[b'x'; 400_000], &[]);
        assert!(!said.contains("HTTP/1.1"), "{listener} {said}");
        let series = "ringlb_tls_faults_total{detail=\"tls_early_data_too_long\"}";
        until("it is counted", || {
            proxy.labelled(series) == number as u64 + 1
        });
        assert_eq!(Client::any(proxy.at("tls")).get("/beside").status, 200);
    }
    proxy.settle();
}

/// RFC 8446 §4.6.2: a client may offer it, and nobody has to make use of that.
fn clients_that_could_be_asked_later_are_not(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let origin = once();
    let trust = downstream(
        "common_tls_context: {tls_certificates: [cert(any)], validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let yaml = setup(&origin).listen_chains("trust", "", &[to(&trust, "c")]);
    let proxy = Proxy::start(engine, &yaml.yaml());
    let (chain, key) = (
        format!("{}/alice.pem", pki()),
        format!("{}/alice.key", pki()),
    );
    for (listener, times) in [("tls", 0), ("tcp", 0), ("trust", 1)] {
        let args = [
            "-tls1_3",
            "-enable_pha",
            "-msg",
            "-cert",
            &chain,
            "-key",
            &key,
        ];
        let said = Program::s_client(proxy.at(listener), &args).ask();
        assert!(said.contains("/asked."), "{said}");
        let asked = said.matches(", CertificateRequest").count();
        assert_eq!(
            asked, times,
            "{listener}: within the handshake, or never: {said}"
        );
    }
    proxy.settle();
}

/// We do not offer to be asked, though there is a certificate that we could show.
fn endpoints_cannot_ask_later(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let (cert, key) = (
        format!("{}/origin.pem", pki()),
        format!("{}/origin.key", pki()),
    );
    let args = [
        "-tls1_3",
        "-cert",
        &cert,
        "-key",
        &key,
        "-CAfile",
        &format!("{}/ca.pem", pki()),
    ];
    let (mut server, at) = Program::s_server(&args);
    let proxy = Proxy::start(engine, &towards(at));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET /first HTTP/1.1\r\nhost: h\r\n\r\n");
    server.line_with("GET /first");
    server.send("c\n");
    server.line_with("extension not received");
    server.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.answer().text(), "ok");
}

/// A plain listener before an endpoint that gets to know who we are.
fn towards(at: SocketAddr) -> String {
    let context = upstream(
        "sni: origin.test, common_tls_context: {tls_certificates: [cert(alice)], \
         validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let cluster = Cluster {
        cluster: &context,
        ..Cluster::default()
    };
    Setup::default()
        .listen_chains("http", "", &[to("", "c")])
        .listen_chains("tcp", "", &[tcp_chain("", "c")])
        .cluster(&cluster, &[at])
        .yaml()
}

/// It has the keys, and asks without having been allowed to: unexpected_message (10).
fn an_endpoint_that_asks_later_is_told_an_alert(engine: EngineKind) {
    // A context of one byte, and signature_algorithms with ecdsa_secp256r1_sha256.
    const REQUEST: [u8; 16] = [13, 0, 0, 12, 1, 7, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    let (told, tells) = std::sync::mpsc::channel();
    let origin = Origin::secure_unbound(
        &Endpoint {
            certificate: "origin",
            ..Endpoint::default()
        },
        move |mut stream, mut sealer, mut opener| {
            let _ = stream.write_all(&sealer.record(HANDSHAKE, &REQUEST));
            // What we asked for may come before.
            let mut records = std::iter::from_fn(|| opener.next(&mut stream));
            let _ = told.send(records.find(|(kind, _)| *kind == ALERT));
        },
    );
    let proxy = Proxy::start(engine, &towards(origin.at()));
    let detail = "ringlb_tls_faults_total{detail=\"tls_unexpected_message\"}";
    for (number, listener) in ["http", "tcp"].into_iter().enumerate() {
        let mut client = Client::new(proxy.at(listener));
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        let alert = tells.recv_timeout(crate::support::PATIENCE).unwrap();
        assert_eq!(alert, Some((ALERT, vec![2, 10])), "{listener}");
        match listener {
            "http" => assert_eq!(client.answer().status, 503),
            _ => assert!(client.is_closed()),
        }
        until("it is counted", || proxy.labelled(detail) > number as u64);
    }
    proxy.settle();
}
