//! What is spoken on a connection: one line a protocol.

use super::{echo::Echo, pipeline::Pipeline};
use crate::workload::{Protocol, Workload};
use codecs::{
    Codec, Limits,
    http1::Http1,
    http2::{Http2, Options},
};

/// What a peer may send of one stream of HTTP/2 before it has to wait for us, in bytes. Nothing is kept
/// of what comes, so it is large: windows are not to be the limit.
const WINDOW_BYTES: u32 = 1 << 20;
/// The same of a stream, and of its connection, that reads at a rate: the least that HTTP/2 knows.
const SLOW_WINDOW_BYTES: u32 = 65_535;

impl Protocol {
    /// The codec of a new connection.
    pub(super) fn codec(self, workload: &Workload) -> Box<dyn Codec> {
        let streams = workload.streams;
        match self {
            Self::Echo => Box::new(Echo::default()),
            Self::Http1 if streams > 1 => Box::new(Pipeline::new(http1, streams as usize)),
            Self::Http1 => http1(),
            Self::Http2 | Self::Grpc => codecs::Protocol::client(&Http2, &http2(workload)),
        }
    }

    /// The peer learns which request is a connection's last, and so can be the one to close it.
    pub(super) fn tells_the_last(self) -> bool {
        match self {
            // A client's GOAWAY says nothing of its own streams (RFC 9113 §6.8), and some servers end
            // those that follow it.
            Self::Echo | Self::Http2 | Self::Grpc => false,
            Self::Http1 => true,
        }
    }

    /// Bodies are messages of gRPC, and answers have a status of their own.
    pub(super) fn is_grpc(self) -> bool {
        match self {
            Self::Grpc => true,
            Self::Echo | Self::Http1 | Self::Http2 => false,
        }
    }

    /// As it is named to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Grpc => "gRPC",
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

fn http1() -> Box<dyn Codec> {
    codecs::Protocol::client(&Http1, &Limits::default())
}

fn http2(workload: &Workload) -> Limits {
    let streams_max = workload.streams;
    let (stream_window, connection_window) = match workload.read_rate {
        Some(_) => (SLOW_WINDOW_BYTES, SLOW_WINDOW_BYTES),
        None => (WINDOW_BYTES, WINDOW_BYTES * streams_max),
    };
    Limits {
        http2: Options {
            streams_max,
            stream_window,
            connection_window,
            ..Options::default()
        },
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::STREAMS_MAX;

    #[test]
    fn the_window_of_a_connection_is_that_of_its_streams() {
        let of = |streams, read_rate| {
            let workload = Workload {
                streams,
                read_rate,
                ..Workload::default()
            };
            let options = http2(&workload).http2;
            (options.stream_window, options.connection_window)
        };
        assert_eq!(of(1, None), (1 << 20, 1 << 20));
        assert_eq!(of(STREAMS_MAX, None), (1 << 20, 1 << 30));
        assert_eq!(of(9, Some(1)), (65_535, 65_535));
    }
}
