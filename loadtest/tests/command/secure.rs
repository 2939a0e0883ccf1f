//! The command over TLS: against our own endpoint, and against what breaks the rules.

use crate::{
    process::{count, engines, loadtest, measured, refused},
    secure_server::{End, TempFile, endpoint, start},
    server::{Habit, OK, Server},
};
use loadtest::serve::SelfSigned;
use serde_json::Value;

const ONCE: [&str; 4] = ["-c", "2", "--warm-up", "0s"];

fn handshakes(json: &Value) -> (u64, u64) {
    let count = |name: &str| json["handshakes"][name].as_u64().unwrap();
    (count("full"), count("resumed"))
}

#[test]
fn every_engine_makes_the_load_over_tls() {
    let (http, echo, ca) = endpoint("load.pem");
    for engine in engines() {
        for (url, load) in [
            (format!("https://{http}/bytes/100?crc"), &["-n", "200"][..]),
            (
                format!("https://{http}/bytes/300000?crc"),
                &["-n", "20", "--tls-version", "1.2"],
            ),
            (
                format!("https://{http}/echo"),
                &["-n", "20", "--body", "200000", "--streams", "3"],
            ),
            (
                format!("h2://{http}/bytes/100000?crc"),
                &["-n", "100", "--streams", "8"],
            ),
            (
                format!("grpcs://{http}/p.S/Echo?crc"),
                &["-n", "100", "--streams", "8", "--body", "1000"],
            ),
            (format!("tls://{echo}"), &["-n", "20", "--body", "100000"]),
        ] {
            let args = [
                "run",
                &url,
                "--ca",
                ca.path(),
                "--verify",
                "--engine",
                engine,
            ];
            let json = measured(&[&args[..], &ONCE, load].concat());
            let wanted: u64 = load[1].parse().unwrap();
            assert_eq!(count(&json, "completed"), wanted, "{engine} {url}");
            assert_eq!(count(&json, "failed"), 0, "{engine} {url}");
            assert_eq!(handshakes(&json), (2, 0), "{engine} {url}");
        }
    }
}

#[test]
fn a_connection_a_request_counts_its_handshakes() {
    let (http, _, ca) = endpoint("handshakes.pem");
    let url = format!("https://{http}/bytes/100");
    for engine in engines() {
        for version in ["1.2", "1.3"] {
            let args = ["run", &url, "--ca", ca.path(), "--engine", engine];
            let each = ["-n", "60", "--requests-per-connection", "1"];
            let with = ["--tls-version", version, "--tls-session"];
            let full = measured(&[&args[..], &ONCE, &each, &with, &["full"]].concat());
            let resumed = measured(&[&args[..], &ONCE, &each, &with, &["resumed"]].concat());
            for json in [&full, &resumed] {
                assert_eq!((count(json, "completed"), count(json, "failed")), (60, 0));
                assert_eq!(json["handshakes"]["is_measured"], true);
                assert!(json["handshakes"]["per_second"].as_f64() > Some(0.0));
                let (full, resumed) = handshakes(json);
                // Those of the first connections are before the measured time.
                assert!(full + resumed >= 58, "{engine} {version}: {json:#}");
                let timed = &json["handshakes"]["time_ns"]["count"];
                assert_eq!(timed.as_u64(), Some(full + resumed));
            }
            assert_eq!(handshakes(&full).1, 0, "{engine} {version}");
            assert_eq!(handshakes(&resumed).0, 0, "{engine} {version}");
        }
    }
}

