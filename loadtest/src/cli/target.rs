//! Where a load goes to, as it is written: `http://HOST:PORT/PATH`, `h2c://HOST:PORT/PATH`,
//! `grpc://HOST:PORT/package.Service/Method`, `tcp://HOST:PORT`; over TLS `https`, `h2`, `grpcs`, `tls`; or
//! with `unix:/path` for `HOST:PORT`.

use crate::{
    run::{Target, Tls},
    workload::Protocol,
};
use engines::SockAddr;
use std::net::ToSocketAddrs;

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) protocol: Protocol,
    /// Over TLS.
    pub(super) is_secure: bool,
    /// `HOST:PORT` or `unix:/path`.
    place: String,
    /// `Host` of requests.
    authority: String,
    /// None: the URL names none.
    pub(super) path: Option<String>,
}

/// Schemes: what is spoken, and whether over TLS.
const SCHEMES: [(&str, Protocol, bool); 8] = [
    ("http", Protocol::Http1, false),
    ("h2c", Protocol::Http2, false),
    ("grpc", Protocol::Grpc, false),
    ("tcp", Protocol::Echo, false),
    ("https", Protocol::Http1, true),
    ("h2", Protocol::Http2, true),
    ("grpcs", Protocol::Grpc, true),
    ("tls", Protocol::Echo, true),
];

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let Some((_, protocol, is_secure)) = SCHEMES.into_iter().find(|known| known.0 == scheme)
        else {
            let known = SCHEMES.map(|known| known.0).join(", ");
            return Err(format!("`{scheme}` in `{url}`: known are {known}"));
        };
        if let Some(socket) = rest.strip_prefix("unix:") {
            return Self::of_socket(protocol, is_secure, socket, url);
        }
        // A fragment is for whoever shows the answer.
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => {
                (&rest[..at], Some(format!("/{}", &rest[at..])))
            }
            Some(at) => (&rest[..at], Some(rest[at..].to_owned())),
            None => (rest, None),
        };
        if authority.is_empty() || authority.contains('@') {
            return Err(format!("`{url}` names no host"));
        }
        if protocol == Protocol::Echo && path.as_deref().is_some_and(|path| path != "/") {
            return Err(format!("`{url}`: {scheme} has no path"));
        }
        let place = match (port(authority), protocol) {
            (Some(port), _) if !is_port(port) => {
                return Err(format!("port `{port}` in `{url}`: from 1 to 65535"));
            }
            (Some(_), _) => authority.to_owned(),
            (None, Protocol::Grpc | Protocol::Http1 | Protocol::Http2) => {
                let port = if is_secure { 443 } else { 80 };
                format!("{authority}:{port}")
            }
            (None, Protocol::Echo) => return Err(format!("`{url}` names no port")),
        };
        Ok(Self {
            protocol,
            is_secure,
            place,
            authority: authority.to_owned(),
            path: path.filter(|_| protocol != Protocol::Echo),
        })
    }

    /// All behind `unix:` is the socket's path.
    fn of_socket(
        protocol: Protocol,
        is_secure: bool,
        socket: &str,
        url: &str,
    ) -> Result<Self, String> {
        if socket.is_empty() {
            return Err(format!("`{url}` names no socket"));
        }
        Ok(Self {
            protocol,
            is_secure,
            place: format!("unix:{socket}"),
            authority: "localhost".to_owned(),
            path: None,
        })
    }

    /// The host alone, as a certificate names it.
    pub(super) fn host(&self) -> &str {
        let behind = port(&self.authority).map_or(0, |port| port.len() + 1);
        let host = &self.authority[..self.authority.len() - behind];
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Finds the address.
    ///
    /// # Errors
    /// The name is unknown.
    pub(super) fn resolve(&self, tls: Option<Tls>) -> Result<Target, String> {
        let address = match self.place.strip_prefix("unix:") {
            Some(socket) => SockAddr::Unix(socket.into()),
            None => {
                let place = self.place.as_str();
                let mut found = place
                    .to_socket_addrs()
                    .map_err(|error| format!("{place}: {error}"))?;
                let first = found.next();
                first.ok_or_else(|| format!("{place}: no address"))?.into()
            }
        };
        Ok(Target {
            address,
            authority: self.authority.clone(),
            tls,
        })
    }
}

/// What stands behind the host's colon; those of an IPv6 address are in brackets.
fn port(authority: &str) -> Option<&str> {
    let (_, port) = authority.rsplit_once(':')?;
    (!port.contains(']')).then_some(port)
}

