//! Sockets start paused, and pausing stops what they tell.

use super::{
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, Class, EngineOptions};

pub(crate) fn a_new_socket_is_paused<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    let to = lab.local(listener);
    let client = lab.connect(0, &to);
    lab.settle();
    assert_eq!(lab.log[listener].events, 0);
    lab.resume(listener);
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    lab.send(client, bytes(1, 3000));
    lab.finish(client);
    lab.settle();
    assert_eq!((lab.log[server].events, lab.log[client].sent), (0, 3000));
    lab.resume(server);
    lab.until("the end", |log| log[server].finished);
    assert_same(&lab.log[server].received, &bytes(1, 3000));
    lab.end();
}

pub(crate) fn a_paused_socket_tells_at_most_its_quota<W: World>() {
    let blocks = BlockLimits {
        socket_max: 3,
        ..BlockLimits::default()
    };
    let mut lab = Lab::<W>::with(2, &EngineOptions::from(blocks));
    let (client, server) = lab.pair(0, 1);
    let most = 3 * lab.blocks(1).block_bytes(Class::Large);
    let sent = bytes(1, 2 << 20);
    lab.resume(server);
    lab.send(client, sent.clone());
    lab.finish(client);
    for _ in 0..4 {
        let before = lab.log[server].received.len();
        lab.resume(server);
        lab.until("bytes", |log| log[server].received.len() > before);
        lab.pause(server);
        let (before, blocks) = (lab.log[server].received.len(), lab.log[server].receives);
        lab.settle();
        let seen = &lab.log[server];
        assert!(seen.received.len() - before <= most && seen.receives - blocks <= 3);
        let told = seen.events;
        lab.settle();
        assert_eq!(lab.log[server].events, told, "told more while paused");
        assert!(!lab.log[server].finished);
    }
    lab.resume(server);
    lab.until("the end", |log| log[server].finished);
    assert_same(&lab.log[server].received, &sent);
    lab.end();
}

pub(crate) fn a_paused_socket_does_not_tell_the_end<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    lab.send(client, bytes(1, 10));
    lab.until("bytes", |log| log[server].received.len() == 10);
    lab.pause(server);
    lab.settle();
    lab.finish(client);
    lab.settle();
    assert!(!lab.log[server].finished);
    lab.resume(server);
    lab.until("the end", |log| log[server].finished);
    lab.end();
}

pub(crate) fn pausing_and_resuming_loses_nothing<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        let sent = bytes(1, 3 << 20);
        lab.send(client, sent.clone());
        lab.finish(client);
        while !lab.log[server].finished {
            lab.resume(server);
            let told = lab.log[server].events;
            lab.until("something", |log| log[server].events > told);
            lab.pause(server);
            lab.resume(server);
            lab.pause(server);
            lab.round(false);
        }
        assert_same(&lab.log[server].received, &sent);
    }
    lab.end();
}

pub(crate) fn a_paused_listener_accepts_nothing<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    lab.pair_by(0, listener);
    lab.pause(listener);
    lab.settle();
    let to = lab.local(listener);
    let client = lab.connect(0, &to);
    lab.settle();
    assert_eq!(lab.log[listener].accepted.len(), 1);
    lab.resume(listener);
    lab.until("an accept", |log| log[listener].accepted.len() == 2);
    assert!(lab.log[client].connected);
    lab.end();
}
