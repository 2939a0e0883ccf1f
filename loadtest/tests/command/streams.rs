//! The command over HTTP/2 and gRPC, against our own endpoint.

use crate::{
    process::{count, engines, loadtest, measured, refused},
    server::{Habit, Server, endpoint},
};

#[test]
fn every_engine_makes_the_load_over_http2() {
    let place = endpoint();
    for engine in engines() {
        for (path, load) in [
            ("/bytes/100?crc", &["-c", "3", "--streams", "1"][..]),
            ("/bytes/100?crc", &["-c", "3", "--streams", "50"]),
            ("/bytes/200000?crc", &["-c", "2", "--streams", "8"]),
            (
                "/chunked/300?crc",
                &["-c", "4", "-t", "2", "--rate", "2000", "--streams", "9"],
            ),
            ("/echo", &["-c", "2", "--streams", "8", "--body", "100000"]),
            (
                "/bytes/9?crc",
                &[
                    "-c",
                    "2",
                    "--streams",
                    "5",
                    "--requests-per-connection",
                    "10",
                ],
            ),
        ] {
            let url = format!("h2c://{place}{path}");
            let common = [&url, "-n", "200", "--warm-up", "0s", "--engine", engine];
            let args = [&["run", "--verify"], &common[..], load].concat();
            let json = measured(&args);
            assert_eq!(count(&json, "completed"), 200, "{engine} {load:?}");
            assert_eq!((count(&json, "started"), count(&json, "failed")), (200, 0));
            assert!(json.get("calls").is_none());
        }
    }
}

#[test]
fn every_engine_makes_calls() {
    let place = endpoint();
    for engine in engines() {
        for (path, body, messages) in [
            ("/p.S/M?crc", "0", 200),
            ("/bytes/100000?crc", "100000", 200),
            ("/bytes/500?messages=20&crc", "700", 4000),
            ("/p.S/Echo", "50000", 200),
        ] {
            let url = format!("grpc://{place}{path}");
            let load = ["-c", "2", "--streams", "8", "-n", "200", "--body", body];
            let rest = ["--verify", "--warm-up", "0s", "--engine", engine];
            let json = measured(&[&["run", &url][..], &load, &rest].concat());
            assert_eq!(count(&json, "completed"), 200, "{engine} {path}");
            assert_eq!(json["calls"]["statuses"]["0"], 200);
            assert_eq!(json["calls"]["messages"], messages);
        }
    }
}

#[test]
fn what_calls_end_with_is_told() {
    let url = format!("grpc://{}/p.S/M?grpc-status=8", endpoint());
    let args = [
        "run",
        &url,
        "-c",
        "1",
        "-n",
        "7",
        "--warm-up",
        "0s",
        "--quiet",
    ];
    let output = loadtest(&args);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("gRPC over 1 connection"), "{text}");
    let has = |words: &[&str]| {
        let mut lines = text.lines();
        lines.any(|line| line.split_whitespace().eq(words.iter().copied()))
    };
    assert!(has(&["8", "RESOURCE_EXHAUSTED", "7"]), "{text}");
    assert!(has(&["messages", "0"]), "{text}");
    let json = loadtest(&[&args[..], &["--json", "-"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["calls"]["statuses"]["8"], 7);
    assert_eq!(json["errors"]["status"], 7);
}

#[test]
fn calls_that_cannot_be_made_are_refused() {
    let place = endpoint();
    let grpc = format!("grpc://{place}/p.S/M");
    for (args, said) in [
        (
            &[&*format!("grpc://{place}")][..],
            "is no /package.Service/Method",
        ),
        (
            &[&*format!("grpc://{place}/method")],
            "is no /package.Service/Method",
        ),
        (&[&grpc, "--method", "PUT"], "a call of gRPC is a POST"),
        (&[&grpc, "--body", "4294967296"], "a message has at most"),
        (&[&grpc, "--grpc-timeout", "0s"], "grpc-timeout: above 0"),
        (
            &[&*format!("h2c://{place}/"), "--grpc-timeout", "1s"],
            "only a target of gRPC",
        ),
    ] {
        let told = refused(&[&["run"], args].concat(), 1);
        assert!(told.contains(said), "{args:?}: {told}");
    }
}

#[test]
fn a_target_that_speaks_only_http1_is_named() {
    let server = Server::start(Habit::Says("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let url = format!("h2c://{}", server.address);
    let said = refused(&["run", &url, "--quiet", "--timeout", "2s"], 1);
    let want = format!("{}: does not speak HTTP/2", server.address);
    assert!(said.contains(&want), "{said}");
}
