//! What a tunnel with TLS holds while its reader does not read.

use super::*;
use ringlb::limits::UNSENT_HIGH_BYTES;

const LEN: usize = 1 << 20;
/// What is under way in the network towards one socket, at most.
const WINDOW: usize = 4096;
/// What comes of a source behind its limit: both windows, and a record that is not yet whole.
const BEHIND: usize = 2 * WINDOW + (16 << 10);

/// A tunnel whose limits are `limit`, for the listener and for the cluster.
fn tunnel(limits: [u32; 2]) -> Stage {
    let [listener, cluster] =
        limits.map(|limit| format!("per_connection_buffer_limit_bytes: {limit}"));
    Stage::new(&Script {
        chain: &secure_front(""),
        listener: &listener,
        cluster: &cluster,
        is_tunnel: true,
        window: WINDOW,
        ..Script::default()
    })
}

/// Bytes that have left `source` while `reader` does not read, and all of them once it does.
#[track_caller]
fn taken(stage: &mut Stage, source: Sock, client: &mut Scripted, reader: Sock) -> usize {
    stage.run(seconds(1));
    let taken = LEN.saturating_sub(stage.unsent(source));
    stage.hear(reader);
    let mut received = 0;
    for _ in 0..100 {
        settle(stage, &mut [client]);
        received += match reader == client.sock {
            true => client.text().len(),
            false => stage.bytes(reader).len(),
        };
    }
    assert_eq!(received, LEN, "{:?}", client.fault);
    taken
}

#[test]
fn the_limit_of_a_listener_bounds_what_waits_for_a_client() {
    for (limit, counts_as) in [(0, 1), (2000, 2000), (u32::MAX, UNSENT_HIGH_BYTES)] {
        let mut stage = tunnel([limit, 1 << 17]);
        let mut client = client(&mut stage);
        let endpoint = stage.accepted(0);
        let reader = client.sock;
        stage.deafen(reader);
        stage.send(endpoint, vec![b'x'; LEN]);
        let taken = taken(&mut stage, endpoint, &mut client, reader);
        assert!(taken <= counts_as + BEHIND, "{limit}: {taken}");
    }
}

#[test]
fn the_limit_of_a_cluster_bounds_what_waits_for_an_endpoint() {
    for (limit, counts_as) in [(0, 1), (2000, 2000), (u32::MAX, UNSENT_HIGH_BYTES)] {
        let mut stage = tunnel([1 << 17, limit]);
        let mut client = client(&mut stage);
        let endpoint = stage.accepted(0);
        stage.deafen(endpoint);
        client.say(&mut stage, vec![b'x'; LEN]);
        let source = client.sock;
        let taken = taken(&mut stage, source, &mut client, endpoint);
        assert!(taken <= counts_as + BEHIND, "{limit}: {taken}");
    }
}
