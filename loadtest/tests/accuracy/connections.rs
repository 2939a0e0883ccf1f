//! Connections come, go and fail.

use crate::{
    endpoint::Answer,
    rig::{Rig, ms, workload},
};
use engines::{Chance, Faults};
use loadtest::{
    outcome::{Failure, Traffic},
    run::LINGERING_MAX,
    workload::{Arrivals, Protocol, Request, Workload},
};
use std::{cell::RefCell, rc::Rc, time::Duration};

#[test]
fn a_connection_is_replaced_after_its_last_request_which_says_so() {
    for streams in [1, 2] {
        let load = Workload {
            connections: 2,
            streams,
            count: Some(30),
            requests_per_connection: Some(3),
            ..workload()
        };
        let said = Rc::new(RefCell::new(0));
        let count = said.clone();
        let rig = Rig::new(&load, 1, move |request| {
            let is_last = request.head.contains("connection: close\r\n");
            *count.borrow_mut() += i32::from(is_last);
            let answer = Answer::of(ms(1), b"x");
            Some(if is_last { answer.closing() } else { answer })
        });
        let (outcome, endpoint) = rig.run();
        assert_eq!((outcome.tally.completed, outcome.tally.failed), (30, 0));
        assert_eq!(
            (*said.borrow(), endpoint.accepted),
            (10, 10),
            "{streams} streams"
        );
        assert_eq!(outcome.tally.connected, 10);
        assert_eq!(outcome.connect.len(), 10);
    }
}

#[test]
fn peers_that_never_close_do_not_slow_the_churn() {
    for is_echo in [false, true] {
        let load = Workload {
            protocol: if is_echo {
                Protocol::Echo
            } else {
                Protocol::Http1
            },
            arrivals: Arrivals::Constant(2000.0),
            connections: 4,
            requests_per_connection: Some(1),
            requests: vec![Request {
                body: 10,
                ..Request::default()
            }],
            ..workload()
        };
        let rig = Rig::new(&load, 1, |request| {
            Some(match request.body.len() {
                10 if request.head.is_empty() => Answer::raw(ms(0), request.body.clone()),
                _ => Answer::of(ms(0), b"x"),
            })
        });
        let rig = if is_echo { rig.echoing() } else { rig };
        let (outcome, endpoint) = rig.run();
        assert_eq!((outcome.tally.completed, outcome.tally.failed), (2000, 0));
        assert!(endpoint.accepted >= 2000);
        // Four places, each busy for a connect and an exchange: nobody waits for a socket that lingers.
        let slowest = Duration::from_nanos(outcome.latency.max());
        assert!(slowest < ms(2), "{slowest:?}");
        assert_eq!(outcome.generator.cut_lingering, 0);
    }
}

#[test]
fn sockets_that_linger_are_bounded_and_counted() {
    let load = Workload {
        arrivals: Arrivals::Constant(20_000.0),
        connections: 100,
        requests_per_connection: Some(1),
        duration: ms(200),
        ..workload()
    };
    let (outcome, _) = Rig::new(&load, 1, |_| Some(Answer::of(ms(0), b"x"))).run();
    assert_eq!(outcome.tally.completed, 4000);
    // Those of a tenth of a second linger unless they are too many.
    let cut = outcome.generator.cut_lingering as usize;
    let least = 4000 - 2 * LINGERING_MAX - 100;
    assert!((least..4000 - LINGERING_MAX + 1).contains(&cut), "{cut}");
}

#[test]
fn answers_that_come_twice_are_told() {
    for requests_per_connection in [None, Some(1)] {
        for is_apart in [false, true] {
            let load = Workload {
                arrivals: Arrivals::Constant(100.0),
                connections: 2,
                requests_per_connection,
                ..workload()
            };
            let mut rig = Rig::new(&load, 1, move |_| {
                let once = Answer::of(ms(1), b"x");
                let twice = Answer::raw(ms(1), once.bytes.repeat(2));
                Some(if is_apart { once } else { twice })
            });
            rig.endpoint.repeats = is_apart;
            let (outcome, _) = rig.run();
            assert_eq!((outcome.tally.completed, outcome.tally.failed), (100, 0));
            let told = outcome.errors.get(&Failure::Unsolicited);
            assert_eq!(told, Some(&100), "{requests_per_connection:?} {is_apart}");
        }
    }
}

#[test]
fn a_peer_that_does_not_close_is_left() {
    let load = Workload {
        connections: 1,
        count: Some(3),
        requests_per_connection: Some(1),
        ..workload()
    };
    let (outcome, endpoint) = Rig::new(&load, 1, |_| Some(Answer::of(ms(1), b"x"))).run();
    assert_eq!((outcome.tally.completed, endpoint.accepted), (3, 3));
}

#[test]
fn an_idle_connection_may_be_closed_by_its_peer() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        connections: 4,
        ..workload()
    };
    let rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(1), b"x").closing()));
    let (outcome, _) = rig.run();
    assert_eq!((outcome.tally.completed, outcome.tally.failed), (100, 0));
    assert!(outcome.tally.connected >= 100);
}

#[test]
fn a_connection_that_ends_before_its_answer_fails_the_request() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        ..workload()
    };
    let rig = Rig::new(&load, 1, |request| {
        Some(match request.number % 10 {
            3 => Answer::raw(ms(1), "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").closing(),
            7 => Answer::raw(ms(1), "").closing(),
            _ => Answer::of(ms(1), b"x"),
        })
    });
    let (outcome, _) = rig.run();
    assert_eq!(outcome.errors.get(&Failure::Closed), Some(&20));
    assert_eq!((outcome.tally.completed, outcome.tally.failed), (80, 20));
}

