//! Relays with an end that do not come to it: the source's end, a close, a failure.

use super::{
    chain::Chain,
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};

const SIZES: [usize; 2] = [1000, 4 << 20];

pub(crate) fn an_end_that_comes_first_is_told_and_goes_no_further<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for (size, sent) in [(1000, 0), (1000, 10), (4 << 20, 0), (4 << 20, 1 << 20)] {
        let chain = Chain::new(&mut lab, Family::V4);
        chain.pass(&mut lab, size);
        lab.resume(chain.endpoint);
        if sent > 0 {
            lab.send(chain.client, bytes(1, sent));
        }
        lab.finish(chain.client);
        lab.until("the end", |log| log[chain.down].finished);
        assert_eq!(lab.log[chain.down].relayed, sent as u64);
        lab.send(chain.up, bytes(2, 100));
        lab.until("own bytes", |log| {
            log[chain.endpoint].received.len() == sent + 100
        });
        lab.settle();
        let received = &lab.log[chain.endpoint];
        assert!(!received.finished, "the end went on");
        assert_same(&received.received[..sent], &bytes(1, sent));
        assert_same(&received.received[sent..], &bytes(2, 100));
        lab.finish(chain.up);
        lab.until("our end", |log| log[chain.endpoint].finished);
    }
    lab.end();
}

pub(crate) fn an_end_behind_what_passed_is_told_when_resumed<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for size in SIZES {
        let chain = Chain::new(&mut lab, Family::V4);
        lab.resume(chain.endpoint);
        lab.send(chain.client, bytes(1, size));
        lab.finish(chain.client);
        chain.pass(&mut lab, size);
        lab.until("all passed", |log| log[chain.down].asked.pass.is_none());
        lab.settle();
        assert!(!lab.log[chain.down].finished, "it is paused");
        lab.resume(chain.down);
        lab.until("the end", |log| log[chain.down].finished);
        assert!(!lab.log[chain.endpoint].finished);
        assert_same(&lab.log[chain.endpoint].received, &bytes(1, size));
    }
    lab.end();
}

pub(crate) fn a_dying_target_stops_what_passes<W: World>() {
    for size in SIZES {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.pass(&mut lab, 64 << 20);
        lab.send(chain.client, bytes(1, size));
        lab.settle();
        lab.close(chain.endpoint);
        lab.until("closed", |log| log[chain.endpoint].is_over());
        while !lab.log[chain.up].is_over() {
            lab.send(chain.client, bytes(2, 1000));
            lab.round(true);
        }
        assert!(lab.log[chain.up].has_failed());
        let told = lab.log[chain.down].relayed;
        lab.send(chain.client, bytes(3, 1000));
        lab.settle();
        let seen = &lab.log[chain.down];
        assert!(!seen.is_over() && !seen.finished);
        assert_eq!(seen.relayed, told, "all was told before");
        lab.close(chain.down);
        lab.until("closed", |log| log[chain.down].is_over());
        lab.end();
    }
}

pub(crate) fn a_reset_source_leaves_its_target_as_it_is<W: World>() {
    for size in SIZES {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.pass(&mut lab, size + 1);
        lab.resume(chain.endpoint);
        lab.send(chain.client, bytes(1, size));
        lab.until("bytes", |log| {
            log[chain.endpoint].received.len() == size && log[chain.client].sent == size
        });
        // What is unread when it closes makes it reset.
        lab.send(chain.down, bytes(2, 10));
        lab.send(chain.endpoint, bytes(2, 10));
        lab.settle();
        lab.close(chain.client);
        lab.until("the source fails", |log| log[chain.down].is_over());
        assert!(lab.log[chain.down].has_failed());
        assert_eq!(lab.log[chain.down].relayed, size as u64);
        lab.send(chain.up, bytes(3, 100));
        lab.resume(chain.up);
        lab.until("both ways", |log| {
            log[chain.endpoint].received.len() == size + 100 && log[chain.up].received.len() == 10
        });
        assert_same(&lab.log[chain.endpoint].received[..size], &bytes(1, size));
        lab.end();
    }
}

pub(crate) fn closing_the_source_lets_go_of_its_target<W: World>() {
    for size in SIZES {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.pass(&mut lab, 64 << 20);
        lab.send(chain.client, bytes(1, size));
        lab.settle();
        lab.finish(chain.up);
        lab.close(chain.down);
        lab.until("closed", |log| log[chain.down].is_over());
        assert!(lab.log[chain.down].is_closed());
        lab.resume(chain.endpoint);
        lab.until("the end", |log| log[chain.endpoint].finished);
        let received = &lab.log[chain.endpoint].received;
        assert_same(received, &bytes(1, size)[..received.len()]);
        lab.send(chain.endpoint, bytes(2, 1000));
        lab.resume(chain.up);
        lab.until("the other way", |log| log[chain.up].received.len() == 1000);
        lab.end();
    }
}

pub(crate) fn closing_the_target_stops_what_passes<W: World>() {
    for size in SIZES {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        chain.pass(&mut lab, 64 << 20);
        lab.send(chain.client, bytes(1, size));
        lab.settle();
        lab.close(chain.up);
        lab.until("closed", |log| log[chain.up].is_over());
        lab.resume(chain.down);
        lab.settle();
        assert!(!lab.log[chain.down].is_over());
        assert_eq!(lab.log[chain.down].receives, 0);
        lab.close(chain.down);
        lab.until("closed", |log| log[chain.down].is_over());
        lab.end();
    }
}

pub(crate) fn a_stale_target_gets_nothing<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let chain = Chain::new(&mut lab, Family::V4);
    lab.close(chain.up);
    lab.until("closed", |log| log[chain.up].is_over());
    chain.pass(&mut lab, 100);
    lab.send(chain.client, bytes(1, 1000));
    lab.finish(chain.client);
    lab.settle();
    assert_eq!(lab.log[chain.down].events, 0);
    lab.end();
}

pub(crate) fn a_source_that_leaves_takes_along_what_did_not<W: World>() {
    for size in SIZES {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        let sent = bytes(1, size);
        chain.pass(&mut lab, size / 2);
        lab.send(chain.client, sent.clone());
        lab.round(false);
        lab.round(false);
        let carried = lab.detach(chain.down);
        let moved = lab.adopt(0, carried);
        lab.resume(chain.endpoint);
        lab.resume(moved);
        lab.until("all bytes", |log| {
            log[chain.endpoint].received.len() + log[moved].received.len() == size
        });
        let received = &lab.log[chain.endpoint].received;
        assert!(received.len() <= size / 2);
        assert_same(received, &sent[..received.len()]);
        assert_same(&lab.log[moved].received, &sent[received.len()..]);
        lab.end();
    }
}

pub(crate) fn closing_both_while_it_passes_tells_closed_once<W: World>() {
    for turns in 0..16 {
        let mut lab = Lab::<W>::new(3);
        let chain = Chain::new(&mut lab, Family::V4);
        lab.pass(chain.down, chain.up, 8 << 20);
        lab.pass(chain.up, chain.down, 8 << 20);
        for end in [chain.client, chain.endpoint] {
            lab.resume(end);
            lab.send(end, bytes(1, 4 << 20));
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
