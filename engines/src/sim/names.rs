//! Which sockets are bound to which addresses, and which ports are taken.
//!
//! The network is one host that has every address: a wildcard binds them all.

use super::socket::NetKey;
use crate::{ListenOptions, SockAddr, sockaddr::RawAddr};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// The first port that is handed out to who does not ask for one.
const EPHEMERAL_FIRST: u16 = 1024;

/// The sockets of one protocol by address.
#[derive(Debug, Default)]
pub(super) struct Names {
    bound: BTreeMap<SockAddr, Name>,
}

/// The sockets of one address: one, or a group that shares it. A Unix path stays without any.
#[derive(Debug)]
struct Name {
    keys: Vec<NetKey>,
    reuse_port: bool,
    v6_only: bool,
}

impl Names {
    /// Binds `key`; the address comes back with its port.
    pub(super) fn bind(
        &mut self,
        at: &SockAddr,
        options: &ListenOptions,
        key: NetKey,
        ports: &mut Ports,
    ) -> io::Result<SockAddr> {
        // For its refusals only.
        RawAddr::encode(at)?;
        let at = match at {
            SockAddr::Inet(inet) if inet.port() == 0 => {
                let port = ports.take().ok_or(io::ErrorKind::AddrInUse)?;
                SockAddr::Inet(SocketAddr::new(inet.ip(), port))
            }
            SockAddr::Inet(inet) => {
                if self.is_taken(inet, options) {
                    return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
                }
                ports.hold(inet.port());
                at.clone()
            }
            SockAddr::Unix(_) if self.bound.get(at).is_some_and(|n| !n.keys.is_empty()) => {
                return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
            }
            SockAddr::Unix(_) => at.clone(),
        };
        let name = self.bound.entry(at.clone()).or_insert_with(|| Name {
            keys: Vec::new(),
            reuse_port: options.reuse_port,
            v6_only: options.v6_only,
        });
        name.keys.push(key);
        Ok(at)
    }

    pub(super) fn unbind(&mut self, at: &SockAddr, key: NetKey, ports: &mut Ports) {
        let Some(name) = self.bound.get_mut(at) else {
            return;
        };
        name.keys.retain(|bound| *bound != key);
        let SockAddr::Inet(inet) = at else { return };
        ports.release(inet.port());
        if name.keys.is_empty() {
            self.bound.remove(at);
        }
    }

    /// The sockets that what is sent `to` goes to; none where the address is unknown.
    pub(super) fn find(&self, to: &SockAddr) -> Option<&[NetKey]> {
        let exact = self.bound.get(to);
        let name = exact.or_else(|| self.find_wildcard(&to.inet()?))?;
        Some(&name.keys)
    }

    fn find_wildcard(&self, to: &SocketAddr) -> Option<&Name> {
        let any = |ip: IpAddr| {
            self.bound
                .get(&SockAddr::Inet(SocketAddr::new(ip, to.port())))
        };
        let six = || any(Ipv6Addr::UNSPECIFIED.into());
        match to.ip() {
            IpAddr::V4(_) => {
                any(Ipv4Addr::UNSPECIFIED.into()).or_else(|| six().filter(|name| !name.v6_only))
            }
            IpAddr::V6(_) => six(),
        }
    }

    fn is_taken(&self, at: &SocketAddr, options: &ListenOptions) -> bool {
        self.bound.iter().any(|(bound, name)| {
            let clashes = |bound: SocketAddr| {
                bound.port() == at.port()
                    && (covers(&bound, name.v6_only, at) || covers(at, options.v6_only, &bound))
            };
            bound.inet().is_some_and(clashes) && !(name.reuse_port && options.reuse_port)
        })
    }
}

/// True when `wide` takes what is sent to `at`, ports aside.
fn covers(wide: &SocketAddr, v6_only: bool, at: &SocketAddr) -> bool {
    match (wide.ip(), at.ip()) {
        (wide, at) if wide == at => true,
        (IpAddr::V6(wide), IpAddr::V4(_)) => wide.is_unspecified() && !v6_only,
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
        (wide, _) => wide.is_unspecified(),
    }
}

/// Ports in use, by listeners and by who connected.
#[derive(Debug)]
pub(super) struct Ports {
    taken: BTreeMap<u16, u32>,
    next: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            taken: BTreeMap::new(),
            next: EPHEMERAL_FIRST,
        }
    }
}

impl Ports {
    /// A port that nobody uses.
    pub(super) fn take(&mut self) -> Option<u16> {
        for _ in EPHEMERAL_FIRST..=u16::MAX {
            let port = self.next;
            self.next = port.checked_add(1).unwrap_or(EPHEMERAL_FIRST);
            if !self.taken.contains_key(&port) {
                self.hold(port);
                return Some(port);
            }
        }
        None
    }

    pub(super) fn hold(&mut self, port: u16) {
        *self.taken.entry(port).or_default() += 1;
    }

    pub(super) fn release(&mut self, port: u16) {
        if let Some(users) = self.taken.get_mut(&port) {
            *users -= 1;
            if *users == 0 {
                self.taken.remove(&port);
            }
        }
    }
}

/// The address from which `to` is reached, without a port; and `to` itself, if it is no wildcard.
pub(super) fn route(to: &SocketAddr) -> (SocketAddr, SocketAddr) {
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let from = match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    (SocketAddr::new(from, 0), SocketAddr::new(ip, to.port()))
}

/// How an IPv4 address shows on a socket of both families.
pub(super) fn mapped(at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), at.port()),
        IpAddr::V6(_) => at,
    }
}
