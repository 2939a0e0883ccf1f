//! What the sessions of a listener, or of a cluster, share.

mod client;
mod family;
mod key_log;
mod server;

pub use client::ClientContext;
pub use server::ServerContext;

#[cfg(test)]
mod tests;
