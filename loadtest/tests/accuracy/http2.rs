//! The same over HTTP/2: many requests under way on a connection, none of which waits for another.

use crate::{
    endpoint::Answer,
    rig::{ROUND_TRIP, Rig, assert_exact, ms, workload},
};
use codecs::Reason;
use loadtest::{
    outcome::{Calls, Failure, Outcome},
    serve::pattern,
    workload::{Arrivals, Expect, Protocol, Request, Workload},
};
use std::{cell::Cell, collections::BTreeMap, rc::Rc, time::Duration};

fn http2(connections: u32, streams: u32) -> Workload {
    Workload {
        protocol: Protocol::Http2,
        connections,
        streams,
        ..workload()
    }
}

/// Delays from 100 µs to 200 ms, all different.
fn delay(number: usize) -> Duration {
    Duration::from_micros(100 + (number * 7919 % 1000) as u64 * 200)
}

#[test]
fn percentiles_are_exact_though_answers_overtake_each_other() {
    for (connections, streams) in [(4, 100), (40, 10), (400, 1)] {
        for lanes in [1, 3] {
            let load = Workload {
                arrivals: Arrivals::Constant(1000.0),
                ..http2(connections, streams)
            };
            let rig = Rig::new(&load, lanes, |request| {
                Some(Answer::of(delay(request.number), b"x"))
            });
            let (outcome, endpoint) = rig.over_http2().run();
            let times: Vec<_> = (0..1000).map(|n| delay(n) + ROUND_TRIP).collect();
            assert_exact(&outcome.latency, &times);
            assert_exact(&outcome.service, &times);
            let tally = (outcome.tally.started, outcome.tally.completed);
            assert_eq!(
                (tally, endpoint.accepted as u32),
                ((1000, 1000), connections)
            );
        }
    }
}

#[test]
fn what_finds_no_free_stream_waits_from_its_intended_start() {
    const STREAMS: usize = 4;
    let load = Workload {
        arrivals: Arrivals::Constant(1000.0),
        count: Some(200),
        grace: ms(60_000),
        ..http2(1, STREAMS as u32)
    };
    let service = |number: usize| ms(3 + number as u64 % 7);
    let rig = Rig::new(&load, 1, move |request| {
        Some(Answer::of(service(request.number), b"x"))
    });
    let (outcome, _) = rig.over_http2().run();
    // The first of four servers that is free takes the next in the queue.
    let (mut free, mut latency, mut alone) = ([Duration::ZERO; STREAMS], Vec::new(), Vec::new());
    for number in 0..200 {
        let intended = ms(number as u64);
        let first = free.iter_mut().min().unwrap();
        let start = intended.max(*first);
        *first = start + service(number) + ROUND_TRIP;
        latency.push(*first - intended);
        alone.push(*first - start);
    }
    assert_exact(&outcome.latency, &latency);
    assert_exact(&outcome.service, &alone);
}

#[test]
fn a_slow_answer_holds_nobody_up() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        ..http2(1, 100)
    };
    let of = |number: usize| if number % 10 == 3 { ms(900) } else { ms(1) };
    let rig = Rig::new(&load, 1, move |request| {
        Some(Answer::of(of(request.number), b"x"))
    });
    let (outcome, endpoint) = rig.over_http2().run();
    let times: Vec<_> = (0..100).map(|n| of(n) + ROUND_TRIP).collect();
    assert_exact(&outcome.latency, &times);
    assert_eq!(endpoint.accepted, 1);
}

#[test]
fn a_timeout_ends_its_own_stream() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        timeout: ms(300),
        ..http2(1, 100)
    };
    let rig = Rig::new(&load, 1, |request| {
        (request.number % 10 != 5).then(|| Answer::of(ms(1), b"x"))
    });
    let (outcome, endpoint) = rig.over_http2().run();
    assert_eq!((outcome.tally.completed, endpoint.accepted), (90, 1));
    assert_eq!(outcome.errors, [(Failure::Timeout, 10)].into());
    assert_eq!(outcome.latency.len(), 100);
}

