//! Deadlines and wakers.

use super::{lab::Lab, world::World};
use std::{thread, time::Duration};

pub(crate) fn a_wait_without_events_ends_at_its_deadline<W: World>() {
    let mut lab = Lab::<W>::new(1);
    lab.settle();
    let engine = lab.engine(0);
    let mut events = Vec::new();
    for ms in [0, 1, 7, 20] {
        let deadline = engine.now() + Duration::from_millis(ms);
        engine.wait(Some(deadline), &mut events).expect("waits");
        assert!(events.is_empty() && engine.now() >= deadline);
    }
}

pub(crate) fn a_past_deadline_only_looks<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let engine = lab.engine(0);
    let (past, mut events) = (engine.now(), Vec::new());
    for _ in 0..3 {
        engine.wait(Some(past), &mut events).expect("waits");
        assert!(events.is_empty() && engine.now() >= past);
    }
}

pub(crate) fn time_stands_between_two_waits<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let (now, wall) = (lab.engine(0).now(), lab.engine(0).wall());
    let spin = (0..100_000u64).fold(1u64, |a, b| a.wrapping_mul(b | 1));
    assert_ne!(spin, 0, "odd numbers multiply to an odd one");
    assert_eq!((lab.engine(0).now(), lab.engine(0).wall()), (now, wall));
}

pub(crate) fn rings_of_another_thread_end_one_wait<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for ring in 1..4 {
        let waker = lab.engine(0).waker();
        let ringer = thread::spawn(move || {
            waker.wake();
            waker.wake();
        });
        ringer.join().expect("rings");
        lab.until("woken", |log| log.woken(0) == ring);
        lab.settle();
        assert_eq!((lab.log.woken(0), lab.log.woken(1)), (ring, 0));
    }
    lab.end();
}
