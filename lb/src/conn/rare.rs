//! What few connections have, and idle ones never: it takes memory only while it is there.

use super::{Conn, ConnKey};

/// Lies apart from its connection.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Input that could not be decoded yet: part of a head, or what follows a held request.
    inbox: Vec<u8>,
    /// Downstream: upstream connections whose answers are complete but not yet out, see `pool`.
    resting: Vec<ConnKey>,
}

impl Conn {
    /// Input waits to be decoded.
    pub(super) fn has_inbox(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| !r.inbox.is_empty())
    }

    /// Keeps more input behind what waits.
    pub(super) fn append_inbox(&mut self, more: &[u8]) {
        if !more.is_empty() {
            let rare = self.rare.get_or_insert_default();
            rare.inbox.extend_from_slice(more);
        }
    }

    /// Keeps input where none waits.
    pub(super) fn put_inbox(&mut self, input: Vec<u8>) {
        debug_assert!(!self.has_inbox(), "input is kept in order");
        if !input.is_empty() {
            self.rare.get_or_insert_default().inbox = input;
        }
    }

    pub(super) fn take_inbox(&mut self) -> Vec<u8> {
        self.take(|rare| &mut rare.inbox)
    }

    pub(super) fn has_resting(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| !r.resting.is_empty())
    }

    pub(crate) fn add_resting(&mut self, key: ConnKey) {
        self.rare.get_or_insert_default().resting.push(key);
    }

    pub(crate) fn take_resting(&mut self) -> Vec<ConnKey> {
        self.take(|rare| &mut rare.resting)
    }

    fn take<T>(&mut self, part: impl FnOnce(&mut Rare) -> &mut Vec<T>) -> Vec<T> {
        let Some(rare) = &mut self.rare else {
            return Vec::new();
        };
        let taken = std::mem::take(part(rare));
        if rare.inbox.is_empty() && rare.resting.is_empty() {
            self.rare = None;
        }
        taken
    }
}
