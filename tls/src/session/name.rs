//! The name of an endpoint, as the handshake of a client wants it.

use crate::Fault;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr};

/// It is a host name or an address, as [`crate::Session::connect`] wants it; no wildcard is.
pub fn is_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// What rustls is to verify the certificate for, and to send as SNI if it is no address. Without a name an address
/// that nobody has stands for it.
pub(super) fn server_name(name: Option<&str>) -> Result<ServerName<'static>, Fault> {
    let Some(name) = name else {
        return Ok(ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    };
    let named = ServerName::try_from(name.to_owned());
    named.map_err(|_| Fault {
        detail: "tls_bad_name",
        reason: format!("{name:?} is neither a host name nor an address"),
        is_ours: true,
    })
}
