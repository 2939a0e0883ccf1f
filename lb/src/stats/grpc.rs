//! What requests of gRPC came to.

use super::Counter;
use crate::grpc::Outcome;
use std::sync::OnceLock;

/// Outcomes of gRPC requests; counters exist from the first one on.
#[derive(Debug, Default)]
pub struct GrpcStats(OnceLock<Box<[Counter; Outcome::SLOTS]>>);

impl GrpcStats {
    /// Counts a request by [`Outcome::slot`].
    pub fn count(&self, slot: usize) {
        if let Some(counter) = self.0.get_or_init(Box::default).get(slot) {
            counter.inc();
        }
    }

    /// The counters, by slot, if there was a gRPC request.
    pub fn counters(&self) -> Option<&[Counter; Outcome::SLOTS]> {
        self.0.get().map(|counters| &**counters)
    }
}
