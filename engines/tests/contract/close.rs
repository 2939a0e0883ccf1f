//! The end of a socket, and what outlives it.

use super::{
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use std::{io, mem};

pub(crate) fn queued_buffers_are_back_after_closed<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.hold(client);
    lab.resume(client);
    lab.send(server, bytes(1, 50_000));
    lab.until("bytes", |log| log[client].received.len() == 50_000);
    lab.send(client, bytes(2, 24 << 20));
    for lease in mem::take(&mut lab.log.at(client).held) {
        lab.send(client, lease.freeze());
    }
    let blocks = lab.blocks(0);
    (0..50).for_each(|_| lab.send(client, blocks.write(&bytes(3, 1000))));
    lab.settle();
    assert!(blocks.leased() > 0 && blocks.written() > 0);
    lab.close(client);
    lab.until("closed", |log| log[client].is_over());
    assert_eq!((blocks.leased(), blocks.written()), (0, 0));
    lab.end();
}

pub(crate) fn leases_outlive_their_socket<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.hold(server);
    lab.resume(server);
    lab.send(client, bytes(1, 30_000));
    lab.until("bytes", |log| log[server].received.len() == 30_000);
    lab.close(server);
    lab.until("closed", |log| log[server].is_over());
    let held = mem::take(&mut lab.log.at(server).held);
    let (again, next) = lab.pair(0, 1);
    lab.resume(next);
    lab.send(again, bytes(2, 1 << 20));
    lab.until("bytes", |log| log[next].received.len() == 1 << 20);
    let kept: Vec<u8> = held.iter().flat_map(|lease| lease.to_vec()).collect();
    assert_same(&kept, &bytes(1, 30_000));
    assert_eq!(lab.blocks(1).leased(), held.len());
    drop(held);
    lab.end();
}

pub(crate) fn leases_queued_on_another_socket_still_leave<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let ((client, server), (sink, source)) = (lab.pair(0, 1), lab.pair(0, 1));
    lab.hold(server);
    lab.resume(server);
    lab.send(client, bytes(1, 30_000));
    lab.until("bytes", |log| log[server].received.len() == 30_000);
    for lease in mem::take(&mut lab.log.at(server).held) {
        lab.send(source, lease.freeze());
    }
    lab.close(server);
    lab.until("closed", |log| log[server].is_over());
    lab.resume(sink);
    lab.until("bytes", |log| log[sink].received.len() == 30_000);
    assert_same(&lab.log[sink].received, &bytes(1, 30_000));
    lab.end();
}

pub(crate) fn leases_outlive_their_engine<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.hold(server);
    lab.resume(server);
    lab.send(client, bytes(1, 30_000));
    lab.until("bytes", |log| log[server].received.len() == 30_000);
    let held = mem::take(&mut lab.log.at(server).held);
    let blocks = lab.blocks(1);
    drop(lab);
    let kept: Vec<u8> = held.iter().flat_map(|lease| lease.to_vec()).collect();
    assert_same(&kept, &bytes(1, 30_000));
    drop(held);
    assert_eq!(blocks.leased(), 0);
}

pub(crate) fn closing_ends_the_peer_s_receiving<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(server);
        lab.resume(client);
        lab.send(client, bytes(1, 10));
        lab.until("bytes", |log| log[client].sent == 10);
        lab.close(client);
        // It is closed already.
        lab.abort(client);
        lab.until("the end", |log| log[server].finished);
        assert_eq!(lab.log[server].received.len(), 10);
        assert!(lab.log[client].is_closed() && !lab.log[server].is_over());
    }
    lab.end();
}

pub(crate) fn closing_with_unread_bytes_resets_the_peer<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(client);
    lab.send(client, bytes(1, 1000));
    lab.until("bytes", |log| log[client].sent == 1000);
    lab.close(server);
    lab.until("closed", |log| log[server].is_over());
    assert!(lab.log[server].is_closed());
    while !lab.log[client].is_over() {
        lab.send(client, bytes(1, 1000));
        lab.round(true);
    }
    assert!(is_reset(lab.log[client].cause()));
    lab.end();
}

/// True for the causes that a reset connection may be told with.
fn is_reset(cause: io::ErrorKind) -> bool {
    [
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ]
    .contains(&cause)
}

