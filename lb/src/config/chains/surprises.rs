//! What is no error in a filter chain, but hardly what was meant.

use crate::config::{
    CodecType, Terminal,
    compile::{Compiler, at},
};
use codecs::{PROTOCOLS, Protocol, http1::Http1, http2::Http2};
use xds::api::envoy::config::listener::v3 as api;

impl Compiler {
    /// Tells of protocols that are offered by ALPN and not spoken then.
    pub(super) fn check_chain_alpn(&mut self, path: &str, alpn: &[Vec<u8>], terminal: &Terminal) {
        let Terminal::Http(http) = terminal else {
            return;
        };
        let (spoken, name): (&[&dyn Protocol], _) = match http.codec {
            CodecType::Auto => (PROTOCOLS, "AUTO"),
            CodecType::Http1 => (&[&Http1], "HTTP1"),
            CodecType::Http2 => (&[&Http2], "HTTP2"),
        };
        let path =
            format!("{path}.transport_socket.typed_config.common_tls_context.alpn_protocols");
        for (index, offered) in alpn.iter().enumerate() {
            if !spoken.iter().any(|one| one.alpn().contains(&&**offered)) {
                let offered = offered.escape_ascii().to_string();
                let known = spoken.iter().flat_map(|one| one.alpn());
                let known = known.map(|known| known.escape_ascii().to_string());
                let near = xds::did_you_mean(&offered, known);
                let reason =
                    format!("offers `{offered}`, which `codec_type: {name}` does not speak{near}");
                self.warn(&at(&path, index), reason);
            }
        }
    }

    /// Tells of what a chain says that has an effect with TLS only.
    pub(super) fn check_plain(&mut self, path: &str, from: &api::FilterChain, terminal: &Terminal) {
        if from.transport_socket_connect_timeout.is_some() {
            let path = format!("{path}.transport_socket_connect_timeout");
            self.warn(&path, "has no effect without TLS");
        }
        let condition = from.filter_chain_match.as_ref();
        let is_for_tls = condition
            .is_some_and(|of| !of.server_names.is_empty() || of.transport_protocol == "tls");
        if is_for_tls && matches!(terminal, Terminal::Http(_)) {
            let path = format!("{path}.filter_chain_match");
            self.warn(
                &path,
                "leads TLS to HTTP that knows no TLS; `transport_socket` is missing",
            );
        }
    }
}
