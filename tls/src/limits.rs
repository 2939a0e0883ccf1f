//! Every limit of a session.

/// Bytes of a ClientHello (RFC 8446 §4.1.2), all its fragments together.
pub const HELLO_BYTES_MAX: usize = 64 << 10;

/// Bytes of a handshake message that came in parts after the handshake.
pub const POST_HANDSHAKE_BYTES_MAX: usize = 64 << 10;

/// KeyUpdate messages (RFC 8446 §4.6.3) that a peer may send without [`KEY_UPDATE_BYTES`] of data between them.
pub const KEY_UPDATES_MAX: u32 = 16;

/// Bytes of data after which KeyUpdate messages count anew.
pub const KEY_UPDATE_BYTES: u64 = 1 << 20;

/// Records without data that a peer may send one after another.
pub const EMPTY_RECORDS_MAX: u32 = 32;

/// Bytes of a session ticket; a session that would need more, because of the client's certificates, gets none.
pub const TICKET_BYTES_MAX: usize = 16 << 10;

/// The details of [`crate::Fault`] that tell of a limit, for counters.
pub const LIMITS: &[&str] = &[
    "tls_empty_records",
    "tls_hello_too_long",
    "tls_key_updates",
    "tls_post_handshake_too_long",
    "tls_renegotiation",
];
