//! The codec of either side of a connection: what comes in, what goes out, and how it ends.
//!
//! What the codec has to say on its own account (`owed`) is encoded when it arises and goes out before
//! anything else, so that header blocks leave in the order in which they were compressed.

mod answers;
mod begin;
mod block;
mod codec;
mod data;
mod going;
mod heads;
mod input;
mod output;
mod pending;
mod sending;
mod small;

use super::code::{Code, Wrong};
use super::flow::{ReceiveWindow, SendWindow, WINDOW_DEFAULT};
use super::guard::Guard;
use super::hpack::{Decoder, Encoder};
use super::settings::{Ours, Peer};
use super::streams::{Stream, Streams, Tombs};
use super::{Options, PREFACE, frame};
use crate::{Frame, Limits, Reason, StreamId};
use going::Going;
use input::{Block, Input};
use pending::Pending;

/// Which side of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// What a connection keeps of its limits.
#[derive(Clone, Debug)]
struct Held {
    head_bytes_max: u32,
    fields_max: u32,
    trailer_bytes_max: u32,
    options: Options,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    role: Role,
    limits: Held,
    peer: Peer,
    input: Input,
    /// A header block whose end has not come.
    block: Option<Box<Block>>,
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams,
    tombs: Tombs,
    send: SendWindow,
    receive: ReceiveWindow,
    guard: Guard,
    /// What goes out before anything else.
    owed: Vec<u8>,
    pending: Pending,
    /// The largest id of a stream that the peer opened.
    last_peer: u32,
    /// The largest id of a stream whose head we sent.
    last_sent: u32,
    /// The id that our next stream has.
    next_id: u32,
    /// Bytes of the heads of all streams.
    heads_bytes: u32,
    going: Going,
    /// What a refused peer is told.
    code: Code,
    /// Found while sending; told by the next `decode`.
    broken: Option<Wrong>,
    /// A probe is under way.
    pinged: bool,
    /// The peer's SETTINGS came.
    has_settings: bool,
    /// The peer has taken ours.
    has_ack: bool,
    has_fin: bool,
    /// The last GOAWAY is written.
    is_refused: bool,
    is_closed: bool,
}

/// An idle connection costs this and the tables of compression.
const _: () = assert!(size_of::<Connection>() <= 640);

/// The largest id of a stream (RFC 9113 §5.1.1).
const ID_MAX: u32 = (1 << 31) - 1;

/// Capacity of `owed` that is kept while it is empty.
const OWED_KEPT: usize = 256;

impl Connection {
    pub(super) fn new(role: Role, limits: &Limits) -> Self {
        let options = limits.http2.clone();
        let mut new = Self {
            role,
            peer: Peer::default(),
            input: match role {
                Role::Client => Input::default(),
                Role::Server => Input::Preface(0),
            },
            block: None,
            decoder: Decoder::new(options.table_bytes),
            encoder: Encoder::new(options.table_bytes),
            streams: Streams::default(),
            tombs: Tombs::default(),
            send: SendWindow::new(WINDOW_DEFAULT),
            receive: ReceiveWindow::new(options.connection_window.max(WINDOW_DEFAULT)),
            guard: Guard::new(&options),
            owed: Vec::new(),
            pending: Pending::default(),
            last_peer: 0,
            last_sent: 0,
            next_id: 1,
            heads_bytes: 0,
            going: Going::default(),
            code: Code::NO_ERROR,
            broken: None,
            pinged: false,
            has_settings: false,
            has_ack: false,
            has_fin: false,
            is_refused: false,
            is_closed: false,
            limits: Held {
                head_bytes_max: limits.head_bytes_max,
                fields_max: limits.fields_max,
                trailer_bytes_max: limits.trailer_bytes_max,
                options,
            },
        };
        new.owe_first();
        new
    }

