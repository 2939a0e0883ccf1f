//! Sends leave in order, whole, and are told to the byte.

use super::{
    lab::{End, Lab},
    pattern::{STATIC, assert_same, bytes},
    world::World,
};
use engines::{Buf, Rng};

pub(crate) fn sends_leave_in_order<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        lab.resume(server);
        let (mut rng, mut sent) = (Rng::seeded(4), Vec::new());
        for message in 0..3000u32 {
            let mut data = message.to_be_bytes().to_vec();
            data.resize(4 + rng.below(200) as usize, message as u8);
            sent.extend_from_slice(&data);
            lab.send(client, data);
            if rng.chance(1, 20) {
                lab.round(false);
            }
        }
        lab.until("all bytes", |log| log[server].received.len() == sent.len());
        assert_same(&lab.log[server].received, &sent);
        lab.until("all told", |log| log[client].sent == sent.len());
    }
    lab.end();
}

pub(crate) fn large_sends_of_every_kind_arrive_whole<W: World>() {
    let mut lab = Lab::<W>::new(2);
    for family in lab.families() {
        let listener = lab.listen(1, family);
        lab.resume(listener);
        let (client, server) = lab.pair_by(0, listener);
        let leases = leases(&mut lab, client, server);
        let mut sent = send_large(&mut lab, client);
        for lease in leases {
            sent.extend_from_slice(&lease);
            lab.send(client, lease);
        }
        lab.settle();
        let seen = &lab.log[client];
        assert!(
            seen.sent < sent.len(),
            "taken whole by a peer that does not read"
        );
        assert!(lab.blocks(0).leased() > 0 && lab.blocks(0).written() > 0);
        lab.log.at(server).received.clear();
        lab.resume(server);
        lab.until("progress", |log| log[client].sent > 0);
        lab.until("all bytes", |log| log[server].received.len() == sent.len());
        assert_same(&lab.log[server].received, &sent);
        lab.until("all told", |log| log[client].sent == sent.len());
        assert!(lab.log[client].sents > 1);
        let blocks = lab.blocks(0);
        assert_eq!((blocks.leased(), blocks.written()), (0, 0));
    }
    lab.end();
}

/// Leased blocks that the client received.
fn leases<W: World>(lab: &mut Lab<W>, client: End, server: End) -> Vec<Buf> {
    lab.hold(client);
    lab.resume(client);
    lab.send(server, bytes(9, 20_000));
    lab.until("bytes", |log| log[client].received.len() == 20_000);
    let held = std::mem::take(&mut lab.log.at(client).held);
    held.into_iter().map(|lease| lease.freeze()).collect()
}

/// Eight MiB in static, owned and written buffers.
fn send_large<W: World>(lab: &mut Lab<W>, client: End) -> Vec<u8> {
    let (mut sent, mut seed) = (Vec::new(), 0);
    let blocks = lab.blocks(client.at);
    while sent.len() < 8 << 20 {
        seed += 1;
        let mut owned = Buf::from(bytes(seed, 900_000));
        let (front, short) = (owned.split_to(1 + seed as usize), bytes(seed, 3000));
        let parts = [
            Buf::from_static(&STATIC),
            blocks.write(&short),
            front,
            Buf::default(),
            owned,
        ];
        for part in parts {
            sent.extend_from_slice(&part);
            lab.send(client, part);
        }
    }
    for _ in 0..100 {
        let part = blocks.write(&bytes(3, 1000));
        sent.extend_from_slice(&part);
        lab.send(client, part);
    }
    sent
}

pub(crate) fn both_directions_send_at_once<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    for (end, seed) in [(client, 1), (server, 2)] {
        lab.resume(end);
        lab.send(end, bytes(seed, 4 << 20));
        lab.finish(end);
    }
    lab.until("both ends", |log| {
        log[client].finished && log[server].finished
    });
    assert_same(&lab.log[client].received, &bytes(2, 4 << 20));
    assert_same(&lab.log[server].received, &bytes(1, 4 << 20));
    assert_eq!(lab.log[client].sent, 4 << 20);
    lab.end();
}
