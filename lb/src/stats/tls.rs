//! What a worker counts of TLS.

use super::Counter;

/// What a worker counts of TLS.
#[derive(Debug)]
pub struct TlsStats {
    /// Handshakes that clients began and that were completed, by what they agreed on.
    pub downstream: HandshakeStats,
    /// The same of those that we began.
    pub upstream: HandshakeStats,
    /// Why sessions failed, by [`tls::DETAILS`].
    pub faults: Box<[Counter]>,
}

/// Completed handshakes of one side.
#[derive(Debug, Default)]
pub struct HandshakeStats {
    /// By version: 1.2, 1.3.
    pub versions: [Counter; 2],
    /// Those of them that resumed an earlier session.
    pub resumed: Counter,
    /// Those in which the peer presented a certificate.
    pub certified: Counter,
}

impl Default for TlsStats {
    fn default() -> Self {
        Self {
            downstream: HandshakeStats::default(),
            upstream: HandshakeStats::default(),
            faults: tls::DETAILS.iter().map(|_| Counter::default()).collect(),
        }
    }
}

impl TlsStats {
    /// Counts a completed handshake.
    pub(crate) fn count_handshake(&self, facts: &tls::Facts, is_down: bool) {
        let stats = if is_down {
            &self.downstream
        } else {
            &self.upstream
        };
        stats.versions[usize::from(facts.version == tls::Version::Tls13)].inc();
        stats.resumed.add(u64::from(facts.is_resumed));
        stats.certified.add(u64::from(facts.peer.is_some()));
    }

    /// Counts a session that failed.
    pub(crate) fn count_fault(&self, detail: &'static str) {
        if let Ok(at) = tls::DETAILS.binary_search(&detail) {
            self.faults[at].inc();
        }
    }
}
