//! The kernel engines' waker: an eventfd that their wait watches.

use crate::Wake;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, Ordering},
};

/// Readable from the first ring until [`Bell::silence`].
#[derive(Debug)]
pub(crate) struct Bell {
    fd: EventFd,
    /// Rung and not yet silenced: further rings need no system call.
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self {
            fd,
            rung: AtomicBool::new(false),
        })
    }

    /// There is a ring that was not taken yet.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    /// Takes all rings so far; true if there was one. What was written before a ring is seen after.
    pub(crate) fn silence(&self) -> bool {
        let rang = self.fd.read().is_ok();
        // Only after the read: a ring in between joins this one instead of being lost.
        if rang {
            self.rung.swap(false, Ordering::AcqRel);
        }
        rang
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Wake for Bell {
    fn wake(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the counter is full, which is a ring as well.
            let _ = self.fd.write(1);
        }
    }
}
