//! Which answers are right, and bodies in both directions.

use crate::{
    endpoint::Answer,
    rig::{Rig, ms, workload},
};
use loadtest::{
    outcome::{Failure, Outcome},
    serve::pattern,
    workload::{Arrivals, Expect, Protocol, Request, Workload},
};
use std::time::Duration;

fn expecting(expect: Expect, verify: bool, answer: Answer) -> Outcome {
    let load = Workload {
        arrivals: Arrivals::Constant(10.0),
        verify,
        requests: vec![Request {
            expect,
            ..Request::default()
        }],
        ..workload()
    };
    Rig::new(&load, 1, move |_| Some(answer.clone())).run().0
}

#[test]
fn answers_are_judged_by_status_length_and_checksum() {
    let status = |status: u16| {
        Answer::raw(
            ms(1),
            format!("HTTP/1.1 {status} x\r\ncontent-length: 1\r\n\r\nx"),
        )
    };
    let sum = crc32fast::hash(b"hello");
    let told = |sum: u32| Answer::with(&format!("x-body-crc32: {sum:08x}\r\n"), ms(1), b"hello");
    let any = Expect::default;
    let expect_status = |status| Expect {
        status: Some(status),
        ..Expect::default()
    };
    let expect_bytes = |bytes| Expect {
        bytes: Some(bytes),
        ..Expect::default()
    };
    let expect_sum = |crc32| Expect {
        crc32: Some(crc32),
        ..Expect::default()
    };
    for (expect, verify, answer, fault) in [
        (any(), false, status(200), None),
        (any(), false, status(399), None),
        (any(), false, status(404), Some(Failure::Status)),
        (any(), false, status(503), Some(Failure::Status)),
        (expect_status(404), false, status(404), None),
        (
            expect_status(404),
            false,
            status(200),
            Some(Failure::Status),
        ),
        (expect_bytes(1), false, status(200), None),
        (expect_bytes(2), false, status(200), Some(Failure::Body)),
        (any(), true, told(sum), None),
        (any(), true, told(sum ^ 1), Some(Failure::Body)),
        (any(), false, told(sum ^ 1), None),
        (expect_sum(sum), true, told(0), None),
        (expect_sum(sum ^ 1), true, told(sum), Some(Failure::Body)),
    ] {
        let outcome = expecting(expect.clone(), verify, answer);
        let failed = fault.map(|fault| outcome.errors.get(&fault).copied());
        assert_eq!(failed, fault.map(|_| Some(10)), "{expect:?} {fault:?}");
        let right = if fault.is_some() { 0 } else { 10 };
        assert_eq!(
            (outcome.tally.completed, outcome.latency.len()),
            (right, right)
        );
    }
}

#[test]
fn bodies_without_a_checksum_are_counted_and_a_malformed_one_is_wrong() {
    let sum = crc32fast::hash(b"hello");
    let told = |value: String| Answer::with(&format!("x-body-crc32: {value}\r\n"), ms(1), b"hello");
    for (answer, verify, unverified, wrong) in [
        (Answer::of(ms(1), b"hello"), true, 10, None),
        (Answer::of(ms(1), b"hello"), false, 0, None),
        (Answer::of(ms(1), b""), true, 0, None),
        (told(format!("{sum:08x}")), true, 0, None),
        (told(format!("{sum:08X}")), true, 0, None),
        (told(format!("{sum:x}0")), true, 0, Some(&10)),
        (told(format!("+{sum:x}")), true, 0, Some(&10)),
        (told(format!("{sum:x}").split_off(1)), true, 0, Some(&10)),
        (told(String::new()), true, 0, Some(&10)),
    ] {
        let bytes = String::from_utf8_lossy(&answer.bytes).into_owned();
        let outcome = expecting(Expect::default(), verify, answer);
        assert_eq!(outcome.unverified, unverified, "{bytes}");
        assert_eq!(outcome.errors.get(&Failure::Body), wrong, "{bytes}");
    }
}

#[test]
fn answers_of_every_framing_are_read() {
    for answer in [
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
    ] {
        let expect = Expect {
            bytes: Some(5),
            crc32: Some(crc32fast::hash(b"hello")),
            ..Expect::default()
        };
        let outcome = expecting(expect, true, Answer::raw(ms(1), answer));
        assert_eq!((outcome.tally.completed, outcome.tally.connected), (10, 64));
    }
    let until_end = Answer::raw(ms(1), "HTTP/1.1 200 OK\r\n\r\nhello").closing();
    let expect = Expect {
        bytes: Some(5),
        ..Expect::default()
    };
    assert_eq!(expecting(expect, false, until_end).tally.completed, 10);
}

