//! The same over HTTP/2, on both sides.

use super::{IDLE, Lane, connect, on_uring, raise_descriptors, read_some};
use engines::EngineKind;
use ringlb::worker::Worker;
use std::{io::Write, net::TcpStream};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// `GET http://example.com/some/path`, `accept: */*`; nothing goes into the table.
const REQUEST: &[u8] = b"\x82\x86\x01\x0bexample.com\x04\x0a/some/path\x0f\x04\x03*/*";
/// 200, `content-type: text/plain`, `content-length: 12`.
const ANSWER: &[u8] = b"\x88\x0f\x10\x0atext/plain\x0f\x0d\x0212";

const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One side of a connection: what was read of a frame that is not whole.
#[derive(Default)]
struct Side {
    ahead: Vec<u8>,
}

impl Side {
    /// Reads up to the frame that ends a stream; its id.
    fn read_end(&mut self, stream: &mut TcpStream, room: &mut [u8], worker: &mut Worker) -> u32 {
        loop {
            while let Some(end) = self.frame_len() {
                let frame = &self.ahead[..end];
                let (kind, flags) = (frame[3], frame[4]);
                let id = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
                self.ahead.drain(..end);
                if matches!(kind, 0 | HEADERS) && flags & END_STREAM != 0 {
                    return id;
                }
            }
            let len = read_some(stream, room, worker);
            assert!(len > 0, "the connection ended");
            self.ahead.extend_from_slice(&room[..len]);
        }
    }

    fn frame_len(&self) -> Option<usize> {
        let head = self.ahead.first_chunk::<9>()?;
        let len = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        (self.ahead.len() >= len).then_some(len)
    }
}

fn put_frame(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let len = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&[len[1], len[2], len[3], kind, flags]);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A lane whose client and endpoint speak HTTP/2.
struct Http2Lane {
    lane: Lane,
    down: Side,
    up: Side,
    next_id: u32,
    out: Vec<u8>,
}

impl Http2Lane {
    fn new(kind: EngineKind) -> Self {
        let mut new = Self {
            lane: Lane::to(kind, "h2c://"),
            down: Side::default(),
            up: Side::default(),
            next_id: 1,
            out: Vec::new(),
        };
        new.greet();
        new
    }

    /// What a client's connection begins with.
    fn greet(&mut self) {
        (self.next_id, self.down.ahead) = (1, Vec::new());
        let hello = [PREFACE, &EMPTY_SETTINGS].concat();
        self.lane.down.write_all(&hello).unwrap();
    }

    /// Another client takes the place of this one, which stays open.
    fn next_client(&mut self) -> TcpStream {
        let before = std::mem::replace(&mut self.lane.down, connect(self.lane.at));
        self.greet();
        before
    }

    fn exchange(&mut self) {
        let id = self.next_id;
        self.next_id += 2;
        self.out.clear();
        put_frame(
            &mut self.out,
            HEADERS,
            END_HEADERS | END_STREAM,
            id,
            REQUEST,
        );
        self.lane.down.write_all(&self.out).unwrap();
        let is_first = self.lane.up.is_none();
        self.lane.accept();
        let Lane {
            up, worker, room, ..
        } = &mut self.lane;
        let Some(up) = up else { return };
        if is_first {
            up.write_all(&EMPTY_SETTINGS).unwrap();
        }
        if is_first {
            let mut preface = [0; 24];
            let mut at = 0;
            while at < preface.len() {
                at += read_some(up, &mut preface[at..], worker);
            }
            assert_eq!(preface, PREFACE);
        }
        let asked = self.up.read_end(up, room, worker);
        self.out.clear();
        put_frame(&mut self.out, HEADERS, END_HEADERS, asked, ANSWER);
        put_frame(&mut self.out, 0, END_STREAM, asked, b"hello, world");
        up.write_all(&self.out).unwrap();
        let Lane {
            down, worker, room, ..
        } = &mut self.lane;
        assert_eq!(self.down.read_end(down, room, worker), id);
    }
}

fn a_request_in_steady_state_allocates_nothing(kind: EngineKind) {
    let mut lane = Http2Lane::new(kind);
    (0..300).for_each(|_| lane.exchange());
    let info = allocation_counter::measure(|| (0..500).for_each(|_| lane.exchange()));
    assert_eq!(info.count_total, 0, "{kind}: {info:?} for 500 requests");
}

/// Heap bytes per idle downstream connection that has had requests, what its tables of header fields
/// hold included.
fn an_idle_connection_is_small(kind: EngineKind) {
    raise_descriptors();
    let mut lane = Http2Lane::new(kind);
    (0..3).for_each(|_| lane.exchange());
    let mut idle = Vec::with_capacity(IDLE);
    let info = allocation_counter::measure(|| {
        for _ in 0..IDLE {
            idle.push(lane.next_client());
            (0..3).for_each(|_| lane.exchange());
        }
    });
    let bytes = usize::try_from(info.bytes_current).unwrap().div_ceil(IDLE);
    assert_eq!(lane.lane.worker.census().conns, IDLE + 2);
    assert!(
        bytes <= 2048,
        "{kind}: {bytes} bytes for each idle connection, {info:?}"
    );
}

#[test]
fn a_request_allocates_nothing_on_epoll() {
    a_request_in_steady_state_allocates_nothing(EngineKind::Epoll);
}

#[test]
fn a_request_allocates_nothing_on_tasks() {
    a_request_in_steady_state_allocates_nothing(EngineKind::Tasks);
}

#[test]
fn a_request_allocates_nothing_on_uring() {
    on_uring(|| a_request_in_steady_state_allocates_nothing(EngineKind::Uring));
}

#[test]
fn an_idle_connection_is_small_on_epoll() {
    an_idle_connection_is_small(EngineKind::Epoll);
}

#[test]
fn an_idle_connection_is_small_on_tasks() {
    an_idle_connection_is_small(EngineKind::Tasks);
}

#[test]
fn an_idle_connection_is_small_on_uring() {
    on_uring(|| an_idle_connection_is_small(EngineKind::Uring));
}
