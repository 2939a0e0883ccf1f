//! What a request may cost: in steady state, no allocation.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{EngineKind, EngineOptions, ListenOptions, SockAddr};
use ringlb::{
    access_log::LogRing,
    cluster::SharedBreakers,
    config::{self, Quickstart},
    mailbox::Mailbox,
    stats::WorkerStats,
    worker::{Plan, Worker},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

const REQUEST: &[u8] = b"GET /some/path?query=1 HTTP/1.1\r\nhost: example.com\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n\r\nhello, world";

/// A worker with one client and one endpoint, all on this thread.
struct Lane {
    worker: Worker,
    endpoint: TcpListener,
    up: Option<TcpStream>,
    down: TcpStream,
    room: [u8; 4096],
}

impl Lane {
    fn new(kind: EngineKind) -> Self {
        let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
        endpoint.set_nonblocking(true).unwrap();
        let quickstart = Quickstart {
            listeners: vec![(
                "127.0.0.1:0".into(),
                vec![endpoint.local_addr().unwrap().to_string()],
            )],
            admin: None,
        };
        let snapshot = config::compile(&quickstart.bootstrap().unwrap()).unwrap();
        let snapshot = Arc::new(snapshot);
        let at = &snapshot.listeners[0].address;
        let (listener, at) = engines::open_listener(at, &ListenOptions::default()).unwrap();
        let breakers = snapshot.clusters.iter();
        let plan = Plan {
            listeners: vec![listener],
            breakers: breakers
                .map(|c| SharedBreakers::new(c.thresholds, 1))
                .collect(),
            stats: WorkerStats::new(&snapshot),
            log: LogRing::default(),
            mailbox: Arc::new(Mailbox::default()),
            seed: 7,
            snapshot,
        };
        let engine = engines::open(kind, &EngineOptions::default()).unwrap();
        let down = TcpStream::connect(inet(&at)).unwrap();
        down.set_nonblocking(true).unwrap();
        down.set_nodelay(true).unwrap();
        Self {
            worker: Worker::new(engine, plan),
            endpoint,
            up: None,
            down,
            room: [0; 4096],
        }
    }

    /// One request and its answer.
    fn exchange(&mut self) {
        self.down.write_all(REQUEST).unwrap();
        while self.up.is_none() {
            self.worker.turn().unwrap();
            if let Ok((up, _)) = self.endpoint.accept() {
                up.set_nonblocking(true).unwrap();
                up.set_nodelay(true).unwrap();
                self.up = Some(up);
            }
        }
        let Some(up) = &mut self.up else { return };
        read_some(up, &mut self.room, &mut self.worker);
        up.write_all(ANSWER).unwrap();
        let len = read_some(&mut self.down, &mut self.room, &mut self.worker);
        assert!(self.room[..len].ends_with(b"hello, world"));
    }
}

fn inet(at: &SockAddr) -> SocketAddr {
    at.inet().unwrap()
}

/// Lets the worker run until there is something to read. Messages here come in one piece.
fn read_some(stream: &mut TcpStream, room: &mut [u8], worker: &mut Worker) -> usize {
    loop {
        match stream.read(room) {
            Ok(len) => return len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => worker.turn().unwrap(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn a_request_in_steady_state_allocates_nothing(kind: EngineKind) {
    let mut lane = Lane::new(kind);
    (0..200).for_each(|_| lane.exchange());
    let info = allocation_counter::measure(|| (0..500).for_each(|_| lane.exchange()));
    assert_eq!(info.count_total, 0, "{kind}: {info:?} for 500 requests");
}

#[test]
fn a_request_in_steady_state_allocates_nothing_on_epoll() {
    a_request_in_steady_state_allocates_nothing(EngineKind::Epoll);
}

#[test]
fn a_request_in_steady_state_allocates_nothing_on_tasks() {
    a_request_in_steady_state_allocates_nothing(EngineKind::Tasks);
}

#[test]
fn a_request_in_steady_state_allocates_nothing_on_uring() {
    match engines::uring_available() {
        Ok(()) => a_request_in_steady_state_allocates_nothing(EngineKind::Uring),
        Err(reason) => eprintln!("skipped: {reason}"),
    }
}
