//! What is spoken on a connection: one line a protocol.

use super::{echo::Echo, pipeline::Pipeline};
use crate::workload::Protocol;
use codecs::{Codec, Limits, http1::Http1};

impl Protocol {
    /// The codec of a new connection with up to `streams` requests under way.
    pub(super) fn codec(self, streams: u32) -> Box<dyn Codec> {
        match self {
            Self::Echo => Box::new(Echo::default()),
            Self::Http1 if streams > 1 => Box::new(Pipeline::new(http1, streams as usize)),
            Self::Http1 => http1(),
        }
    }

    /// The peer learns which request is a connection's last, and so can be the one to close it.
    pub(super) fn tells_the_last(self) -> bool {
        match self {
            Self::Echo => false,
            Self::Http1 => true,
        }
    }

    /// As it is named to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http1 => "HTTP/1.1",
        }
    }
}

fn http1() -> Box<dyn Codec> {
    codecs::Protocol::client(&Http1, &Limits::default())
}
