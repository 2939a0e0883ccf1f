//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998).

mod gcm;
mod kernel;

pub use gcm::{Backend, Sm4Gcm, Unauthentic};
