//! How HTTP is spoken with a cluster: `HttpProtocolOptions`, or the deprecated fields of the cluster.

use super::{Keepalive, UpstreamProtocol, compile::Compiler, http2::Side};
use codecs::http2::Options;
use prost::Message;
use xds::api::envoy::{
    config::{
        cluster::v3::{Cluster, cluster::ClusterProtocolSelection},
        core::v3::{Http2ProtocolOptions, HttpProtocolOptions},
    },
    extensions::upstreams::http::v3::{
        HttpProtocolOptions as UpstreamOptions,
        http_protocol_options::{
            UpstreamProtocolOptions as Protocols, explicit_http_config::ProtocolConfig,
        },
    },
};

const UPSTREAM_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// What is spoken with a cluster.
pub(super) struct UpstreamHttp {
    /// `common_http_protocol_options`.
    pub(super) common: HttpProtocolOptions,
    /// The field of its `idle_timeout`.
    pub(super) idle_path: String,
    pub(super) protocol: UpstreamProtocol,
    pub(super) http2: Options,
    pub(super) keepalive: Option<Keepalive>,
}

impl Compiler {
    pub(super) fn upstream_http(&mut self, path: &str, from: &Cluster) -> UpstreamHttp {
        let options_path =
            format!("{path}.typed_extension_protocol_options[\"{UPSTREAM_OPTIONS}\"]");
        let options = self.upstream_options(path, from);
        let (protocol, http2_path, http2) = match &options {
            Some(options) => {
                self.check_deprecated(path, from);
                let (protocol, field, http2) = spoken(options);
                let field = format!("{options_path}.{field}.http2_protocol_options");
                (protocol, field, http2)
            }
            None => {
                let http2 = from.http2_protocol_options.as_ref();
                let field = format!("{path}.http2_protocol_options");
                (deprecated(from), field, http2)
            }
        };
        UpstreamHttp {
            protocol,
            http2: self.http2_options(&http2_path, http2, Side::Upstream),
            keepalive: self.keepalive(&http2_path, http2, Side::Upstream),
            idle_path: format!("{options_path}.common_http_protocol_options.idle_timeout"),
            common: options
                .and_then(|options| options.common_http_protocol_options)
                .unwrap_or_default(),
        }
    }

    fn upstream_options(&mut self, path: &str, from: &Cluster) -> Option<UpstreamOptions> {
        let mut options = None;
        for (key, any) in &from.typed_extension_protocol_options {
            let path = format!("{path}.typed_extension_protocol_options[\"{key}\"]");
            if key != UPSTREAM_OPTIONS || xds::type_name(&any.type_url) != UPSTREAM_OPTIONS {
                self.wrong(&path, format!("only `{UPSTREAM_OPTIONS}` is supported"));
                continue;
            }
            match UpstreamOptions::decode(&*any.value) {
                Ok(found) => options = Some(found),
                Err(error) => self.wrong(&path, error.to_string()),
            }
        }
        options
    }

    /// Two places that say the same would say different things one day.
    fn check_deprecated(&mut self, path: &str, from: &Cluster) {
        let reason = format!("cannot stand beside `{UPSTREAM_OPTIONS}`, which replaces it");
        if from.http2_protocol_options.is_some() {
            self.wrong(&format!("{path}.http2_protocol_options"), &*reason);
        }
        if from.protocol_selection() != ClusterProtocolSelection::UseConfiguredProtocol {
            self.wrong(&format!("{path}.protocol_selection"), reason);
        }
    }
}

/// The protocol, the field that selects it, and what it says of HTTP/2.
fn spoken(
    from: &UpstreamOptions,
) -> (
    UpstreamProtocol,
    &'static str,
    Option<&Http2ProtocolOptions>,
) {
    match &from.upstream_protocol_options {
        Some(Protocols::AutoConfig(auto)) => {
            let http2 = auto.http2_protocol_options.as_ref();
            (UpstreamProtocol::Auto, "auto_config", http2)
        }
        Some(Protocols::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(http2)) => {
                (UpstreamProtocol::Http2, "explicit_http_config", Some(http2))
            }
            Some(ProtocolConfig::HttpProtocolOptions(_)) | None => {
                (UpstreamProtocol::Http1, "explicit_http_config", None)
            }
        },
        Some(Protocols::UseDownstreamProtocolConfig(same)) => {
            let http2 = same.http2_protocol_options.as_ref();
            let field = "use_downstream_protocol_config";
            (UpstreamProtocol::Downstream, field, http2)
        }
        None => (UpstreamProtocol::Http1, "explicit_http_config", None),
    }
}

