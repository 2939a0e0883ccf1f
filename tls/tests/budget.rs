//! What a session costs: memory when idle, allocations when busy.

mod support;

use rustls::{crypto::ring, version::TLS13};
use support::{
    NOW, Pair, client_config, client_context, pattern, seal, server_config, server_context,
};
use tls::{Session, What, limits::RECORD_BYTES_MAX};

/// Bytes that the process holds for a session of a server: itself, its keys, what rustls keeps for KeyUpdate, and
/// what the handshake has found out.
const SERVER_BYTES_MAX: u64 = 3 << 10;

/// The same of a client, with the server's certificate twice: in the facts, and where rustls takes it from for tickets.
const CLIENT_BYTES_MAX: u64 = 4 << 10;

fn held_by(make: impl FnOnce() -> Session) -> u64 {
    let mut session = None;
    let info = allocation_counter::measure(|| session = Some(make()));
    assert!(session.is_some_and(|session| session.is_established()));
    u64::try_from(info.bytes_current).unwrap_or(0) + size_of::<Session>() as u64
}

#[test]
fn an_idle_session_is_small() {
    for suite in [
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ] {
        let client = client_context(client_config(&[suite]));
        let server = server_context(server_config(&[suite]));
        // Contexts and threads have what they keep before it is measured.
        let warm = || Pair::establish(&client, &server, usize::MAX);
        (0..20).for_each(|_| drop(warm()));
        let of_server = held_by(|| warm().server);
        let of_client = held_by(|| warm().client);
        println!("{suite:?}: server {of_server} bytes, client {of_client} bytes");
        assert!(of_server <= SERVER_BYTES_MAX, "{suite:?}: {of_server}");
        assert!(of_client <= CLIENT_BYTES_MAX, "{suite:?}: {of_client}");
    }
    assert!(size_of::<Session>() <= 16);
}

#[test]
fn a_session_that_waits_for_its_hello_is_small() {
    let server = server_context(server_config(&[]));
    let mut session = None;
    let info = allocation_counter::measure(|| session = Some(Session::accept(&server)));
    assert!(info.bytes_current <= 300, "{}", info.bytes_current);
}

#[test]
fn data_is_sealed_and_opened_without_an_allocation() {
    for suite in support::suites() {
        let mut pair = Pair::new(&[suite]);
        let data = pattern(3 * RECORD_BYTES_MAX);
        let mut wire = seal(&mut pair.client, NOW, &[&data]);
        open(&mut pair.server, &mut wire);
        let info = allocation_counter::measure(|| {
            for _ in 0..10 {
                let len = pair.client.sealed_len(NOW, data.len());
                let sealed = pair.client.seal(NOW, &[&data], &mut wire[..len]);
                assert!(sealed.is_ok());
                assert_eq!(open(&mut pair.server, &mut wire[..len]), data.len());
            }
        });
        assert_eq!(info.count_total, 0, "{suite:?}");
    }
}

#[test]
fn a_record_in_parts_takes_one_buffer_as_long_as_it_is() {
    let mut pair = Pair::new(&[ring::cipher_suite::TLS13_AES_128_GCM_SHA256]);
    assert_eq!(
        pair.server.facts().map(|facts| facts.version),
        Some(tls::Version::Tls13)
    );
    assert_eq!(
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256.version(),
        &TLS13
    );
    let mut wire = seal(&mut pair.client, NOW, &[&pattern(4000)]);
    let (first, second) = wire.split_at_mut(1448);
    let info = allocation_counter::measure(|| _ = open(&mut pair.server, first));
    assert_eq!((info.count_total, info.bytes_current), (1, 4000 + 17));
    let info = allocation_counter::measure(|| assert_eq!(open(&mut pair.server, second), 4000));
    assert_eq!((info.count_total, info.bytes_current), (0, -(4000 + 17)));
}

#[test]
fn a_stream_of_records_that_end_in_the_next_block_takes_a_buffer_for_each_and_keeps_none() {
    const RECORDS: usize = 64;
    /// `BlockLimits::large_bytes` of the engines.
    const BLOCK_BYTES: usize = 32 << 10;
    for suite in support::suites() {
        let mut pair = Pair::new(&[suite]);
        let data = pattern(RECORDS * RECORD_BYTES_MAX);
        // The first records of a stream are small.
        let mut first = seal(&mut pair.client, NOW, &[&data]);
        open(&mut pair.server, &mut first);
        let mut wire = seal(&mut pair.client, NOW, &[&data]);
        let cuts = wire.len() / BLOCK_BYTES;
        let info = allocation_counter::measure(|| {
            let blocks = wire.chunks_mut(BLOCK_BYTES);
            let opened: usize = blocks.map(|block| open(&mut pair.server, block)).sum();
            assert_eq!(opened, data.len());
        });
        // One more where less than a quarter of a record came first.
        let counts = cuts as u64..=2 * cuts as u64;
        assert!(counts.contains(&info.count_total), "{suite:?}: {info:?}");
        assert_eq!(info.bytes_current, 0, "{suite:?}");
        assert!(info.bytes_max <= 2 * (RECORD_BYTES_MAX as u64 + 256));
    }
}

#[test]
fn a_record_takes_memory_by_what_has_come_of_it_not_by_its_header() {
    let mut pair = Pair::new(&[ring::cipher_suite::TLS13_AES_128_GCM_SHA256]);
    let data = pattern(4 * 4096 + RECORD_BYTES_MAX);
    let mut wire = seal(&mut pair.client, NOW, &[&data]);
    // The records after the small ones are as long as they may be; none is opened here.
    let wire = &mut wire[4 * (4096 + 22)..];
    let (mut held, mut at) = (0, 0);
    for (more, held_max) in [
        (5, 0),
        (1, 2 << 10),
        (2047, 2 << 10),
        (1, 4 * 2049),
        (14_000, 17 << 10),
    ] {
        let part = &mut wire[at..at + more];
        let info = allocation_counter::measure(|| _ = open(&mut pair.server, part));
        held += info.bytes_current;
        at += more;
        assert!((0..=held_max).contains(&held), "{held} for {at}");
    }
}

/// Bytes of data in records.
fn open(session: &mut Session, wire: &mut [u8]) -> usize {
    let (mut used, mut data, mut out) = (0, 0, Vec::new());
    while used < wire.len() {
        let step = session.receive(NOW, &mut wire[used..], &mut out);
        let step = step.expect("nothing is wrong with it");
        used += step.used;
        data += match step.what {
            What::Data(range) => range.len(),
            What::Joined(bytes) => bytes.len(),
            What::Nothing | What::Established | What::Closed => 0,
        };
    }
    data
}