pub(crate) fn aborting_resets_the_peer_behind_what_it_has_received<W: World>() {
    let mut lab = Lab::<W>::new(2);
    // What the one that aborts does when it does: nothing, receive, send what nobody takes.
    for (receives, queued) in [(false, 0), (true, 0), (true, 24 << 20)] {
        let (client, server) = lab.pair(0, 1);
        if receives {
            lab.resume(client);
        }
        lab.send(client, bytes(1, 10_000));
        lab.until("sent", |log| log[client].sent == 10_000);
        lab.settle();
        if queued > 0 {
            lab.send(client, bytes(2, queued));
            lab.settle();
        }
        lab.abort(client);
        lab.until("closed", |log| log[client].is_over());
        assert!(lab.log[client].is_closed());
        lab.resume(server);
        lab.until("the reset", |log| log[server].is_over());
        let seen = &lab.log[server];
        assert!(is_reset(seen.cause()) && !seen.finished);
        assert_same(&seen.received[..10_000], &bytes(1, 10_000));
    }
    lab.end();
}

pub(crate) fn aborting_what_has_finished_or_is_relayed_tells_closed_once<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    lab.finish(client);
    lab.until("the end", |log| log[server].finished);
    lab.abort(client);
    lab.until("closed", |log| log[client].is_over());
    lab.send(server, bytes(1, 10));
    lab.until("the reset", |log| log[server].is_over());
    assert!(is_reset(lab.log[server].cause()));
    let ((near, down), (up, far)) = (lab.pair(0, 1), lab.pair(1, 0));
    lab.relay(down, up);
    lab.relay(up, down);
    lab.resume(near);
    lab.resume(far);
    lab.send(near, bytes(2, 100_000));
    lab.until("bytes", |log| log[far].received.len() == 100_000);
    lab.abort(down);
    lab.until("the reset", |log| log[near].is_over());
    assert!(is_reset(lab.log[near].cause()) && !lab.log[near].finished);
    assert!(!lab.log[far].finished && !lab.log[far].is_over());
    lab.abort(up);
    lab.abort(up);
    lab.until("the reset", |log| log[far].is_over());
    assert!(is_reset(lab.log[far].cause()) && !lab.log[far].finished);
    lab.end();
}

pub(crate) fn aborting_what_has_no_reset_is_closing<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::Abstract);
    lab.resume(listener);
    let (client, server) = lab.pair_by(0, listener);
    lab.resume(server);
    lab.send(client, bytes(1, 10));
    lab.until("bytes", |log| log[client].sent == 10);
    lab.abort(client);
    lab.until("the end", |log| log[server].finished);
    assert_eq!(lab.log[server].received.len(), 10);
    let (bound, to) = (lab.bind(1, Family::V4), lab.local(listener));
    lab.abort(bound);
    lab.abort(listener);
    lab.until("closed", |log| {
        log[listener].is_closed() && log[bound].is_closed()
    });
    let late = lab.connect(0, &to);
    lab.abort(late);
    lab.until("closed", |log| log[late].is_closed());
    lab.end();
}

pub(crate) fn closing_a_listener_refuses_and_keeps_what_was_accepted<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        let to = lab.local(listener);
        lab.close(listener);
        lab.until("closed", |log| log[listener].is_over());
        assert!(lab.log[listener].is_closed());
        let late = lab.connect(0, &to);
        lab.until("refused", |log| log[late].is_over());
        assert_eq!(lab.log[late].cause(), io::ErrorKind::ConnectionRefused);
        lab.resume(server);
        lab.send(client, bytes(1, 10));
        lab.until("bytes", |log| log[server].received.len() == 10);
    }
    lab.end();
}

pub(crate) fn closing_in_the_midst_of_everything_tells_closed_once<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    let to = lab.local(listener);
    for turns in 0..40 {
        let client = lab.connect(0, &to);
        lab.resume(client);
        lab.send(client, bytes(1, 300_000));
        for _ in 0..turns {
            lab.round(false);
        }
        for accepted in lab.log[listener].accepted.clone() {
            if !lab.log[accepted.end].asked.resume {
                lab.resume(accepted.end);
                lab.send(accepted.end, bytes(2, 300_000));
            }
        }
        lab.round(false);
        lab.close(client);
        lab.until("closed", |log| log[client].is_over());
    }
    lab.end();
}
