//! What is refused of clients, how they are told, and that nobody else notices.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    tls::{BOTH, ONLY_12, Offer, der, offering},
    tls_config::{downstream, serving, tcp_chain, to},
    tls_pki::{pki, pki_file},
    tls_programs::{Program, has, run},
    until,
};
use engines::EngineKind;
use rustls::{ClientConnection, pki_types::ServerName};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

on_each_engine!(
    clients_have_to_be_who_they_should_be,
    old_versions_are_refused,
    what_is_no_hello_is_refused,
    hellos_in_pieces_are_understood,
    a_staple_is_handed_out,
    half_closed_and_cut_connections_are_answered,
    a_reset_within_a_handshake_is_counted,
);

/// A proxy and a neighbour with a connection of its own.
struct Scene {
    proxy: Proxy,
    neighbour: Client,
    _origin: Origin,
}

impl Scene {
    /// Listeners `tls`, which leads to HTTP, and `tcp`.
    fn new(engine: EngineKind, more: &[(&str, String)]) -> Self {
        let origin = Origin::echo("a");
        let mut setup = Setup::default()
            .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
            .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")]);
        for (name, context) in more {
            setup = setup.listen_chains(name, "", &[to(context, "c")]);
        }
        let setup = setup.cluster(&Cluster::default(), &[origin.at()]);
        let proxy = Proxy::start(engine, &setup.yaml());
        let neighbour = Client::any(proxy.at("tls"));
        Self {
            proxy,
            neighbour,
            _origin: origin,
        }
    }

    /// Sessions that failed for this.
    fn faults(&self, detail: &str) -> u64 {
        self.proxy
            .labelled(&format!("ringlb_tls_faults_total{{detail=\"{detail}\"}}"))
    }

    /// The neighbour is served, and nothing stays behind.
    fn check(mut self) {
        assert_eq!(self.neighbour.get("/after").status, 200);
        drop(self.neighbour);
        self.proxy.settle();
    }
}

/// A listener, a client's certificate, and why it is refused.
const CLIENTS: [(&str, &str, Option<&str>); 15] = [
    ("required", "alice", None),
    ("required", "", Some("tls_certificate_required")),
    ("required", "stranger", Some("tls_unknown_ca")),
    ("required", "expired", Some("tls_certificate_expired")),
    ("required", "revoked", Some("tls_certificate_revoked")),
    ("optional", "alice", None),
    ("optional", "", None),
    ("optional", "stranger", Some("tls_unknown_ca")),
    ("optional", "revoked", Some("tls_certificate_revoked")),
    ("staff", "alice", None),
    ("staff", "bob", Some("tls_certificate_san")),
    ("hash", "bob", None),
    ("hash", "alice", Some("tls_certificate_hash")),
    ("untrusted", "stranger", None),
    ("untrusted", "", Some("tls_certificate_required")),
];

fn clients_have_to_be_who_they_should_be(engine: EngineKind) {
    let hash = ring::digest::digest(&ring::digest::SHA256, &der("bob"));
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let context = |require: bool, validation: &str| {
        downstream(&format!(
            "require_client_certificate: {require}, common_tls_context: {{tls_certificates: [cert(any)], \
             validation_context: {{trusted_ca: file(ca.pem), {validation}}}}}"
        ))
    };
    let sans = "match_typed_subject_alt_names: [{san_type: DNS, matcher: {suffix: .staff.test}}]";
    let scene = Scene::new(
        engine,
        &[
            ("required", context(true, "crl: file(crl.pem)")),
            ("optional", context(false, "crl: file(crl.pem)")),
            ("staff", context(true, sans)),
            (
                "hash",
                context(true, &format!("verify_certificate_hash: ['{hash}']")),
            ),
            (
                "untrusted",
                context(true, "trust_chain_verification: ACCEPT_UNTRUSTED"),
            ),
        ],
    );
    for (listener, certificate, refusal) in CLIENTS {
        for versions in [BOTH, ONLY_12] {
            let before = refusal.map_or(0, |detail| scene.faults(detail));
            let offer = offering(&Offer {
                versions,
                certificate,
                ..Offer::default()
            });
            let client = Client::try_secure(scene.proxy.at(listener), &offer, "any.test");
            let case = format!("{listener} {certificate:?} {versions:?}");
            // With TLS 1.3 a client learns of it only after its handshake.
            let answer = client.ok().and_then(|mut client| {
                let _ = client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
                client.next_answer("GET")
            });
            assert_eq!(answer.is_some(), refusal.is_none(), "{case}");
            if let Some(detail) = refusal {
                assert_eq!(
                    scene.faults(detail),
                    before + 1,
                    "{case}\n{}",
                    scene.proxy.page("/stats/prometheus")
                );
            }
        }
    }
    scene.check();
}

