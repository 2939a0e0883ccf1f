//! The messages of `proto/`, generated.
#![allow(
    missing_docs,
    clippy::all,
    unreachable_pub,
    unnameable_types,
    unused_qualifications
)]

include!(concat!(env!("OUT_DIR"), "/api.rs"));

/// The descriptors of all messages, encoded.
pub(crate) const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
