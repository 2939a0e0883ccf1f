//! The command line's short form, `--listen … --to …`, as the configuration it stands for.

mod cluster;
mod filters;
mod tls;

use prost::{Message, Name};
use prost_types::Any;
use std::{fmt, net::SocketAddr};
use xds::Problem;
use xds::api::envoy::config::{
    bootstrap::v3::{Admin, Bootstrap, bootstrap::StaticResources},
    cluster::v3::Cluster,
    core::v3::{
        Address, Http2ProtocolOptions, Pipe, SocketAddress, address::Address as Where,
        socket_address::PortSpecifier,
    },
    listener::v3::{FilterChain, Listener},
};

/// What `ringlb run --listen … --to …` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quickstart {
    /// Each address to listen on with what belongs to it.
    pub listeners: Vec<Listen>,
    /// Where the admin interface listens.
    pub admin: Option<SocketAddr>,
}

/// An address to listen on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listen {
    /// `--listen`.
    pub at: String,
    /// `--to`.
    pub to: Vec<String>,
    /// Each `--cert` with its `--key`: files, PEM.
    pub certificates: Vec<Pair>,
    /// `--client-ca`: clients have to present a certificate that one of this file vouches for.
    pub client_ca: Option<String>,
    /// What is known of the endpoints' TLS.
    pub upstream: Upstream,
}

/// A certificate and its private key: the names of their files, or themselves, PEM.
#[derive(Clone, PartialEq, Eq)]
pub enum Pair {
    /// Files.
    Files(String, String),
    /// Themselves.
    Inline(String, String),
}

/// What is known of the endpoints' TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// `--ca`: one of this file vouches for the endpoints, in place of those that the system trusts.
    pub ca: Option<String>,
    /// `--insecure`: the endpoints may be anybody.
    pub insecure: bool,
    /// `--sni`: their name.
    pub sni: Option<String>,
}

impl Listen {
    /// An address with its endpoints.
    pub fn new(at: &str, to: Vec<String>) -> Self {
        Self {
            at: at.to_owned(),
            to,
            ..Self::default()
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(chain, key) => write!(f, "Files({chain}, {key})"),
            Self::Inline(..) => f.write_str("Inline"),
        }
    }
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
    /// What is told of a problem: by the option that it comes from, or else by its field.
    pub fn told(problem: &Problem) -> String {
        match option(&problem.path) {
            Some(option) => format!("{option} {}", problem.reason),
            None => problem.to_string(),
        }
    }

    /// The configuration that the short form stands for.
    ///
    /// # Errors
    /// An address that cannot be read, or a listener without endpoints.
    pub fn bootstrap(&self) -> Result<Bootstrap, QuickstartError> {
        let mut resources = StaticResources::default();
        for (index, listen) in self.listeners.iter().enumerate() {
            let (listener, cluster) = parts(index, listen)?;
            resources.listeners.push(listener);
            resources.clusters.push(cluster);
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

/// The option that a field is made from, where the reason of a problem begins with its value.
fn option(path: &str) -> Option<&'static str> {
    let path = path.strip_suffix(".filename").unwrap_or(path);
    let is_listener = path.starts_with("static_resources.listeners");
    match path.rsplit('.').next()? {
        "certificate_chain" => Some("--cert"),
        "private_key" => Some("--key"),
        "sni" => Some("--sni"),
        "trusted_ca" if is_listener => Some("--client-ca"),
        "trusted_ca" => Some("--ca"),
        _ => None,
    }
}

/// A listener and its cluster.
fn parts(index: usize, listen: &Listen) -> Result<(Listener, Cluster), QuickstartError> {
    let at = &listen.at;
    let (scheme, address_text) = at.split_once("://").unwrap_or(("http", at));
    let (is_http, is_tls) = match scheme {
        "http" => (true, false),
        "https" => (true, true),
        "tcp" => (false, false),
        "tls" => (false, true),
        _ => {
            let reason = format!("{at}: `{scheme}` is unknown, only http, https, tcp and tls");
            return Err(QuickstartError(reason));
        }
    };
    if listen.to.is_empty() {
        return Err(QuickstartError(format!(
            "{at}: add at least one --to ADDRESS"
        )));
    }
    let name = format!("{scheme}-{index}");
    let filter = match is_http {
        true => filters::http(&name),
        false => filters::tcp(&name),
    };
    let chain = FilterChain {
        filters: vec![filter],
        transport_socket: tls::downstream(listen, is_tls, is_http)?,
        ..FilterChain::default()
    };
    let listener = Listener {
        name: name.clone(),
        address: Some(address(address_text)?),
        filter_chains: vec![chain],
        ..Listener::default()
    };
    Ok((listener, cluster::cluster(&name, listen, is_http)?))
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
            listeners: vec![Listen::new(listen, to)],
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
        let terminal = &snapshot.listeners[0].chains.first_chain().terminal;
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
        let Terminal::Http(http) = &snapshot.listeners[0].chains.first_chain().terminal else {
            panic!("an HTTP listener")
        };
        assert_eq!(http.codec, CodecType::Auto);
        assert!(http.limits.http2.allow_connect);
        let route = &http.routes.hosts()[0].routes[0];
        assert!(route.allows_upgrade(b"websocket") && !route.allows_upgrade(b"other"));
    }

    #[test]
    fn a_file_that_is_wrong_is_told_by_its_option() {
        let mut one = quickstart("https://:0", &["https://127.0.0.1:1"]);
        one.listeners[0].certificates = vec![Pair::Files("/no/chain".into(), "/no/key".into())];
        one.listeners[0].client_ca = Some("/no/clients".into());
        one.listeners[0].upstream.ca = Some("/no/ca".into());
        one.listeners[0].upstream.sni = Some("*".into());
        let problems = crate::config::Loaded::new(one.bootstrap().unwrap()).unwrap_err();
        let told: Vec<_> = problems.iter().map(Quickstart::told).collect();
        for expected in [
            "--cert /no/chain: ",
            "--key /no/key: ",
            "--client-ca /no/clients: ",
            "--ca /no/ca: ",
        ] {
            let is_one = |told: &String| told.starts_with(expected);
            assert_eq!(
                told.iter().filter(|told| is_one(told)).count(),
                1,
                "{told:?}"
            );
        }
        assert_eq!(told.len(), 4, "{told:?}");
        let other = Problem {
            path: "admin.address".into(),
            place: None,
            reason: "x".into(),
        };
        assert_eq!(Quickstart::told(&other), other.to_string());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (listen, to, expected) in [
            ("8080", &["127.0.0.1:1"][..], "not an address"),
            ("ftp://1.2.3.4:1", &["127.0.0.1:1"], "only http, https, tcp"),
            (":80", &[], "--to"),
            (":80", &["localhost"], "not an address"),
            (":80", &["h3://1.2.3.4:1"], "only http, https, h2c and grpc"),
            (":80", &["h2c://:1"], "needs an address"),
            (":80", &["1.2.3.4:1", "h2c://1.2.3.4:2"], "speak the same"),
            ("tcp://:80", &["h2c://1.2.3.4:1"], "a TCP listener"),
        ] {
            let error = quickstart(listen, to).bootstrap().unwrap_err();
            assert!(error.0.contains(expected), "{error}");
        }
    }
}
