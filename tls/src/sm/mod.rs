//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998).

mod ccm;
mod gcm;
mod kernel;
mod sm4;

pub use ccm::Sm4Ccm;
pub use gcm::Sm4Gcm;
pub use sm4::{Backend, Unauthentic};