#[test]
fn what_is_agreed_on_can_be_chosen_and_is_told() {
    let (http, _, ca) = endpoint("agreed.pem");
    let url = format!("https://{http}/");
    for (chosen, told) in [
        (
            &["--tls-suite", "TLS_CHACHA20_POLY1305_SHA256"][..],
            "TLS 1.3, TLS_CHACHA20_POLY1305_SHA256",
        ),
        (
            &[
                "--tls-suite",
                "TLS_AES_256_GCM_SHA384",
                "--tls-group",
                "P-256",
            ],
            "TLS 1.3, TLS_AES_256_GCM_SHA384",
        ),
        (
            &[
                "--tls-version",
                "1.2",
                "--tls-suite",
                "ECDHE-ECDSA-AES128-GCM-SHA256",
            ],
            "TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
    ] {
        let args = ["run", &url, "--ca", ca.path(), "-n", "4"];
        let json = measured(&[&args[..], &ONCE, chosen].concat());
        assert_eq!(json["handshakes"]["agreed"][told], 2, "{json:#}");
    }
    let args = [
        "run",
        &url,
        "--insecure",
        "-n",
        "4",
        "--warm-up",
        "0s",
        "-q",
    ];
    let text = String::from_utf8(loadtest(&args).stdout).unwrap();
    for part in ["\nTLS handshakes\n", " over TLS\n"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn whoever_cannot_be_believed_is_refused_and_why_is_told() {
    let (http, _, ca) = endpoint("believed.pem");
    let url = format!("https://{http}/");
    let other = TempFile::new("other.pem", &SelfSigned::localhost().unwrap().chain);
    let none = TempFile::new("none.pem", "no certificate");
    let plain = Server::start(Habit::Http(OK));
    let plain = format!("http://{}", plain.address);
    for (args, told) in [
        (&[&*url][..], "give --ca FILE, or --insecure"),
        (&[&url, "--ca", other.path()], "TLS handshake: "),
        (
            &[&url, "--ca", ca.path(), "--sni", "other.example"],
            "TLS handshake: ",
        ),
        (&[&url, "--ca", none.path()], "server.ca"),
        (&[&url, "--ca", "/no/such/file"], "/no/such/file"),
        (&[&url, "--insecure", "--tls-suite", "RC4"], "`RC4`"),
        (&[&url, "--insecure", "--sni", "a b"], "TLS handshake: "),
        (
            &[
                &url,
                "--insecure",
                "--cert",
                none.path(),
                "--key",
                none.path(),
            ],
            "none.pem",
        ),
        (&[&plain, "--insecure"], "only of a target over TLS"),
        (
            &[&plain, "--tls-session", "full"],
            "only of a target over TLS",
        ),
    ] {
        let said = refused(&[&["run"], args, &["-q", "--timeout", "9s"]].concat(), 1);
        assert!(said.contains(told), "{args:?}: {said}");
    }
    let said = refused(&["run", &url, "--insecure", "--ca", ca.path()], 2);
    assert!(said.contains("--ca"), "{said}");
}

#[test]
fn a_target_that_answers_garbage_is_named() {
    for greeting in ["SSH-2.0-OpenSSH_9.0\r\n", "\x15\x03\x01\0\x02\x02\x28"] {
        let server = Server::start(Habit::Says(greeting));
        let url = format!("https://{}", server.address);
        let said = refused(&["run", &url, "-q", "--insecure", "--timeout", "9s"], 1);
        let want = format!("cannot connect to {}: TLS handshake: ", server.address);
        assert!(said.contains(&want), "{said}");
    }
    let (http, _, _ca) = endpoint("garbage.pem");
    let said = refused(&["run", &format!("http://{http}"), "-q"], 1);
    assert!(said.contains("does not speak HTTP/1.1"), "{said}");
}

#[test]
fn http2_is_not_spoken_where_nobody_agreed_to_it() {
    let address = start(OK, End::Told, None);
    for scheme in ["h2", "grpcs"] {
        let url = format!("{scheme}://{address}/p.S/M");
        let said = refused(&["run", &url, "-q", "--insecure"], 1);
        assert!(said.contains("does not agree to"), "{said}");
        assert!(said.contains("(ALPN)"), "{said}");
    }
}

const UNTOLD: &str = "HTTP/1.1 200 OK\r\n\r\nhello";

#[test]
fn an_end_that_was_not_announced_ends_no_answer() {
    for (answer, end, completed) in [
        (UNTOLD, End::Told, 20),
        (UNTOLD, End::Cut, 0),
        // The answer says itself where it ends.
        (OK, End::Told, 20),
        (OK, End::Cut, 20),
    ] {
        let url = format!("https://{}/", start(answer, end, None));
        let args = ["run", &url, "--insecure", "-n", "20", "-q", "--json", "-"];
        let output = loadtest(&[&args[..], &ONCE, &["--requests-per-connection", "1"]].concat());
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let failed = json["errors"]["closed"].as_u64().unwrap_or(0);
        let got = (count(&json, "completed"), failed);
        assert_eq!(got, (completed, 20 - completed), "{answer:?} {end:?}");
    }
}

#[test]
fn our_own_certificate_is_presented_where_one_is_wanted() {
    let own = SelfSigned::localhost().unwrap();
    let [cert, key] = [("own.pem", &own.chain), ("own.key", &own.key)]
        .map(|(name, text)| TempFile::new(name, text));
    let url = format!("https://{}/", start(OK, End::Told, Some(&own.chain)));
    let args = [
        "run",
        &url,
        "--insecure",
        "-n",
        "5",
        "--requests-per-connection",
        "1",
    ];
    let with = ["--cert", cert.path(), "--key", key.path()];
    let json = measured(&[&args[..], &ONCE, &with].concat());
    assert_eq!(count(&json, "completed"), 5);
    let output = loadtest(&[&args[..], &ONCE, &["-q", "--timeout", "2s"]].concat());
    assert_eq!(output.status.code(), Some(1));
}
