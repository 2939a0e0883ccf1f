//! Running out of receive blocks: it delays, and never shuts anybody out.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    world::World,
};
use engines::{BlockLimits, EngineOptions};

fn few(count: u16, socket_max: u16) -> EngineOptions {
    let blocks = BlockLimits {
        small_count: count,
        large_bytes: 16 << 10,
        large_count: count,
        reserve_count: 2,
        socket_max,
        ..BlockLimits::default()
    };
    EngineOptions::from(blocks)
}

pub(crate) fn running_out_of_blocks_delays_and_recovers<W: World>() {
    let mut lab = Lab::<W>::with(2, &few(4, 16));
    let pairs: Vec<_> = (0..3).map(|_| lab.pair(0, 1)).collect();
    let sent = bytes(1, 400_000);
    for (client, server) in &pairs {
        lab.hold(*server);
        lab.resume(*server);
        lab.send(*client, sent.clone());
        lab.finish(*client);
    }
    lab.settle();
    assert!(lab.blocks(1).leased() >= 4, "no group ran out");
    let servers: Vec<_> = pairs.iter().map(|(_, server)| *server).collect();
    assert!(servers.iter().all(|server| !lab.log[*server].is_over()));
    assert!(!servers.iter().all(|server| lab.log[*server].finished));
    while !servers.iter().all(|server| lab.log[*server].finished) {
        servers.iter().for_each(|server| lab.release(*server));
        lab.round(true);
    }
    for server in servers {
        assert_same(&lab.log[server].received, &sent);
    }
    lab.end();
}

pub(crate) fn a_socket_pins_no_more_than_its_quota<W: World>() {
    for quota in [1, 3] {
        let mut lab = Lab::<W>::with(2, &few(32, quota));
        let (client, server) = lab.pair(0, 1);
        let sent = bytes(1, 300_000);
        lab.hold(server);
        lab.resume(server);
        lab.send(client, sent.clone());
        lab.finish(client);
        while !lab.log[server].finished {
            lab.until("bytes", |log| {
                !log[server].held.is_empty() || log[server].finished
            });
            lab.settle();
            let held = lab.log[server].held.len();
            assert!(held <= usize::from(quota), "{held} blocks pinned");
            lab.release(server);
        }
        assert_same(&lab.log[server].received, &sent);
        lab.end();
    }
}

pub(crate) fn leases_queued_elsewhere_count_until_they_left<W: World>() {
    let mut lab = Lab::<W>::with(2, &few(32, 2));
    let ((client, server), (sink, source)) = (lab.pair(0, 1), lab.pair(0, 1));
    let sent = bytes(1, 1 << 20);
    lab.hold(server);
    lab.resume(server);
    lab.resume(sink);
    lab.send(client, sent.clone());
    while lab.log[sink].received.len() < sent.len() {
        for lease in std::mem::take(&mut lab.log.at(server).held) {
            lab.send(source, lease.freeze());
        }
        lab.round(true);
    }
    assert_same(&lab.log[sink].received, &sent);
    lab.end();
}

pub(crate) fn a_fresh_connection_is_served_while_others_pin_all_they_may<W: World>() {
    let mut lab = Lab::<W>::with(2, &few(4, 4));
    let listener = lab.listen(1, Family::V4);
    lab.resume(listener);
    let hogs: Vec<_> = (0..6).map(|_| lab.pair_by(0, listener)).collect();
    let sent = bytes(1, 200_000);
    for (client, server) in &hogs {
        lab.hold(*server);
        lab.resume(*server);
        lab.send(*client, sent.clone());
        lab.finish(*client);
        lab.settle();
    }
    assert!(lab.blocks(1).leased() >= 4);
    for seed in 0..5 {
        let (client, server) = lab.pair_by(0, listener);
        serve(&mut lab, client, server, seed);
        lab.close(server);
        lab.close(client);
    }
    while !hogs.iter().all(|(_, server)| lab.log[*server].finished) {
        hogs.iter().for_each(|(_, server)| lab.release(*server));
        lab.round(true);
    }
    for (_, server) in hogs {
        assert_same(&lab.log[server].received, &sent);
    }
    lab.end();
}

/// A few exchanges on a connection that pins nothing.
fn serve<W: World>(lab: &mut Lab<W>, client: End, server: End, seed: u64) {
    lab.resume(server);
    let mut served = 0;
    for len in [100, 20_000, 1] {
        served += len;
        lab.send(client, bytes(seed, len));
        lab.until("a fresh connection is served", |log| {
            log[server].received.len() == served
        });
    }
}
