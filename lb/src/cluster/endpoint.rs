//! An endpoint: an address and what all workers know of it.

use crate::config::EndpointTls;
use engines::SockAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// `envoy.config.endpoint.v3.LbEndpoint`.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SockAddr,
    /// `load_balancing_weight`, at least 1.
    pub weight: u32,
    /// `Endpoint.hostname`.
    pub hostname: Option<Box<str>>,
    /// How TLS is spoken with it; `None`: it is not.
    pub tls: Option<EndpointTls>,
    /// May be chosen; written on change only.
    usable: AtomicBool,
}

impl Endpoint {
    /// An endpoint that may be chosen, without TLS.
    pub fn new(address: SockAddr, weight: u32) -> Self {
        Self {
            address,
            weight: weight.max(1),
            hostname: None,
            tls: None,
            usable: AtomicBool::new(true),
        }
    }

    /// Whether it may be chosen.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Says whether it may be chosen (`health_status`).
    pub fn set_usable(&self, usable: bool) {
        self.usable.store(usable, Ordering::Relaxed);
    }
}
