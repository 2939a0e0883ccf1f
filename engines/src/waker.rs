//! How another thread makes an engine's `wait` return.

use std::{fmt, sync::Arc};

/// What an engine implements to be woken.
pub trait Wake: Send + Sync {
    /// Makes the current or next `wait` return with one `Event::Woken`. Never blocks.
    fn wake(&self);
}

/// A handle that any thread may ring. Rings between two waits are joined into one `Woken`.
#[derive(Clone)]
pub struct Waker(Arc<dyn Wake>);

impl Waker {
    /// Wraps an engine's way of being woken.
    pub fn new(wake: Arc<dyn Wake>) -> Self {
        Self(wake)
    }

    /// Makes the current or next `wait` return with one `Event::Woken`. Never blocks.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}
