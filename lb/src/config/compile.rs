//! What all parts of the compiler share: collecting problems, and small conversions.

use super::{ListenerConfig, Secrets, Snapshot, secrets::Store};
use engines::SockAddr;
use prost_types::Duration as ProtoDuration;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use xds::api::envoy::config::{
    bootstrap::v3::Bootstrap,
    core::v3::{Address, address, socket_address},
};

/// A problem of meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field, e.g. `static_resources.clusters[0].name`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Turns a configuration message into what workers run on.
///
/// # Errors
/// Every problem of meaning.
pub fn compile(bootstrap: &Bootstrap) -> Result<Snapshot, Vec<Wrong>> {
    compile_with(bootstrap, None)
}

/// The same with TLS that has its cryptography from elsewhere than the system.
///
/// # Errors
/// Every problem of meaning.
pub fn compile_with(
    bootstrap: &Bootstrap,
    provider: Option<tls::Provider>,
) -> Result<Snapshot, Vec<Wrong>> {
    let mut compiler = Compiler {
        provider,
        ..Compiler::default()
    };
    let resources = bootstrap.static_resources.clone().unwrap_or_default();
    compiler.named_secrets(&resources.secrets);
    compiler.name_clusters(&resources.clusters);
    let clusters = resources.clusters.iter().enumerate();
    let clusters =
        clusters.filter_map(|(i, c)| compiler.cluster(&at("static_resources.clusters", i), c));
    let clusters = clusters.collect();
    let listeners = resources.listeners.iter().enumerate();
    let listeners =
        listeners.filter_map(|(i, l)| compiler.listener(&at("static_resources.listeners", i), l));
    let listeners: Vec<Arc<ListenerConfig>> = listeners.collect();
    if compiler.problems.is_empty() {
        compiler.check_addresses(&listeners);
    }
    let admin = bootstrap.admin.as_ref().and_then(|admin| {
        let address = compiler.address("admin.address", admin.address.as_ref())?;
        let inet = address.inet();
        if inet.is_none() {
            compiler.wrong(
                "admin.address",
                "only an IP address with a port is supported",
            );
        }
        inet
    });
    if resources.listeners.is_empty() && admin.is_none() {
        compiler.wrong(
            "static_resources.listeners",
            "there is nothing to listen on",
        );
    }
    if compiler.problems.is_empty() {
        Ok(Snapshot {
            listeners,
            clusters,
            admin,
            secrets: Arc::new(Secrets::new(compiler.secrets)),
            warnings: compiler.warnings,
        })
    } else {
        Err(compiler.problems)
    }
}

/// Collects what is wrong, and knows what can be referred to.
#[derive(Default)]
pub(super) struct Compiler {
    pub(super) problems: Vec<Wrong>,
    /// What is allowed but surprising.
    pub(super) warnings: Vec<Wrong>,
    pub(super) secrets: Store,
    provider: Option<tls::Provider>,
    pub(super) clusters: HashMap<String, usize>,
    pub(super) listener_names: HashMap<String, usize>,
}

