//! Trying again: when it is safe, when it is allowed, and what is kept for it.
//!
//! A request is never sent twice unless no byte of it left, its method is idempotent (RFC 9110 §9.2.2)
//! or the route's policy says so; and never once an answer was begun.

use super::{Flags, LocalReply, Phase, Stream, StreamKey};
use crate::{
    cluster::Breaker,
    grpc, limits,
    route::{Action, RetryPolicy},
    transport_failure::TransportFailure,
    worker::Worker,
};
use engines::Buf;

/// Tries that may follow pooled connections which turned out dead, and refused streams.
const STALE_MAX: u8 = 3;

/// Response code details where no connection could be opened.
const CONNECTION_FAILURE: &str = "upstream_reset_before_response_started{connection_failure}";

/// Response code details of what an endpoint did not answer to its end: before the answer's head went out,
/// and behind it.
const CONNECTION_TERMINATION: [&str; 2] = [
    "upstream_reset_before_response_started{connection_termination}",
    "upstream_reset_after_response_started{connection_termination}",
];
const REMOTE_RESET: [&str; 2] = [
    "upstream_reset_before_response_started{remote_reset}",
    "upstream_reset_after_response_started{remote_reset}",
];

/// Whether these details tell of a connection, so that the reason why its TLS failed belongs to them.
pub(crate) fn is_of_connection(detail: &str) -> bool {
    detail == CONNECTION_FAILURE || CONNECTION_TERMINATION.contains(&detail)
}

/// Why a try came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection could be opened.
    Connect,
    /// A connection was opened, but TLS was not established on it.
    Handshake(TransportFailure),
    /// The connection ended before the answer did; `why`: its TLS failed.
    Lost {
        unsent: bool,
        reused: bool,
        why: Option<TransportFailure>,
    },
    /// The answer was not valid.
    Malformed(&'static str),
    /// The upstream did not take the request: it can go to another.
    Refused,
    /// The upstream reset the stream.
    Reset,
    /// The answer's status, which the policy wants tried again.
    Status,
    /// `per_try_timeout` passed.
    Timeout,
}

impl Failure {
    pub(super) fn flags(&self) -> Flags {
        match self {
            Self::Connect | Self::Handshake(_) => Flags::UPSTREAM_CONNECT_FAILURE,
            Self::Lost { .. } => Flags::UPSTREAM_TERMINATION,
            Self::Malformed(_) => Flags::UPSTREAM_PROTOCOL,
            Self::Refused | Self::Reset => Flags::UPSTREAM_RESET,
            Self::Status => Flags::default(),
            Self::Timeout => Flags::UPSTREAM_TIMEOUT,
        }
    }

    /// `has_begun`: the answer's head went out.
    pub(super) fn reply(&self, has_begun: bool) -> LocalReply {
        let [termination, reset] =
            [CONNECTION_TERMINATION, REMOTE_RESET].map(|details| details[usize::from(has_begun)]);
        match self {
            Self::Connect => LocalReply::new(503, CONNECTION_FAILURE),
            Self::Handshake(why) => insecure(CONNECTION_FAILURE, why),
            Self::Lost { why: Some(why), .. } => insecure(termination, why),
            Self::Lost { why: None, .. } => LocalReply::new(503, termination),
            Self::Malformed(detail) => LocalReply::new(502, detail),
            Self::Refused | Self::Reset | Self::Status => LocalReply::new(503, reset),
            Self::Timeout => LocalReply::new(504, "upstream_per_try_timeout")
                .with_grpc_status(grpc::DEADLINE_EXCEEDED),
        }
    }

    /// Why TLS was not established or broke, if it was that.
    pub(super) fn transport(&self) -> Option<&TransportFailure> {
        match self {
            Self::Handshake(why) => Some(why),
            Self::Lost { why, .. } => why.as_ref(),
            Self::Connect
            | Self::Malformed(_)
            | Self::Refused
            | Self::Reset
            | Self::Status
            | Self::Timeout => None,
        }
    }

    fn is_wanted(&self, policy: &RetryPolicy) -> bool {
        match self {
            Self::Connect | Self::Handshake(_) => {
                policy.on_connect_failure || policy.on_reset || policy.on_5xx
            }
            Self::Lost { unsent: true, .. } | Self::Refused => {
                policy.on_unsent || policy.on_reset || policy.on_5xx
            }
            Self::Lost { unsent: false, .. } | Self::Reset => policy.on_reset || policy.on_5xx,
            Self::Malformed(_) => policy.on_5xx,
            Self::Status => true,
            Self::Timeout => policy.on_5xx || policy.on_gateway_error || policy.on_reset,
        }
    }
}

/// The answer where TLS with the endpoint failed.
fn insecure(detail: &'static str, why: &TransportFailure) -> LocalReply {
    let body = format!("no upstream could answer, transport failure reason: {why}\n");
    LocalReply::with_body(503, detail, Buf::from(body.into_bytes()))
}

impl Stream {
    /// Whether what is sent of the body has to be kept.
    pub(super) fn may_replay(&self) -> bool {
        !self.retry.lost && !self.response.head_sent
    }

