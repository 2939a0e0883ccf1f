//! What is told of clients: to endpoints, in access logs, and to routes.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    h2::H2,
    scratch,
    tls::{ONLY_12, ONLY_13, Offer, der, offering},
    tls_config::{downstream, http_chain, log_to, tcp_chain},
    tls_pki::{MANY, pki_file},
    until,
};
use engines::EngineKind;
use std::path::Path;

on_each_engine!(
    a_certificate_with_many_names_is_one,
    endpoints_are_told_whose_certificate_it_is,
    logs_tell_of_tls,
    routes_choose_by_certificate,
);

const OPTIONAL: &str = "common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [cert(www)], \
    validation_context: {trusted_ca: file(ca.pem)}}";
const ROUTES: &str = "[{match: {prefix: /}, route: {cluster: c}}]";
const FORGED: &str = "Hash=forged;Subject=\\\"CN=root\\\"";

fn connect(proxy: &Proxy, listener: &str, certificate: &str, alpn: &[&str]) -> Client {
    let offer = offering(&Offer {
        certificate,
        alpn,
        ..Offer::default()
    });
    Client::secure(proxy.at(listener), &offer, "www.test")
}

fn hash(name: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, &der(name));
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A listener for each mode.
fn forwarding(origin: &Origin) -> String {
    let details = "set_current_client_cert_details: {subject: true, cert: true, chain: true, dns: true, uri: true}";
    let brief = "set_current_client_cert_details: {uri: true}";
    let mut setup = Setup::default();
    for (name, mode, details) in [
        ("default", "", details),
        (
            "sanitize",
            "forward_client_cert_details: SANITIZE,",
            details,
        ),
        (
            "forward",
            "forward_client_cert_details: FORWARD_ONLY,",
            details,
        ),
        (
            "append",
            "forward_client_cert_details: APPEND_FORWARD,",
            brief,
        ),
        ("set", "forward_client_cert_details: SANITIZE_SET,", details),
        (
            "always",
            "forward_client_cert_details: ALWAYS_FORWARD_ONLY,",
            details,
        ),
    ] {
        let manager = format!("{mode} {details}, use_remote_address: true,");
        let chain = http_chain(&downstream(OPTIONAL), &manager, ROUTES);
        setup = setup.listen_chains(name, "", &[chain]);
    }
    let setup = setup.cluster(&Cluster::default(), &[origin.at()]);
    setup.yaml()
}

/// As in a URL.
fn encoded(pem: &str) -> String {
    pem.replace("\r\n", "\n")
        .chars()
        .map(|char| match char {
            '\n' => "%0A".into(),
            ' ' => "%20".into(),
            '+' => "%2B".into(),
            '/' => "%2F".into(),
            '=' => "%3D".into(),
            other => other.to_string(),
        })
        .collect()
}

fn endpoints_are_told_whose_certificate_it_is(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &forwarding(&origin));
    let pem = encoded(&pki_file("alice.pem"));
    let by = format!("By=spiffe://test/www;Hash={}", hash("alice"));
    let whole = format!(
        "{by};Cert=\"{pem}\";Chain=\"{pem}\";Subject=\"CN=alice\";URI=spiffe://test/alice;DNS=alice.staff.test"
    );
    let appended = format!("{FORGED},{by};URI=spiffe://test/alice");
    for (listener, with, without) in [
        ("default", None, None),
        ("sanitize", None, None),
        ("forward", Some(FORGED), None),
        ("append", Some(&*appended), None),
        ("set", Some(&*whole), None),
        ("always", Some(FORGED), Some(FORGED)),
    ] {
        for (certificate, expected) in [("alice", with), ("", without)] {
            let head =
                format!("GET / HTTP/1.1\r\nhost: h\r\nX-Forwarded-Client-Cert: {FORGED}\r\n\r\n");
            let mut client = connect(&proxy, listener, certificate, &[]);
            assert_eq!(client.ask(head).status, 200);
            let told = |request: &crate::support::Request| {
                request.field("x-forwarded-client-cert").map(str::to_owned)
            };
            let request = origin.requests().pop().unwrap();
            assert_eq!(
                told(&request).as_deref(),
                expected,
                "{listener} {certificate:?}"
            );
            assert_eq!(request.field("x-forwarded-proto"), Some("https"));
            // Several fields of that name, by HTTP/2.
            let client = connect(&proxy, listener, certificate, &["h2"]);
            let mut client = H2::over(client, &[]);
            let id = client.request("GET", "/", &[("x-forwarded-client-cert", FORGED)], true);
            assert_eq!(client.reply(id).status, 200);
            let request = origin.requests().pop().unwrap();
            assert_eq!(
                told(&request).as_deref(),
                expected,
                "{listener} {certificate:?} h2"
            );
        }
    }
}

const OPERATORS: [&str; 13] = [
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TLS_CIPHER",
    "REQUESTED_SERVER_NAME",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT_V_END",
];