fn is_port(port: &str) -> bool {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    is_number && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A URL, and the protocol, place, authority and path that it names.
    type Named = (
        &'static str,
        Protocol,
        &'static str,
        &'static str,
        Option<&'static str>,
    );

    const URLS: [Named; 12] = [
        (
            "http://a:81/b?c",
            Protocol::Http1,
            "a:81",
            "a:81",
            Some("/b?c"),
        ),
        ("http://a", Protocol::Http1, "a:80", "a", None),
        ("a:8080", Protocol::Http1, "a:8080", "a:8080", None),
        (
            "http://[::1]/x",
            Protocol::Http1,
            "[::1]:80",
            "[::1]",
            Some("/x"),
        ),
        (
            "h2c://a:81/b?c",
            Protocol::Http2,
            "a:81",
            "a:81",
            Some("/b?c"),
        ),
        ("h2c://a", Protocol::Http2, "a:80", "a", None),
        (
            "grpc://a:7/p.S/M",
            Protocol::Grpc,
            "a:7",
            "a:7",
            Some("/p.S/M"),
        ),
        (
            "grpc://unix:/x",
            Protocol::Grpc,
            "unix:/x",
            "localhost",
            None,
        ),
        ("tcp://[::1]:7", Protocol::Echo, "[::1]:7", "[::1]:7", None),
        ("tcp://a:7/", Protocol::Echo, "a:7", "a:7", None),
        (
            "http://unix:/run/x",
            Protocol::Http1,
            "unix:/run/x",
            "localhost",
            None,
        ),
        (
            "tcp://unix:@x",
            Protocol::Echo,
            "unix:@x",
            "localhost",
            None,
        ),
    ];

    #[test]
    fn urls_name_protocol_place_and_path() {
        for (url, protocol, place, authority, path) in URLS {
            let found = Url::parse(url).unwrap();
            assert_eq!(
                (found.protocol, found.path.as_deref()),
                (protocol, path),
                "{url}"
            );
            assert_eq!(
                (&*found.place, &*found.authority),
                (place, authority),
                "{url}"
            );
        }
        for url in [
            "ws://a",
            "tls://a",
            "tls://a:1/b",
            "https://",
            "http://",
            "h2c://",
            "grpc:///p.S/M",
            "tcp://a",
            "tcp://a:1/b",
            "http://unix:",
            "http://u@a/",
        ] {
            assert!(Url::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_query_needs_no_path_and_a_fragment_is_not_sent() {
        for (url, place, path) in [
            ("http://h:80?x", "h:80", Some("/?x")),
            ("http://h?a/b:c", "h:80", Some("/?a/b:c")),
            ("http://h#top", "h:80", None),
            ("http://h/a?b#c?d/e", "h:80", Some("/a?b")),
            ("http://unix:/a#b", "unix:/a#b", None),
        ] {
            let found = Url::parse(url).unwrap();
            assert_eq!(
                (&*found.place, found.path.as_deref()),
                (place, path),
                "{url}"
            );
        }
    }

    #[test]
    fn over_tls_there_is_another_port_and_a_name() {
        for (url, protocol, place, host) in [
            (
                "https://a.example/x",
                Protocol::Http1,
                "a.example:443",
                "a.example",
            ),
            ("https://a:81", Protocol::Http1, "a:81", "a"),
            ("h2://[::1]:81/", Protocol::Http2, "[::1]:81", "::1"),
            ("h2://[::1]", Protocol::Http2, "[::1]:443", "::1"),
            ("grpcs://a/p.S/M", Protocol::Grpc, "a:443", "a"),
            ("tls://a:7", Protocol::Echo, "a:7", "a"),
            ("https://unix:/x", Protocol::Http1, "unix:/x", "localhost"),
        ] {
            let found = Url::parse(url).unwrap();
            assert!(found.is_secure, "{url}");
            let named = (found.protocol, &*found.place, found.host());
            assert_eq!(named, (protocol, place, host), "{url}");
        }
        assert!(!Url::parse("http://a").unwrap().is_secure);
    }

    #[test]
    fn a_port_that_is_none_is_named() {
        for port in ["99999", "0", "+80", "x", ""] {
            let said = Url::parse(&format!("http://h:{port}/")).unwrap_err();
            let want = format!("port `{port}`");
            assert!(said.starts_with(&want), "{said}");
        }
    }

    #[test]
    fn numbers_are_addresses_at_once() {
        let url = Url::parse("http://127.0.0.1:81").unwrap();
        let target = url.resolve(None).unwrap();
        assert_eq!(target.address.to_string(), "127.0.0.1:81");
        let url = Url::parse("http://unix:/x").unwrap();
        let target = url.resolve(None).unwrap();
        assert_eq!(target.address, SockAddr::Unix("/x".into()));
    }
}
