//! The key log on the wire: what it tells of a session is what the peer knows of it.

use crate::support::{
    Client, Cluster, Command, Origin, Proxy, Setup, scratch,
    tls::{ONLY_12, ONLY_13, Offer, offering},
    tls_config::{downstream, to, upstream},
    tls_pki::pki,
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use rustls::KeyLog;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
};

on_each_engine!(
    clients_know_what_is_logged,
    openssl_knows_what_is_logged,
    a_log_that_cannot_be_written_is_told_at_start,
);

/// Lines as they are logged, of one side.
#[derive(Debug, Default)]
struct Known(Mutex<BTreeSet<String>>);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl KeyLog for Known {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}", hex(random), hex(secret));
        self.0.lock().unwrap().insert(line);
    }
}

/// The lines of a file, comments left out.
fn lines(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_lowercase).collect()
}

fn lower(known: &Known) -> BTreeSet<String> {
    let lines = known.0.lock().unwrap();
    lines.iter().map(|line| line.to_lowercase()).collect()
}

fn labels(lines: &BTreeSet<String>) -> BTreeSet<&str> {
    let labels = lines.iter().filter_map(|line| line.split(' ').next());
    labels.collect()
}

const LABELS_13: [&str; 5] = [
    "client_handshake_traffic_secret",
    "client_traffic_secret_0",
    "exporter_secret",
    "server_handshake_traffic_secret",
    "server_traffic_secret_0",
];

fn logging(log: &Path) -> String {
    format!("key_log: {{path: {}}}", log.display())
}

/// Two listeners, of which one logs.
fn both(log: &Path, origin: &Origin) -> String {
    let context = |more: &str| {
        downstream(&format!(
            "common_tls_context: {{tls_certificates: [cert(any)], {more}}}"
        ))
    };
    Setup::default()
        .listen_chains("logged", "", &[to(&context(&logging(log)), "c")])
        .listen_chains("quiet", "", &[to(&context(""), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

/// Full and resumed handshakes, connections whose keys change: nothing is missing, nothing is too much.
fn clients_know_what_is_logged(engine: EngineKind) {
    let (origin, log) = (Origin::echo("a"), scratch("key.log"));
    let proxy = Proxy::start(engine, &both(&log, &origin));
    let known = Arc::new(Known::default());
    let mut sessions = 0;
    for (versions, count) in [(ONLY_12, 1), (ONLY_13, LABELS_13.len())] {
        let offer = Offer {
            versions,
            ..Offer::default()
        };
        let mut config = Arc::unwrap_or_clone(offering(&offer));
        config.key_log = known.clone();
        let config = Arc::new(config);
        for is_resumed in [false, true, true] {
            let mut client = Client::secure(proxy.at("logged"), &config, "any.test");
            assert_eq!(client.agreed().is_resumed, is_resumed);
            assert_eq!(client.get("/").status, 200);
            if versions == ONLY_13 {
                client.update_keys().unwrap();
                assert_eq!(client.get("/").status, 200);
            }
            sessions += count;
        }
        // Nobody hears of another listener's.
        let quiet = offering(&offer);
        let mut client = Client::secure(proxy.at("quiet"), &quiet, "any.test");
        assert_eq!(client.get("/").status, 200);
    }
    // The secret of early data is told with each session of TLS 1.3 that is resumed, whether there is any or not.
    let (early, rest): (BTreeSet<_>, BTreeSet<_>) = lines(&log)
        .into_iter()
        .partition(|line| line.starts_with("client_early_traffic_secret "));
    assert_eq!(early.len(), 2);
    assert_eq!(rest, lower(&known));
    assert_eq!(rest.len(), sessions);
    let mode = fs::metadata(&log).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// In both roles, as that writes the format too.
fn openssl_knows_what_is_logged(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let pki = pki();
    let (cert, key) = (format!("{pki}/origin.pem"), format!("{pki}/origin.key"));
    for version in ["-tls1_2", "-tls1_3"] {
        let [near, far, client, server] =
            ["near.log", "far.log", "client.log", "server.log"].map(scratch);
        let (client_path, server_path) = (client.display(), server.display());
        let (client_path, server_path) = (client_path.to_string(), server_path.to_string());
        let args = ["-www", version, "-cert", &cert, "-key", &key];
        let (_server, at) =
            Program::s_server(&[&args[..], &["-keylogfile", &server_path]].concat());
        let context = downstream(&format!(
            "common_tls_context: {{tls_certificates: [cert(any)], {}}}",
            logging(&near)
        ));
        let towards = upstream(&format!(
            "sni: origin.test, common_tls_context: {{validation_context: {{trusted_ca: file(ca.pem)}}, {}}}",
            logging(&far)
        ));
        let cluster = Cluster {
            cluster: &towards,
            ..Cluster::default()
        };
        let yaml = Setup::default()
            .listen_chains("tls", "", &[to(&context, "c")])
            .cluster(&cluster, &[at]);
        let proxy = Proxy::start(engine, &yaml.yaml());
        let args = [version, "-keylogfile", &client_path];
        let said = Program::s_client(proxy.at("tls"), &args).ask();
        assert!(said.contains("200 OK"), "{said}");
        for (ours, theirs) in [(&near, &client), (&far, &server)] {
            until("both sides have written", || !lines(theirs).is_empty());
            let (ours, theirs) = (lines(ours), lines(theirs));
            assert_eq!(ours, theirs);
            match version {
                "-tls1_2" => assert_eq!(labels(&ours), BTreeSet::from(["client_random"])),
                _ => assert_eq!(labels(&ours), BTreeSet::from(LABELS_13)),
            }
        }
    }
}

fn a_log_that_cannot_be_written_is_told_at_start(engine: EngineKind) {
    let origin = Origin::echo("a");
    let readable = scratch("readable.log");
    fs::write(&readable, "").unwrap();
    fs::set_permissions(&readable, PermissionsExt::from_mode(0o644)).unwrap();
    for (path, reason) in [
        (scratch("none").join("key.log"), "cannot be made"),
        (pki().into(), "is a folder"),
        (readable, "others than its owner can read it (mode 644)"),
    ] {
        let (code, _, said) = Command::run(engine, &both(&path, &origin)).finish();
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("common_tls_context.key_log.path") && said.contains(reason),
            "{said}"
        );
        // Nothing was made on the way.
        assert_eq!(path.exists(), reason != "cannot be made");
    }
}
