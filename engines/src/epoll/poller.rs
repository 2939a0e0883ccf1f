//! The epoll descriptor: who is registered for what, and who is ready.

use crate::{SlotKey, Sock};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

/// Readiness taken from the kernel at once.
const READY_MAX: usize = 256;
/// Names the bell; no socket has this number.
const BELL: u64 = u64::MAX;

pub(super) struct Poller {
    epoll: Epoll,
    ready: Box<[EpollEvent; READY_MAX]>,
    count: usize,
    /// The kernel takes timeouts shorter than a millisecond (5.11).
    is_precise: bool,
}

/// What the kernel tells to be ready.
pub(super) enum Ready {
    Bell,
    Sock(Sock, EpollFlags),
}

impl Poller {
    /// Watches the bell from now on.
    pub(super) fn new(bell: impl AsFd) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        Ok(Self {
            epoll,
            ready: Box::new([EpollEvent::empty(); READY_MAX]),
            count: 0,
            is_precise: true,
        })
    }

    /// Registers a socket: told of what is there now, and then of each change.
    pub(super) fn add(&self, fd: impl AsFd, sock: Sock, interest: EpollFlags) -> io::Result<()> {
        let event = EpollEvent::new(interest | EpollFlags::EPOLLET, sock.to_bits());
        Ok(self.epoll.add(fd, event)?)
    }

    pub(super) fn remove(&self, fd: impl AsFd) {
        // Refused only where it never got in.
        let _ = self.epoll.delete(fd);
    }

    /// Waits until something is ready, for at most `timeout`; an interrupted wait finds nothing.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let waited = match timeout {
            None => Ok(self.epoll.wait(&mut *self.ready, EpollTimeout::NONE)?),
            Some(Duration::ZERO) => Ok(self.epoll.wait(&mut *self.ready, EpollTimeout::ZERO)?),
            Some(timeout) if self.is_precise => self.wait_precisely(timeout),
            Some(timeout) => Ok(self.epoll.wait(&mut *self.ready, whole_ms(timeout))?),
        };
        self.count = match waited {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            interrupted_or_ready => interrupted_or_ready.unwrap_or(0),
        };
        Ok(())
    }

    /// What the last wait found.
    pub(super) fn ready(&self) -> impl Iterator<Item = Ready> {
        self.ready[..self.count].iter().map(|event| {
            if event.data() == BELL {
                Ready::Bell
            } else {
                Ready::Sock(Sock::from_bits(event.data()), event.events())
            }
        })
    }

    fn wait_precisely(&mut self, timeout: Duration) -> io::Result<usize> {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        let (fd, room) = (self.epoll.0.as_raw_fd(), self.ready.as_mut_ptr());
        // SAFETY: `room` has READY_MAX places; `EpollEvent` is laid out as the kernel's structure. The
        // signal mask stays as it is.
        let count = unsafe {
            let no_mask = std::ptr::null::<libc::sigset_t>();
            let call = libc::SYS_epoll_pwait2;
            libc::syscall(call, fd, room, READY_MAX, &raw const timeout, no_mask, 0)
        };
        if let Ok(count) = usize::try_from(count) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            // Not there, or a filter of system calls does not know it.
            Some(libc::ENOSYS | libc::EPERM) => {
                self.is_precise = false;
                Ok(0)
            }
            _ => Err(error),
        }
    }
}

/// Rounded up: a wait that ends early would only begin anew.
fn whole_ms(timeout: Duration) -> EpollTimeout {
    let ms = timeout.as_nanos().div_ceil(1_000_000);
    EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, os::unix::net::UnixStream};

    #[test]
    fn a_timeout_is_rounded_up_to_milliseconds() {
        for (micros, ms) in [(1, 1), (999, 1), (1000, 1), (1001, 2)] {
            let rounded = whole_ms(Duration::from_micros(micros));
            assert_eq!(rounded, EpollTimeout::from(ms as u8));
        }
        assert_eq!(whole_ms(Duration::MAX), EpollTimeout::MAX);
    }

    #[test]
    fn a_socket_is_told_once_for_each_change() {
        let (bell, _silent) = UnixStream::pair().unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut poller = Poller::new(&bell).unwrap();
        let sock = Sock::from_parts(7, 3);
        poller.add(&near, sock, EpollFlags::EPOLLIN).unwrap();
        far.write_all(b"x").unwrap();
        let told = |poller: &mut Poller, timeout| {
            poller.wait(Some(timeout)).unwrap();
            let mut told = poller.ready();
            matches!(told.next(), Some(Ready::Sock(of, _)) if of == sock)
        };
        assert!(told(&mut poller, Duration::from_secs(5)));
        assert!(!told(&mut poller, Duration::from_micros(10)));
        far.write_all(b"y").unwrap();
        poller.is_precise = false;
        assert!(told(&mut poller, Duration::from_secs(5)));
    }
}
