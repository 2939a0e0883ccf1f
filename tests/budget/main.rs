//! What a request may cost: in steady state, no allocation. What an idle connection may cost.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod http2;
mod tls;

use engines::{EngineKind, EngineOptions, ListenOptions};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringlb::{
    access_log::LogRing,
    cluster::SharedBreakers,
    config::{self, Listen, Quickstart, Snapshot},
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
    at: SocketAddr,
    down: TcpStream,
    room: [u8; 4096],
}

impl Lane {
    fn new(kind: EngineKind) -> Self {
        Self::to(kind, "http://")
    }

    /// `scheme`: what is spoken with the endpoint.
    fn to(kind: EngineKind, scheme: &str) -> Self {
        let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
        endpoint.set_nonblocking(true).unwrap();
        let to = format!("{scheme}{}", endpoint.local_addr().unwrap());
        let (worker, at) = worker(kind, Listen::new("127.0.0.1:0", vec![to]));
        Self {
            worker,
            endpoint,
            up: None,
            at,
            down: connect(at),
            room: [0; 4096],
        }
    }

    /// One request and its answer.
    fn exchange(&mut self) {
        self.down.write_all(REQUEST).unwrap();
        self.accept();
        let Some(up) = &mut self.up else { return };
        read_some(up, &mut self.room, &mut self.worker);
        up.write_all(ANSWER).unwrap();
        let len = read_some(&mut self.down, &mut self.room, &mut self.worker);
        assert!(self.room[..len].ends_with(b"hello, world"));
    }
}

impl Lane {
    /// Waits for the worker's connection to the endpoint.
    fn accept(&mut self) {
        while self.up.is_none() {
            self.worker.turn().unwrap();
            if let Ok((up, _)) = self.endpoint.accept() {
                up.set_nonblocking(true).unwrap();
                up.set_nodelay(true).unwrap();
                self.up = Some(up);
            }
        }
    }
}

/// A worker with one listener, and where that is.
fn worker(kind: EngineKind, listen: Listen) -> (Worker, SocketAddr) {
    let quickstart = Quickstart {
        listeners: vec![listen],
        admin: None,
    };
    worker_of(
        kind,
        config::compile(&quickstart.bootstrap().unwrap()).unwrap(),
    )
}

/// A worker for a configuration, and where its listener is.
fn worker_of(kind: EngineKind, snapshot: Snapshot) -> (Worker, SocketAddr) {
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
    (Worker::new(engine, plan), at.inet().unwrap())
}

fn connect(to: SocketAddr) -> TcpStream {
    let down = TcpStream::connect(to).unwrap();
    down.set_nonblocking(true).unwrap();
    down.set_nodelay(true).unwrap();
    down
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

/// Connections that an idle one's share is taken from; just fewer than a table has room for that
/// doubles when it is full.
const IDLE: usize = 500;

/// So many descriptors as the kernel allows.
fn raise_descriptors() {
    let (_, descriptors_max) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, descriptors_max, descriptors_max).unwrap();
}

/// Heap bytes per idle downstream connection that has had requests, and the allocations that they lie
/// in, each of which costs some 8 bytes more. Below 600 in all is what is promised.
fn an_idle_connection_is_small(kind: EngineKind, bytes_max: usize, allocations_max: usize) {
    raise_descriptors();
    let mut lane = Lane::new(kind);
    (0..3).for_each(|_| lane.exchange());
    let mut idle = Vec::with_capacity(IDLE);
    let info = allocation_counter::measure(|| {
        for _ in 0..IDLE {
            idle.push(std::mem::replace(&mut lane.down, connect(lane.at)));
            (0..3).for_each(|_| lane.exchange());
        }
    });
    let whole = |all: i64| usize::try_from(all).unwrap();
    let bytes = whole(info.bytes_current).div_ceil(IDLE);
    // To the nearest: a list of the engine's that gets its first memory meanwhile is no share of anybody's.
    let allocations = (whole(info.count_current) + IDLE / 2) / IDLE;
    assert_eq!(lane.worker.census().conns, IDLE + 2);
    assert!(
        bytes <= bytes_max && allocations <= allocations_max,
        "{kind}: {bytes} bytes in {allocations} allocations for each idle connection"
    );
}

fn on_uring(test: impl FnOnce()) {
    match engines::uring_available() {
        Ok(()) => test(),
        Err(reason) => eprintln!("skipped: {reason}"),
    }
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
    on_uring(|| a_request_in_steady_state_allocates_nothing(EngineKind::Uring));
}

#[test]
fn an_idle_connection_is_small_on_epoll() {
    an_idle_connection_is_small(EngineKind::Epoll, 400, 1);
}

#[test]
fn an_idle_connection_is_small_on_tasks() {
    an_idle_connection_is_small(EngineKind::Tasks, 540, 3);
}

#[test]
fn an_idle_connection_is_small_on_uring() {
    on_uring(|| an_idle_connection_is_small(EngineKind::Uring, 400, 1));
}
