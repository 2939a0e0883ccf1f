//! Records after the handshake (RFC 8446 §5, RFC 5246 §6.2): opened where they lie, sealed where they will be sent
//! from. rustls has no part in it but the secrets.

mod cipher;
mod keys;
mod open;
mod plan;
mod seal;

pub(crate) use keys::Keys;
pub(crate) use open::{Opener, Place, Record};
pub(crate) use seal::{Refused, Sealer};

/// Bytes of a record's header: type, version, length.
pub(crate) const HEADER_BYTES: usize = 5;

/// Bytes of the tag of every cipher there is.
const TAG_BYTES: usize = 16;

/// `ContentType`, RFC 8446 §5.1.
pub(crate) mod kind {
    pub(crate) const ALERT: u8 = 21;
    pub(crate) const HANDSHAKE: u8 = 22;
    pub(crate) const DATA: u8 = 23;
}
