//! Whether a peer's certificates are to be believed.

mod client;
mod crl;
mod error;
mod server;
mod signatures;
mod trust;

pub(crate) use client::ClientVerifier;
pub(crate) use error::Refusal;
pub(crate) use server::ServerVerifier;
pub(crate) use signatures::Signatures;
pub(crate) use trust::Believed;

#[cfg(test)]
mod tests;
