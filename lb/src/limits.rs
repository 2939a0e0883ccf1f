//! Every limit of the data path that no configuration field sets: its name, its value, why.
//!
//! What configuration sets stands in [`crate::config`]; blocks have theirs in `engines::BlockLimits`,
//! heads in `codecs::Limits`. `docs/operations.md` names the counter of each limit that has one.

use std::time::Duration;

/// Unsent bytes of a connection above which what feeds it is no longer read, where configuration sets
/// no smaller limit. A receive block stays pinned for at most four times as many bytes.
pub const UNSENT_HIGH_BYTES: usize = 128 << 10;

/// How many times that much is queued on a connection at most. What was under way when reading
/// stopped is queued too: to keep it back would mean to copy it.
pub const UNSENT_FULL: usize = 4;

/// Bytes of heads and control frames queued on a connection beyond that, above which it is closed: its
/// peer makes us answer and does not read.
pub const UNSENT_CONTROL_MAX: usize = 256 << 10;

/// A known length of an answer's body still to come is bulk, and left to the engine, from so many
/// times the connection's limit on unsent bytes (the first above): 256 KiB where that is not lowered.
pub const PASS_BUFFERS: u64 = 2;

/// A stream that may not be idle for so long is not left to the engine: progress is told each second.
pub const PASS_IDLE_TIME: Duration = Duration::from_secs(2);

/// Bytes of a request that an already given answer makes useless, read and dropped before the
/// connection is closed.
pub const DISCARD_BYTES_MAX: usize = 256 << 10;

/// Bytes sent on a connection in all, heads included, up to which it is closed at once behind a client's
/// last request; beyond, it lingers. Input that comes after such a close is answered by RST, and an RST
/// takes back what is not yet with the peer. So few bytes leave in the first flight (an initial
/// congestion window is ten segments, 14 KiB with Ethernet's, RFC 6928) and fit the receive window that
/// common systems begin with (64 KiB and more): they are with the peer before the RST, unless one of
/// their segments was lost or the peer chose a tiny receive buffer. What a stack does with bytes that it
/// received and nobody read when an RST comes is up to it: Linux still delivers them, others may drop
/// them. Only a client that sends behind its last request takes these risks (RFC 9112 §9.6).
pub const CLOSE_AT_ONCE_BYTES_MAX: u32 = 8 << 10;

/// Bytes read and dropped in a lingering close.
pub const LINGER_BYTES_MAX: usize = 256 << 10;

/// How long a lingering close waits for the peer's FIN, once everything has left.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// How long the rest of a request that was already answered may take to come.
pub const DISCARD_TIME: Duration = Duration::from_secs(10);

/// How long a connection that is to be closed may go without taking any of its last bytes.
pub const FLUSH_TIME: Duration = Duration::from_secs(30);

/// Handshakes of clients under way on one worker; beyond, the one that was begun first is given up, which
/// is likely to be one that its client does not go on with. Each may hold
/// [`tls::limits::HANDSHAKE_BYTES_MAX`] of what its client sends; most hold a few KiB.
pub const HANDSHAKES_MAX: usize = 2048;

/// Bytes of what is told of a client's certificate up to which a connection keeps them for its next requests; more, which
/// whole certificates are, is rendered for each.
pub const CLIENT_CERT_BYTES_MAX: usize = 1 << 10;

/// Bytes told of why TLS failed; it may be the peer's words in part.
pub const TRANSPORT_FAILURE_BYTES_MAX: usize = 256;

/// Connections of one worker whose first bytes are awaited to find their filter chain; beyond, the one that was
/// accepted first is closed. Each may hold [`tls::limits::HELLO_BYTES_MAX`].
pub const INSPECTIONS_MAX: usize = 2048;

/// Bytes of a request's body kept for a retry.
pub const RETRY_BYTES_MAX: usize = 64 << 10;

/// Bytes buffered for a stream whose connection or filter is not ready, per direction. The least window
/// that HTTP/2 may be configured to, so that a body that a filter collects reaches this limit.
pub const STREAM_BYTES_MAX: usize = (64 << 10) - 1;

/// The same for all answers of one connection together; each may wait with its share, but see
/// [`STREAM_BYTES_MIN`].
pub const CONN_BYTES_MAX: usize = 1 << 20;

/// The least that an answer may wait with before its endpoint is no longer read, however many others
/// wait on the same connection.
pub const STREAM_BYTES_MIN: usize = 8 << 10;

/// How long no byte may come by in a tunnel that a request was upgraded to, where its route sets no
/// `idle_timeout`. As long as `TcpProxy` leaves its tunnels by default.
pub const TUNNEL_IDLE_TIME: Duration = Duration::from_secs(3600);

/// Streams that may be given up on one connection to an endpoint, beyond those that were answered, before
/// it takes no more requests: endpoints close connections that reset too much, as we do, and with them
/// what other clients have on them.
pub const UPSTREAM_RESETS_MAX: u16 = 200;

/// Bytes of a local reply's text that its `grpc-message` tells; clients allow 8 KiB of metadata in all.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 1 << 10;

/// How often a filter may send one request back to route matching.
pub const REMATCHES_MAX: u8 = 4;

/// Idle pooled connections per endpoint and worker.
pub const POOL_IDLE_MAX: usize = 1024;

/// Ended streams whose memory is kept for new ones.
pub const SPARE_STREAMS_MAX: usize = 256;

/// Memory of an ended stream's request head that is kept with it; a larger one is let go.
pub const SPARE_HEAD_BYTES_MAX: usize = 8 << 10;

/// How long the end of the process waits for an access log's reader to take the last lines.
pub const LOG_TIME: Duration = Duration::from_secs(2);
