//! HTTP/2 of a listener or a cluster: the codec's options and its keep-alive.

use super::{Keepalive, compile::Compiler};
use codecs::http2::Options;
use std::time::Duration;
use xds::api::envoy::config::core::v3::{Http2ProtocolOptions, KeepaliveSettings};

/// Windows (RFC 9113 §6.9.1) and numbers of streams end here.
const MOST: u32 = i32::MAX as u32;
/// The initial window of the protocol (RFC 9113 §6.9.2): as in Envoy, none is smaller.
const LEAST_WINDOW: u32 = 65_535;
/// Each connection may hold as much; more saves next to no byte.
const MOST_TABLE_BYTES: u32 = 65_536;
const LEAST_TIME: Duration = Duration::from_millis(1);

/// Towards whom it is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Clients of a listener.
    Downstream,
    /// Endpoints of a cluster.
    Upstream,
}

impl Compiler {
    /// The codec's options; those of its side where nothing is set.
    pub(super) fn http2_options(
        &mut self,
        path: &str,
        from: Option<&Http2ProtocolOptions>,
        side: Side,
    ) -> Options {
        let default = match side {
            Side::Downstream => Options::default(),
            Side::Upstream => Options::upstream(),
        };
        let Some(from) = from else { return default };
        let mut number = |field: &str, value: Option<u32>, default, bounds| {
            self.number(&format!("{path}.{field}"), value, default, bounds)
        };
        let streams = from.max_concurrent_streams;
        let streams_max = number(
            "max_concurrent_streams",
            streams,
            default.streams_max,
            1..=MOST,
        );
        let stream_window = number(
            "initial_stream_window_size",
            from.initial_stream_window_size,
            default.stream_window,
            LEAST_WINDOW..=MOST,
        );
        let connection_window = match side {
            Side::Downstream => default.connection_window.max(stream_window),
            // As `Options::upstream`: the window of all streams together.
            Side::Upstream => streams_max.saturating_mul(stream_window).min(MOST),
        };
        Options {
            table_bytes: number(
                "hpack_table_size",
                from.hpack_table_size,
                default.table_bytes,
                0..=MOST_TABLE_BYTES,
            ),
            streams_max,
            stream_window,
            connection_window: number(
                "initial_connection_window_size",
                from.initial_connection_window_size,
                connection_window,
                LEAST_WINDOW..=MOST,
            ),
            allow_connect: from.allow_connect,
            empty_frames_max: from
                .max_consecutive_inbound_frames_with_empty_payload
                .unwrap_or(default.empty_frames_max),
            priority_frames_per_stream: from
                .max_inbound_priority_frames_per_stream
                .unwrap_or(default.priority_frames_per_stream),
            window_updates_per_data: number(
                "max_inbound_window_update_frames_per_data_frame_sent",
                from.max_inbound_window_update_frames_per_data_frame_sent,
                default.window_updates_per_data,
                1..=u32::MAX,
            ),
            control_frames_max: number(
                "max_outbound_control_frames",
                from.max_outbound_control_frames,
                default.control_frames_max,
                1..=u32::MAX,
            ),
        }
    }

    /// PINGs, if there are to be any.
    pub(super) fn keepalive(
        &mut self,
        path: &str,
        from: Option<&Http2ProtocolOptions>,
        side: Side,
    ) -> Option<Keepalive> {
        let from = from.and_then(|from| from.connection_keepalive.as_ref())?;
        let path = format!("{path}.connection_keepalive");
        if from.timeout.is_none() {
            self.wrong(&format!("{path}.timeout"), "is missing");
        }
        if from.interval.is_none() && from.connection_idle_interval.is_none() {
            let reason = "`interval` or `connection_idle_interval` is missing";
            self.wrong(&path, reason);
        }
        if side == Side::Downstream && from.connection_idle_interval.is_some() {
            let reason = "is for clusters only: a listener's streams are opened by its clients";
            self.wrong(&format!("{path}.connection_idle_interval"), reason);
        }
        self.keepalive_times(&path, from)
    }

    fn keepalive_times(&mut self, path: &str, from: &KeepaliveSettings) -> Option<Keepalive> {
        let mut time = |field: &str, value: &Option<prost_types::Duration>| {
            let path = format!("{path}.{field}");
            value
                .as_ref()
                .map(|value| self.duration_from(&path, value, LEAST_TIME))
        };
        let interval = time("interval", &from.interval);
        let timeout = time("timeout", &from.timeout);
        let idle_interval = time("connection_idle_interval", &from.connection_idle_interval);
        Some(Keepalive {
            interval,
            timeout: timeout?,
            idle_interval,
        })
    }
}
