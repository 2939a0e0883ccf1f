//! `loadtest duel` as a process, over the proxies that are here: what it reports, and that it leaves
//! nothing behind. Figures are never judged.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use loadtest::duel::{KINDS, Peer, Wanted};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A directory of a test's own, removed in the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("duel-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The proxies that this machine has; says which are missing.
fn present() -> Vec<Peer> {
    let mut peers = Vec::new();
    for kind in &KINDS {
        let own = PathBuf::from(env!("CARGO_BIN_EXE_ringlb-on-the-wire"));
        let own = (kind.name == "ringlb").then_some(("ringlb".to_owned(), own));
        let wanted = Wanted {
            binaries: own.into_iter().collect(),
            only: vec![kind.name.to_owned()],
            ..Wanted::default()
        };
        match wanted.find() {
            Ok(found) => peers.extend(found.peers),
            Err(reason) => eprintln!("skipped {}: {}", kind.name, reason.replace('\n', " ")),
        }
    }
    peers
}

fn duel(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest-on-the-wire"));
    command.arg("duel").env("TMPDIR", dir).current_dir(dir);
    command
}

/// Names of what is left in a directory.
fn left(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn every_proxy_takes_its_configuration() {
    for peer in present() {
        let dir = Dir::new(&format!("{} with spaces", peer.label));
        assert_eq!(peer.check(&dir.0), Ok(()), "{}", peer.label);
    }
}

const HELD: &str = "\
name: held
title: 200 connections
listener: http
kind: memory
workload: {connections: 200, arrivals: {constant: 400}}
";

#[test]
fn a_short_duel_reports_every_proxy_and_leaves_nothing_behind() {
    let peers = present();
    if peers.is_empty() {
        return eprintln!("skipped: no proxy is here");
    }
    let (out, tmp) = (Dir::new("out"), Dir::new("tmp"));
    let labels: Vec<&str> = peers.iter().map(|peer| &*peer.label).collect();
    let path = |name: &str| out.0.join(name);
    fs::write(path("held.yaml"), HELD).unwrap();
    let mut command = duel(&tmp.0);
    let mut binaries: Vec<_> = peers
        .iter()
        .map(|peer| (peer.kind.name, &peer.binary))
        .collect();
    binaries.dedup();
    for (name, binary) in binaries {
        command.arg(format!("--{name}={}", binary.display()));
    }
    let output = command
        .args(["h1-small-4", "tcp-small", "h1-close", "h2c-small"])
        .args(["h2c-h2c", "grpc-unary", "--quiet"])
        .arg(path("held.yaml"))
        .args([
            "--rounds",
            "1",
            // Few could be over before the counters are read for the first time.
            "--count",
            "400",
            "--warm-up",
            "1ms",
            "--duration",
            "5s",
        ])
        .args(["--only", &labels.join(",")])
        .arg(format!("--markdown={}", path("r.md").display()))
        .arg(format!("--json={}", path("r.json").display()))
        .arg(format!("--html={}", path("r.html").display()))
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, fs::read_to_string(path("r.md")).unwrap());
    assert!(fs::read_to_string(path("r.html")).unwrap().contains("<svg"));
    let report: Value = serde_json::from_slice(&fs::read(path("r.json")).unwrap()).unwrap();
    let comparisons = report["comparisons"].as_array().unwrap();
    assert_eq!(comparisons.len(), 7);
    for comparison in comparisons {
        check_comparison(comparison, &labels);
    }
    assert!(left(&tmp.0).is_empty(), "{:?}", left(&tmp.0));
}

/// Everybody is in it, with figures.
fn check_comparison(comparison: &Value, labels: &[&str]) {
    let rows = comparison["rows"].as_array().unwrap();
    let named: Vec<&str> = rows
        .iter()
        .map(|row| row["label"].as_str().unwrap())
        .collect();
    assert_eq!(named, labels);
    let remarks = comparison["remarks"].as_array().unwrap();
    let mut measured = 0;
    for row in rows {
        let is_missing = row["failure"]
            .as_str()
            .is_some_and(|why| why.contains("cannot proxy TCP") || why.contains("for gRPC alone"));
        let figures = &row["rounds"][0]["figures"];
        let has = |name: &str| figures[name].as_f64().is_some_and(|figure| figure > 0.0);
        let has_cpu = has("cpu_us_per_request") || has("cpu_us_per_connection");
        let is_held = comparison["scenario"]["name"] == "held";
        let has_memory = figures["memory_bytes_per_connection"].is_f64();
        // The load may be over before the counters are read for the first time; it is told then.
        let label = row["label"].as_str().unwrap();
        let is_told = remarks.iter().any(|remark| {
            let remark = remark.as_str().unwrap();
            remark.starts_with(label) && remark.contains("no figure above 0")
        });
        assert!(
            is_missing || (has_cpu || is_told) && has_memory == is_held,
            "{comparison:#}"
        );
        measured += usize::from(has_cpu);
    }
    assert!(measured > 0, "{comparison:#}");
}

