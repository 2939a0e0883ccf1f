//! Numbers for the connections of clients, by which lines of one are told from those of another.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Numbers that a worker takes at a time, so that workers seldom write to what they share.
const BATCH: u32 = 1024;

/// A worker's source of numbers. Its clones give others; after 2^32 they begin anew.
#[derive(Debug, Default)]
pub(super) struct ConnectionIds {
    next: u32,
    end: u32,
    shared: Arc<AtomicU32>,
}

impl ConnectionIds {
    pub(super) fn take(&mut self) -> u32 {
        if self.next == self.end {
            self.next = self.shared.fetch_add(BATCH, Ordering::Relaxed);
            self.end = self.next.wrapping_add(BATCH);
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        id
    }
}

impl Clone for ConnectionIds {
    fn clone(&self) -> Self {
        Self {
            next: 0,
            end: 0,
            shared: self.shared.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_connections_have_one_number() {
        let mut workers = [ConnectionIds::default(), ConnectionIds::default()];
        workers[1] = workers[0].clone();
        let ids: BTreeSet<_> = (0..5000).map(|turn| workers[turn % 3 % 2].take()).collect();
        assert_eq!(ids.len(), 5000);
        assert_eq!(ids.first(), Some(&0));
    }
}
