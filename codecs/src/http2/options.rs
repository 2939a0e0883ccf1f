//! What configuration sets of HTTP/2.

/// `envoy.config.core.v3.Http2ProtocolOptions`, as far as the codec has a use for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `hpack_table_size`: bytes of the dynamic table of either direction.
    pub table_bytes: u32,
    /// `max_concurrent_streams`: of the peer's streams on a server's connection, of ours on a client's.
    pub streams_max: u32,
    /// `initial_stream_window_size`: bytes that a peer may send of a stream ahead of `release`, 1 to
    /// 2^31 - 1. A stream whose reader stalls holds no more than this.
    pub stream_window: u32,
    /// `initial_connection_window_size`: the same for all streams of a connection, 65 535 to 2^31 - 1.
    pub connection_window: u32,
    /// `allow_connect`: extended CONNECT is offered (RFC 8441).
    pub allow_connect: bool,
    /// `max_consecutive_inbound_frames_with_empty_payload`: HEADERS, CONTINUATION and DATA without
    /// payload and without END_STREAM.
    pub empty_frames_max: u32,
    /// `max_inbound_priority_frames_per_stream`: PRIORITY frames, for each stream opened so far and one
    /// more.
    pub priority_frames_per_stream: u32,
    /// `max_inbound_window_update_frames_per_data_frame_sent`: WINDOW_UPDATE frames that each DATA frame
    /// allows the peer.
    pub window_updates_per_data: u32,
    /// `max_outbound_control_frames`: answers to PING, SETTINGS and broken streams that a peer may cause
    /// in one burst.
    pub control_frames_max: u32,
}

impl Options {
    /// Defaults of an upstream connection: its window is that of all its streams together, so that no
    /// client's slowness is another's.
    pub fn upstream() -> Self {
        let (streams_max, stream_window) = (100, 64 << 10);
        Self {
            streams_max,
            stream_window,
            connection_window: streams_max * stream_window,
            ..Self::default()
        }
    }
}

impl Default for Options {
    /// Defaults of a downstream connection.
    fn default() -> Self {
        Self {
            table_bytes: 4096,
            streams_max: 100,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            allow_connect: false,
            empty_frames_max: 1,
            priority_frames_per_stream: 100,
            window_updates_per_data: 10,
            control_frames_max: 1000,
        }
    }
}