/// A ClientHello of this version, without extensions.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let message = [&[1, 0, 0, body.len() as u8], &body[..]].concat();
    [&[22, 3, 1, 0, message.len() as u8], &message[..]].concat()
}

fn old_versions_are_refused(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    for listener in ["tls", "tcp"] {
        for minor in 0..=2 {
            let mut client = Client::new(scene.proxy.at(listener));
            client.send(old_hello(minor));
            // An alert: fatal, protocol_version; SSL 3.0 to TLS 1.1, that is.
            let alert = client.rest();
            assert_eq!(alert.first(), Some(&21), "{listener} {minor}: {alert:?}");
            assert_eq!(alert[5], 2, "{alert:?}");
        }
    }
    assert_eq!(
        scene
            .proxy
            .metric("ringlb_listener_handshake_failures_total"),
        6
    );
    scene.check();
}

fn what_is_no_hello_is_refused(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let huge = {
        // Records of a hello that says it has 16 MB.
        let mut bytes = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3];
        bytes.resize(5 + 0x4000, 0);
        let more = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
        [bytes, more.repeat(8)].concat()
    };
    let too_long = [&[22, 3, 1, 0xff, 0xff][..], &[1; 0xffff]].concat();
    let empty = [22, 3, 1, 0, 0].repeat(5000);
    let http = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let garbage: Vec<u8> = (0..4000u32).map(|i| (i * i % 249) as u8).collect();
    let alert = vec![21, 3, 1, 0, 2, 2, 0];
    let data = vec![23, 3, 3, 0, 4, 1, 2, 3, 4];
    let sslv2 = [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[9; 37]].concat();
    let mut failures = 0;
    for listener in ["tls", "tcp"] {
        for (what, bytes) in [
            ("huge", &huge),
            ("too long", &too_long),
            ("empty", &empty),
            ("http", &http),
            ("http2", &http2),
            ("garbage", &garbage),
            ("alert", &alert),
            ("data", &data),
            ("sslv2", &sslv2),
        ] {
            let mut client = Client::new(scene.proxy.at(listener));
            let _ = client.try_send(bytes);
            let said = client.rest();
            assert!(
                said.is_empty() || said[0] == 21,
                "{listener} {what}: {said:?}"
            );
            assert!(said.len() <= 7, "{listener} {what}: {said:?}");
            failures += 1;
            let counted = || {
                scene
                    .proxy
                    .metric("ringlb_listener_handshake_failures_total")
            };
            until(&format!("{listener} {what} is counted"), || {
                counted() >= failures
            });
            assert_eq!(counted(), failures, "{listener} {what}");
        }
        // Who leaves within a handshake is not waited for.
        let mut client = Client::new(scene.proxy.at(listener));
        client.send([22, 3, 1]);
        client.finish();
        let _ = client.rest();
        failures += 1;
        // Who only looks whether anybody is there is no failure.
        let client = Client::new(scene.proxy.at(listener));
        client.finish();
        drop(client);
        Client::new(scene.proxy.at(listener)).reset();
    }
    until("those who only looked are gone", || {
        scene.proxy.metric("ringlb_listener_connections_active") == 1
    });
    assert_eq!(
        scene
            .proxy
            .metric("ringlb_listener_handshake_failures_total"),
        failures
    );
    let lingered = scene.proxy.metric("ringlb_listener_linger_timeouts_total");
    assert_eq!(lingered, 0);
    scene.check();
}

/// A client, and its ClientHello.
fn hello() -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("any.test").unwrap();
    let mut tls = ClientConnection::new(offering(&Offer::default()), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    (tls, hello)
}

