//! What handshakes and records cost in processor time of the thread, beside rustls alone doing the same.
//!
//! Rounds of all contestants alternate, and the best round of each counts: the machine's other work falls on all alike.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a bench"
)]

mod bare;
#[path = "../tests/support/mod.rs"]
mod support;

use bare::{Buffered, Unbuffered};
use nix::time::{ClockId, clock_gettime};
use rustls::{
    SupportedCipherSuite,
    client::Resumption,
    crypto::ring::cipher_suite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    },
};
use std::{sync::Arc, time::Duration};
use support::{NOW, Pair, client_config, feed, pattern, raw::Raw, server_config};
use tls::{ClientContext, ServerContext, Session, What};

const ROUNDS: usize = 25;

/// Something to be measured: does a round of work and returns the time of what counts in it.
type Contestant<'a> = (&'a str, Box<dyn FnMut() -> Duration + 'a>);

fn main() {
    if std::env::args().any(|arg| arg == "--test" || arg == "--list") {
        return;
    }
    for suite in [
        TLS13_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ] {
        for is_resumed in [false, true] {
            handshakes(suite, is_resumed);
        }
    }
    for suite in [
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ] {
        for size in [16 << 10, 1 << 10] {
            bulk(suite, size);
        }
    }
}

fn handshakes(suite: SupportedCipherSuite, is_resumed: bool) {
    const EACH: u32 = 40;
    let (mut client, server) = (client_config(&[suite]), server_config(&[suite]));
    if !is_resumed {
        client.resumption = Resumption::disabled();
    }
    let bare = (Arc::new(client.clone()), Arc::new(server.clone()));
    let ours = (
        ClientContext::from_config(client),
        ServerContext::from_config(server),
    );
    let mut contestants: [Contestant<'_>; 2] = [
        (
            "ours",
            Box::new(|| timed(|| drop(Pair::establish(&ours.0, &ours.1, usize::MAX)))),
        ),
        ("rustls", Box::new(|| timed(|| shake(&bare)))),
    ];
    let best = best(&mut contestants, EACH);
    let rate = |at: usize| f64::from(EACH) / best[at].as_secs_f64();
    let kind = if is_resumed { "resumed" } else { "full" };
    let (ours, bare) = (rate(0), rate(1));
    println!(
        "{suite:?} {kind}: {ours:.0}/s, rustls buffered {bare:.0}/s (both sides on one thread), ratio {:.2}",
        ours / bare
    );
}

/// Both sides are rustls' own.
fn shake((client, server): &(Arc<rustls::ClientConfig>, Arc<rustls::ServerConfig>)) {
    let mut client = Raw::client(client.as_ref().clone());
    let mut server = Raw::server(server.as_ref().clone());
    loop {
        let to_server = client.take();
        if to_server.is_empty() {
            break;
        }
        server.feed(&to_server).unwrap();
        client.feed(&server.take()).unwrap();
    }
    assert!(!client.0.is_handshaking() && !server.0.is_handshaking());
}

fn bulk(suite: SupportedCipherSuite, size: usize) {
    let each = (4 << 20) / size;
    let data = pattern(size);
    let mut buffered = Buffered::new(suite);
    let mut unbuffered = Unbuffered::new(suite);
    let mut pair = Pair::new(&[suite]);
    let warm = support::seal(&mut pair.client, NOW, &[&pattern(64 << 10)]);
    feed(&mut pair.server, &warm, usize::MAX);
    let mut costs = vec![[Duration::MAX; 2]; 3];
    for _ in 0..ROUNDS {
        for (at, round) in [
            ours(&mut pair, &data, each),
            buffered.round(&data, each),
            unbuffered.round(&data, each),
        ]
        .into_iter()
        .enumerate()
        {
            costs[at] = [0, 1].map(|side| costs[at][side].min(round[side]));
        }
    }
    let rate = |cost: Duration| (size * each) as f64 / cost.as_secs_f64() / 1e9;
    let each = ["ours", "rustls buffered", "rustls unbuffered"]
        .iter()
        .zip(&costs);
    let each =
        each.map(|(name, cost)| format!("{name} {:.2} / {:.2}", rate(cost[0]), rate(cost[1])));
    println!(
        "{suite:?} {size} B, GB/s seal / open: {}",
        each.collect::<Vec<_>>().join(", ")
    );
}

/// Time to seal and to open.
fn ours(pair: &mut Pair, data: &[u8], each: usize) -> [Duration; 2] {
    let len = pair.client.sealed_len(NOW, data.len());
    let mut wire = vec![0; len * each];
    let seal = timed(|| {
        for record in wire.chunks_exact_mut(len) {
            pair.client.seal(NOW, &[data], record).unwrap();
        }
    });
    let open = timed(|| open_all(&mut pair.server, &mut wire, data.len() * each));
    [seal, open]
}

fn open_all(session: &mut Session, wire: &mut [u8], want: usize) {
    let (mut used, mut got, mut out) = (0, 0, Vec::new());
    while used < wire.len() {
        let step = session.receive(NOW, &mut wire[used..], &mut out).unwrap();
        used += step.used;
        if let What::Data(range) = step.what {
            got += range.len();
        }
    }
    assert_eq!(got, want);
}

/// The best round of each contestant, `each` times its work.
fn best(contestants: &mut [Contestant<'_>], each: u32) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; contestants.len()];
    for _ in 0..ROUNDS {
        for (best, (_, run)) in best.iter_mut().zip(&mut *contestants) {
            *best = (*best).min((0..each).map(|_| run()).sum());
        }
    }
    best
}

/// Processor time of the thread.
fn timed(work: impl FnOnce()) -> Duration {
    let start = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    work();
    let end = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    Duration::from(end) - Duration::from(start)
}
