//! A kernel that says no.

use crate::support::{Client, Command, Origin, Setup, until};
use engines::EngineKind;

on_each_engine!(out_of_descriptors_delays_and_recovers);

fn out_of_descriptors_delays_and_recovers(engine: EngineKind) {
    let origin = Origin::echo("a");
    let limit = ["sh", "-c", "ulimit -n 40; exec \"$0\" \"$@\""];
    let proxy = Command::run(engine, &Setup::http(&[origin.at()]))
        .under(&limit)
        .start();
    let mut first = Client::new(proxy.at("http"));
    assert_eq!(first.get("/").status, 200);
    let crowd: Vec<_> = (0..60).map(|_| Client::new(proxy.at("http"))).collect();
    until("accepting fails", || {
        // The admin interface has no descriptor left either: the first client asks on.
        assert!(matches!(first.get("/").status, 200 | 503));
        proxy.descriptors() >= 38
    });
    assert!(matches!(first.get("/").status, 200 | 503));
    drop(crowd);
    until("connections are taken again", || {
        first.get("/").status == 200 && Client::new(proxy.at("http")).get("/").status == 200
    });
    until("failures are counted", || {
        proxy.metric("ringlb_listener_accept_failures_total") > 0
    });
    assert_eq!(first.get("/").status, 200);
}

#[test]
fn an_engine_that_the_kernel_forbids_is_an_error_and_auto_takes_another() {
    let origin = Origin::echo("a");
    let (at, to) = ("127.0.0.1:0", origin.at().to_string());
    let args = ["run", "--listen", at, "--to", &to, "--admin", at];
    let without = [env!("CARGO_BIN_EXE_without-io-uring")];
    let (code, _, told) = Command::new(&args)
        .arg("--engine=uring")
        .under(&without)
        .finish();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("uring"), "{told}");
    let proxy = Command::new(&args).under(&without).start();
    assert!(
        proxy.told[0].starts_with("engine epoll: "),
        "{:?}",
        proxy.told
    );
    assert_eq!(Client::new(proxy.at("http-0")).get("/").text(), "a / ");
}

#[test]
fn a_small_limit_of_locked_memory_is_enough_or_clearly_refused() {
    if !crate::support::is_available(EngineKind::Uring) {
        return;
    }
    let origin = Origin::echo("a");
    let (at, to) = ("127.0.0.1:0", origin.at().to_string());
    for kib in ["0", "64", "512"] {
        let limit = format!(
            "ulimit -l {kib}; exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \"$0\" \"$@\""
        );
        let proxy = Command::new(&[
            "run",
            "--listen",
            at,
            "--to",
            &to,
            "--admin",
            at,
            "--workers",
            "2",
        ])
        .under(&["sh", "-c", &limit])
        .start();
        assert_eq!(
            Client::new(proxy.at("http-0")).get("/").text(),
            "a / ",
            "{kib}"
        );
    }
}