fn deprecated(from: &Cluster) -> UpstreamProtocol {
    match from.protocol_selection() {
        ClusterProtocolSelection::UseConfiguredProtocol => {
            match from.http2_protocol_options.is_some() {
                true => UpstreamProtocol::Http2,
                false => UpstreamProtocol::Http1,
            }
        }
        ClusterProtocolSelection::UseDownstreamProtocol => UpstreamProtocol::Downstream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{CLUSTER, Sample};

    /// A cluster's fields with these options.
    fn typed(options: &str) -> String {
        format!(
            "typed_extension_protocol_options: {{{UPSTREAM_OPTIONS}: \
             {{\"@type\": x/{UPSTREAM_OPTIONS}, {options}}}}}"
        )
    }

    #[test]
    fn a_cluster_speaks_what_it_says() {
        let streams = "http2_protocol_options: {max_concurrent_streams: 7}";
        for (cluster, expected, streams_max) in [
            (String::new(), UpstreamProtocol::Http1, 100),
            (typed(""), UpstreamProtocol::Http1, 100),
            (
                typed("explicit_http_config: {}"),
                UpstreamProtocol::Http1,
                100,
            ),
            (
                typed("explicit_http_config: {http_protocol_options: {}}"),
                UpstreamProtocol::Http1,
                100,
            ),
            (
                typed(&format!("explicit_http_config: {{{streams}}}")),
                UpstreamProtocol::Http2,
                7,
            ),
            (
                typed(&format!("use_downstream_protocol_config: {{{streams}}}")),
                UpstreamProtocol::Downstream,
                7,
            ),
            (
                typed(&format!("auto_config: {{{streams}}}")),
                UpstreamProtocol::Auto,
                7,
            ),
            (streams.to_owned(), UpstreamProtocol::Http2, 7),
            (
                "protocol_selection: USE_DOWNSTREAM_PROTOCOL".to_owned(),
                UpstreamProtocol::Downstream,
                100,
            ),
            (
                format!("protocol_selection: USE_DOWNSTREAM_PROTOCOL, {streams}"),
                UpstreamProtocol::Downstream,
                7,
            ),
        ] {
            let sample = Sample {
                cluster: &cluster,
                ..Sample::default()
            };
            let snapshot = sample.loaded().snapshot;
            let found = &snapshot.clusters[0];
            assert_eq!(found.protocol, expected, "{cluster}");
            assert_eq!(found.limits.http2.streams_max, streams_max, "{cluster}");
        }
    }

    #[test]
    fn what_all_versions_share_is_read_beside_them() {
        let fields = typed(
            "common_http_protocol_options: {idle_timeout: 3s, max_headers_count: 9}, \
             explicit_http_config: {http2_protocol_options: {}}",
        );
        let sample = Sample {
            cluster: &fields,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let cluster = &snapshot.clusters[0];
        assert_eq!(
            cluster.idle_timeout,
            Some(std::time::Duration::from_secs(3))
        );
        assert_eq!(cluster.limits.fields_max, 9);
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let options = format!("{CLUSTER}.typed_extension_protocol_options[\"{UPSTREAM_OPTIONS}\"]");
        let twice = typed("explicit_http_config: {}");
        for (cluster, path) in [
            (
                typed(
                    "explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 0}}",
                ),
                format!(
                    "{options}.explicit_http_config.http2_protocol_options.max_concurrent_streams"
                ),
            ),
            (
                typed("common_http_protocol_options: {idle_timeout: -1s}"),
                format!("{options}.common_http_protocol_options.idle_timeout"),
            ),
            (
                format!("{twice}, http2_protocol_options: {{}}"),
                format!("{CLUSTER}.http2_protocol_options"),
            ),
            (
                format!("{twice}, protocol_selection: USE_DOWNSTREAM_PROTOCOL"),
                format!("{CLUSTER}.protocol_selection"),
            ),
            (
                typed("explicit_http_config: {http3_protocol_options: {}}"),
                format!("{options}.explicit_http_config.http3_protocol_options"),
            ),
        ] {
            let sample = Sample {
                cluster: &cluster,
                ..Sample::default()
            };
            let problems = sample.problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].starts_with(&format!("{path}: ")),
                "{problems:?}"
            );
        }
    }
}
