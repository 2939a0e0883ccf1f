//! The command line's short form, `--listen … --to …`, as the configuration it stands for.

mod cluster;
mod filters;

use prost::{Message, Name};
use prost_types::Any;
use std::{fmt, net::SocketAddr};
use xds::api::envoy::config::{
    bootstrap::v3::{Admin, Bootstrap, bootstrap::StaticResources},
    core::v3::{
        Address, Http2ProtocolOptions, Pipe, SocketAddress, address::Address as Where,
        socket_address::PortSpecifier,
    },
    listener::v3::{FilterChain, Listener},
};

/// What `ringlb run --listen … --to …` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quickstart {
    /// Each address to listen on with the endpoints behind it.
    pub listeners: Vec<(String, Vec<String>)>,
    /// Where the admin interface listens.
    pub admin: Option<SocketAddr>,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickstartError(pub String);

impl fmt::Display for QuickstartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuickstartError {}

impl Quickstart {
    /// The configuration that the short form stands for.
    ///
    /// # Errors
    /// An address that cannot be read, or a listener without endpoints.
    pub fn bootstrap(&self) -> Result<Bootstrap, QuickstartError> {
        let mut resources = StaticResources::default();
        for (index, (listen, to)) in self.listeners.iter().enumerate() {
            let (tcp, at) = match listen.split_once("://") {
                Some(("tcp", at)) => (true, at),
                Some(("http", at)) => (false, at),
                Some((scheme, _)) => {
                    let reason = format!("{listen}: `{scheme}` is unknown, only http and tcp");
                    return Err(QuickstartError(reason));
                }
                None => (false, listen.as_str()),
            };
            if to.is_empty() {
                return Err(QuickstartError(format!(
                    "{listen}: add at least one --to ADDRESS"
                )));
            }
            let kind = if tcp { "tcp" } else { "http" };
            let name = format!("{kind}-{index}");
            let chain = FilterChain {
                filters: vec![if tcp {
                    filters::tcp(&name)
                } else {
                    filters::http(&name)
                }],
                ..FilterChain::default()
            };
            resources.listeners.push(Listener {
                name: name.clone(),
                address: Some(address(at)?),
                filter_chains: vec![chain],
                ..Listener::default()
            });
            let (protocol, to) = cluster::endpoints(listen, tcp, to)?;
            resources
                .clusters
                .push(cluster::cluster(&name, &to, protocol)?);
        }
        let admin = self.admin.map(|at| Admin {
            address: Some(inet(at)),
        });
        Ok(Bootstrap {
            node: None,
            static_resources: Some(resources),
            admin,
        })
    }
}

fn address(text: &str) -> Result<Address, QuickstartError> {
    if let Some(path) = text.strip_prefix("unix:") {
        let pipe = Pipe {
            path: path.to_owned(),
        };
        return Ok(Address {
            address: Some(Where::Pipe(pipe)),
        });
    }
    let with_any = if text.starts_with(':') {
        format!("0.0.0.0{text}")
    } else {
        text.to_owned()
    };
    match with_any.parse() {
        Ok(at) => Ok(inet(at)),
        Err(_) => {
            let form = "ADDRESS:PORT, [ADDRESS]:PORT, :PORT or unix:PATH";
            Err(QuickstartError(format!(
                "`{text}` is not an address; expected {form}"
            )))
        }
    }
}

fn inet(at: SocketAddr) -> Address {
    let socket = SocketAddress {
        address: at.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(Where::SocketAddress(socket)),
    }
}

/// HTTP/2 with extended CONNECT, for WebSockets.
fn with_connect() -> Http2ProtocolOptions {
    Http2ProtocolOptions {
        allow_connect: true,
        ..Http2ProtocolOptions::default()
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{}", M::full_name()),
        value: message.encode_to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CodecType, Terminal, UpstreamProtocol};

    fn quickstart(listen: &str, to: &[&str]) -> Quickstart {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        Quickstart {
            listeners: vec![(listen.to_owned(), to)],
            admin: None,
        }
    }

    #[test]
    fn the_short_form_compiles() {
        for listen in [
            "127.0.0.1:0",
            ":8080",
            "[::1]:80",
            "tcp://0.0.0.0:5432",
            "unix:/tmp/x",
        ] {
            let bootstrap = quickstart(listen, &["127.0.0.1:1", "unix:/tmp/y"])
                .bootstrap()
                .unwrap();
            let snapshot = crate::config::compile(&bootstrap).unwrap();
            assert_eq!(snapshot.clusters[0].endpoints.len(), 2);
        }
    }

    #[test]
    fn the_short_form_answers_http_1_0() {
        let bootstrap = quickstart(":80", &["127.0.0.1:1"]).bootstrap().unwrap();
        let snapshot = crate::config::compile(&bootstrap).unwrap();
        let terminal = &snapshot.listeners[0].chains.only_chain().terminal;
        assert!(matches!(terminal, Terminal::Http(http) if http.limits.accept_http_10));
    }

    #[test]
    fn the_scheme_of_the_endpoints_says_what_they_speak() {
        for (to, expected) in [
            (["127.0.0.1:1", "unix:/tmp/y"], UpstreamProtocol::Http1),
            (
                ["http://127.0.0.1:1", "127.0.0.1:2"],
                UpstreamProtocol::Http1,
            ),
            (
                ["h2c://127.0.0.1:1", "h2c://unix:/tmp/y"],
                UpstreamProtocol::Http2,
            ),
            (["grpc://[::1]:1", "h2c://[::1]:2"], UpstreamProtocol::Http2),
        ] {
            let bootstrap = quickstart(":80", &to).bootstrap().unwrap();
            let snapshot = crate::config::compile(&bootstrap).unwrap();
            let cluster = &snapshot.clusters[0];
            assert_eq!(cluster.protocol, expected, "{to:?}");
            assert_eq!(cluster.endpoints.len(), 2);
            let connect = cluster.limits.http2.allow_connect;
            assert_eq!(connect, expected == UpstreamProtocol::Http2);
        }
    }

    #[test]
    fn the_short_form_lets_websockets_through_in_both_versions() {
        let bootstrap = quickstart(":80", &["127.0.0.1:1"]).bootstrap().unwrap();
        let snapshot = crate::config::compile(&bootstrap).unwrap();
        let Terminal::Http(http) = &snapshot.listeners[0].chains.only_chain().terminal else {
            panic!("an HTTP listener")
        };
        assert_eq!(http.codec, CodecType::Auto);
        assert!(http.limits.http2.allow_connect);
        let route = &http.routes.hosts()[0].routes[0];
        assert!(route.allows_upgrade(b"websocket") && !route.allows_upgrade(b"other"));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (listen, to, expected) in [
            ("8080", &["127.0.0.1:1"][..], "not an address"),
            ("ftp://1.2.3.4:1", &["127.0.0.1:1"], "only http and tcp"),
            (":80", &[], "--to"),
            (":80", &["localhost"], "not an address"),
            (":80", &["h3://1.2.3.4:1"], "only http, h2c and grpc"),
            (":80", &["h2c://:1"], "needs an address"),
            (":80", &["1.2.3.4:1", "h2c://1.2.3.4:2"], "speak the same"),
            ("tcp://:80", &["h2c://1.2.3.4:1"], "leave `://` out"),
        ] {
            let error = quickstart(listen, to).bootstrap().unwrap_err();
            assert!(error.0.contains(expected), "{error}");
        }
    }
}
