//! Where a downstream connection comes from and where it was accepted.

use engines::SockAddr;
use std::{
    borrow::Cow,
    net::{SocketAddr, SocketAddrV4},
};

/// Peer and own address of a connection. Those of IPv4 need no memory of their own.
#[derive(Clone, Debug)]
pub(crate) enum Addresses {
    Inet4 {
        peer: SocketAddrV4,
        local: SocketAddrV4,
    },
    Other(Box<(SockAddr, SockAddr)>),
}

impl Addresses {
    pub(crate) fn new(peer: SockAddr, local: SockAddr) -> Self {
        match (peer.inet(), local.inet()) {
            (Some(SocketAddr::V4(peer)), Some(SocketAddr::V4(local))) => {
                Self::Inet4 { peer, local }
            }
            _ => Self::Other(Box::new((peer, local))),
        }
    }

    pub(crate) fn peer(&self) -> Cow<'_, SockAddr> {
        match self {
            Self::Inet4 { peer, .. } => inet4(*peer),
            Self::Other(both) => Cow::Borrowed(&both.0),
        }
    }

    pub(crate) fn local(&self) -> Cow<'_, SockAddr> {
        match self {
            Self::Inet4 { local, .. } => inet4(*local),
            Self::Other(both) => Cow::Borrowed(&both.1),
        }
    }
}

fn inet4(at: SocketAddrV4) -> Cow<'static, SockAddr> {
    Cow::Owned(SockAddr::Inet(at.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_addresses_come_back() {
        let inet = |text: &str| SockAddr::Inet(text.parse().unwrap());
        let all = [
            inet("127.0.0.1:80"),
            inet("[::1]:80"),
            SockAddr::Unix("/run/x".into()),
        ];
        for peer in &all {
            for local in &all {
                let both = Addresses::new(peer.clone(), local.clone());
                assert_eq!((&*both.peer(), &*both.local()), (peer, local));
            }
        }
    }
}
