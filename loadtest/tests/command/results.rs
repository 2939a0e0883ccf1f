//! What comes out of a run, and what the exit code says of it.

use crate::{
    process::{PROGRAM, count, loadtest, measured, refused},
    server::{Habit, OK, Server, endpoint},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// A file of this test process.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("loadtest-{}-{name}", std::process::id()))
}

#[test]
fn results_come_in_every_form() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    let args = ["run", &url, "-n", "20", "--warm-up", "0s", "--quiet"];
    let form = |form| {
        let output = loadtest(&[&args[..], &[form, "-"]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&form("--json")).unwrap();
    assert_eq!(count(&json, "completed"), 20);
    assert!(form("--html").to_lowercase().starts_with("<!doctype html>"));
    assert_percentiles(&form("--hgrm"), 20);
    let text = String::from_utf8(loadtest(&args).stdout).unwrap();
    assert!(text.contains("completed") && text.contains("20"), "{text}");
}

/// Values and percentiles ascend, and the last line has all samples.
fn assert_percentiles(hgrm: &str, samples: u64) {
    let is_number = |line: &&str| !line.starts_with('#') && !line.contains("Value");
    let lines = hgrm.lines().filter(|line| !line.is_empty());
    let rows = lines.filter(is_number).map(|line| {
        let words: Vec<f64> = line
            .split_whitespace()
            .map(|w| w.parse().unwrap())
            .collect();
        [words[0], words[1], words[2]]
    });
    let rows: Vec<[f64; 3]> = rows.collect();
    // Two where all took the same time.
    assert!(rows.len() > 1, "{hgrm}");
    for pair in rows.windows(2) {
        let ascends = pair[0].iter().zip(pair[1]).all(|(a, b)| *a <= b);
        assert!(ascends, "{hgrm}");
    }
    let last = rows.last().unwrap();
    assert_eq!((last[1], last[2]), (1.0, samples as f64), "{hgrm}");
    let head = ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
    let has_head = |line: &str| line.split_whitespace().eq(head);
    assert!(hgrm.lines().any(has_head), "{hgrm}");
    let total = format!("Total count    = {samples:>12}]");
    assert!(hgrm.contains(&total), "{hgrm}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_load() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    for command in [
        &["run", &url, "-d", "1h", "--html"][..],
        &["find-limit", &url, "--p99", "1s", "--json"],
    ] {
        let said = refused(&[command, &["/no/such/dir/result"]].concat(), 1);
        assert!(said.contains("/no/such/dir/result"), "{said}");
    }
    assert!(server.seen.try_recv().is_err(), "a request was started");
}

#[test]
fn a_result_that_is_lost_takes_no_other_with_it() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    let page = file("page.html");
    std::fs::write(&page, "what was there before".repeat(100_000)).unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", &url, "-n", "20", "--warm-up", "0s", "--quiet"])
        .args(["--json", "/dev/full", "--html"])
        .arg(&page)
        .output()
        .unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_file(&page).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/dev/full: "), "{said}");
    assert!(html.starts_with("<!") && html.contains("completed"));
    assert!(!html.contains("what was there"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("completed"), "{text}");
}

#[test]
fn two_results_in_one_place_are_refused() {
    let said = refused(&["run", "127.0.0.1:1", "--json", "-", "--html", "-"], 1);
    assert!(said.contains("--json and --html both go to `-`"), "{said}");
}

#[test]
fn a_run_that_is_interrupted_before_any_answer_has_failed() {
    let server = Server::start(Habit::Silent);
    let url = format!("http://{}", server.address);
    let child = Command::new(PROGRAM)
        .args(["run", &url, "-d", "1h", "--warm-up", "0s", "-c", "3", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..3 {
        server.seen.recv().unwrap();
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let want = "no right answer came (stopped before its time)";
    assert!(said.contains(want), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 of 3 requests had no answer"), "{text}");
    assert!(!text.contains("grace"), "{text}");
}

#[test]
fn the_workload_of_the_documentation_works_as_printed() {
    let page = include_str!("../../../docs/loadtest.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let url = format!("http://{}", endpoint());
    let workload = file("documented.yaml");
    std::fs::write(&workload, example).unwrap();
    let args = ["run", &url, "--workload", workload.to_str().unwrap()];
    // As printed but for its size; the seed is one with requests of both kinds.
    let less = ["-n", "100", "-c", "8", "--warm-up", "0s", "--seed", "1"];
    let json = measured(&[&args[..], &less].concat());
    std::fs::remove_file(&workload).unwrap();
    assert_eq!(
        (count(&json, "completed"), count(&json, "failed")),
        (100, 0)
    );
    assert_eq!(json["unverified"], 0);
    assert!(count(&json, "sent_bytes") > 100_000, "no echo was asked");
}
