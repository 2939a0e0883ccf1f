//! What is refused of clients, how they are told, and that nobody else notices.

use crate::support::{
    Client,
    tls::{BOTH, ONLY_12, Offer, der, offering},
    tls_config::downstream,
    tls_pki::{pki, pki_file},
    tls_programs::{Program, has, run},
    tls_scene::Scene,
};
use engines::EngineKind;

on_each_engine!(
    clients_have_to_be_who_they_should_be,
    a_staple_is_handed_out,
    half_closed_and_cut_connections_are_answered,
);

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
