//! Loads of every kind come to their end and are reported.

use crate::{
    process::{PROGRAM, count, engines, loadtest, measured},
    server::{Habit, OK, Server},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::process::{Command, Stdio};

#[test]
fn every_engine_makes_the_load_that_was_asked_for() {
    for engine in engines() {
        let server = Server::start(Habit::Http(OK));
        let url = format!("http://{}/path?query", server.address);
        for load in [
            &["-c", "3"][..],
            &["-c", "3", "-t", "2", "--rate", "2000"],
            &["-c", "3", "--rate", "2000", "--poisson"],
            &["-c", "2", "--streams", "8"],
            &["-c", "2", "--requests-per-connection", "10"],
        ] {
            let common = [&url, "-n", "200", "--warm-up", "0s", "--engine", engine];
            let json = measured(&[&["run"], &common[..], load].concat());
            assert_eq!(count(&json, "completed"), 200, "{engine} {load:?}");
            assert_eq!((count(&json, "started"), count(&json, "failed")), (200, 0));
        }
        let first = server.seen.recv().unwrap();
        let want = format!(
            "GET /path?query HTTP/1.1\r\nhost: {}\r\n\r\n",
            server.address
        );
        assert_eq!(first, want);
    }
}

#[test]
fn every_engine_echoes() {
    for engine in engines() {
        let server = Server::start(Habit::Echo);
        let url = format!("tcp://{}", server.address);
        let load = ["-n", "100", "-c", "4", "--body", "100000", "--verify"];
        let rest = ["--warm-up", "0s", "--engine", engine];
        let json = measured(&[&["run", &url][..], &load, &rest].concat());
        assert_eq!(count(&json, "completed"), 100);
        assert_eq!(count(&json, "received_bytes"), 10_000_000);
    }
}

#[test]
fn a_unix_socket_is_a_target() {
    let place = std::env::temp_dir().join(format!("loadtest-{}.sock", std::process::id()));
    Server::start_unix(&place, Habit::Http(OK));
    let url = format!("http://unix:{}", place.display());
    let json = measured(&["run", &url, "-n", "10", "-c", "2", "--warm-up", "0s"]);
    std::fs::remove_file(&place).unwrap();
    assert_eq!(count(&json, "completed"), 10);
}

#[test]
fn a_workload_comes_from_a_file_and_arguments_change_it() {
    let server = Server::start(Habit::Http(OK));
    let file = std::env::temp_dir().join(format!("loadtest-{}.yaml", std::process::id()));
    let yaml = "arrivals: {constant: 1000}\ncount: 50\nconnections: 2\nwarm-up: 0s\nrequests:\n- path: /file\n  method: POST\n  body: 9\n  headers: [[X-A, b]]\n  expect: {bytes: 5}\n";
    std::fs::write(&file, yaml).unwrap();
    let url = format!("http://{}", server.address);
    let args = ["run", &url, "--workload", file.to_str().unwrap()];
    let json = measured(&args);
    assert_eq!(count(&json, "completed"), 50);
    let json = measured(&[&args[..], &["-n", "7"]].concat());
    assert_eq!(count(&json, "completed"), 7);
    std::fs::remove_file(&file).unwrap();
    let head = server.seen.recv().unwrap();
    assert!(head.starts_with("POST /file HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-a: b\r\n") && head.contains("\r\ncontent-length: 9\r\n"));
}

#[test]
fn a_run_that_is_interrupted_is_reported() {
    for engine in engines() {
        let server = Server::start(Habit::Http(OK));
        let url = format!("http://{}", server.address);
        let args = ["run", &url, "-d", "1h", "--rate", "1000", "--warm-up", "0s"];
        let child = Command::new(PROGRAM)
            .args(args)
            .args(["--quiet", "--json", "-", "--engine", engine])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // One more than there are connections: the first answer was taken.
        for _ in 0..65 {
            server.seen.recv().unwrap();
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["is_cut"], true);
        assert!(count(&json, "started") >= 65);
    }
}

#[test]
fn the_highest_rate_tried_is_the_limit_of_a_quick_target() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    let rates = ["--from", "50", "--to", "100", "--step-duration", "100ms"];
    let rest = ["--p99", "9s", "--warm-up", "0s", "--quiet", "--json", "-"];
    let output = loadtest(&[&["find-limit", &url][..], &rates, &rest].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["limit_per_second"], 100.0);
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(4));
}

#[test]
fn no_rate_is_the_limit_of_a_target_that_fails() {
    let server = Server::start(Habit::Http("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n"));
    let url = format!("http://{}", server.address);
    let rates = ["--from", "2", "--to", "100", "--step-duration", "50ms"];
    let rest = ["--p99", "9s", "--warm-up", "0s", "--quiet"];
    let output = loadtest(&[&["find-limit", &url][..], &rates, &rest].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("at no rate") && text.contains("too many errors"),
        "{text}"
    );
}

#[test]
fn standard_error_that_nobody_reads_ends_no_run() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    // Its reader is gone before the first line.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = Command::new(PROGRAM)
        .args(["run", &url, "-d", "1h", "--rate", "1000"])
        .args(["--warm-up", "0s", "--json", "-"])
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    // One more than there are connections: the first answer was taken.
    for _ in 0..65 {
        server.seen.recv().unwrap();
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["is_cut"], true);

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let failing = Command::new(PROGRAM)
        .args(["run", "https://a"])
        .stderr(writer)
        .status();
    assert_eq!(failing.unwrap().code(), Some(1));
}
