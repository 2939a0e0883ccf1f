//! Codecs: bytes to frames and frames to bytes, nothing else.
//!
//! A codec does no I/O, reads no clock and knows nothing of routing. Input is consumed piecemeal, any
//! split of it gives the same frames, and no byte is looked at more than twice. Adding a protocol is
//! one folder and one line in [`PROTOCOLS`].
#![forbid(unsafe_code)]

mod bytes;
mod codec;
mod fields;
mod head;
pub mod http1;
pub mod http2;
mod kind;

pub use codec::{
    Codec, Detected, Frame, Inline, Life, Limits, Malformed, Protocol, Reason, Step, StreamId,
    Wait, Wrap,
};
pub use fields::Fields;
pub use head::{Head, Heads, Length, Version};

/// Every protocol, in the order in which they are asked whether a connection is theirs.
pub static PROTOCOLS: &[&dyn Protocol] = &[&http2::Http2, &http1::Http1];

/// The protocol that TLS has agreed on (RFC 7301 §6); `None`: no protocol of ours.
pub fn by_alpn(name: &[u8]) -> Option<&'static dyn Protocol> {
    let found = PROTOCOLS.iter().find(|one| one.alpn().contains(&name));
    found.copied()
}

/// What a server takes that offers these protocols by ALPN: behind all of them the older versions of each, so that a
/// client that has nothing else is served.
pub fn with_older_alpn(mut offered: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    for protocol in PROTOCOLS {
        let Some((name, older)) = protocol.alpn().split_first() else {
            continue;
        };
        if offered.iter().any(|one| one == name) {
            let known = |one: &[u8]| offered.iter().any(|known| known == one);
            let missing: Vec<_> = older.iter().filter(|one| !known(one)).collect();
            offered.extend(missing.into_iter().map(|one| one.to_vec()));
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_found_by_the_names_that_tls_has_for_them() {
        for (name, want) in [
            (&b"h2"[..], Some("http2")),
            (b"http/1.1", Some("http1")),
            (b"http/1.0", Some("http1")),
            (b"H2", None),
            (b"", None),
        ] {
            assert_eq!(by_alpn(name).map(Protocol::name), want);
        }
    }

    #[test]
    fn older_versions_are_taken_behind_what_is_offered() {
        for (offered, want) in [
            (&["http/1.1", "h2"][..], &["http/1.1", "h2", "http/1.0"][..]),
            (&["http/1.1"], &["http/1.1", "http/1.0"]),
            (&["h2", "http/1.0"], &["h2", "http/1.0"]),
            (&["http/1.0", "http/1.1"], &["http/1.0", "http/1.1"]),
            (&["h2"], &["h2"]),
            (&["spdy/3"], &["spdy/3"]),
            (&[], &[]),
        ] {
            let bytes = |names: &[&str]| -> Vec<Vec<u8>> {
                names.iter().map(|name| (*name).into()).collect()
            };
            assert_eq!(with_older_alpn(bytes(offered)), bytes(want), "{offered:?}");
        }
    }
}
