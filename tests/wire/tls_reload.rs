//! Certificates that change while connections are open. A change is told on standard error, which is what
//! these tests wait for.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, scratch,
    tls::{Endpoint, Offer, offering},
    tls_config::{filled_from, tcp_chain, to},
    tls_pki::{pki, pki_file},
    until,
};
use engines::EngineKind;
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{fs, path::Path, sync::Arc};

on_each_engine!(
    files_that_are_replaced_are_used_for_new_connections,
    a_link_that_is_turned_changes_all_at_once,
    trust_in_clients_changes,
    trust_in_endpoints_changes,
);

const SOCKETS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

fn downstream(folder: &str, fields: &str) -> String {
    let fields = filled_from(fields, folder);
    format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {SOCKETS}.DownstreamTlsContext, {fields}}}}},"
    )
}

/// Copies a certificate and its key of the shared folder.
fn copy(name: &str, folder: &Path, as_name: &str) {
    for kind in ["pem", "key"] {
        fs::copy(
            format!("{}/{name}.{kind}", pki()),
            folder.join(format!("{as_name}.{kind}")),
        )
        .unwrap();
    }
}

/// As editors and agents do: beside, then over.
fn replace(folder: &Path, file: &str, contents: impl AsRef<[u8]>) {
    let beside = folder.join(format!(".{file}.new"));
    fs::write(&beside, contents).unwrap();
    fs::rename(beside, folder.join(file)).unwrap();
}

/// Waits for a line of standard error that holds these words.
fn told(proxy: &Proxy, words: &[&str]) -> String {
    loop {
        let line = proxy.next_line();
        if words.iter().all(|word| line.contains(word)) {
            return line;
        }
    }
}

/// The certificate that whoever comes now is shown.
fn shown(proxy: &Proxy, name: &str) -> Vec<u8> {
    let client = Client::secure(proxy.at("tls"), &offering(&Offer::default()), name);
    client.agreed().certificate
}

fn read(file: &Path) -> Vec<u8> {
    CertificateDer::from_pem_slice(&fs::read(file).unwrap())
        .unwrap()
        .to_vec()
}

fn files_that_are_replaced_are_used_for_new_connections(engine: EngineKind) {
    let folder = scratch("live");
    fs::create_dir_all(&folder).unwrap();
    copy("any", &folder, "server");
    let origin = Origin::echo("a");
    let context = downstream(
        &folder.display().to_string(),
        "common_tls_context: {tls_certificates: [cert(server)]}",
    );
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut old = Client::any(proxy.at("tls"));
    let first = old.agreed().certificate;
    assert_eq!(first, read(&folder.join("server.pem")));
    // A certificate without its key changes nothing.
    replace(&folder, "server.pem", pki_file("www.pem"));
    let line = told(&proxy, &["ERROR", "server.pem", "the old one stays"]);
    assert!(!line.contains("PRIVATE"), "{line}");
    assert_eq!(shown(&proxy, "any.test"), first);
    assert_eq!(old.get("/1").text(), "a /1 ");
    // Its key makes it one.
    replace(&folder, "server.key", pki_file("www.key"));
    told(&proxy, &["secret", "changed, in use"]);
    assert_eq!(shown(&proxy, "www.test"), read(&folder.join("server.pem")));
    assert_eq!(old.get("/2").text(), "a /2 ");
    // Nonsense, and nothing.
    replace(&folder, "server.pem", "nonsense");
    told(&proxy, &["ERROR", "the old one stays"]);
    fs::remove_file(folder.join("server.key")).unwrap();
    told(&proxy, &["ERROR", "the old one stays"]);
    shown(&proxy, "www.test");
    // Back again, written in place.
    copy("any", &folder, "server");
    told(&proxy, &["secret", "changed, in use"]);
    assert_eq!(shown(&proxy, "any.test"), first);
    assert_eq!(old.get("/3").text(), "a /3 ");
    let page = proxy.page("/stats/prometheus");
    let line = |name: &str| {
        page.lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("ringlb_secret_updates_total{").ends_with(" 2"),
        "{page}"
    );
    assert!(
        line("ringlb_secret_update_failures_total{").ends_with(" 3"),
        "{page}"
    );
    let days = line("ringlb_certificate_days_until_expiry{");
    assert!(
        days.rsplit(" ").next().unwrap().parse::<i64>().unwrap() > 365_000,
        "{days}"
    );
}

