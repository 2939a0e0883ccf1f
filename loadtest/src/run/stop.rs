//! How a run is ended, and how its threads are woken.

use engines::Waker;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Ends a run from another thread.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_set: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Stop {
    /// Ends the run; its outcome is what was measured so far. A run that begins later ends at once.
    pub fn stop(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.wake();
    }

    /// True once it was asked for.
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    /// Has a thread woken from now on.
    pub(super) fn attach(&self, waker: Waker) {
        self.wakers().push(waker);
    }

    /// The threads of a run are gone.
    pub(super) fn detach_all(&self) {
        self.wakers().clear();
    }

    /// Makes all threads look at what they were told.
    pub(super) fn wake(&self) {
        self.wakers().iter().for_each(Waker::wake);
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
