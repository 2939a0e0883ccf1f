//! Corrected and uncorrected latency, against the arithmetic of what the endpoint did.

use crate::{
    endpoint::Answer,
    rig::{ROUND_TRIP, Rig, assert_exact, ms, workload},
};
use loadtest::{
    outcome::Failure,
    workload::{Arrivals, Workload},
};
use std::time::Duration;

/// Delays from 100 µs to 1.6 s, all different.
fn delay(number: usize) -> Duration {
    Duration::from_micros(100 + (number * 7919 % 1000) as u64 * 1600)
}

#[test]
fn percentiles_are_exact_whatever_the_threads() {
    let load = Workload {
        arrivals: Arrivals::Constant(1000.0),
        connections: 2400,
        ..workload()
    };
    for lanes in [1, 3] {
        let rig = Rig::new(&load, lanes, |request| {
            Some(Answer::of(delay(request.number), b"x"))
        });
        let (outcome, _) = rig.run();
        let times: Vec<_> = (0..1000).map(|n| delay(n) + ROUND_TRIP).collect();
        assert_exact(&outcome.latency, &times);
        assert_exact(&outcome.service, &times);
        assert_eq!(outcome.measured, ms(1000));
        assert_eq!(
            (outcome.tally.started, outcome.tally.completed),
            (1000, 1000)
        );
        let cells = outcome.slices.iter().flat_map(|slice| &slice.cells);
        assert_eq!(cells.sum::<u32>(), 1000);
    }
}

/// What each of `count` requests on one connection takes, from its intended start and from its start:
/// Lindley's recursion.
fn queued(
    count: u64,
    gap: Duration,
    service: impl Fn(Duration) -> Duration,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut free, mut latency, mut alone) = (Duration::ZERO, Vec::new(), Vec::new());
    for number in 0..count {
        let intended = gap * number as u32;
        let start = free.max(intended);
        free = start + service(start);
        latency.push(free - intended);
        alone.push(free - start);
    }
    (latency, alone)
}

#[test]
fn a_stall_shows_in_corrected_latency_as_a_triangle_and_once_in_service() {
    let load = Workload {
        arrivals: Arrivals::Constant(1000.0),
        connections: 1,
        duration: ms(4000),
        ..workload()
    };
    // What arrives in the second second is answered at its end.
    let stall = |at: Duration| match at {
        _ if at >= ms(1000) && at < ms(2000) => ms(2000) - at,
        _ => Duration::ZERO,
    };
    let rig = Rig::new(&load, 1, move |request| {
        Some(Answer::of(stall(request.at), b"x"))
    });
    let (outcome, _) = rig.run();
    let service = |start| ROUND_TRIP + stall(start + ROUND_TRIP / 2);
    let (latency, alone) = queued(4000, ms(1), service);
    assert_exact(&outcome.latency, &latency);
    assert_exact(&outcome.service, &alone);
    let over = |times: &[Duration], least| times.iter().filter(|time| **time > least).count();
    assert_eq!(over(&alone, ms(1)), 1);
    assert_eq!(
        outcome.service.value_at_quantile(0.999),
        outcome.service.value_at_quantile(0.5)
    );
    // Of the second of stall each request waits for what is left of it, so a half waits half of it.
    assert!(
        (550..=560).contains(&over(&latency, ms(500))),
        "{}",
        over(&latency, ms(500))
    );
}

#[test]
fn a_target_that_is_too_slow_is_seen_to_fall_behind() {
    let load = Workload {
        arrivals: Arrivals::Constant(200.0),
        connections: 1,
        grace: ms(60_000),
        ..workload()
    };
    let rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(10), b"x")));
    let (outcome, _) = rig.run();
    let (latency, alone) = queued(200, ms(5), |_| ms(10) + ROUND_TRIP);
    assert_exact(&outcome.latency, &latency);
    assert_exact(&outcome.service, &alone);
    assert_eq!(outcome.generator.late_ns, 0);
}

#[test]
fn a_closed_loop_counts_from_when_the_connection_was_free() {
    let load = Workload {
        connections: 3,
        ..workload()
    };
    let rig = Rig::new(&load, 1, |_| Some(Answer::of(ms(7), b"x")));
    let (outcome, _) = rig.run();
    let cycle = ms(7) + ROUND_TRIP;
    let each = 1000_u128 * 1_000_000 / cycle.as_nanos() + 1;
    let times = vec![cycle; 3 * each as usize];
    assert_exact(&outcome.latency, &times);
    assert_exact(&outcome.service, &times);
}

#[test]
fn the_warm_up_is_not_recorded() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        warm_up: ms(500),
        ..workload()
    };
    let rig = Rig::new(&load, 1, |request| {
        let is_warm = request.at >= ms(500);
        let bytes: &[u8] = if is_warm {
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        } else {
            b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n"
        };
        Some(Answer::raw(if is_warm { ms(1) } else { ms(40) }, bytes))
    });
    let (outcome, _) = rig.run();
    assert_exact(&outcome.latency, &[ms(1) + ROUND_TRIP; 100]);
    assert_eq!((outcome.tally.started, outcome.tally.failed), (100, 0));
    assert!(outcome.errors.is_empty());
    // Four answers of the warm-up were still to come when it ended.
    let each = 38;
    assert_eq!(outcome.tally.received_bytes, 100 * each + 4 * 37);
}

