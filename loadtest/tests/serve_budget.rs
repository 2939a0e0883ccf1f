//! What the endpoint may cost: in steady state, no allocation, on each kernel engine.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{EngineKind, EngineOptions, ListenOptions, SockAddr};
use loadtest::serve::{Defaults, Service, Worker, pattern};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A worker and one client, on this thread.
struct Lane {
    worker: Worker,
    client: TcpStream,
    room: Vec<u8>,
}

impl Lane {
    fn new(kind: EngineKind, service: Service) -> Self {
        let at: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let opened = engines::open_listener(&SockAddr::from(at), &ListenOptions::default());
        let (listener, at) = opened.unwrap();
        let engine = engines::open(kind, &EngineOptions::default()).unwrap();
        let client = TcpStream::connect(at.inet().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        client.set_nodelay(true).unwrap();
        Self {
            worker: Worker::new(engine, vec![(listener, service)], Defaults::default()),
            client,
            room: vec![0; 1 << 20],
        }
    }

    /// Sends, and reads so many bytes of answer.
    fn exchange(&mut self, request: &[u8], len: usize) -> &[u8] {
        self.client.write_all(request).unwrap();
        let mut at = 0;
        while at < len {
            match self.client.read(&mut self.room[at..len]) {
                Ok(0) => panic!("the endpoint closed"),
                Ok(some) => at += some,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.worker.turn().unwrap(),
                Err(error) => panic!("{error}"),
            }
        }
        &self.room[..len]
    }
}

fn engines_here() -> impl Iterator<Item = EngineKind> {
    let has_uring = engines::uring_available();
    if let Err(reason) = &has_uring {
        eprintln!("skipped on uring: {reason}");
    }
    EngineKind::ALL
        .into_iter()
        .filter(move |kind| *kind != EngineKind::Uring || has_uring.is_ok())
}

const HEAD: usize = "HTTP/1.1 200 OK\r\nserver: loadtest\r\ncontent-type: application/octet-stream\r\ncache-control: no-store\r\n\r\n".len();

#[test]
fn a_request_in_steady_state_allocates_nothing() {
    for kind in engines_here() {
        for (path, body, told) in [
            ("/", 100, "content-length: 100\r\n"),
            ("/bytes/5000", 5000, "content-length: 5000\r\n"),
            ("/bytes/200000", 200_000, "content-length: 200000\r\n"),
            (
                "/bytes/700?crc",
                700,
                "content-length: 700\r\nx-body-crc32: 01234567\r\n",
            ),
        ] {
            let mut lane = Lane::new(kind, Service::Http);
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: example.com\r\nuser-agent: test\r\n\r\n");
            let len = HEAD + told.len() + body;
            for _ in 0..50 {
                let answer = lane.exchange(request.as_bytes(), len);
                assert!(answer.ends_with(&pattern::pattern()[..body]));
            }
            let info = allocation_counter::measure(|| {
                for _ in 0..100 {
                    lane.exchange(request.as_bytes(), len);
                }
            });
            assert_eq!(
                info.count_total, 0,
                "{kind} {path}: {info:?} for 100 requests"
            );
        }
    }
}

#[test]
fn an_echoed_message_allocates_nothing() {
    for kind in engines_here() {
        let message = &pattern::pattern()[..1000];
        let mut lane = Lane::new(kind, Service::Echo);
        for _ in 0..50 {
            assert_eq!(lane.exchange(message, 1000), message);
        }
        let info = allocation_counter::measure(|| {
            for _ in 0..100 {
                lane.exchange(message, 1000);
            }
        });
        assert_eq!(info.count_total, 0, "{kind}: {info:?} for 100 messages");
    }
}