    /// RFC 9113 §3.4: what each side sends first.
    fn owe_first(&mut self) {
        let is_client = self.role == Role::Client;
        if is_client {
            self.owed.extend_from_slice(PREFACE);
        }
        let options = &self.limits.options;
        let ours = Ours {
            is_client,
            table_bytes: options.table_bytes,
            streams_max: options.streams_max,
            window: options.stream_window,
            head_bytes_max: self.limits.head_bytes_max,
            allows_connect: options.allow_connect,
        };
        ours.write(&mut self.owed);
        let more = options.connection_window.saturating_sub(WINDOW_DEFAULT);
        if more > 0 {
            frame::write_window_update(0, more, &mut self.owed);
        }
    }

    /// Writes what is owed.
    #[inline]
    fn pay(&mut self, out: &mut Vec<u8>) {
        if !self.owed.is_empty() {
            out.extend_from_slice(&self.owed);
            match self.owed.capacity() > OWED_KEPT {
                true => self.owed = Vec::new(),
                false => self.owed.clear(),
            }
        }
    }

    /// Whether no stream of that id was ever open (RFC 9113 §5.1).
    fn is_idle(&self, id: u32) -> bool {
        match self.role {
            // A client's ids are odd (RFC 9113 §5.1.1), and servers push nothing to us.
            Role::Client => id.is_multiple_of(2) || id > self.last_sent,
            Role::Server => id.is_multiple_of(2) || id > self.last_peer,
        }
    }

    /// What a peer may send of a stream that opens now. Until it has our SETTINGS it may take the
    /// window for the default (RFC 9113 §6.9.2).
    fn first_window(&self) -> u32 {
        let told = self.limits.options.stream_window;
        match self.has_ack {
            true => told,
            false => told.max(WINDOW_DEFAULT),
        }
    }

    fn take_out(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        self.heads_bytes -= stream.head_bytes;
        Some(stream)
    }

    /// Remembers a stream that ended before its peer was done. A client needs no such memory: of all
    /// its streams it lets pass what still comes.
    fn bury(&mut self, id: u32, window: u32) {
        if self.role == Role::Server {
            let streams_max = self.limits.options.streams_max;
            self.tombs.bury(id, window, streams_max);
        }
    }

    /// Refuses a stream to a peer that need not know yet how many it may open.
    fn refuse_early(&mut self, id: u32, wrong: Wrong) -> Result<Frame, Wrong> {
        self.guard.on_early_refusal()?;
        Ok(self.end_stream(id, wrong))
    }

    /// Ends a stream for what the peer did wrong (RFC 9113 §5.4.2).
    fn fail_stream(&mut self, id: u32, wrong: Wrong) -> Result<Frame, Wrong> {
        self.guard.on_reset()?;
        Ok(self.end_stream(id, wrong))
    }

    fn end_stream(&mut self, id: u32, wrong: Wrong) -> Frame {
        let stream = self.take_out(id);
        let is_ended = |stream: &Stream| stream.is(super::streams::Flags::REMOTE_END);
        if !stream.as_ref().is_some_and(is_ended) {
            let window = stream.map_or(self.first_window(), |stream| stream.receive.left());
            self.bury(id, window);
        }
        self.owed.extend_from_slice(&frame::reset(id, wrong.code));
        reset_frame(id, wrong.code.reason(), wrong.detail)
    }

    /// What holds between any two calls.
    fn invariants(&self) {
        debug_assert!(
            self.streams.iter().all(|stream| !stream.is_over()),
            "an ended stream is in the table"
        );
        debug_assert_eq!(
            self.heads_bytes,
            self.streams
                .iter()
                .map(|stream| stream.head_bytes)
                .sum::<u32>(),
        );
        debug_assert!(self.role == Role::Client || self.next_id == 1);
    }
}

fn reset_frame(id: u32, reason: Reason, detail: &'static str) -> Frame {
    Frame::Reset {
        id: stream_id(id),
        reason,
        detail,
    }
}

fn stream_id(id: u32) -> StreamId {
    StreamId(u64::from(id))
}

/// The number of one of our streams; none has 0.
fn number(id: StreamId) -> u32 {
    u32::try_from(id.0).unwrap_or(0)
}