#[test]
fn what_timed_out_is_in_corrected_latency_with_its_age() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        timeout: ms(300),
        ..workload()
    };
    let rig = Rig::new(&load, 1, |request| {
        (request.number != 50).then(|| Answer::of(ms(1), b"x"))
    });
    let (outcome, endpoint) = rig.run();
    assert_eq!(outcome.errors.get(&Failure::Timeout), Some(&1));
    assert_eq!((outcome.tally.completed, outcome.tally.failed), (99, 1));
    assert_exact(&outcome.service, &[ms(1) + ROUND_TRIP; 99]);
    assert_eq!(outcome.latency.len(), 100);
    let longest = outcome.latency.max();
    assert!((300_000_000..302_000_000).contains(&longest), "{longest}");
    assert_eq!(endpoint.accepted, 65, "the connection was given up");
}

#[test]
fn what_never_ended_is_in_corrected_latency_with_its_age() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        grace: ms(500),
        connections: 1,
        ..workload()
    };
    let rig = Rig::new(&load, 1, |request| {
        (request.number < 10).then(|| Answer::of(ms(1), b"x"))
    });
    let (outcome, _) = rig.run();
    let tally = outcome.tally;
    assert_eq!(
        (tally.completed, tally.failed, tally.unfinished),
        (10, 0, 90)
    );
    // From 1 s (the last) … 0.1 s on, all waited until 1.5 s.
    let waited = (10..100).map(|n| ms(1500) - ms(10) * n);
    let answered = std::iter::repeat_n(ms(1) + ROUND_TRIP, 10);
    assert_exact(
        &outcome.latency,
        &answered.chain(waited).collect::<Vec<_>>(),
    );
    let closed = Workload {
        arrivals: Arrivals::Closed,
        ..load
    };
    let (outcome, _) = Rig::new(&closed, 1, |_| None).run();
    assert_eq!((outcome.tally.unfinished, outcome.latency.len()), (1, 0));
}

#[test]
fn pipelined_requests_do_not_wait_for_each_other() {
    for (streams, most) in [(1, 1), (4, 4)] {
        let load = Workload {
            arrivals: Arrivals::Constant(300.0),
            connections: 1,
            streams,
            grace: ms(60_000),
            ..workload()
        };
        let seen = std::rc::Rc::new(std::cell::Cell::new(0));
        let ahead = seen.clone();
        let rig = Rig::new(&load, 1, move |request| {
            ahead.set(ahead.get().max(request.ahead + 1));
            Some(Answer::of(ms(12), b"x"))
        });
        let (outcome, _) = rig.run();
        assert_eq!(seen.get(), most);
        let slowest = Duration::from_nanos(outcome.latency.max());
        match streams {
            1 => assert!(slowest > ms(2000)),
            _ => assert_exact(&outcome.latency, &[ms(12) + ROUND_TRIP; 300]),
        }
    }
}

#[test]
fn what_lost_its_connection_to_another_s_timeout_is_in_corrected_latency() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        connections: 1,
        streams: 100,
        timeout: ms(300),
        ..workload()
    };
    // All behind the unanswered one wait on its connection, and end with it.
    let rig = Rig::new(&load, 1, |request| {
        (request.number != 50).then(|| match request.number {
            51..80 => Answer::of(ms(5000), b"x"),
            _ => Answer::of(ms(1), b"x"),
        })
    });
    let (outcome, _) = rig.run();
    let closed = outcome.errors[&Failure::Closed];
    assert!((28..=30).contains(&closed), "{:?}", outcome.errors);
    assert_eq!(outcome.errors[&Failure::Timeout], 1);
    assert_eq!(outcome.latency.len(), outcome.tally.started);
    let waited_long = outcome.latency.len() - outcome.latency.count_between(0, 100_000_000);
    assert!(waited_long >= 20, "{waited_long}");
}

#[test]
fn what_comes_in_the_grace_is_in_no_rate() {
    let body = vec![b'x'; 10_000];
    let load = Workload {
        arrivals: Arrivals::Constant(10.0),
        connections: 20,
        ..workload()
    };
    // Half of the answers come after the last start.
    let rig = Rig::new(&load, 1, move |request| {
        let delay = if request.number < 5 { ms(1) } else { ms(1000) };
        Some(Answer::of(delay, &body))
    });
    let (outcome, _) = rig.run();
    let all = outcome.tally.received_bytes;
    assert_eq!((outcome.tally.completed, outcome.measured), (10, ms(1000)));
    assert_eq!(outcome.in_time.received_bytes, all / 2);
    assert_eq!(outcome.in_time.sent_bytes, outcome.tally.sent_bytes);
    // With a count the last answer is the end of what is measured.
    let counted = Workload {
        count: Some(10),
        duration: ms(60_000),
        ..load
    };
    let (outcome, _) = Rig::new(&counted, 1, |_| Some(Answer::of(ms(500), b"x"))).run();
    assert!(outcome.measured > ms(1300), "{:?}", outcome.measured);
    assert_eq!(outcome.in_time.received_bytes, outcome.tally.received_bytes);
}