/// A handshake whose ClientHello is sent in another form.
fn hello_as(to: SocketAddr, form: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Client {
    let (tls, hello) = hello();
    let mut client = Client::new(to);
    for part in form(&hello) {
        client.send(part);
    }
    client.go_on(tls).unwrap();
    client
}

fn hellos_in_pieces_are_understood(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let at = scene.proxy.at("tls");
    let bytes = |hello: &[u8]| hello.iter().map(|byte| vec![*byte]).collect::<Vec<_>>();
    let record = |data: &[u8]| [&[22, 3, 1, 0, data.len() as u8], data].concat();
    // The first two bytes of the message in a record of their own, then one at a time.
    let records = |hello: &[u8]| vec![hello[5..].chunks(1).flat_map(record).collect()];
    let both = |hello: &[u8]| {
        let all: Vec<u8> = hello[5..].chunks(3).flat_map(record).collect();
        all.iter().map(|byte| vec![*byte]).collect()
    };
    for mut client in [
        hello_as(at, bytes),
        hello_as(at, records),
        hello_as(at, both),
        hello_as(scene.proxy.at("tcp"), bytes),
        hello_as(scene.proxy.at("tcp"), both),
    ] {
        assert_eq!(client.get("/pieces").status, 200);
    }
    scene.check();
}

fn a_staple_is_handed_out(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let folder = crate::support::scratch("ocsp");
    std::fs::create_dir_all(&folder).unwrap();
    let (folder, pki) = (folder.display().to_string(), pki());
    std::fs::write(
        format!("{folder}/index"),
        "V\t400101000000Z\t\t07\tunknown\t/CN=any\n",
    )
    .unwrap();
    let file = |name: &str| format!("{pki}/{name}");
    let staple = format!("{folder}/any.ocsp");
    let (good, _, said) = run(
        "openssl",
        &[
            "ocsp",
            "-index",
            &format!("{folder}/index"),
            "-CA",
            &file("ca.pem"),
            "-rsigner",
            &file("ca.pem"),
            "-rkey",
            &file("ca.key"),
            "-issuer",
            &file("ca.pem"),
            "-cert",
            &file("any.pem"),
            "-respout",
            &staple,
            "-ndays",
            "30",
        ],
        b"",
    );
    assert!(good, "{said}");
    let chain = format!("{folder}/chain.pem");
    std::fs::write(&chain, pki_file("any.pem") + &pki_file("ca.pem")).unwrap();
    let context = downstream(&format!(
        "common_tls_context: {{tls_certificates: [{{certificate_chain: {{filename: {chain}}}, \
         private_key: file(any.key), ocsp_staple: {{filename: {staple}}}}}]}}"
    ));
    let scene = Scene::new(engine, &[("stapled", context)]);
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [
            version,
            "-status",
            "-CAfile",
            &file("ca.pem"),
            "-verify_return_error",
        ];
        let said = Program::s_client(scene.proxy.at("stapled"), &args).ask();
        assert!(said.contains("OCSP Response Status: successful"), "{said}");
        assert!(said.contains("Cert Status: good"), "{said}");
        let said = Program::s_client(scene.proxy.at("tls"), &args).ask();
        assert!(said.contains("OCSP response: no response sent"), "{said}");
    }
    scene.check();
}

fn half_closed_and_cut_connections_are_answered(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    for versions in [BOTH, ONLY_12] {
        let offer = offering(&Offer {
            versions,
            ..Offer::default()
        });
        let connect = || Client::secure(scene.proxy.at("tls"), &offer, "any.test");
        // close_notify behind the request.
        let mut client = connect();
        client.send("GET /half HTTP/1.1\r\nhost: h\r\n\r\n");
        client.say_end();
        assert_eq!(client.answer().text(), "a /half ");
        assert!(client.is_closed());
        assert_eq!(client.fault, None);
        // FIN without it.
        let mut client = connect();
        client.send("GET /cut HTTP/1.1\r\nhost: h\r\n\r\n");
        client.finish();
        assert_eq!(client.answer().text(), "a /cut ");
        assert!(client.is_closed());
        // A request that is cut short is none.
        let mut client = connect();
        client.send("POST /part HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nbod");
        client.finish();
        let answer = client.next_answer("POST");
        assert!(answer.is_none_or(|answer| answer.status >= 400));
    }
    scene.check();
}

fn a_reset_within_a_handshake_is_counted(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let mut client = TcpStream::connect(scene.proxy.at("tls")).unwrap();
    client.write_all(&hello().1).unwrap();
    client.read_exact(&mut [0]).unwrap();
    // What it has not read makes this a reset.
    drop(client);
    let counted = |name| scene.proxy.metric(name) == 1;
    until("it is a failed handshake", || {
        counted("ringlb_listener_handshake_failures_total")
    });
    let faults = "ringlb_tls_faults_total{detail=\"tls_truncated\"}";
    assert_eq!(scene.proxy.labelled(faults), 1);
    scene.check();
}
