//! Calls only enqueue, and names go stale.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{Buf, Datagram, SockAddr};

pub(crate) fn listen_bind_and_local_answer_at_once<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let (listener, socket) = (lab.listen(0, Family::V4), lab.bind(0, Family::V4));
    for end in [listener, socket] {
        let local = lab.local(end).inet().expect("an Internet address");
        assert!(local.ip().is_loopback() && local.port() != 0, "{local}");
        assert_eq!(lab.engine(0).original_dst(end.sock), None);
    }
    lab.end();
}

pub(crate) fn calls_before_connected_are_kept<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let to = lab.local(listener);
        let client = lab.connect(0, &to);
        lab.resume(client);
        lab.send(client, bytes(1, 5));
        lab.send(client, bytes(2, 70_000));
        lab.finish(client);
        assert_eq!(lab.log[client].events, 0, "told inside a call");
        lab.until("an accept", |log| !log[listener].accepted.is_empty());
        let server = lab.log[listener].accepted[0].end;
        lab.resume(server);
        lab.send(server, bytes(3, 1000));
        lab.finish(server);
        lab.until("both ends", |log| {
            log[client].finished && log[server].finished
        });
        assert!(lab.log[client].connected);
        let sent = [bytes(1, 5), bytes(2, 70_000)].concat();
        assert_same(&lab.log[server].received, &sent);
        assert_same(&lab.log[client].received, &bytes(3, 1000));
    }
    lab.end();
}

pub(crate) fn pausing_before_connected_is_kept<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    let to = lab.local(listener);
    let client = lab.connect(0, &to);
    lab.resume(client);
    lab.pause(client);
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    lab.send(server, bytes(1, 10));
    lab.settle();
    assert!(lab.log[client].connected && lab.log[client].receives == 0);
    lab.resume(client);
    lab.until("the bytes", |log| log[client].received.len() == 10);
    lab.end();
}

pub(crate) fn closing_before_connected_tells_closed_only<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let to = lab.local(listener);
        let client = lab.connect(0, &to);
        lab.send(client, bytes(1, 100));
        lab.close(client);
        lab.until("closed", |log| log[client].is_over());
        assert!(lab.log[client].is_closed() && lab.log[client].events == 1);
    }
    lab.end();
}

pub(crate) fn after_close_only_closed_follows<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    for end in [client, server] {
        lab.resume(end);
        lab.send(end, bytes(1, 4 << 20));
        lab.finish(end);
    }
    lab.until("bytes", |log| log[server].received.len() > 100_000);
    lab.close(server);
    for _ in 0..3 {
        lab.send(server, bytes(2, 10));
        lab.engine(1).resume(server.sock);
        lab.engine(1).close(server.sock);
    }
    lab.until("closed", |log| log[server].is_over());
    assert!(lab.log[server].is_closed());
    lab.settle();
    lab.end();
}

pub(crate) fn a_stale_sock_is_ignored<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (old, _) = lab.pair(0, 1);
    lab.close(old);
    lab.until("closed", |log| log[old].is_over());
    disturb(&mut lab, old);
    let (client, server) = lab.pair(0, 1);
    assert_ne!(old.sock, client.sock, "a name was used twice");
    lab.resume(server);
    lab.resume(client);
    for round in 0..3 {
        disturb(&mut lab, old);
        lab.send(client, bytes(round, 100));
        lab.send(server, bytes(round, 100));
        let bytes = 100 * (round as usize + 1);
        lab.until("an echo", |log| {
            log[client].received.len() == bytes && log[server].received.len() == bytes
        });
    }
    assert!(!lab.log[server].finished && !lab.log[client].is_over());
    lab.end();
}

/// Everything that may be called with a name, with a stale one.
fn disturb<W: World>(lab: &mut Lab<W>, stale: End) {
    let peer = SockAddr::Inet("127.0.0.1:9".parse().unwrap());
    let engine = lab.engine(stale.at);
    assert_eq!(engine.local(stale.sock), None);
    assert_eq!(engine.original_dst(stale.sock), None);
    engine.send(stale.sock, Buf::from_static(b"stale"));
    let (local, data) = (None, Buf::default());
    engine.send_to(stale.sock, Datagram { peer, local, data });
    engine.resume(stale.sock);
    engine.pause(stale.sock);
    engine.finish(stale.sock);
    engine.relay(stale.sock, stale.sock);
    engine.detach(stale.sock);
    engine.close(stale.sock);
}