/// As Kubernetes does with secrets: `server.pem` leads to `..data/server.pem`, and `..data` to a folder.
fn a_link_that_is_turned_changes_all_at_once(engine: EngineKind) {
    use std::os::unix::fs::symlink;
    let folder = scratch("mounted");
    for (version, name) in [("..1", "any"), ("..2", "www")] {
        fs::create_dir_all(folder.join(version)).unwrap();
        copy(name, &folder.join(version), "server");
    }
    symlink("..1", folder.join("..data")).unwrap();
    for file in ["server.pem", "server.key"] {
        symlink(format!("..data/{file}"), folder.join(file)).unwrap();
    }
    let origin = Origin::echo("a");
    let context = downstream(
        &folder.display().to_string(),
        "common_tls_context: {tls_certificates: [cert(server)]}",
    );
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .listen_chains("tunnel", "", &[tcp_chain(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let (mut http, mut tunnel) = (
        Client::any(proxy.at("tls")),
        Client::any(proxy.at("tunnel")),
    );
    for (version, other, name) in [("..2", "..1", "www.test"), ("..1", "..2", "any.test")] {
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        fs::remove_dir_all(folder.join(other)).unwrap();
        // Each listener has its own.
        for listener in ["tls", "tunnel"] {
            until("the new one is shown", || {
                let offer = offering(&Offer::default());
                Client::try_secure(proxy.at(listener), &offer, name).is_ok()
            });
        }
        for client in [&mut http, &mut tunnel] {
            assert_eq!(client.get("/still").status, 200);
        }
        fs::create_dir_all(folder.join(other)).unwrap();
        copy(
            if other == "..1" { "any" } else { "www" },
            &folder.join(other),
            "server",
        );
    }
}

fn trust_in_endpoints_changes(engine: EngineKind) {
    let folder = scratch("trust");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ca.pem"), pki_file("other.pem")).unwrap();
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let origin = Origin::secure(&endpoint, |_, out| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
        let _ = out.write_all(head);
        false
    });
    let fields =
        "sni: origin.test, common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}";
    let fields = filled_from(fields, &folder.display().to_string());
    let context = format!(
        "transport_socket: {{name: t, typed_config: {{\"@type\": {SOCKETS}.UpstreamTlsContext, {fields}}}}}"
    );
    let cluster = Cluster {
        name: "c",
        cluster: &context,
    };
    let yaml = Setup::default()
        .listen_chains("plain", "", &[to("", "c")])
        .cluster(&cluster, &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut client = Client::new(proxy.at("plain"));
    assert_eq!(client.get("/").status, 503);
    replace(&folder, "ca.pem", pki_file("ca.pem"));
    told(&proxy, &["secret", "changed, in use"]);
    assert_eq!(client.get("/").status, 200);
    replace(&folder, "ca.pem", "none");
    told(&proxy, &["ERROR", "the old one stays"]);
    assert_eq!(client.get("/").status, 200);
}

/// Whether a client with this certificate is answered.
fn is_served(proxy: &Proxy, offer: &Arc<ClientConfig>) -> bool {
    let client = Client::try_secure(proxy.at("tls"), offer, "any.test");
    client.is_ok_and(|mut client| {
        let _ = client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        client.next_answer("GET").is_some()
    })
}

fn trust_in_clients_changes(engine: EngineKind) {
    let folder = scratch("trust");
    fs::create_dir_all(&folder).unwrap();
    for file in ["ca.pem", "crl.pem"] {
        fs::write(folder.join(file), pki_file(file)).unwrap();
    }
    copy("any", &folder, "server");
    let origin = Origin::echo("a");
    let context = downstream(
        &folder.display().to_string(),
        "require_client_certificate: true, common_tls_context: {tls_certificates: [cert(server)], \
         validation_context: {trusted_ca: file(ca.pem), crl: file(crl.pem)}}",
    );
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let [alice, revoked, stranger] = ["alice", "revoked", "stranger"].map(|certificate| {
        offering(&Offer {
            certificate,
            ..Offer::default()
        })
    });
    // A connection that stays open is believed to the end.
    let mut open = Client::secure(proxy.at("tls"), &alice, "any.test");
    assert_eq!(open.get("/").status, 200);
    assert!(is_served(&proxy, &alice));
    assert!(!is_served(&proxy, &revoked) && !is_served(&proxy, &stranger));
    replace(&folder, "ca.pem", pki_file("other.pem"));
    replace(&folder, "crl.pem", pki_file("other-crl.pem"));
    until("others are believed", || is_served(&proxy, &stranger));
    // Her session is remembered, and is not enough any more.
    assert!(!is_served(&proxy, &alice));
    assert_eq!(open.get("/").status, 200);
}
