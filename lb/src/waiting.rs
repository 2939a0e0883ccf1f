//! Connections whose clients have still to say something, so that there are not too many of them: whoever has
//! waited longest is the least likely to go on.

use std::collections::VecDeque;

/// Connections in the order in which they began to wait.
#[derive(Debug)]
pub(crate) struct Waiting<K> {
    /// Those that do not wait any more are among them.
    begun: VecDeque<K>,
    active: usize,
    max: usize,
}

impl<K: Copy> Waiting<K> {
    /// `max`: how many may wait.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            begun: VecDeque::new(),
            active: 0,
            max,
        }
    }

    /// One more waits; returns the one that has to go for it, if there are too many. `is_waiting` tells of any
    /// that was added whether it still does.
    pub(crate) fn add(&mut self, key: K, is_waiting: impl Fn(K) -> bool) -> Option<K> {
        self.begun.push_back(key);
        self.active += 1;
        if self.active > self.max {
            while let Some(oldest) = self.begun.pop_front() {
                if is_waiting(oldest) {
                    return Some(oldest);
                }
            }
        } else if self.begun.len() > 2 * self.max {
            self.begun.retain(|key| is_waiting(*key));
        }
        None
    }

    /// One that was added waits no more.
    pub(crate) fn end(&mut self) {
        self.active = self.active.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_one_that_has_waited_longest_goes_first() {
        let (mut waiting, mut present) = (Waiting::new(3), HashSet::new());
        let mut gone = Vec::new();
        for key in 0..10 {
            present.insert(key);
            if let Some(oldest) = waiting.add(key, |key| present.contains(&key)) {
                waiting.end();
                present.remove(&oldest);
                gone.push(oldest);
            }
            if key == 4 {
                // It ended by itself.
                waiting.end();
                present.remove(&3);
            }
        }
        assert_eq!(gone, [0, 1, 2, 4, 5, 6]);
    }

    #[test]
    fn those_that_have_ended_are_forgotten() {
        let mut waiting = Waiting::new(4);
        for key in 0..1000 {
            assert_eq!(waiting.add(key, |_| false), None);
            waiting.end();
        }
        assert!(waiting.begun.len() <= 9, "{}", waiting.begun.len());
    }
}
