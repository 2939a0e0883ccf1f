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
