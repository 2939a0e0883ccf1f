//! Every limit of a session, and the sizes of records.

use std::time::Duration;

/// Bytes of a ClientHello (RFC 8446 §4.1.2) with the headers of the records that it comes in.
pub const HELLO_BYTES_MAX: usize = 16 << 10;

/// Bytes of a handshake message with the records that it comes in, while it waits for its end: a chain of
/// certificates of 64 KiB, which is what rustls takes, in records of 64 bytes and more.
pub const HANDSHAKE_BYTES_MAX: usize = 128 << 10;

/// Records that may be held in the handshake of a client that sends early data (RFC 8446 §4.2.10). None is taken, but
/// each is held up to the client's next message, and tried again with each record that comes meanwhile.
pub const EARLY_DATA_RECORDS_MAX: usize = 64;

/// Bytes of all these trials: of 16 KiB in 64 records, each byte is tried 32 times.
pub const EARLY_DATA_TRIED_BYTES_MAX: u32 = 1 << 20;

/// The same where the suites are those of RFC 8998: SM4-CCM costs 50 times what AES-GCM does, and a record of it that
/// does not hold is computed three times.
pub const EARLY_DATA_TRIED_SM_BYTES_MAX: u32 = 64 << 10;

/// Bytes of a handshake message that came in parts after the handshake.
pub const POST_HANDSHAKE_BYTES_MAX: usize = 64 << 10;

/// KeyUpdate messages (RFC 8446 §4.6.3) that a peer may send without [`MESSAGE_BYTES`] of data between them.
pub const KEY_UPDATES_MAX: u32 = 16;

/// NewSessionTicket messages (RFC 8446 §4.6.1) that a server may send without [`MESSAGE_BYTES`] of data between them.
pub const TICKETS_MAX: u32 = 16;

/// Bytes of data, of both directions together, after which KeyUpdate and NewSessionTicket messages count anew.
pub const MESSAGE_BYTES: u64 = 1 << 20;

/// Records without data that a peer may send one after another.
pub const EMPTY_RECORDS_MAX: u32 = 32;

/// Bytes of data in a record (RFC 8446 §5.1, RFC 5246 §6.2.1).
pub const RECORD_BYTES_MAX: usize = 1 << 14;

/// Bytes of data in the records that come first: a peer can use a record when all of it has come, and three packets
/// come sooner than twelve while the congestion window is small.
pub const FIRST_RECORD_BYTES: usize = 4 << 10;

/// Bytes of data that go in such records: about the first congestion window (RFC 6928), after which whole records
/// come one right after another.
pub const FIRST_RECORDS_BYTES: usize = 16 << 10;

/// Time without data sent after which records are small again: the congestion window has shrunk by then
/// (RFC 5681 §4.1).
pub const RECORD_IDLE: Duration = Duration::from_secs(1);
/// Bytes of a session ticket; a session that would need more, because of the client's certificates, gets none.
pub const TICKET_BYTES_MAX: usize = 16 << 10;

/// The details of [`crate::Fault`] that tell of a limit, for counters.
pub const LIMITS: &[&str] = &[
    "tls_early_data_too_long",
    "tls_empty_records",
    "tls_handshake_too_long",
    "tls_hello_too_long",
    "tls_key_updates",
    "tls_post_handshake_too_long",
    "tls_renegotiation",
    "tls_tickets",
];