#[test]
fn refused_connections_are_counted_and_not_tried_without_rest() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        connections: 1,
        requests_per_connection: Some(1),
        duration: ms(20_000),
        ..workload()
    };
    let mut rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(1), b"x").closing()));
    rig.start();
    let faults = Faults {
        refused_connects: Chance::ALWAYS,
        ..Faults::default()
    };
    rig.set_faults(faults);
    while !rig.lane().is_done() {
        rig.step();
    }
    let tally = *rig.lane().so_far();
    assert_eq!((tally.completed, tally.connected), (1, 1));
    assert_eq!(tally.failed + tally.unfinished, 1999);
    let (outcome, _) = rig.run();
    let refused = outcome.errors[&Failure::Connect];
    // 10 ms, 20 ms … and from then on each second.
    assert!((20..30).contains(&refused), "{refused}");
}

#[test]
fn a_target_that_is_not_there_is_told_apart() {
    let mut rig = Rig::new(&workload(), 1, |_| None);
    let faults = Faults {
        refused_connects: Chance::ALWAYS,
        ..Faults::default()
    };
    rig.set_faults(faults);
    while !rig.lane().is_settled() {
        rig.step();
    }
    let why = rig.lane().unreachable().unwrap_or_default();
    assert!(why.contains("refused"), "{why}");
    let mut lost = Rig::new(&workload(), 1, |_| None);
    lost.set_faults(Faults {
        lost_connects: Chance::ALWAYS,
        ..Faults::default()
    });
    while !lost.lane().is_settled() {
        lost.step();
    }
    assert_eq!(lost.lane().unreachable(), Some("timed out"));
}

#[test]
fn a_run_that_is_cut_has_measured_what_was() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        duration: Duration::from_secs(3600),
        ..workload()
    };
    let mut rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(15), b"x")));
    rig.start();
    while rig.lane().so_far().completed < 50 {
        rig.step();
    }
    rig.lane().cut();
    let (outcome, _) = rig.run();
    let tally = outcome.tally;
    assert_eq!(tally.completed, 50);
    assert_eq!(tally.unfinished, tally.started - 50);
    assert!(outcome.measured > ms(500) && outcome.measured < ms(510));
}

#[test]
fn a_run_that_is_cut_in_its_warm_up_measured_nothing() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        warm_up: ms(10_000),
        ..workload()
    };
    let mut rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(1), b"x")));
    rig.start();
    while rig.lane().so_far().completed < 50 {
        rig.step();
    }
    rig.lane().cut();
    let (outcome, _) = rig.run();
    let tally = outcome.tally;
    assert_eq!((tally.received_bytes, tally.sent_bytes), (0, 0));
    assert_eq!(outcome.in_time, Traffic::default());
    assert_eq!((tally.started, outcome.measured), (0, Duration::ZERO));
}

#[test]
fn what_does_not_speak_the_protocol_is_told_at_once() {
    let whole = Answer::raw(ms(1), "HELO\r\n\r\n");
    let cut = Answer::raw(ms(1), "\x15\x03\x01\0\x02\x02\n").closing();
    let silent = Answer::raw(ms(1), "220 mail.example.org ready\r\n");
    let patient = Workload {
        timeout: ms(500),
        ..workload()
    };
    for answer in [whole, cut, silent] {
        let mut rig = Rig::new(&patient, 1, move |_| Some(answer.clone()));
        rig.start();
        while rig.lane().fatal().is_none() && !rig.lane().is_done() {
            rig.step();
        }
        let why = rig.lane().fatal().unwrap_or_default();
        assert!(why.starts_with("does not speak HTTP/1.1: "), "{why}");
    }
}

#[test]
fn what_breaks_the_protocol_later_is_counted() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        ..workload()
    };
    let rig = Rig::new(&load, 1, |request| {
        Some(match request.number {
            90 => Answer::raw(ms(1), "garbage\r\n\r\n"),
            _ => Answer::of(ms(1), b"x"),
        })
    });
    let (outcome, _) = rig.run();
    assert_eq!(outcome.errors.get(&Failure::Malformed), Some(&1));
    assert_eq!(outcome.tally.completed, 99);
}

#[test]
fn a_rough_network_loses_and_doubles_nothing() {
    for seed in 0..10 {
        let load = Workload {
            arrivals: Arrivals::Poisson(500.0),
            connections: 5,
            streams: 3,
            requests_per_connection: Some(11),
            grace: Duration::from_secs(60),
            timeout: Duration::from_secs(60),
            verify: true,
            ..workload()
        };
        let rig = Rig::new(&load, 2, |request| {
            let body = vec![b'x'; request.number % 5000];
            let line = format!("x-body-crc32: {:08x}\r\n", crc32fast::hash(&body));
            let answer = Answer::with(&line, ms(request.number as u64 % 3), &body);
            let is_last = request.head.contains("connection: close\r\n");
            Some(if is_last { answer.closing() } else { answer })
        });
        rig.set_faults(Faults::rough(&mut engines::Rng::seeded(seed)));
        let (outcome, _) = rig.run();
        assert_eq!(
            outcome.tally.completed, outcome.tally.started,
            "seed {seed}: {outcome:?}"
        );
    }
}
