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
            Side::Upstream => streams_max
                .saturating_mul(stream_window)
                .clamp(LEAST_WINDOW, MOST),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        CodecType, Terminal,
        sample::{CLUSTER, MANAGER, Sample},
    };

    /// The options of both sides with these fields set.
    fn options(fields: &str) -> [(Options, Option<Keepalive>); 2] {
        let fields = format!("http2_protocol_options: {{{fields}}}");
        let sample = Sample {
            manager: &fields,
            cluster: &fields,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let Terminal::Http(http) = &snapshot.listeners[0].chains.first_chain().terminal else {
            panic!("an HTTP listener")
        };
        let cluster = &snapshot.clusters[0];
        [
            (http.limits.http2.clone(), http.keepalive),
            (cluster.limits.http2.clone(), cluster.keepalive),
        ]
    }

    #[test]
    fn what_is_not_set_is_the_side_s_default() {
        let [down, up] = options("");
        assert_eq!(down, (Options::default(), None));
        assert_eq!(up, (Options::upstream(), None));
    }

    #[test]
    fn every_field_reaches_the_codec() {
        let fields = "hpack_table_size: 1, max_concurrent_streams: 2, \
            initial_stream_window_size: 70000, initial_connection_window_size: 80000, \
            allow_connect: true, max_outbound_control_frames: 3, \
            max_consecutive_inbound_frames_with_empty_payload: 0, \
            max_inbound_priority_frames_per_stream: 4, \
            max_inbound_window_update_frames_per_data_frame_sent: 5, \
            connection_keepalive: {interval: 30s, timeout: 0.5s}";
        let expected = Options {
            table_bytes: 1,
            streams_max: 2,
            stream_window: 70_000,
            connection_window: 80_000,
            allow_connect: true,
            empty_frames_max: 0,
            priority_frames_per_stream: 4,
            window_updates_per_data: 5,
            control_frames_max: 3,
        };
        let keepalive = Keepalive {
            interval: Some(Duration::from_secs(30)),
            timeout: Duration::from_millis(500),
            idle_interval: None,
        };
        for found in options(fields) {
            assert_eq!(found, (expected.clone(), Some(keepalive)));
        }
    }

    #[test]
    fn a_connection_s_window_follows_its_streams() {
        for (fields, down, up) in [
            ("initial_stream_window_size: 65535", 1 << 20, 6_553_500),
            ("initial_stream_window_size: 4194304", 4 << 20, 400 << 20),
            ("max_concurrent_streams: 3", 1 << 20, 192 << 10),
            ("max_concurrent_streams: 2147483647", 1 << 20, MOST),
            ("initial_connection_window_size: 65535", 65_535, 65_535),
        ] {
            let found = options(fields).map(|(options, _)| options.connection_window);
            assert_eq!(found, [down, up], "{fields}");
        }
    }

    #[test]
    fn a_cluster_may_ask_before_a_stream_and_nothing_else() {
        let sample = Sample {
            cluster: "http2_protocol_options: {connection_keepalive: \
                {timeout: 1s, connection_idle_interval: 0.001s}}",
            ..Sample::default()
        };
        let expected = Keepalive {
            interval: None,
            timeout: Duration::from_secs(1),
            idle_interval: Some(LEAST_TIME),
        };
        let snapshot = sample.loaded().snapshot;
        assert_eq!(snapshot.clusters[0].keepalive, Some(expected));
    }

    #[test]
    fn what_is_out_of_range_is_told_on_both_sides() {
        let window = "is not between 65535 and 2147483647";
        for (field, value, reason) in [
            ("hpack_table_size", "65537", "is not between 0 and 65536"),
            (
                "max_concurrent_streams",
                "0",
                "is not between 1 and 2147483647",
            ),
            ("initial_stream_window_size", "65534", window),
            ("initial_connection_window_size", "2147483648", window),
            ("max_outbound_control_frames", "0", "is not between 1 and"),
            (
                "max_inbound_window_update_frames_per_data_frame_sent",
                "0",
                "is not between 1 and",
            ),
            (
                "connection_keepalive",
                "{interval: 1s}",
                "timeout: is missing",
            ),
            ("connection_keepalive", "{timeout: 1s}", "`interval` or"),
            (
                "connection_keepalive",
                "{interval: 0s, timeout: 1s}",
                "interval: has to be at least 1ms",
            ),
            (
                "connection_keepalive",
                "{interval: 1s, timeout: 0.0001s}",
                "timeout: has to be at least 1ms",
            ),
        ] {
            let fields = format!("http2_protocol_options: {{{field}: {value}}}");
            let sample = Sample {
                manager: &fields,
                cluster: &fields,
                ..Sample::default()
            };
            let problems = sample.problems();
            assert_eq!(problems.len(), 2, "{problems:?}");
            for (problem, outer) in problems.iter().zip([MANAGER, CLUSTER]) {
                let path = format!("{outer}.http2_protocol_options.{field}");
                assert!(problem.starts_with(&path), "{problem}");
                assert!(problem.contains(reason), "{problem}");
            }
        }
    }

    #[test]
    fn a_listener_has_no_stream_of_its_own_to_ask_before() {
        let sample = Sample {
            manager: "http2_protocol_options: {connection_keepalive: \
                {interval: 1s, timeout: 1s, connection_idle_interval: 1s}}",
            ..Sample::default()
        };
        let path = format!("{MANAGER}.http2_protocol_options.connection_keepalive");
        let reason = "is for clusters only: a listener's streams are opened by its clients";
        let expected = format!("{path}.connection_idle_interval: {reason}");
        assert_eq!(sample.problems(), [expected]);
    }

    #[test]
    fn a_listener_speaks_what_codec_type_says() {
        for (manager, expected) in [
            ("", CodecType::Auto),
            ("codec_type: AUTO", CodecType::Auto),
            ("codec_type: HTTP1", CodecType::Http1),
            ("codec_type: HTTP2", CodecType::Http2),
        ] {
            let sample = Sample {
                manager,
                ..Sample::default()
            };
            let snapshot = sample.loaded().snapshot;
            let terminal = &snapshot.listeners[0].chains.first_chain().terminal;
            assert!(
                matches!(terminal, Terminal::Http(http) if http.codec == expected),
                "{manager}"
            );
        }
    }
}
