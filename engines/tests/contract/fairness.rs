//! Nobody starves, and no turn is without bound.

use super::{
    lab::Lab,
    pattern::{STATIC, assert_same, bytes},
    world::World,
};
use engines::Buf;

/// Turns of an engine within which a quiet socket is served while another one floods.
const TURNS_MAX: usize = 8;

pub(crate) fn a_flood_does_not_starve_a_quiet_socket<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let flood = lab.pair(0, 1);
    let quiet = lab.pair(0, 1);
    lab.resume(flood.1);
    lab.resume(quiet.1);
    for seed in 0..10 {
        for _ in 0..8 {
            lab.send(flood.0, Buf::from_static(&STATIC));
        }
        let before = lab.log[flood.1].received.len();
        lab.until("a flood", |log| log[flood.1].received.len() > before);
        lab.send(quiet.0, bytes(seed, 100));
        let served = 100 * (seed as usize + 1);
        lab.until("sent", |log| log[quiet.0].sent == served);
        for _ in 0..TURNS_MAX {
            lab.turn(1, false);
        }
        assert_eq!(lab.log[quiet.1].received.len(), served, "starved");
        lab.log.at(flood.1).received.clear();
    }
    lab.end();
}

pub(crate) fn many_busy_sockets_share_bounded_turns<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let pairs: Vec<_> = (0..100).map(|_| lab.pair(0, 1)).collect();
    for (client, server) in &pairs {
        lab.send(*client, bytes(1, 60_000));
        lab.finish(*client);
        lab.resume(*server);
    }
    lab.until("all ends", |log| {
        pairs.iter().all(|(_, server)| log[*server].finished)
    });
    for (_, server) in pairs {
        assert_same(&lab.log[server].received, &bytes(1, 60_000));
    }
    lab.end();
}

pub(crate) fn promotion_to_large_blocks_does_not_show<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    let mut sent = Vec::new();
    for (seed, len) in [(1, 10), (2, 2 << 20), (3, 5), (4, 300_000), (5, 1)] {
        sent.extend_from_slice(&bytes(seed, len));
        lab.send(client, bytes(seed, len));
        lab.until("bytes", |log| log[server].received.len() == sent.len());
    }
    assert_same(&lab.log[server].received, &sent);
    lab.end();
}
