//! Which protocol a connection to an endpoint speaks.

use crate::config::ClusterConfig;
use codecs::{Protocol, http1::Http1};

/// A protocol of upstream connections. An endpoint may get connections of several: each has a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

impl Wire {
    /// How many there are.
    pub(crate) const COUNT: usize = 2;

    pub(crate) fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Http1 => &Http1,
            Self::Http2 => &Http1,
        }
    }

    /// A connection carries several requests at a time.
    pub(crate) fn is_multiplexed(self) -> bool {
        match self {
            Self::Http1 => false,
            Self::Http2 => true,
        }
    }

    /// Streams that a new connection is likely to carry at a time.
    pub(super) fn expected_streams(self, config: &ClusterConfig) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2 => config.limits.http2.streams_max.min(EXPECTED_STREAMS) as usize,
        }
    }
}

/// What most HTTP/2 endpoints allow on a connection (RFC 9113 §6.5.2 recommends no less).
const EXPECTED_STREAMS: u32 = 100;
