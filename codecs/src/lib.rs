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

/// The protocol that a TLS server chooses among those that a client offers: our order counts, not the
/// client's (RFC 7301 §3.2). `None`: none in common.
pub fn choose_alpn<'a>(
    offers: impl Iterator<Item = &'a [u8]> + Clone,
) -> Option<&'static dyn Protocol> {
    let offered = |one: &&&dyn Protocol| {
        let name = one.alpn();
        name.is_some_and(|name| offers.clone().any(|offer| offer == name))
    };
    PROTOCOLS.iter().find(offered).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_order_chooses_among_what_a_client_offers() {
        for (offers, want) in [
            (&[&b"http/1.1"[..], b"h2"][..], Some("http2")),
            (&[b"http/1.1", b"spdy/3"], Some("http1")),
            (&[b"h2c", b"H2"], None),
            (&[], None),
        ] {
            let chosen = choose_alpn(offers.iter().copied());
            assert_eq!(chosen.map(Protocol::name), want);
        }
    }
}
