//! Every limit of the endpoint: its name, its value, why.

use std::time::Duration;

/// Unsent bytes of a connection from which on no more of a body is queued. Bodies are slices of one
/// pattern, so what waits costs a reader's worth of slices, not of bytes.
pub const UNSENT_HIGH_BYTES: usize = 1 << 20;

/// Unsent bytes of a connection from which on nothing is read, where the protocol has streams that its
/// windows hold back: only a peer that asks and does not read comes so far, by heads alone.
pub const UNSENT_MAX_BYTES: usize = 2 << 20;

/// Bytes of one body queued before the next stream of the connection has its turn.
pub const TURN_BYTES: u64 = 64 << 10;

/// Streams that a client may have open on one connection.
pub const STREAMS_MAX: u32 = 1024;

/// Bytes of a body queued in one slice: a chunk, where the protocol has them.
pub const SLICE_BYTES_MAX: usize = 256 << 10;

/// Unsent bytes of a connection from which on what it echoes is not read. What is under way then still
/// comes, at most the receive blocks that a socket may hold.
pub const ECHO_HIGH_BYTES: usize = 64 << 10;

/// Bytes sent on a connection in all up to which it is closed at once behind a client's last request;
/// beyond, it lingers. So few are with the client before late input of it could make the kernel reset
/// the connection.
pub const CLOSE_AT_ONCE_BYTES_MAX: u64 = 8 << 10;

/// Bytes read and dropped in a lingering close.
pub const LINGER_BYTES_MAX: usize = 256 << 10;

/// How long a lingering close waits for the peer's FIN, once everything has left.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// How long a connection that is to be closed may go without taking any of its last bytes. Slow readers
/// are what the endpoint is tested with, so it is long.
pub const FLUSH_TIME: Duration = Duration::from_secs(300);

/// How often a paced body goes on.
pub const PACE_TIME: Duration = Duration::from_millis(20);

/// The longest delay that a request may ask for.
pub const DELAY_MAX: Duration = Duration::from_secs(3600);