/// Listeners `tls` and `plain` with one log, `tcp` with the other.
fn logging(origin: &Origin, http: &Path, tcp: &Path) -> String {
    let format: Vec<_> = OPERATORS.iter().map(|name| format!("%{name}%")).collect();
    let format = format.join("|");
    let tunnel = tcp_chain(&downstream(OPTIONAL), "c").replace(
        "stat_prefix: t,",
        &format!("stat_prefix: t, {}", log_to(tcp, &format)),
    );
    Setup::default()
        .listen_chains(
            "tls",
            "",
            &[http_chain(
                &downstream(OPTIONAL),
                &log_to(http, &format),
                ROUTES,
            )],
        )
        .listen_chains("tcp", "", &[tunnel])
        .listen_chains(
            "plain",
            "",
            &[http_chain("", &log_to(http, &format), ROUTES)],
        )
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

fn logs_tell_of_tls(engine: EngineKind) {
    let (http, tcp) = (scratch("tls.log"), scratch("tunnel.log"));
    let origin = Origin::echo("a");
    let yaml = logging(&origin, &http, &tcp);
    let proxy = Proxy::start(engine, &yaml);
    let local = "CN=www|www.test|spiffe://test/www";
    let peer = format!(
        "CN=alice|CN=ca|{}|07|alice.staff.test|spiffe://test/alice",
        hash("alice")
    );
    for listener in ["tls", "tcp"] {
        for (versions, certificate) in [(ONLY_13, "alice"), (ONLY_12, "alice"), (ONLY_13, "")] {
            let offer = offering(&Offer {
                versions,
                certificate,
                ..Offer::default()
            });
            let mut client = Client::secure(proxy.at(listener), &offer, "www.test");
            assert_eq!(client.get("/").status, 200);
            // A tunnel is logged when it is over.
            drop(client);
            proxy.settle();
        }
    }
    let mut plain = Client::new(proxy.at("plain"));
    assert_eq!(plain.get("/").status, 200);
    let with =
        |start: &str, peer: &str, end: &str| format!("{start}|www.test|{peer}|{local}|{end}");
    let expected = [
        with(
            "TLSv1.3|TLS_AES_128_GCM_SHA256",
            &peer,
            "4096-01-01T00:00:00.000Z",
        ),
        with(
            "TLSv1.2|ECDHE-ECDSA-AES128-GCM-SHA256",
            &peer,
            "4096-01-01T00:00:00.000Z",
        ),
        with("TLSv1.3|TLS_AES_128_GCM_SHA256", "-|-|-|-|-|-", "-"),
    ];
    for (log, more) in [(&http, 1), (&tcp, 0)] {
        let lines = || std::fs::read_to_string(log).unwrap_or_default();
        until("all is logged", || lines().lines().count() == 3 + more);
        let text = lines();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..3], expected);
        if more == 1 {
            assert_eq!(lines[3], ["-"; 13].join("|"));
        }
    }
}

fn routes_choose_by_certificate(engine: EngineKind) {
    let origins = ["valid", "shown", "none"].map(|name| (name, Origin::echo(name)));
    let routes = "[{match: {prefix: /, tls_context: {presented: true, validated: true}}, route: {cluster: valid}}, \
                   {match: {prefix: /, tls_context: {presented: true}}, route: {cluster: shown}}, \
                   {match: {prefix: /}, route: {cluster: none}}]";
    let lenient = OPTIONAL.replace(
        "trusted_ca: file(ca.pem)",
        "trusted_ca: file(ca.pem), trust_chain_verification: ACCEPT_UNTRUSTED",
    );
    let mut setup = Setup::default()
        .listen_chains("tls", "", &[http_chain(&downstream(OPTIONAL), "", routes)])
        .listen_chains(
            "lenient",
            "",
            &[http_chain(&downstream(&lenient), "", routes)],
        )
        .listen_chains("plain", "", &[http_chain("", "", routes)]);
    for (name, origin) in &origins {
        setup = setup.cluster(&Cluster { name, cluster: "" }, &[origin.at()]);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for (listener, certificate, told) in [
        ("tls", "alice", "valid / "),
        ("tls", "", "none / "),
        ("lenient", "alice", "valid / "),
        ("lenient", "stranger", "shown / "),
        ("lenient", "", "none / "),
    ] {
        for resumed in [false, true] {
            let offer = offering(&Offer {
                certificate,
                ..Offer::default()
            });
            let mut client = Client::secure(proxy.at(listener), &offer, "www.test");
            assert_eq!(client.get("/").text(), told, "{listener} {certificate:?}");
            if resumed {
                // What was found out about it lasts as long as the session.
                let mut client = Client::secure(proxy.at(listener), &offer, "www.test");
                assert!(client.agreed().is_resumed);
                assert_eq!(
                    client.get("/").text(),
                    told,
                    "{listener} {certificate:?} resumed"
                );
            }
        }
    }
    assert_eq!(Client::new(proxy.at("plain")).get("/").text(), "none / ");
}

/// Too many for a session ticket, and for most fields.
fn a_certificate_with_many_names_is_one(engine: EngineKind) {
    let origin = Origin::echo("a");
    let log = scratch("many.log");
    let manager = format!(
        "forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {{dns: true, chain: true}}, {}",
        log_to(&log, "%DOWNSTREAM_PEER_SUBJECT%|%DOWNSTREAM_PEER_DNS_SAN%")
    );
    let yaml = Setup::default()
        .listen_chains(
            "tls",
            "",
            &[http_chain(&downstream(OPTIONAL), &manager, ROUTES)],
        )
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for versions in [ONLY_12, ONLY_13] {
        let offer = offering(&Offer {
            versions,
            certificate: "many",
            ..Offer::default()
        });
        for _ in 0..2 {
            let mut client = Client::secure(proxy.at("tls"), &offer, "www.test");
            assert_eq!(client.get("/").text(), "a / ");
            let request = origin.requests().pop().unwrap();
            let told = request.field("x-forwarded-client-cert").unwrap();
            assert_eq!(told.matches(";DNS=").count(), MANY, "{versions:?}");
        }
    }
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    until("all is logged", || lines().lines().count() == 4);
    for line in lines().lines() {
        assert!(
            line.starts_with("CN=many|0.name-of-some-length.test,1."),
            "{line}"
        );
    }
    proxy.settle();
}
