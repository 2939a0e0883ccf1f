//! What is known of a connection when its filter chain is chosen.

use std::net::{IpAddr, SocketAddr};

/// What a filter chain is chosen by.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChainFacts<'a> {
    /// The address that the client connected to; `None`: no IP address.
    pub destination: Option<SocketAddr>,
    /// The client's address; `None`: no IP address.
    pub source: Option<SocketAddr>,
    /// The name that the client asks for, in lower case without a final dot; `None`: none, or not known.
    pub server_name: Option<&'a str>,
    /// What the client's first bytes are.
    pub transport: Transport,
    /// What the client offers by ALPN, in its order.
    pub protocols: &'a [Box<[u8]>],
}

/// `FilterChainMatch.transport_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `raw_buffer`: no TLS, or not looked at.
    #[default]
    RawBuffer,
    /// `tls`: a TLS handshake.
    Tls,
}

/// `FilterChainMatch.ConnectionSourceType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceType {
    /// Any.
    #[default]
    Any,
    /// The client's address is that which it connected to, or a loopback address, or no IP address.
    Local,
    /// Any other.
    External,
}

/// `envoy.config.core.v3.CidrRange`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The first address.
    pub(super) base: IpAddr,
    /// Bits that count.
    pub(super) bits: u8,
}

impl Cidr {
    /// A range; bits beyond `bits` do not count. `None`: more bits than the address has.
    pub fn new(base: IpAddr, bits: u32) -> Option<Self> {
        let bits = u8::try_from(bits).ok()?;
        let base = masked(base, bits)?;
        Some(Self { base, bits })
    }

    /// Whether an address lies in it; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        masked(address.to_canonical(), self.bits) == Some(self.base)
    }
}

/// An address without the bits behind the first `bits`.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let keep = u32::from(bits);
    match address {
        IpAddr::V4(four) => {
            let rest = 32_u32.checked_sub(keep)?;
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V4((four.to_bits() & mask).into()))
        }
        IpAddr::V6(six) => {
            let rest = 128_u32.checked_sub(keep)?;
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            Some(IpAddr::V6((six.to_bits() & mask).into()))
        }
    }
}

impl ChainFacts<'_> {
    /// The client sits on this machine, as far as its address tells.
    pub(super) fn is_local(&self) -> bool {
        match (self.source, self.destination) {
            (Some(source), Some(destination)) => {
                let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
                from.is_loopback() || from == to
            }
            (Some(source), None) => source.ip().to_canonical().is_loopback(),
            (None, _) => true,
        }
    }
}
