//! A value that changes while it is in use.

use arc_swap::ArcSwap;
use std::sync::Arc;

/// The current one of values that replace each other: read without a lock, once for each use, so that
/// what was begun with one value ends with it.
#[derive(Debug)]
pub struct Live<T>(ArcSwap<T>);

impl<T> Live<T> {
    /// A first value.
    pub fn new(value: Arc<T>) -> Self {
        Self(ArcSwap::new(value))
    }

    /// The current value.
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces it; who has the old one keeps it.
    pub fn put(&self, value: Arc<T>) {
        self.0.store(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_old_value_keeps_it() {
        let live = Live::new(Arc::new(1));
        let old = live.get();
        live.put(Arc::new(2));
        assert_eq!((*old, *live.get()), (1, 2));
    }
}
