//! A stream's decision record: what happened and why. Access logs, traces and tests read it.

use crate::grpc::Outcome;
use std::time::{Duration, Instant};

/// What was decided about one request, and when. Ids, not strings; small enough to lie inline.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// When the request's head was complete.
    pub started: Instant,
    /// From `started` to the end of the request.
    pub request_done: Moment,
    /// From `started` to the first byte handed upstream.
    pub upstream_started: Moment,
    /// From `started` to the answer's head.
    pub response_started: Moment,
    /// Why the answer is what it is, as in `%RESPONSE_CODE_DETAILS%`.
    pub detail: &'static str,
    /// Virtual host and route that matched.
    pub route: Option<RouteId>,
    /// The cluster it was routed to.
    pub cluster: Option<u32>,
    /// The endpoint last tried, by its place in the cluster.
    pub endpoint: Option<u32>,
    /// The answer's status; 0: none was given.
    pub status: u16,
    /// Connections tried beyond the first.
    pub retries: u8,
    /// Whether the request is gRPC, as its route sees it, and which status it came to.
    pub grpc: Outcome,
    /// Response flags, as in `%RESPONSE_FLAGS%`.
    pub flags: Flags,
    /// Bytes of the request's body received.
    pub request_bytes: u64,
    /// Bytes of the answer's body sent.
    pub response_bytes: u64,
}

/// A time since the stream's start, once it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(u64);

impl Moment {
    /// That long after the start.
    pub fn after(since: Duration) -> Self {
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1) + 1)
    }

    /// How long after the start, if it is known.
    pub fn get(self) -> Option<Duration> {
        self.0.checked_sub(1).map(Duration::from_nanos)
    }
}

/// A route by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteId {
    /// The virtual host.
    pub host: u32,
    /// The route within it.
    pub route: u32,
}

impl Record {
    /// That moment, as the record keeps it.
    pub fn moment(&self, now: Instant) -> Moment {
        // Most requests are whole, and have their connection, in the turn they come in.
        if now == self.started {
            return Moment::after(Duration::ZERO);
        }
        Moment::after(now.saturating_duration_since(self.started))
    }

    /// The record of a request whose head was complete at `started`.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            request_done: Moment::default(),
            upstream_started: Moment::default(),
            response_started: Moment::default(),
            detail: "",
            route: None,
            cluster: None,
            endpoint: None,
            status: 0,
            retries: 0,
            grpc: Outcome::FOREIGN,
            flags: Flags::default(),
            request_bytes: 0,
            response_bytes: 0,
        }
    }
}

/// Response flags: a set of short names, with Envoy's letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:expr, $letters:expr;)*) => {
        impl Flags {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            /// The letters of all flags, in a fixed order.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                [$(($letters, Self::$name)),*].into_iter().filter(move |(_, f)| self.has(*f)).map(|(n, _)| n)
            }
        }
    };
}

flags! {
    /// No endpoint could be chosen.
    NO_HEALTHY_UPSTREAM = 0, "UH";
    /// Connecting failed.
    UPSTREAM_CONNECT_FAILURE = 1, "UF";
    /// A circuit breaker's limit was reached.
    UPSTREAM_OVERFLOW = 2, "UO";
    /// No route matched.
    NO_ROUTE = 3, "NR";
    /// Every allowed retry was used.
    RETRY_LIMIT = 4, "URX";
    /// The downstream connection ended before the answer did.
    DOWNSTREAM_TERMINATION = 5, "DC";
    /// The upstream connection ended before the answer did.
    UPSTREAM_TERMINATION = 6, "UC";
    /// The upstream reset the stream.
    UPSTREAM_RESET = 7, "UR";
    /// The route's timeout passed.
    UPSTREAM_TIMEOUT = 8, "UT";
    /// The upstream broke the protocol.
    UPSTREAM_PROTOCOL = 9, "UPE";
    /// The stream-idle timeout passed.
    STREAM_IDLE = 10, "SI";
    /// The downstream broke the protocol.
    DOWNSTREAM_PROTOCOL = 11, "DPE";
    /// The fault filter delayed the request.
    DELAY_INJECTED = 12, "DI";
    /// The fault filter answered.
    FAULT_INJECTED = 13, "FI";
    /// A filter reset the stream, or TLS of a connection failed by a fault of ours.
    LOCAL_RESET = 14, "LR";
    /// The time that a stream may last in all has passed.
    DURATION_TIMEOUT = 15, "DT";
}

impl Flags {
    /// Whether every flag of `other` is set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds the flags of `other`.
    pub fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// True without any flag.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits, to copy them elsewhere.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Flags from their bits.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_stays_small() {
        assert!(size_of::<Record>() <= 128, "{}", size_of::<Record>());
    }

    #[test]
    fn flags_print_their_letters() {
        let mut flags = Flags::NO_ROUTE;
        flags.set(Flags::UPSTREAM_OVERFLOW);
        assert_eq!(flags.names().collect::<Vec<_>>(), ["UO", "NR"]);
    }
}
