//! The waker of a simulated engine. Other threads may ring it; a network that has nothing else to do
//! sleeps until one does.

use crate::Wake;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(super) fn is_rung(&self) -> bool {
        *self.lock()
    }

    /// Takes all rings so far; true if there was one.
    pub(super) fn silence(&self) -> bool {
        std::mem::take(&mut self.lock())
    }

    /// Returns once it is rung.
    pub(super) fn sleep(&self) {
        let rung = self.lock();
        let woken = self.changed.wait_while(rung, |rung| !*rung);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }
}
