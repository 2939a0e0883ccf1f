//! HTTP/1.1 and 1.0 (RFC 9110, RFC 9112).
//!
//! Strict on purpose: what two implementations could read in two ways is refused, heads are always
//! written anew from `Head`, and framing is the codec's alone.

mod body;
mod client;
mod encode;
mod fields;
#[doc(hidden)]
pub mod fuzz;
mod lines;
mod parse;
mod resume;
mod scan;
mod server;
mod status;
mod target;

/// What HTTP/2 is held to as well: its messages may go on as ours.
pub(crate) mod field_rules {
    pub(crate) use super::encode::write_target;
    pub(crate) use super::fields::{is_trimmed, keeps_trailer, length, refuses_trailer, trim};
    pub(crate) use super::target::{has_port, is_authority, is_target};
}

use crate::bytes::is_token_byte;
use crate::{Codec, Detected, Limits, Malformed, Protocol, Step, Wait};

/// HTTP/1.1.
#[derive(Debug)]
pub struct Http1;

/// What a connection keeps of its limits.
#[derive(Clone, Copy, Debug)]
struct HeadLimits {
    head_bytes_max: u32,
    fields_max: u32,
    trailer_bytes_max: u32,
    accept_http_10: bool,
}

impl HeadLimits {
    fn of(limits: &Limits) -> Self {
        Self {
            head_bytes_max: limits.head_bytes_max,
            fields_max: limits.fields_max,
            trailer_bytes_max: limits.trailer_bytes_max,
            accept_http_10: limits.accept_http_10,
        }
    }
}

/// Bytes in which a method must end for a connection to be taken for HTTP/1.
const METHOD_MAX: usize = 32;

impl Protocol for Http1 {
    fn name(&self) -> &'static str {
        "http1"
    }

    fn alpn(&self) -> &'static [&'static [u8]] {
        &[b"http/1.1", b"http/1.0"]
    }

    fn detect(&self, prefix: &[u8]) -> Detected {
        let line = prefix.strip_prefix(b"\r\n").unwrap_or(prefix);
        let end = line.iter().position(|byte| !is_token_byte(*byte));
        match end {
            _ if line.is_empty() || line == b"\r" => Detected::NeedMore,
            Some(len @ 1..=METHOD_MAX) if line[len] == b' ' => Detected::Yes,
            None if line.len() <= METHOD_MAX => Detected::NeedMore,
            Some(_) | None => Detected::No,
        }
    }

    fn server(&self, limits: &Limits) -> Box<dyn Codec> {
        Box::new(server::Server::new(limits))
    }

    fn client(&self, limits: &Limits) -> Box<dyn Codec> {
        Box::new(client::Client::new(limits))
    }
}

/// The peer's fault, told with 400.
fn bad(detail: &'static str) -> Malformed {
    refused(400, detail)
}

fn refused(status: u16, detail: &'static str) -> Malformed {
    Malformed { status, detail }
}

/// A step without a frame.
fn idle(used: usize, wait: Wait) -> Step {
    Step {
        used,
        frame: None,
        wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_recognised_by_its_method() {
        for (prefix, want) in [
            (&b""[..], Detected::NeedMore),
            (b"\r", Detected::NeedMore),
            (b"GE", Detected::NeedMore),
            (b"\r\nGE", Detected::NeedMore),
            (b"GET ", Detected::Yes),
            (b"X-Y / HTTP/1.1\r\n", Detected::Yes),
            (b" GET", Detected::No),
            (b"\x16\x03\x01", Detected::No),
            (b"\xda\xbb", Detected::No),
            (b"\x01\x01", Detected::No),
            (b"GET\t", Detected::No),
            (&[b'A'; 33], Detected::No),
        ] {
            assert_eq!(Http1.detect(prefix), want, "{}", prefix.escape_ascii());
        }
    }
}
