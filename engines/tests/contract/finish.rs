//! Half-closing, and that it does not end a socket.

use super::{
    lab::Lab,
    pattern::{assert_same, bytes},
    world::World,
};

pub(crate) fn finish_comes_after_every_queued_send<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        let sent = bytes(1, 6 << 20);
        lab.send(client, sent.clone());
        lab.finish(client);
        lab.settle();
        lab.resume(server);
        lab.until("the end", |log| log[server].finished);
        assert_same(&lab.log[server].received, &sent);
    }
    lab.end();
}

pub(crate) fn finished_leaves_our_direction_open<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(server);
        lab.resume(client);
        lab.finish(client);
        lab.until("the end", |log| log[server].finished);
        let answer = bytes(1, 2 << 20);
        lab.send(server, answer.clone());
        lab.until("the answer", |log| {
            log[client].received.len() == answer.len()
        });
        assert_same(&lab.log[client].received, &answer);
        assert!(!lab.log[client].finished);
    }
    lab.end();
}

pub(crate) fn both_directions_finished_is_not_the_end<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        for end in [client, server] {
            lab.resume(end);
            lab.finish(end);
        }
        lab.until("both ends", |log| {
            log[client].finished && log[server].finished
        });
        lab.settle();
        assert!(!lab.log[client].is_over() && !lab.log[server].is_over());
        assert!(lab.engine(0).local(client.sock).is_some());
        for end in [client, server] {
            lab.close(end);
            lab.until("closed", |log| log[end].is_over());
            assert!(lab.log[end].is_closed());
        }
    }
    lab.end();
}

pub(crate) fn finishing_twice_is_finishing_once<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    lab.send(client, bytes(1, 10));
    lab.finish(client);
    lab.finish(client);
    lab.until("the end", |log| log[server].finished);
    lab.finish(client);
    lab.settle();
    assert!(!lab.log[client].is_over() && lab.log[server].received.len() == 10);
    lab.end();
}
