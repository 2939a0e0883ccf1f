//! How relays end: by the source's end, by a close, by a failure.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{STATIC, assert_same, bytes},
    world::World,
};
use engines::Buf;

pub(crate) fn a_dying_target_ends_alone<W: World>() {
    for size in [1000, 4 << 20] {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.relay(&mut lab);
        lab.send(chain.client, bytes(1, size));
        lab.settle();
        lab.close(chain.endpoint);
        lab.until("closed", |log| log[chain.endpoint].is_over());
        while !lab.log[chain.up].is_over() {
            lab.send(chain.client, bytes(2, 1000));
            lab.round(true);
        }
        assert!(lab.log[chain.up].has_failed());
        lab.send(chain.client, bytes(3, 1000));
        lab.settle();
        assert!(!lab.log[chain.down].is_over() && !lab.log[chain.down].finished);
        lab.close(chain.down);
        lab.until("closed", |log| log[chain.down].is_over());
        lab.end();
    }
}

pub(crate) fn a_reset_source_is_no_end_of_the_target<W: World>() {
    for size in [1000, 4 << 20] {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.relay(&mut lab);
        lab.resume(chain.endpoint);
        lab.send(chain.client, bytes(1, size));
        lab.until("bytes", |log| {
            log[chain.endpoint].received.len() == size && log[chain.client].sent == size
        });
        lab.send(chain.endpoint, bytes(2, 10));
        lab.settle();
        lab.close(chain.client);
        lab.until("the source fails", |log| log[chain.down].is_over());
        assert!(lab.log[chain.down].has_failed());
        lab.settle();
        assert!(
            !lab.log[chain.endpoint].finished,
            "a reset was told as an end"
        );
        assert!(!lab.log[chain.up].is_over());
        lab.close(chain.up);
        lab.until("the end", |log| log[chain.endpoint].finished);
        assert_same(&lab.log[chain.endpoint].received, &bytes(1, size));
        lab.end();
    }
}

pub(crate) fn a_relay_to_a_stale_target_tells_nothing<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chain = Chain::new(&mut lab, Family::V4);
    lab.close(chain.up);
    lab.until("closed", |log| log[chain.up].is_over());
    lab.relay(chain.down, chain.up);
    lab.send(chain.client, bytes(1, 1000));
    lab.finish(chain.client);
    lab.settle();
    assert_eq!(lab.log[chain.down].events, 0);
    lab.close(chain.down);
    lab.until("closed", |log| log[chain.down].is_over());
    assert!(lab.log[chain.down].is_closed());
    lab.end();
}

pub(crate) fn closing_a_source_lets_go_of_its_target<W: World>() {
    for size in [1000, 8 << 20] {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.relay(&mut lab);
        lab.send(chain.client, bytes(1, size));
        lab.settle();
        lab.close(chain.down);
        lab.until("closed", |log| log[chain.down].is_over());
        lab.settle();
        assert!(!lab.log[chain.up].is_over());
        lab.send(chain.up, bytes(2, 1000));
        lab.finish(chain.up);
        lab.resume(chain.endpoint);
        lab.until("the end", |log| log[chain.endpoint].finished);
        let received = &lab.log[chain.endpoint].received;
        let (passed, own) = received.split_at(received.len() - 1000);
        assert_same(passed, &bytes(1, size)[..passed.len()]);
        assert_same(own, &bytes(2, 1000));
        lab.end();
    }
}

pub(crate) fn closing_both_amid_bulk_tells_closed_once<W: World>() {
    for turns in 0..16 {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.relay(&mut lab);
        for end in [chain.client, chain.endpoint] {
            lab.resume(end);
            (0..4).for_each(|_| lab.send(end, Buf::from_static(&STATIC)));
        }
        for _ in 0..turns {
            lab.round(false);
        }
        let first = if turns % 2 == 0 { chain.up } else { chain.down };
        lab.close(first);
        lab.round(false);
        lab.end();
    }
}

pub(crate) fn an_end_that_came_before_is_passed_on<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chain = Chain::new(&mut lab, Family::V4);
    lab.send(chain.client, bytes(1, 1000));
    lab.finish(chain.client);
    lab.settle();
    chain.relay(&mut lab);
    lab.resume(chain.endpoint);
    lab.until("both ends", |log| {
        log[chain.endpoint].finished && log[chain.down].finished
    });
    assert_same(&lab.log[chain.endpoint].received, &bytes(1, 1000));
    assert_eq!(lab.log[chain.down].relayed, 1000);
    lab.end();
}
