//! What cannot be done is said, and the exit code is not 0.

use crate::{
    process::{PROGRAM, refused},
    server::{Habit, OK, Server},
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};
use std::{os::fd::AsRawFd, process::Command};

#[test]
fn a_target_that_is_not_there_is_named() {
    // Bound, so that nobody else gets it, and nobody listens there.
    let flags = SockFlag::empty();
    let taken = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    let any = SockaddrIn::new(127, 0, 0, 1, 0);
    bind(taken.as_raw_fd(), &any).unwrap();
    let address: SockaddrIn = getsockname(taken.as_raw_fd()).unwrap();
    let said = refused(&["run", &format!("http://{address}")], 1);
    assert!(
        said.contains(&format!("cannot connect to {address}")),
        "{said}"
    );
    assert!(said.contains("refused"), "{said}");
    let said = refused(&["run", "http://unix:/no/such/socket"], 1);
    assert!(said.contains("/no/such/socket"), "{said}");
}

#[test]
fn a_target_that_speaks_something_else_is_named() {
    for greeting in [
        "SSH-2.0-OpenSSH_9.0\r\n",
        "\x15\x03\x01\0\x02\x02\n\r\n\r\n",
    ] {
        let server = Server::start(Habit::Says(greeting));
        let url = format!("http://{}", server.address);
        let said = refused(&["run", &url, "--quiet", "--timeout", "2s"], 1);
        let want = format!("{}: does not speak HTTP/1.1", server.address);
        assert!(said.contains(&want), "{said}");
    }
}

#[test]
fn a_target_that_answers_nothing_right_fails_the_run() {
    let server = Server::start(Habit::Http("HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n"));
    let url = format!("http://{}", server.address);
    let args = [
        "run",
        &url,
        "-n",
        "3",
        "-c",
        "1",
        "--warm-up",
        "0s",
        "--quiet",
    ];
    let said = refused(&args, 1);
    assert!(said.contains("no right answer came"), "{said}");
}

#[test]
fn impossible_loads_are_refused_by_the_name_of_their_field() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    for (args, name) in [
        (&["-r", "0"][..], "arrivals"),
        (&["-r", "NaN"], "arrivals"),
        (&["-r", "inf"], "arrivals"),
        (&["--rate=-5"], "arrivals"),
        (&["-r", "1e9"], "arrivals"),
        (&["--steps", "5,0"], "arrivals"),
        (&["--ramp", "0..0"], "arrivals"),
        (&["-c", "0"], "connections"),
        (&["-c", "1", "-t", "2"], "connections"),
        (&["-n", "0"], "count"),
        (&["-d", "0s"], "duration"),
        (&["--streams", "0"], "streams"),
        (&["--streams", "5000"], "streams"),
        (&["--read-rate", "0"], "read-rate"),
        (
            &["--requests-per-connection", "0"],
            "requests-per-connection",
        ),
        (&["--timeout", "0s"], "timeout"),
        (&["-H", "no colon"], "no colon"),
        (&["-H", "Connection: close"], "requests[0].headers"),
        (&["--method", "A B"], "requests[0].method"),
        (&["--workload", "/no/such/file"], "/no/such/file"),
        (&["--engine", "poll"], "unknown engine"),
        (&["--cpu", "9999"], "CPU"),
        (&["-n", "5", "--ramp", "1..2"], "duration"),
        (&["--poisson", "--ramp", "1..2"], "--poisson"),
        (&["--poisson", "--steps", "1,2"], "--poisson"),
    ] {
        let output = Command::new(PROGRAM)
            .args(["run", &url])
            .args(args)
            .output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}");
        assert!(said.contains(name), "{args:?}: {said}");
    }
    for url in ["https://a", "tcp://a", "http://"] {
        refused(&["run", url], 1);
    }
    let said = refused(&["run", "http://127.0.0.1:99999/"], 1);
    assert!(said.contains("port `99999`"), "{said}");
    let said = refused(&["find-limit", &url, "--p99", "0s"], 1);
    assert!(said.contains("p99: above 0"), "{said}");
}

#[test]
fn too_few_descriptors_are_told_with_what_is_needed() {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}", server.address);
    let run = format!("ulimit -n 100; exec {PROGRAM} run {url} -c 500");
    let output = Command::new("sh").args(["-c", &run]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("500 connections need 540 open files"),
        "{said}"
    );
    // The soft limit alone is raised.
    let run = format!("ulimit -Sn 50; exec {PROGRAM} run {url} -c 60 -n 60 --warm-up 0s -q");
    let output = Command::new("sh").args(["-c", &run]).output().unwrap();
    assert!(output.status.success());
}