#[test]
fn a_signal_ends_it_with_a_report() {
    let Some(peer) = present().into_iter().next() else {
        return eprintln!("skipped: no proxy is here");
    };
    let tmp = Dir::new("signal");
    let mut child = duel(&tmp.0)
        .arg(format!("--{}={}", peer.kind.name, peer.binary.display()))
        .args([
            "h1-small",
            "--rounds",
            "100",
            "--warm-up",
            "1ms",
            "--count",
            "10",
        ])
        .args(["--only", &peer.label])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // The first round is done.
    assert!(lines.next().unwrap().unwrap().contains("CPU µs a request"));
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("ended before its time"),
        "{text}"
    );
    assert!(left(&tmp.0).is_empty(), "{:?}", left(&tmp.0));
}

#[test]
fn what_cannot_be_compared_is_told() {
    let dir = Dir::new("wrong");
    let file = dir.0.join("s.yaml");
    fs::write(
        &file,
        "name: a\ntitle: b\nlistener: udp\nkind: bulk\nworkload: {}\n",
    )
    .unwrap();
    let file = file.display().to_string();
    for (arguments, told) in [
        (&["nothing"][..], "neither a scenario"),
        (&[&*file], "line 3 column 11"),
        (&["--peer", "ringlb=/x"], "no peer such as"),
        (&["--only", "nobody"], "nobody is left"),
        (
            &["h1-small", "--duration", "0s"],
            "h1-small: duration: above 0",
        ),
        (&["--only", "haproxy", "--haproxy", "/nowhere"], "/nowhere"),
        (
            &[
                "--only",
                "haproxy",
                "--haproxy",
                "/bin/true",
                "--proxy-cpu",
                "999",
            ],
            "CPU 999",
        ),
    ] {
        let output = duel(&dir.0).args(arguments).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && err.contains(told),
            "{arguments:?}: {err}"
        );
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_measured() {
    let dir = Dir::new("unwritable");
    let haproxy = ["h1-small", "--only", "haproxy", "--haproxy", "/bin/true"];
    for (more, told) in [
        (&["--json", "kept", "--markdown", "no/r.md"][..], "no/r.md"),
        (&["--json", "-", "--html", "-"], "another form goes to"),
    ] {
        fs::write(dir.0.join("kept"), "before").unwrap();
        let output = duel(&dir.0).args(haproxy).args(more).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let is_measured = err.contains("round 1");
        assert!(
            !output.status.success() && err.contains(told) && !is_measured,
            "{err}"
        );
        assert_eq!(fs::read_to_string(dir.0.join("kept")).unwrap(), "before");
    }
}

#[test]
fn one_report_that_fails_takes_no_other_along_and_json_may_go_to_stdout() {
    let Some(peer) = present().into_iter().next() else {
        return eprintln!("skipped: no proxy is here");
    };
    let (out, tmp) = (Dir::new("outputs"), Dir::new("tmp of outputs"));
    let output = duel(&tmp.0)
        .current_dir(&out.0)
        .arg(format!("--{}={}", peer.kind.name, peer.binary.display()))
        .args(["h1-small-4", "--rounds", "1", "--warm-up", "1ms"])
        .args(["--count", "10", "--only", &peer.label, "--quiet"])
        .args(["--json", "-", "--markdown", "/dev/full", "--html", "r.html"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && err.contains("/dev/full"),
        "{err}"
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sum = &report["comparisons"][0]["rows"][0]["summary"]["cpu_us_per_request"];
    assert!(sum["median"].as_f64() > Some(0.0), "{report:#}");
    assert!(
        fs::read_to_string(out.0.join("r.html"))
            .unwrap()
            .contains("</html>")
    );
}
