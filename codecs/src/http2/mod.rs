//! HTTP/2 (RFC 9113) and its header compression (RFC 7541).
//!
//! One `conn::Connection` is the codec of either side. Its sub-machines know nothing of each other:
//! frames, settings, windows, the table of streams, heads, and the guard against peers that make work
//! for nothing. What one stream does wrong ends that stream, what could mean two things for all of them
//! ends the connection.

mod code;
mod conn;
mod flow;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod guard;
mod head;
#[doc(hidden)]
pub mod hpack;
mod options;
mod settings;
mod streams;

pub use guard::{LIMITS, STALLED_WINDOW};
pub use options::Options;

use crate::{Codec, Detected, Limits, Protocol};
use conn::{Connection, Role};

/// HTTP/2 by prior knowledge, or chosen by ALPN.
#[derive(Debug)]
pub struct Http2;

/// What a client sends first (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Protocol for Http2 {
    fn name(&self) -> &'static str {
        "http2"
    }

    fn alpn(&self) -> &'static [&'static [u8]] {
        &[b"h2"]
    }

    fn detect(&self, prefix: &[u8]) -> Detected {
        let len = prefix.len().min(PREFACE.len());
        match prefix[..len] == PREFACE[..len] {
            false => Detected::No,
            true if len < PREFACE.len() => Detected::NeedMore,
            true => Detected::Yes,
        }
    }

    fn server(&self, limits: &Limits) -> Box<dyn Codec> {
        Box::new(Connection::new(Role::Server, limits))
    }

    fn client(&self, limits: &Limits) -> Box<dyn Codec> {
        Box::new(Connection::new(Role::Client, limits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_recognised_by_its_whole_preface() {
        for len in 0..PREFACE.len() {
            assert_eq!(Http2.detect(&PREFACE[..len]), Detected::NeedMore, "{len}");
        }
        let more = [&PREFACE[..], b"x"].concat();
        assert_eq!(Http2.detect(&more), Detected::Yes);
        for prefix in [&b"G"[..], b"PRI * HTTP/1.1", b"PRIX", b"\x16\x03\x01"] {
            assert_eq!(Http2.detect(prefix), Detected::No);
        }
    }
}
