//! Who goes on in the next turn.

use std::collections::VecDeque;

/// Those that had no share of this turn go before those that had one, each in their order: so all come
/// round, however few there is room for in a turn.
#[derive(Debug)]
pub(crate) struct Later<K> {
    unserved: Vec<K>,
    served: Vec<K>,
}

impl<K> Default for Later<K> {
    fn default() -> Self {
        Self {
            unserved: Vec::new(),
            served: Vec::new(),
        }
    }
}

impl<K> Later<K> {
    /// Adds one; `served`: it had a share of this turn.
    pub(crate) fn push(&mut self, key: K, served: bool) {
        if served {
            self.served.push(key);
        } else {
            self.unserved.push(key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unserved.is_empty() && self.served.is_empty()
    }

    /// A new turn: puts all behind those that are ready.
    pub(crate) fn begin_turn(&mut self, ready: &mut VecDeque<K>) {
        ready.extend(self.unserved.drain(..));
        ready.extend(self.served.drain(..));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_come_round_when_few_are_served_in_a_turn() {
        let (mut later, mut ready) = (Later::default(), (0..10).collect::<VecDeque<_>>());
        let mut served = [0; 10];
        for _ in 0..10 {
            for place in 0..10 {
                let key: usize = ready.pop_front().unwrap();
                served[key] += usize::from(place < 3);
                later.push(key, place < 3);
            }
            later.begin_turn(&mut ready);
        }
        assert!(served.iter().all(|count| *count == 3), "{served:?}");
    }
}