#[test]
fn resets_and_refusals_are_told_apart_and_end_no_connection() {
    for (reason, failure) in [
        (Reason::Refused, Failure::Refused),
        (Reason::Internal, Failure::Reset),
        (Reason::Cancel, Failure::Reset),
        (Reason::Protocol, Failure::Malformed),
    ] {
        let load = Workload {
            arrivals: Arrivals::Constant(100.0),
            ..http2(1, 10)
        };
        let rig = Rig::new(&load, 1, move |request| {
            let answer = Answer::of(ms(5), b"x");
            Some(match request.number % 10 {
                3 => answer.resetting(reason),
                _ => answer,
            })
        });
        let (outcome, endpoint) = rig.over_http2().run();
        assert_eq!((outcome.tally.completed, endpoint.accepted), (90, 1));
        assert_eq!(outcome.errors, [(failure, 10)].into(), "{reason:?}");
    }
}

#[test]
fn a_connection_that_is_about_to_go_is_replaced() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        ..http2(2, 10)
    };
    let rig = Rig::new(&load, 1, |request| {
        let answer = Answer::of(ms(25), b"x");
        Some(match request.number % 20 {
            10 => answer.draining(),
            _ => answer,
        })
    });
    let (outcome, endpoint) = rig.over_http2().run();
    let refused = outcome.errors.get(&Failure::Refused).copied().unwrap_or(0);
    assert_eq!(
        outcome.tally.completed + refused,
        100,
        "{:?}",
        outcome.errors
    );
    assert_eq!(outcome.tally.failed, refused);
    let others = outcome
        .errors
        .keys()
        .filter(|why| **why != Failure::Refused);
    assert_eq!(others.count(), 0, "{:?}", outcome.errors);
    assert!(
        (6..=7).contains(&endpoint.accepted),
        "{}",
        endpoint.accepted
    );
}

#[test]
fn an_end_fails_all_that_is_under_way() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        ..http2(1, 10)
    };
    let rig = Rig::new(&load, 1, |request| {
        let answer = Answer::of(ms(if request.number % 10 == 9 { 1 } else { 45 }), b"x");
        Some(match request.number % 10 {
            9 => answer.closing(),
            _ => answer,
        })
    });
    let (outcome, endpoint) = rig.over_http2().run();
    assert_eq!(outcome.errors, [(Failure::Closed, 40)].into());
    // The last one is replaced as well: the run goes on for some ms.
    assert_eq!((outcome.tally.completed, endpoint.accepted), (60, 11));
}

#[test]
fn a_connection_carries_as_many_requests_as_it_may() {
    let load = Workload {
        count: Some(30),
        requests_per_connection: Some(3),
        ..http2(2, 2)
    };
    let rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(1), b"x")));
    let (outcome, endpoint) = rig.over_http2().run();
    assert_eq!((outcome.tally.completed, outcome.tally.failed), (30, 0));
    assert_eq!((endpoint.accepted, outcome.tally.connected), (10, 10));
}

#[test]
fn bodies_of_many_streams_arrive_as_they_are_meant() {
    for (bytes, chunked) in [(0, true), (10, false), (5000, true), (3_000_000, false)] {
        let load = Workload {
            count: Some(12),
            duration: ms(60_000),
            requests: vec![Request {
                method: "POST".to_owned(),
                body: bytes,
                chunked,
                ..Request::default()
            }],
            ..http2(1, 3)
        };
        let rig = Rig::new(&load, 1, move |request| {
            assert_eq!(request.body.len() as u64, bytes);
            assert_eq!(crc32fast::hash(&request.body), pattern::crc32(bytes));
            Some(Answer::of(ms(1), b""))
        });
        let (outcome, _) = rig.over_http2().run();
        assert_eq!((outcome.tally.completed, outcome.tally.failed), (12, 0));
    }
}

#[test]
fn answers_larger_than_every_window_come_whole() {
    let body = pattern::pattern().repeat(3);
    let expect = Expect {
        bytes: Some(body.len() as u64),
        crc32: Some(crc32fast::hash(&body)),
        ..Expect::default()
    };
    let load = Workload {
        count: Some(8),
        verify: true,
        duration: ms(60_000),
        requests: vec![Request {
            expect,
            ..Request::default()
        }],
        ..http2(1, 4)
    };
    let rig = Rig::new(&load, 1, move |_| Some(Answer::of(ms(1), &body)));
    let (outcome, _) = rig.over_http2().run();
    assert_eq!((outcome.tally.completed, outcome.tally.failed), (8, 0));
}

