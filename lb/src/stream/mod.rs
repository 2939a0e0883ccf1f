//! A stream: one request and its answer, from the head that arrived to the last byte that left.

mod advance;
mod client_cert;
mod clocks;
mod downstream;
mod dress;
mod filtering;
mod half;
mod local_reply;
mod passing;
mod record;
mod retry;
mod upgrade;
mod upstream;
mod windows;

pub(crate) use clocks::Deadlines;
pub use half::Half;
pub use local_reply::LocalReply;
pub use record::{Flags, Moment, Record, RouteId};
pub(crate) use retry::{Failure, is_of_connection};
use upgrade::Upgrade;

use crate::{
    addresses::Addresses,
    conn::ConnKey,
    epoch::Place,
    filter::{Chain, Dir},
    limits,
    pool::Wire,
    route::ClientCert,
    transport_failure::TransportFailure,
    worker::Epoch,
};
use codecs::{Head, StreamId};
use engines::{BufList, slot_key};
use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

slot_key! {
    /// Names one stream of one worker.
    pub struct StreamKey;
}

/// What a stream is waiting for, or done with; see `advance`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A route is looked for.
    #[default]
    Match,
    /// The request's head is with the filters.
    Filter,
    /// An endpoint and a connection are looked for.
    Acquire,
    /// Waiting in a pool for a connection.
    Queued,
    /// Bytes flow.
    Stream,
    /// Everything is sent, or the stream was given up.
    Done,
}

/// A connection that carries the request, and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leg {
    pub(crate) conn: ConnKey,
    pub(crate) id: StreamId,
}

/// An endpoint chosen for the request, and the protocol that it is to be asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) cluster: usize,
    pub(crate) endpoint: usize,
    pub(crate) wire: Wire,
}

/// One request and its answer.
pub(crate) struct Stream {
    pub(crate) down: Leg,
    pub(crate) up: Option<Leg>,
    pub(crate) target: Option<Target>,
    pub(crate) phase: Phase,
    /// The configuration that the request matched; kept to its end.
    pub(crate) epoch: Rc<Epoch>,
    pub(crate) place: Place,
    /// What is told of the client's connection, once that is gone; it has that until then.
    pub(crate) gone: Option<Box<Gone>>,
    /// What TLS with the client has agreed on, if there is any.
    pub(crate) tls: Option<Arc<tls::Facts>>,
    /// The same of the endpoint's connection that carries it, or carried it last.
    pub(crate) up_tls: Option<Arc<tls::Facts>>,
    /// Why TLS with the endpoint tried last was not established or broke, if that failed the try.
    pub(crate) up_failure: Option<Box<TransportFailure>>,
    /// The request's head, as the filters left it; a retry sends it again.
    pub(crate) head: Box<Head>,
    /// The final answer's head, once there is one.
    pub(crate) answer: Option<Box<Head>>,
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) chain: Option<Box<Chain>>,
    pub(crate) record: Record,
    pub(crate) deadlines: Deadlines,
    /// How long no byte may come by, in either direction.
    pub(crate) idle_time: Option<Duration>,
    pub(crate) retry: Retry,
    upgrade: Upgrade,
    /// The client speaks gRPC, whatever filters make of its request.
    is_grpc: bool,
    /// The answer is ours, no longer the upstream's.
    pub(crate) is_local: bool,
    pub(crate) rematches: u8,
    /// Among what is settled at the end of the turn.
    pub(crate) is_marked: bool,
}

/// A client's connection that is gone.
pub(crate) struct Gone {
    pub(crate) addresses: Addresses,
    /// Its number.
    pub(crate) id: u32,
    /// Why its TLS failed.
    pub(crate) failure: Option<TransportFailure>,
}

/// What a further try would need, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    /// Tries that the route's policy still allows.
    pub(crate) left: u32,
    /// Tries that followed a dead pooled connection.
    pub(crate) stale: u8,
    /// The body sent so far, while it may be needed again.
    pub(crate) kept: BufList,
    /// The body is too long to be kept: no further try.
    pub(crate) lost: bool,
    /// Take no pooled connection.
    pub(crate) fresh: bool,
    /// The endpoint that failed.
    pub(crate) avoid: Option<usize>,
    /// A credit of the retry breaker is held.
    pub(crate) credit: bool,
}

impl Retry {
    fn reset(&mut self) {
        self.kept.clear();
        (self.left, self.stale, self.avoid) = (0, 0, None);
        (self.lost, self.fresh, self.credit) = (false, false, false);
    }
}

impl Stream {
    /// Makes a blank stream that of a new request.
    fn reset(&mut self, down: Leg, place: Place, epoch: Rc<Epoch>, now: Instant) {
        (self.tls, self.up_tls, self.up_failure) = (None, None, None);
        (self.down, self.place, self.epoch) = (down, place, epoch);
        self.gone = None;
        (self.up, self.target, self.phase) = (None, None, Phase::Match);
        (self.is_local, self.is_marked, self.rematches) = (false, false, 0);
        (self.upgrade, self.record) = (Upgrade::None, Record::new(now));
        self.deadlines = Deadlines::default();
    }

    /// Drops what an ended stream still holds of its message, so that it is blank; its memory is kept.
    fn clear(&mut self) {
        self.chain = None;
        self.request.reset();
        self.response.reset();
        self.retry.reset();
        if self.head.bytes() > limits::SPARE_HEAD_BYTES_MAX {
            *self.head = Head::default();
        }
    }

    /// A byte came by.
    fn touch(&mut self, now: Instant) {
        self.deadlines.touched = Some(now);
    }

    fn half(&mut self, dir: Dir) -> &mut Half {
        match dir {
            Dir::Request => &mut self.request,
            Dir::Response => &mut self.response,
        }
    }

    /// Bytes that wait to be sent upstream.
    pub(crate) fn request_waiting(&self) -> usize {
        let held = |chain: &Chain| chain.held_bytes(Dir::Request);
        self.request.buffered() + self.chain.as_deref().map_or(0, held)
    }

    /// Bytes that wait to be sent downstream.
    pub(crate) fn response_waiting(&self) -> usize {
        let held = |chain: &Chain| chain.held_bytes(Dir::Response);
        self.response.buffered() + self.chain.as_deref().map_or(0, held)
    }

    /// Part of an answer was sent, and not its end.
    pub(crate) fn is_begun(&self) -> bool {
        self.response.head_sent && !self.response.end_sent
    }

    /// What is known of the client's certificate.
    fn client_cert(&self) -> ClientCert {
        let facts = self.tls.as_deref();
        ClientCert {
            is_presented: facts.is_some_and(|facts| facts.peer.is_some()),
            is_validated: facts.is_some_and(|facts| facts.is_validated),
        }
    }

    pub(crate) fn is_head_request(&self) -> bool {
        self.head.method() == b"HEAD"
    }
}
