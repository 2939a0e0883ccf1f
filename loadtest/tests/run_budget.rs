//! A request in steady state allocates nothing: what makes load must not measure its own allocator.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{EngineKind, EngineOptions, SockAddr};
use loadtest::{
    run::{Lane, Load, Share, Target},
    workload::Workload,
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const EXCHANGES: u64 = 2000;

/// Room for what grows with time, not with requests: pieces of the run, for pictures.
const ALLOCATIONS_MAX: u64 = EXCHANGES / 50;

fn read(stream: &mut TcpStream, lane: &mut Lane) {
    let mut room = [0; 4096];
    loop {
        match stream.read(&mut room) {
            Ok(len) => return assert!(room[..len].ends_with(b"\r\n\r\n")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => lane.turn().unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_request_in_steady_state_allocates_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for kind in EngineKind::ALL {
        let Ok(engine) = engines::open(kind, &EngineOptions::default()) else {
            eprintln!("{kind} is skipped: it cannot be had");
            continue;
        };
        let workload = Workload {
            connections: 1,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(3600),
            ..Workload::default()
        };
        let target = Target {
            address: SockAddr::Inet(address),
            authority: address.to_string(),
            tls: None,
        };
        let load = Arc::new(Load::new(target, workload));
        let mut lane = Lane::new(engine, load, Share::ALL, 1);
        while !lane.is_settled() {
            lane.turn().unwrap();
        }
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        peer.set_nodelay(true).unwrap();
        lane.start(lane.now());
        let mut exchanges = || {
            for _ in 0..EXCHANGES {
                read(&mut peer, &mut lane);
                peer.write_all(ANSWER).unwrap();
            }
        };
        exchanges();
        let counted = allocation_counter::measure(&mut exchanges);
        let count = counted.count_total;
        assert!(
            count <= ALLOCATIONS_MAX,
            "{kind}: {count} for {EXCHANGES} requests"
        );
        assert!(lane.so_far().completed >= 2 * EXCHANGES - 1);
    }
}