    pub(super) fn keep_for_retry(&mut self, data: &Buf) {
        if self.retry.kept.len() + data.len() > limits::RETRY_BYTES_MAX {
            self.retry.kept.clear();
            self.retry.lost = true;
        } else {
            self.retry.kept.push(data.clone());
            self.retry.kept.settle();
        }
    }

    fn is_idempotent(&self) -> bool {
        matches!(
            self.head.method(),
            b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE"
        )
    }

    fn policy(&self) -> RetryPolicy {
        let route = self
            .record
            .route
            .map(|id| &self.epoch.route(self.place, id).action);
        match route {
            Some(Action::Forward(forward)) => forward.retry,
            Some(Action::Direct { .. }) | None => RetryPolicy::default(),
        }
    }

    /// Puts back what was sent, so that the next try begins with it.
    fn rewind(&mut self) {
        let request = &mut self.request;
        let sent = std::mem::take(&mut self.retry.kept);
        let later = std::mem::replace(&mut request.ready, sent);
        request.ready.append(later);
        (request.head_sent, request.end_sent, request.sent_bytes) = (false, false, 0);
        self.response.reset();
    }
}

impl Worker {
    /// Begins another try, if that is safe and allowed.
    pub(super) fn try_again(&mut self, key: StreamKey, failure: &Failure) -> bool {
        let Some(stream) = self.streams.get(key) else {
            return false;
        };
        // Filters have seen the answer's head, even if it was not sent on.
        if stream.answer.is_some() || stream.is_local {
            return false;
        }
        if self.has_lost_body(key) {
            return false;
        }
        let Some(stream) = self.streams.get_mut(key) else {
            return false;
        };
        let stale = match failure {
            Failure::Lost {
                unsent,
                reused: true,
                ..
            } => *unsent || stream.is_idempotent(),
            Failure::Refused => true,
            Failure::Reset => cfg!(planted = "double_retry"),
            Failure::Connect
            | Failure::Handshake(_)
            | Failure::Lost { reused: false, .. }
            | Failure::Malformed(_)
            | Failure::Status
            | Failure::Timeout => false,
        };
        if stale && stream.retry.stale < STALE_MAX {
            stream.retry.stale += 1;
            stream.retry.avoid = None;
        } else if self.allow_retry(key, failure) {
            self.take_credit(key);
        } else {
            return false;
        }
        // After a dead pooled connection its neighbours are likely to be dead as well.
        self.begin_try(key, matches!(failure, Failure::Lost { .. }));
        true
    }

    /// What was sent of the body could not be kept, so there is no other try.
    fn has_lost_body(&self, key: StreamKey) -> bool {
        let Some(stream) = self.streams.get(key).filter(|stream| stream.retry.lost) else {
            return false;
        };
        if let Some(cluster) = stream.record.cluster {
            let stats = &self.stats.clusters[cluster as usize];
            stats.retry_bytes_exceeded.inc();
        }
        true
    }

    fn begin_try(&mut self, key: StreamKey, fresh: bool) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        (stream.retry.fresh, stream.up_failure) = (fresh, None);
        stream.deadlines.per_try = None;
        stream.record.retries = stream.record.retries.saturating_add(1);
        stream.rewind();
        stream.phase = Phase::Acquire;
        if let Some(cluster) = stream.record.cluster {
            self.stats.clusters[cluster as usize].retries.inc();
        }
    }

    /// The retry under way holds a credit of the breaker, until its target is released.
    fn take_credit(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.retry.credit = true;
            stream.retry.left -= 1;
        }
    }

    fn allow_retry(&mut self, key: StreamKey, failure: &Failure) -> bool {
        let Some(stream) = self.streams.get_mut(key) else {
            return false;
        };
        if !failure.is_wanted(&stream.policy()) {
            return false;
        }
        if stream.retry.left == 0 {
            stream.record.flags.set(Flags::RETRY_LIMIT);
            return false;
        }
        let Some(cluster) = stream.record.cluster.map(|index| index as usize) else {
            return false;
        };
        // The try that just failed may have been a retry itself; its credit is given back.
        let breakers = &mut self.upstreams[cluster].cluster.breakers;
        if std::mem::take(&mut stream.retry.credit) {
            breakers.release(Breaker::Retries);
        }
        let is_granted = breakers.acquire(Breaker::Retries);
        if !is_granted {
            stream.record.flags.set(Flags::UPSTREAM_OVERFLOW);
            self.stats.clusters[cluster].retries_overflow.inc();
        }
        is_granted
    }

    /// Whether an answer's status makes the route's policy try again; then that is under way.
    pub(super) fn retries_status(&mut self, key: StreamKey, status: u16) -> bool {
        // No policy wants another answer tried again.
        if status < 500 {
            return false;
        }
        let Some(stream) = self.streams.get(key) else {
            return false;
        };
        let policy = stream.policy();
        let wanted = (policy.on_5xx && status >= 500)
            || (policy.on_gateway_error && matches!(status, 502..=504));
        let endpoint = stream.target.map(|target| target.endpoint);
        if !wanted || self.has_lost_body(key) || !self.allow_retry(key, &Failure::Status) {
            return false;
        }
        self.leave_upstream(key);
        self.take_credit(key);
        self.begin_try(key, false);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.retry.avoid = endpoint;
        }
        self.wake_stream(key);
        true
    }
}