/// The path of an element of a list.
pub(super) fn at(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

impl Compiler {
    pub(super) fn wrong(&mut self, path: &str, reason: impl Into<String>) {
        self.problems.push(Wrong {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }

    /// Tells of something that is allowed but surprising.
    pub(super) fn warn(&mut self, path: &str, reason: impl Into<String>) {
        self.warnings.push(Wrong {
            path: path.to_owned(),
            reason: reason.into(),
        });
    }

    /// Where TLS has its cryptography from.
    pub(super) fn provider(&mut self) -> tls::Provider {
        let provider = self.provider.get_or_insert_with(tls::Provider::system);
        provider.clone()
    }

    /// A cluster's index by its name.
    pub(super) fn cluster_index(&mut self, path: &str, name: &str) -> Option<usize> {
        let found = self.clusters.get(name).copied();
        if found.is_none() {
            let reason = if name.is_empty() {
                "a cluster has to be named".to_owned()
            } else {
                format!("there is no cluster `{name}`")
            };
            self.wrong(path, reason);
        }
        found
    }

    /// Two listeners on one address would share its connections by chance.
    fn check_addresses(&mut self, listeners: &[Arc<ListenerConfig>]) {
        for (index, listener) in listeners.iter().enumerate() {
            let address = &listener.address;
            let any = address.inet().is_some_and(|inet| inet.port() == 0);
            let before = &listeners[..index];
            if let Some(other) = before
                .iter()
                .find(|other| !any && other.address == *address)
            {
                let reason = format!("`{}` listens on {address} already", other.name);
                self.wrong(
                    &format!("{}.address", at("static_resources.listeners", index)),
                    reason,
                );
            }
        }
    }

    /// A required address.
    pub(super) fn address(&mut self, path: &str, address: Option<&Address>) -> Option<SockAddr> {
        match address.and_then(|address| address.address.as_ref()) {
            Some(address::Address::SocketAddress(socket)) => {
                if socket.protocol() == socket_address::Protocol::Udp {
                    self.wrong(
                        &format!("{path}.socket_address.protocol"),
                        "only TCP is supported",
                    );
                }
                let Ok(ip) = socket.address.parse::<IpAddr>() else {
                    let reason = format!("`{}` is not an IP address", socket.address);
                    self.wrong(&format!("{path}.socket_address.address"), reason);
                    return None;
                };
                let Some(socket_address::PortSpecifier::PortValue(port)) = socket.port_specifier
                else {
                    self.wrong(&format!("{path}.socket_address"), "`port_value` is missing");
                    return None;
                };
                let Ok(port) = u16::try_from(port) else {
                    let reason = format!("{port} is not a port");
                    self.wrong(&format!("{path}.socket_address.port_value"), reason);
                    return None;
                };
                Some(SocketAddr::new(ip, port).into())
            }
            Some(address::Address::Pipe(pipe)) => {
                if pipe.path.is_empty() || pipe.path.len() > 107 {
                    self.wrong(&format!("{path}.pipe.path"), "1 to 107 bytes are allowed");
                    return None;
                }
                Some(SockAddr::Unix(pipe.path.clone().into()))
            }
            None => {
                self.wrong(path, "an address is missing");
                None
            }
        }
    }

    /// A duration of at least 0; `default` if there is none.
    pub(super) fn duration(
        &mut self,
        path: &str,
        value: Option<&ProtoDuration>,
        default: Duration,
    ) -> Duration {
        let Some(value) = value else { return default };
        match (u64::try_from(value.seconds), u32::try_from(value.nanos)) {
            (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Duration::new(seconds, nanos),
            _ => {
                self.wrong(path, "a duration cannot be negative");
                default
            }
        }
    }

    /// A duration that is no shorter than `least`.
    pub(super) fn duration_from(
        &mut self,
        path: &str,
        value: &ProtoDuration,
        least: Duration,
    ) -> Duration {
        let time = self.duration(path, Some(value), least);
        if time < least {
            self.wrong(path, format!("has to be at least {least:?}"));
        }
        time
    }

    /// A timeout; 0 means none.
    pub(super) fn timeout(
        &mut self,
        path: &str,
        value: Option<&ProtoDuration>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        let time = self.duration(path, value, default.unwrap_or_default());
        (time > Duration::ZERO).then_some(time)
    }

    /// A number within bounds; `default` if there is none.
    pub(super) fn number(
        &mut self,
        path: &str,
        value: Option<u32>,
        default: u32,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let value = value.unwrap_or(default);
        if !bounds.contains(&value) {
            let (low, high) = (bounds.start(), bounds.end());
            self.wrong(path, format!("{value} is not between {low} and {high}"));
        }
        value
    }

    /// A required name that nothing else in `names` has.
    pub(super) fn unique(
        path: &str,
        name: &str,
        index: usize,
        names: &mut HashMap<String, usize>,
    ) -> Option<Wrong> {
        let wrong = |reason: String| {
            Some(Wrong {
                path: format!("{path}.name"),
                reason,
            })
        };
        if name.is_empty() {
            return wrong("a name is missing".into());
        }
        if names.contains_key(name) {
            return wrong(format!("`{name}` is already used"));
        }
        names.insert(name.to_owned(), index);
        None
    }
}
