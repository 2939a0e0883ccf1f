//! TLS for ringlb: bytes in, bytes out, on rustls.
//!
//! A [`Session`] is the TLS of one connection. It is made from a context, [`ServerContext`] or
//! [`ClientContext`], which holds what connections share: certificates, trust, tickets. Nothing here
//! owns a socket, a file or a clock; what the peer sent goes in as exclusive bytes that are decrypted
//! where they lie, what is to be sent comes out as bytes, and the time is an argument. rustls does the
//! handshakes, records after that are ours (`record`). No type of rustls shows outside the crate.
#![deny(unsafe_code)]

mod context;
mod facts;
mod fault;
#[doc(hidden)]
pub mod fuzz;
pub mod hello;
mod identity;
pub mod limits;
mod names;
mod pem;
mod provider;
mod record;
mod session;
mod sessions;
mod settings;
#[cfg(feature = "sm")]
pub mod sm;
mod store;
#[cfg(test)]
mod testing;
mod tickets;
mod time;
mod verify;

pub use context::{ClientContext, ServerContext};
pub use facts::{Certificate, Facts};
pub use fault::{DETAILS, Fault, SettingsError};
pub use hello::Offer;
pub use identity::{Identity, KeyKind};
pub use provider::Provider;
pub use session::{Session, Step, What, is_name};
pub use settings::{
    Client, ClientAuth, ClientSettings, Group, KeyLog, SanKind, SanMatcher, ServerSettings, Suite,
    Trust, Version,
};
pub use tickets::Tickets;

/// SM4 runs on vector instructions of this CPU, in a time that does not depend on keys or data; `false`: it looks up
/// tables in memory, or this build has none.
pub fn has_vector_sm4() -> bool {
    #[cfg(feature = "sm")]
    return sm::Backend::detect().is_vector();
    #[cfg(not(feature = "sm"))]
    false
}

/// Time since the Unix epoch.
pub type Now = std::time::Duration;