#[test]
fn bodies_arrive_as_they_are_meant() {
    for (bytes, chunked) in [
        (0, true),
        (10, false),
        (1024, true),
        (5000, false),
        (3_000_000, false),
        (3_000_000, true),
    ] {
        for streams in [1, 3] {
            let load = Workload {
                count: Some(4),
                connections: 1,
                streams,
                duration: ms(60_000),
                requests: vec![Request {
                    method: "POST".to_owned(),
                    body: bytes,
                    chunked,
                    ..Request::default()
                }],
                ..workload()
            };
            let rig = Rig::new(&load, 1, move |request| {
                assert_eq!(request.body.len() as u64, bytes);
                assert_eq!(crc32fast::hash(&request.body), pattern::crc32(bytes));
                assert_eq!(request.head.contains("chunked"), chunked);
                Some(Answer::of(ms(1), b""))
            });
            let (outcome, _) = rig.run();
            assert_eq!((outcome.tally.completed, outcome.tally.started), (4, 4));
            assert!(outcome.tally.sent_bytes >= 4 * bytes);
        }
    }
}

#[test]
fn an_answer_before_the_end_of_the_request_ends_the_connection_only() {
    let load = Workload {
        count: Some(5),
        connections: 1,
        requests: vec![Request {
            method: "POST".to_owned(),
            body: 50_000_000,
            expect: Expect {
                status: Some(413),
                ..Expect::default()
            },
            ..Request::default()
        }],
        ..workload()
    };
    let mut rig = Rig::new(&load, 1, |_| {
        Some(Answer::raw(
            ms(0),
            "HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n",
        ))
    });
    rig.endpoint.is_hasty = true;
    let (outcome, endpoint) = rig.run();
    assert_eq!(
        (outcome.tally.completed, endpoint.accepted),
        (5, 5),
        "{:?}",
        outcome.errors
    );
}

#[test]
fn an_echo_is_verified() {
    for (streams, bytes) in [(1, 64), (8, 64), (2, 100_000)] {
        let load = Workload {
            protocol: Protocol::Echo,
            arrivals: Arrivals::Constant(100.0),
            connections: 3,
            streams,
            verify: true,
            requests: vec![Request {
                body: bytes,
                ..Request::default()
            }],
            ..workload()
        };
        let rig = Rig::new(&load, 1, |request| {
            Some(Answer::raw(ms(20), request.body.clone()))
        });
        let (outcome, _) = rig.echoing().run();
        assert_eq!((outcome.tally.completed, outcome.tally.failed), (100, 0));
        let rig = Rig::new(&load, 1, |request| {
            let mut body = request.body.clone();
            if let Some(last) = body.last_mut().filter(|_| request.number == 20) {
                *last ^= 1;
            }
            Some(Answer::raw(ms(20), body))
        });
        let (outcome, _) = rig.echoing().run();
        assert_eq!(
            outcome.errors.get(&Failure::Body),
            Some(&1),
            "{:?}",
            outcome.tally
        );
    }
}

#[test]
fn reading_slowly_takes_as_long_as_the_rate_says() {
    let load = Workload {
        connections: 1,
        count: Some(2),
        read_rate: Some(100_000),
        grace: ms(60_000),
        timeout: ms(60_000),
        duration: ms(60_000),
        ..workload()
    };
    let body = vec![b'x'; 1_000_000];
    let rig = Rig::new(&load, 1, move |_| Some(Answer::of(Duration::ZERO, &body)));
    let (outcome, _) = rig.run();
    assert_eq!(outcome.tally.completed, 2);
    // What is under way when reading rests arrives nevertheless: one socket's blocks.
    let seconds = outcome.measured.as_secs_f64();
    assert!((15.0..21.0).contains(&seconds), "{seconds}");
}

#[test]
fn an_endless_answer_ends_with_the_run() {
    let load = Workload {
        connections: 2,
        grace: Duration::ZERO,
        ..workload()
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\nand so on";
    let (outcome, _) = Rig::new(&load, 1, move |_| Some(Answer::raw(ms(1), head))).run();
    assert_eq!((outcome.tally.unfinished, outcome.measured), (2, ms(1000)));
}
