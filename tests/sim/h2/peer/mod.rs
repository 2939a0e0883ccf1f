//! One end of an HTTP/2 connection, without I/O: it keeps the books of both directions and holds the
//! other end to every rule that can be seen from here.

mod receiving;
mod sending;

use super::{
    frame::{self, Reader, Settings},
    hpack::{Decoder, Encoder, Fields},
    stream::{Head, Stream},
};
use engines::Rng;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What the other end said.
#[derive(Debug)]
pub(crate) enum Told {
    Data { id: u32, bytes: Vec<u8>, end: bool },
    GoAway { last: u32, code: u32 },
    Head { id: u32, head: Head, end: bool },
    Pong,
    Reset { id: u32, code: u32 },
    Settings,
    Trailers { id: u32, fields: Fields },
    Window,
}

/// A header block under way.
#[derive(Debug)]
struct Block {
    id: u32,
    end: bool,
    bytes: Vec<u8>,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) role: Role,
    rng: Rng,
    reader: Reader,
    pub(super) encoder: Encoder,
    decoder: Decoder,
    pub(super) out: Vec<u8>,
    /// What the other end told; `None` before its first SETTINGS.
    pub(crate) theirs: Option<Settings>,
    /// What we told, and the other end has acknowledged.
    acked: Settings,
    /// What we told last.
    pub(crate) ours: Settings,
    unacked: VecDeque<Settings>,
    /// What may be sent on the connection.
    pub(crate) send_window: i64,
    /// What may be received on it.
    pub(super) window: i64,
    /// Received and not given back to the connection's window.
    pub(crate) owed: i64,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The last stream that either end opened.
    last: u32,
    /// The last stream that the other end takes.
    pub(crate) their_last: Option<u32>,
    /// The last stream that we take.
    pub(crate) our_last: Option<u32>,
    pings: VecDeque<[u8; 8]>,
    pub(crate) pings_got: u32,
    block: Option<Block>,
    /// The connection's and each stream's window at the other end are at most so large.
    pub(crate) windows_max: (i64, i64),
    /// Cuts header blocks and pads frames.
    odd: bool,
}

impl Peer {
    pub(crate) fn new(role: Role, ours: &Settings, odd: bool, rng: &mut Rng) -> Self {
        let mut peer = Self {
            role,
            rng: rng.fork(),
            reader: match role {
                Role::Client => Reader::default(),
                Role::Server => Reader::of_server(),
            },
            encoder: Encoder::new(!odd),
            decoder: Decoder::new(),
            out: Vec::new(),
            theirs: None,
            acked: Settings::default(),
            ours: Settings::default(),
            unacked: VecDeque::new(),
            send_window: frame::WINDOW_DEFAULT,
            window: frame::WINDOW_DEFAULT,
            owed: 0,
            streams: BTreeMap::new(),
            last: 0,
            their_last: None,
            our_last: None,
            pings: VecDeque::new(),
            pings_got: 0,
            block: None,
            windows_max: (frame::WINDOW_MAX, frame::WINDOW_MAX),
            odd,
        };
        if role == Role::Client {
            peer.out.extend_from_slice(frame::PREFACE);
        }
        peer.tell_settings(ours.clone());
        peer
    }

    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What streams' windows are at first. A larger one may be used as soon as it is told, a smaller one
    /// holds when it is acknowledged.
    fn first_window(&self) -> i64 {
        let unacked = self.unacked.iter().map(|told| told.window);
        unacked.fold(self.acked.window, i64::max)
    }

    pub(crate) fn may_open(&self) -> bool {
        let max = self.theirs.as_ref().map_or(1, |theirs| theirs.streams);
        self.their_last.is_none() && self.open_streams() < max
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.values().filter(|s| !s.is_over()).count()
    }

    fn blank_stream(&self) -> Stream {
        let theirs = self.theirs.clone().unwrap_or_default();
        Stream::new(theirs.window)
    }

    /// Bytes that one DATA frame may carry now.
    pub(crate) fn room(&self, id: u32) -> usize {
        let stream = self.streams.get(&id).map_or(0, |s| s.send_window);
        let frame = self.theirs.as_ref().map_or(16_384, |theirs| theirs.frame);
        stream.min(self.send_window).max(0).min(frame as i64) as usize
    }

    /// What the other end has not given back of the connection's window, above what it may keep back
    /// while it holds nothing: it tells what it has let go of by halves.
    pub(crate) fn lost_credit(&self) -> Option<i64> {
        let max = self.windows_max.0;
        let least = max - max / 2;
        (self.send_window <= least).then_some(max - self.send_window)
    }

    /// All that we told or asked for is acknowledged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unacked.is_empty() && self.pings.is_empty()
    }
}
