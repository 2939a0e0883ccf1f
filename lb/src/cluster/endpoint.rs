//! An endpoint: an address and what all workers know of it.

use engines::SockAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// `envoy.config.endpoint.v3.LbEndpoint`.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SockAddr,
    /// `load_balancing_weight`, at least 1.
    pub weight: u32,
    /// May be chosen; written on change only.
    usable: AtomicBool,
}

impl Endpoint {
    /// An endpoint that may be chosen.
    pub fn new(address: SockAddr, weight: u32) -> Self {
        Self {
            address,
            weight: weight.max(1),
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
