//! Sockets on their way between engines.

use super::{
    lab::{Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, EngineOptions, Kind};

pub(crate) fn unread_bytes_go_along<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(server);
        lab.send(client, bytes(1, 100_000));
        lab.until("bytes", |log| log[server].receives > 0);
        let carried = lab.detach(server);
        assert_eq!(carried.kind(), Kind::Stream);
        let moved = lab.adopt(2, carried);
        lab.settle();
        assert_eq!(lab.log[moved].events, 0, "an adopted socket is paused");
        lab.finish(client);
        lab.resume(moved);
        lab.until("the end", |log| log[moved].finished);
        let (first, rest) = (&lab.log[server].received, &lab.log[moved].received);
        assert_same(&[&first[..], rest].concat(), &bytes(1, 100_000));
        lab.resume(client);
        lab.send(moved, bytes(2, 1000));
        lab.until("an answer", |log| log[client].received.len() == 1000);
    }
    lab.end();
}

pub(crate) fn bytes_given_along_come_first<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.send(client, bytes(2, 100));
    let carried = lab.detach(server).with_unread(bytes(1, 50_000));
    let moved = lab.adopt(1, carried);
    lab.resume(moved);
    lab.until("bytes", |log| log[moved].received.len() == 50_100);
    let expected = [bytes(1, 50_000), bytes(2, 100)].concat();
    assert_same(&lab.log[moved].received, &expected);
    lab.end();
}

pub(crate) fn bytes_given_along_survive_another_detach<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    let carried = lab.detach(server).with_unread(bytes(1, 50_000));
    let passing = lab.adopt(1, carried);
    let carried = lab.detach(passing);
    let moved = lab.adopt(0, carried);
    lab.send(client, bytes(2, 100));
    lab.resume(moved);
    lab.until("bytes", |log| log[moved].received.len() == 50_100);
    let expected = [bytes(1, 50_000), bytes(2, 100)].concat();
    assert_same(&lab.log[moved].received, &expected);
    lab.end();
}

pub(crate) fn queued_sends_leave_before_the_socket<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let (client, server) = lab.pair(0, 1);
    lab.send(server, bytes(1, 12 << 20));
    lab.engine(1).detach(server.sock);
    lab.settle();
    assert!(!lab.log[server].is_over(), "left before its sends");
    lab.resume(client);
    let carried = lab.detach(server);
    let moved = lab.adopt(2, carried);
    lab.send(moved, bytes(2, 1000));
    lab.finish(moved);
    lab.until("the end", |log| log[client].finished);
    let expected = [bytes(1, 12 << 20), bytes(2, 1000)].concat();
    assert_same(&lab.log[client].received, &expected);
    lab.end();
}

pub(crate) fn a_stream_moves_on_while_it_receives<W: World>() {
    let blocks = BlockLimits {
        socket_max: 4,
        ..BlockLimits::default()
    };
    let mut lab = Lab::<W>::with(3, &EngineOptions::from(blocks));
    let (client, mut server) = lab.pair(0, 1);
    let (sent, mut received) = (bytes(1, 6 << 20), Vec::new());
    lab.send(client, sent.clone());
    lab.finish(client);
    while !lab.log[server].finished {
        lab.resume(server);
        lab.until("bytes", |log| {
            !log[server].received.is_empty() || log[server].finished
        });
        if lab.log[server].finished {
            break;
        }
        let carried = lab.detach(server);
        received.append(&mut lab.log.at(server).received);
        server = lab.adopt(3 - server.at, carried);
    }
    received.append(&mut lab.log.at(server).received);
    assert_same(&received, &sent);
    lab.end();
}

pub(crate) fn the_end_is_told_after_adoption<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    lab.send(client, bytes(1, 10));
    lab.until("bytes", |log| log[server].received.len() == 10);
    lab.pause(server);
    lab.settle();
    lab.finish(client);
    lab.settle();
    let carried = lab.detach(server);
    let moved = lab.adopt(0, carried);
    lab.resume(moved);
    lab.until("the end", |log| log[moved].finished);
    lab.end();
}

pub(crate) fn finish_comes_before_leaving<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let (client, server) = lab.pair(0, 1);
    lab.resume(client);
    lab.send(server, bytes(1, 1 << 20));
    lab.finish(server);
    let carried = lab.detach(server);
    lab.until("the end", |log| log[client].finished);
    assert_same(&lab.log[client].received, &bytes(1, 1 << 20));
    let moved = lab.adopt(2, carried);
    lab.resume(moved);
    lab.send(client, bytes(2, 10));
    lab.until("bytes", |log| log[moved].received.len() == 10);
    lab.end();
}

pub(crate) fn detaching_before_connected_waits_for_it<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    let to = lab.local(listener);
    let client = lab.connect(0, &to);
    lab.send(client, bytes(1, 100));
    let carried = lab.detach(client);
    assert!(lab.log[client].connected);
    let moved = lab.adopt(2, carried);
    lab.send(moved, bytes(2, 100));
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    lab.resume(server);
    lab.until("bytes", |log| log[server].received.len() == 200);
    let expected = [bytes(1, 100), bytes(2, 100)].concat();
    assert_same(&lab.log[server].received, &expected);
    lab.end();
}

pub(crate) fn closing_overrides_detaching<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.send(server, bytes(1, 16 << 20));
    lab.engine(1).detach(server.sock);
    lab.settle();
    lab.close(server);
    lab.until("the end", |log| log[server].is_over());
    assert!(lab.log[server].is_closed());
    lab.resume(client);
    lab.until("the end", |log| {
        log[client].finished || log[client].is_over()
    });
    lab.end();
}

pub(crate) fn a_listener_moves_with_its_queue<W: World>() {
    let mut lab = Lab::<W>::new(3);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        lab.pair_by(0, listener);
        lab.pause(listener);
        lab.settle();
        let to = lab.local(listener);
        let waiting = lab.connect(0, &to);
        lab.until("connected", |log| log[waiting].connected);
        let accepted = lab.log[listener].accepted.len();
        let carried = lab.detach(listener);
        assert_eq!(carried.kind(), Kind::Listener);
        let moved = lab.adopt(2, carried);
        assert_eq!(lab.local(moved), to);
        lab.resume(moved);
        lab.connect(0, &to);
        lab.until("no connection is lost", |log| {
            accepted + log[moved].accepted.len() == 3
        });
        let (client, server) = lab.pair_by(0, moved);
        lab.resume(client);
        lab.send(server, bytes(1, 1 << 20));
        lab.until("bytes", |log| log[client].received.len() == 1 << 20);
    }
    lab.end();
}
