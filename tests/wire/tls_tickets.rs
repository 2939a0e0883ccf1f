//! Session tickets beyond one process and one key: restarts, workers, keys that are replaced.

use crate::support::{
    Client, Cluster, Command, Origin, Proxy, Setup, scratch,
    tls::{ONLY_12, ONLY_13, Offer, bulk, offering},
    tls_config::{downstream, to},
    until,
};
use engines::EngineKind;
use nix::sys::signal::Signal;
use rustls::ClientConfig;
use std::{fs, os::unix::fs::symlink, path::Path, sync::Arc};

on_each_engine!(
    tickets_outlive_their_process,
    tickets_outlive_their_key_s_turn_but_not_the_key,
);

/// A listener with these keys, the first of which seals.
fn setup(origin: &Origin, keys: &[&Path]) -> String {
    let list: Vec<_> = keys
        .iter()
        .map(|key| format!("{{filename: {}}}", key.display()))
        .collect();
    let context = downstream(&format!(
        "session_ticket_keys: {{keys: [{}]}}, common_tls_context: {{tls_certificates: [cert(any)]}}",
        list.join(", ")
    ));
    Setup::default()
        .listen_chains("tls", "", &[to(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

/// Two workers.
fn start(engine: EngineKind, yaml: &str) -> Proxy {
    let file = scratch("two.yaml");
    fs::write(&file, yaml).unwrap();
    let (file, engine) = (file.display().to_string(), engine.to_string());
    Command::new(&["run", "-c", &file, "--engine", &engine, "--workers", "2"]).start()
}

/// Whether a session is resumed. The request behind it brings the next ticket.
fn is_resumed(proxy: &Proxy, offer: &Arc<ClientConfig>) -> bool {
    let mut client = Client::secure(proxy.at("tls"), offer, "any.test");
    assert_eq!(client.get("/").status, 200);
    client.agreed().is_resumed
}

fn offers() -> [Arc<ClientConfig>; 2] {
    [ONLY_12, ONLY_13].map(|versions| {
        offering(&Offer {
            versions,
            ..Offer::default()
        })
    })
}

fn tickets_outlive_their_process(engine: EngineKind) {
    let origin = Origin::echo("a");
    let key = scratch("ticket.key");
    fs::write(&key, bulk(80)).unwrap();
    let yaml = setup(&origin, &[&key]);
    let offers = offers();
    let mut proxy = start(engine, &yaml);
    assert!(offers.iter().all(|offer| !is_resumed(&proxy, offer)));
    for _ in 0..2 {
        proxy.signal(Signal::SIGTERM);
        assert!(proxy.wait().0.success());
        proxy = start(engine, &yaml);
        // Whichever worker takes them.
        for _ in 0..4 {
            assert!(offers.iter().all(|offer| is_resumed(&proxy, offer)));
        }
    }
    let series = "ringlb_tls_resumed_total{side=\"downstream\"}";
    assert_eq!(proxy.labelled(series), 8);
}

/// Puts keys into a new folder and leads `now` there at once.
fn turn(folder: &Path, version: usize, seals: u8, opens: u8) {
    let name = format!("..{version}");
    fs::create_dir_all(folder.join(&name)).unwrap();
    for (file, key) in [("seals", seals), ("opens", opens)] {
        fs::write(folder.join(&name).join(file), [key; 80]).unwrap();
    }
    symlink(&name, folder.join("next")).unwrap();
    fs::rename(folder.join("next"), folder.join("now")).unwrap();
}

fn tickets_outlive_their_key_s_turn_but_not_the_key(engine: EngineKind) {
    let origin = Origin::echo("a");
    let folder = scratch("keys");
    fs::create_dir_all(&folder).unwrap();
    turn(&folder, 1, 1, 0);
    let now = folder.join("now");
    let proxy = start(
        engine,
        &setup(&origin, &[&now.join("seals"), &now.join("opens")]),
    );
    let (early, late) = (offers(), offers());
    for offer in early.iter().chain(&late) {
        assert!(!is_resumed(&proxy, offer));
    }
    let updates = || proxy.metric("ringlb_secret_updates_total");
    // What the old key sealed is opened, and sealed anew with the new one.
    turn(&folder, 2, 2, 1);
    until("the keys are in use", || updates() == 1);
    assert!(early.iter().all(|offer| is_resumed(&proxy, offer)));
    // Then the first key is gone.
    turn(&folder, 3, 3, 2);
    until("the keys are in use", || updates() == 2);
    assert!(early.iter().all(|offer| is_resumed(&proxy, offer)));
    assert!(late.iter().all(|offer| !is_resumed(&proxy, offer)));
    // A new session is resumed as ever.
    assert!(late.iter().all(|offer| is_resumed(&proxy, offer)));
}