#[test]
fn a_slow_reader_holds_its_windows_shut() {
    let load = Workload {
        count: Some(2),
        read_rate: Some(100_000),
        grace: ms(60_000),
        timeout: ms(60_000),
        duration: ms(60_000),
        ..http2(1, 1)
    };
    let body = vec![b'x'; 1_000_000];
    let rig = Rig::new(&load, 1, move |_| Some(Answer::of(Duration::ZERO, &body)));
    let (outcome, _) = rig.over_http2().run();
    assert_eq!(outcome.tally.completed, 2);
    // What the window holds arrives nevertheless.
    let seconds = outcome.measured.as_secs_f64();
    assert!((19.0..20.0).contains(&seconds), "{seconds}");
}

fn message(content: &[u8]) -> Vec<u8> {
    let len = content.len() as u32;
    [&[0], &len.to_be_bytes()[..], content].concat()
}

/// Ten calls with a message of 7 bytes that get this.
fn calls(expect: Expect, answer: impl Fn() -> Answer + 'static) -> Outcome {
    let load = Workload {
        protocol: Protocol::Grpc,
        arrivals: Arrivals::Constant(10.0),
        verify: true,
        requests: vec![Request {
            path: "/p.S/M".to_owned(),
            body: 7,
            expect,
            ..Request::default()
        }],
        ..workload()
    };
    let seen = Rc::new(Cell::new(0));
    let count = seen.clone();
    let rig = Rig::new(&load, 1, move |request| {
        count.set(count.get() + 1);
        let head = &request.head;
        assert!(head.starts_with("post /p.s/m http/2\r\n"), "{head}");
        for line in ["content-type: application/grpc", "te: trailers"] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
        }
        assert!(!head.contains("content-length"));
        assert_eq!(request.body, message(&pattern::pattern()[..7]));
        Some(answer())
    });
    let (outcome, _) = rig.over_http2().run();
    assert_eq!(seen.get(), 10);
    outcome
}

#[test]
fn calls_are_judged_by_status_and_messages() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n\r\n";
    let two = [message(b"hello"), message(b"")].concat();
    let body = move |bytes: &[u8]| Answer::raw(ms(1), [head.as_bytes(), bytes].concat());
    let none = Expect::default;
    let expect = |bytes, messages| Expect {
        bytes,
        messages,
        crc32: Some(crc32fast::hash(b"hello")),
        ..Expect::default()
    };
    let status = |status| Expect {
        grpc_status: Some(status),
        ..Expect::default()
    };
    let trailers_only = "HTTP/1.1 200 OK\r\ngrpc-status: 5\r\n\r\n";
    for (wanted, bytes, trailer, failure, counted) in [
        (none(), &two[..], Some("0"), None, Some(0)),
        (expect(Some(5), Some(2)), &two, Some("0"), None, Some(0)),
        (
            expect(Some(10), None),
            &two,
            Some("0"),
            Some(Failure::Body),
            Some(0),
        ),
        (
            expect(None, Some(1)),
            &two,
            Some("0"),
            Some(Failure::Body),
            Some(0),
        ),
        (none(), &two[..7], Some("0"), Some(Failure::Body), Some(0)),
        (none(), &two, Some("14"), Some(Failure::Status), Some(14)),
        (none(), &two, Some("99"), Some(Failure::Status), Some(2)),
        (status(14), &two, Some("14"), None, Some(14)),
        (status(14), &two, Some("0"), Some(Failure::Status), Some(0)),
        (none(), &two, None, Some(Failure::Malformed), None),
    ] {
        let (bytes, messages) = (bytes.to_vec(), if bytes.len() == 7 { 0 } else { 20 });
        let outcome = calls(wanted.clone(), move || match trailer {
            Some(status) => body(&bytes).trailing("grpc-status", status),
            None => body(&bytes),
        });
        let errors: BTreeMap<_, _> = failure.map(|why| (why, 10)).into_iter().collect();
        assert_eq!(outcome.errors, errors, "{wanted:?} {trailer:?}");
        let statuses = counted.map(|status| (status, 10)).into_iter().collect();
        assert_eq!(outcome.calls, Some(Calls { statuses, messages }));
    }
    let outcome = calls(none(), move || Answer::raw(ms(1), trailers_only));
    assert_eq!(outcome.errors, [(Failure::Status, 10)].into());
    let outcome = calls(status(5), move || Answer::raw(ms(1), trailers_only));
    assert_eq!(outcome.tally.completed, 10);
}
