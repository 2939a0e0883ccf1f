//! Things that are due a fixed time after they were put in.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Rest of a listener after an accept that failed for want of descriptors or memory.
pub(crate) const BACKOFF: Duration = Duration::from_millis(50);

/// A queue of keys, soonest first.
pub(crate) struct Due<K> {
    after: Duration,
    queue: VecDeque<(Instant, K)>,
}

impl<K> Due<K> {
    pub(crate) fn after(after: Duration) -> Self {
        Self {
            after,
            queue: VecDeque::new(),
        }
    }

    pub(crate) fn push(&mut self, now: Instant, key: K) {
        self.queue.push_back((now + self.after, key));
    }

    /// Takes the next key out that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        let (_, key) = self.queue.pop_front_if(|(at, _)| *at <= now)?;
        Some(key)
    }

    /// When the next key will be due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at)
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_order_and_never_early() {
        let start = crate::clock::Clock::read().now;
        let ms = |n| start + Duration::from_millis(n);
        let mut due = Due::after(Duration::from_millis(50));
        due.push(ms(0), 'a');
        due.push(ms(10), 'b');
        assert_eq!((due.next(), due.pop(ms(49))), (Some(ms(50)), None));
        assert_eq!((due.pop(ms(55)), due.pop(ms(55))), (Some('a'), None));
        assert_eq!(
            (due.pop(ms(60)), due.pop(ms(60)), due.next()),
            (Some('b'), None, None)
        );
    }
}
