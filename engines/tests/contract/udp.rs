//! Datagrams.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{Buf, Datagram};

fn send_to<W: World>(lab: &mut Lab<W>, from: End, to: End, data: Vec<u8>) {
    let (peer, local, data) = (lab.local(to), None, Buf::from(data));
    let datagram = Datagram { peer, local, data };
    lab.engine(from.at).send_to(from.sock, datagram);
}

fn inet_families<W: World>(lab: &mut Lab<W>) -> Vec<Family> {
    let inet = [Family::V4, Family::V6];
    let has = lab.families();
    inet.into_iter()
        .filter(|family| has.contains(family))
        .collect()
}

pub(crate) fn datagrams_come_with_both_addresses<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in inet_families(&mut lab) {
        let (a, b) = (lab.bind(0, family), lab.bind(1, family));
        lab.resume(a);
        lab.resume(b);
        for len in [0, 1, 1200, 60_000] {
            send_to(&mut lab, a, b, bytes(1, len));
        }
        lab.until("datagrams", |log| log[b].datagrams.len() == 4);
        let (from, to) = (lab.local(a), lab.local(b));
        for (datagram, len) in lab.log[b].datagrams.iter().zip([0, 1, 1200, 60_000]) {
            assert_same(&datagram.data, &bytes(1, len));
            assert_eq!(datagram.peer, from);
            assert_eq!(datagram.local, to.inet().map(|at| at.ip()));
        }
        let received = lab.log.at(b).datagrams.remove(2);
        lab.engine(1).send_to(b.sock, received);
        lab.until("an answer", |log| log[a].datagrams.len() == 1);
        assert_eq!(lab.log[a].datagrams[0].peer, to);
        assert_same(&lab.log[a].datagrams[0].data, &bytes(1, 1200));
        assert_eq!((lab.log[a].sents, lab.log[b].sents), (0, 0));
    }
    lab.end();
}

pub(crate) fn a_paused_socket_keeps_its_datagrams<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (a, b) = (lab.bind(0, Family::V4), lab.bind(1, Family::V4));
    send_to(&mut lab, a, b, bytes(1, 10));
    lab.settle();
    assert_eq!(lab.log[b].events, 0);
    lab.resume(b);
    lab.until("a datagram", |log| log[b].datagrams.len() == 1);
    lab.pause(b);
    lab.settle();
    send_to(&mut lab, a, b, bytes(2, 10));
    lab.settle();
    assert_eq!(lab.log[b].datagrams.len(), 1);
    lab.resume(b);
    lab.until("a datagram", |log| log[b].datagrams.len() == 2);
    lab.end();
}

pub(crate) fn many_datagrams_come_in_bounded_turns<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (a, b) = (lab.bind(0, Family::V4), lab.bind(1, Family::V4));
    let mut arrived = 0;
    for burst in 0..20 {
        for seed in 0..50 {
            send_to(&mut lab, a, b, bytes(burst * 50 + seed, 20));
        }
        lab.resume(b);
        arrived += 50;
        lab.until("a burst", |log| log[b].datagrams.len() == arrived);
    }
    for (datagram, seed) in lab.log[b].datagrams.iter().zip(0..) {
        assert_same(&datagram.data, &bytes(seed, 20));
    }
    lab.end();
}

pub(crate) fn a_datagram_nobody_takes_harms_nothing<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (a, b) = (lab.bind(0, Family::V4), lab.bind(1, Family::V4));
    lab.resume(a);
    let gone = lab.bind(1, Family::V4);
    let (peer, local) = (lab.local(gone), None);
    lab.close(gone);
    lab.until("closed", |log| log[gone].is_over());
    for _ in 0..3 {
        let (peer, data) = (peer.clone(), Buf::from_static(b"anybody?"));
        lab.engine(0)
            .send_to(a.sock, Datagram { peer, local, data });
        lab.settle();
    }
    send_to(&mut lab, b, a, bytes(1, 10));
    lab.until("a datagram", |log| log[a].datagrams.len() == 1);
    assert!(!lab.log[a].is_over());
    lab.end();
}

pub(crate) fn a_udp_socket_moves_between_engines<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (a, b) = (lab.bind(0, Family::V4), lab.bind(1, Family::V4));
    lab.resume(b);
    send_to(&mut lab, a, b, bytes(1, 10));
    lab.until("a datagram", |log| log[b].datagrams.len() == 1);
    let carried = lab.detach(b);
    assert_eq!(carried.kind(), engines::Kind::Datagram);
    let moved = lab.adopt(0, carried);
    send_to(&mut lab, a, moved, bytes(2, 10));
    lab.resume(moved);
    lab.until("a datagram", |log| log[moved].datagrams.len() == 1);
    assert!(lab.log[moved].datagrams[0].local.is_some());
    lab.end();
}
