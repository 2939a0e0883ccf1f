//! Requests start as often, and when, they were asked to.

use crate::{
    endpoint::Answer,
    rig::{LATENCY, Rig, ms, workload},
};
use loadtest::{
    outcome::Failure,
    run::BACKLOG_MAX,
    workload::{Arrivals, Request, Workload},
};
use std::{cell::RefCell, rc::Rc, time::Duration};

/// When requests arrived, less their way.
fn starts(load: &Workload, lanes: u32) -> Vec<Duration> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let arrivals = seen.clone();
    let rig = Rig::new(load, lanes, move |request| {
        arrivals.borrow_mut().push(request.at - LATENCY);
        Some(Answer::of(Duration::ZERO, b"x"))
    });
    let (outcome, _) = rig.run();
    assert_eq!(outcome.tally.started, outcome.tally.completed);
    assert_eq!(outcome.generator.late_ns, 0);
    let starts = seen.borrow().clone();
    assert_eq!(outcome.tally.started, starts.len() as u64);
    starts
}

#[test]
fn a_constant_rate_starts_requests_evenly() {
    for lanes in [1, 2, 3] {
        let load = Workload {
            arrivals: Arrivals::Constant(400.0),
            ..workload()
        };
        let want: Vec<_> = (0..400).map(|n| Duration::from_micros(2500) * n).collect();
        assert_eq!(starts(&load, lanes), want);
        let counted = Workload {
            count: Some(77),
            ..load
        };
        assert_eq!(starts(&counted, lanes), want[..77]);
    }
}

#[test]
fn ramps_and_steps_start_what_their_integrals_say() {
    let ramp = Workload {
        arrivals: Arrivals::Ramp {
            from: 100.0,
            to: 300.0,
        },
        duration: ms(2000),
        ..workload()
    };
    let found = starts(&ramp, 2);
    let early = found.iter().filter(|at| **at < ms(1000)).count();
    assert_eq!((found.len(), early), (400, 150));
    let steps = Workload {
        arrivals: Arrivals::Steps(vec![50.0, 200.0]),
        duration: ms(2000),
        ..workload()
    };
    let found = starts(&steps, 2);
    let early = found.iter().filter(|at| **at < ms(1000)).count();
    assert_eq!((found.len(), early), (250, 50));
    assert_eq!(
        (found[49], found[50], found[51]),
        (ms(980), ms(1000), ms(1005))
    );
}

#[test]
fn independent_arrivals_have_their_rate_and_their_seed() {
    let load = Workload {
        arrivals: Arrivals::Poisson(500.0),
        duration: ms(5000),
        ..workload()
    };
    let found = starts(&load, 2);
    // Standard deviation: 50.
    assert!((2300..2700).contains(&found.len()), "{}", found.len());
    assert_eq!(found, starts(&load, 2));
    let counted = Workload {
        count: Some(1001),
        ..load
    };
    assert_eq!(starts(&counted, 2).len(), 1001);
}

#[test]
fn a_closed_loop_ends_with_its_count() {
    let load = Workload {
        connections: 7,
        count: Some(100),
        ..workload()
    };
    for lanes in [1, 3] {
        let rig = Rig::new(&load, lanes, |_| Some(Answer::of(ms(2), b"x")));
        let (outcome, _) = rig.run();
        assert_eq!((outcome.tally.started, outcome.tally.completed), (100, 100));
        // 15 rounds of 7, or 12 of those with 3 places for 34 requests.
        assert!(outcome.measured > ms(20) && outcome.measured < ms(50));
    }
}

#[test]
fn a_mix_is_drawn_by_weight() {
    let request = |path: &str, weight| Request {
        path: path.to_owned(),
        weight,
        ..Request::default()
    };
    let load = Workload {
        arrivals: Arrivals::Constant(1000.0),
        requests: vec![request("/often", 9), request("/seldom", 1)],
        ..workload()
    };
    let seldom = Rc::new(RefCell::new(0));
    let count = seldom.clone();
    let rig = Rig::new(&load, 1, move |request| {
        *count.borrow_mut() += i32::from(request.head.starts_with("get /seldom "));
        Some(Answer::of(Duration::ZERO, b"x"))
    });
    rig.run();
    // Standard deviation: 9.5.
    assert!((60..140).contains(&*seldom.borrow()), "{}", seldom.borrow());
}

#[test]
fn what_the_backlog_does_not_hold_is_counted_as_overload() {
    let load = Workload {
        arrivals: Arrivals::Constant(400_000.0),
        connections: 1,
        grace: Duration::ZERO,
        ..workload()
    };
    let (outcome, _) = Rig::new(&load, 1, |_| None).run();
    let held = BACKLOG_MAX as u64 + 1;
    assert_eq!(
        outcome.errors.get(&Failure::Overload),
        Some(&(400_000 - held))
    );
    assert_eq!(
        (outcome.tally.started, outcome.tally.unfinished),
        (400_000, held)
    );
}
