//! Which protocol a connection to an endpoint speaks.

use crate::config::{ClusterConfig, UpstreamProtocol};
use codecs::{Protocol, Version, http1::Http1, http2::Http2};

/// A protocol of upstream connections. An endpoint may get connections of several: each has a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// What TLS agrees on; HTTP/1 where there is none.
    Agreed,
    Http1,
    Http2,
}

impl Wire {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// What the endpoints of a cluster are asked in for a request of that version.
    pub(crate) fn of(config: &ClusterConfig, request: Version) -> Self {
        match (config.protocol, request) {
            (UpstreamProtocol::Auto, _) => Self::Agreed,
            (UpstreamProtocol::Http1, _) => Self::Http1,
            (UpstreamProtocol::Http2, _) | (UpstreamProtocol::Downstream, Version::Http2) => {
                Self::Http2
            }
            (UpstreamProtocol::Downstream, Version::Http10 | Version::Http11) => Self::Http1,
        }
    }

    /// What a connection speaks as long as nothing says otherwise.
    pub(crate) fn first_protocol(self) -> &'static dyn Protocol {
        match self {
            Self::Agreed | Self::Http1 => &Http1,
            Self::Http2 => &Http2,
        }
    }
}

/// Streams that a new connection is likely to carry at a time.
pub(super) fn expected_streams(is_shared: bool, config: &ClusterConfig) -> usize {
    match is_shared {
        false => 1,
        true => config.limits.http2.streams_max.min(EXPECTED_STREAMS) as usize,
    }
}

/// What most HTTP/2 endpoints allow on a connection (RFC 9113 §6.5.2 recommends no less).
const EXPECTED_STREAMS: u32 = 100;
