//! Calls on descriptors that only this engine needs: operations in the ring wait by themselves, but
//! only on descriptors that block.

use crate::{Kind, socket};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

/// Makes operations in the ring wait (`blocks`) or fail with EAGAIN.
pub(super) fn set_blocking(fd: BorrowedFd<'_>, blocks: bool) -> io::Result<()> {
    let mut not: libc::c_int = (!blocks).into();
    // SAFETY: FIONBIO reads one int.
    socket::check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut not) }).map(drop)
}

pub(super) fn is_blocking(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: a plain call on an open descriptor.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK == 0
}

/// Makes a socket opened elsewhere fit for the ring; true when it blocks. A stream is ours alone. A
/// listener may be shared with a process that relies on its not blocking, and stays as it is.
pub(super) fn prepare(fd: &OwnedFd, kind: Kind) -> io::Result<bool> {
    let blocks = match kind {
        Kind::Stream => true,
        Kind::Listener => is_blocking(fd.as_fd()),
        Kind::Datagram => false,
    };
    socket::prepare(fd.as_fd(), kind)?;
    if blocks {
        set_blocking(fd.as_fd(), true)?;
    }
    Ok(blocks)
}

/// Ends both directions; what is in flight completes.
pub(super) fn shutdown(fd: BorrowedFd<'_>) {
    // SAFETY: a plain call on an open descriptor. A socket that is gone already refuses.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Looks whether there is a byte to receive, without waiting: `Some(0)` is the end, `None` nothing.
pub(super) fn peek(fd: BorrowedFd<'_>) -> io::Result<Option<usize>> {
    let mut byte = 0u8;
    let (room, flags) = ((&raw mut byte).cast(), libc::MSG_PEEK | libc::MSG_DONTWAIT);
    // SAFETY: room for the one byte asked for.
    match socket::retry_len(|| unsafe { libc::recv(fd.as_raw_fd(), room, 1, flags) }) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// True when both directions have ended: for a connection that we did not end, by an error.
pub(super) fn is_dead(fd: BorrowedFd<'_>) -> bool {
    let (events, revents) = (0, 0);
    let fd = fd.as_raw_fd();
    let mut asked = libc::pollfd {
        fd,
        events,
        revents,
    };
    // SAFETY: one entry, as the count says; it does not wait.
    let told = unsafe { libc::poll(&raw mut asked, 1, 0) };
    told > 0 && asked.revents & libc::POLLHUP != 0
}

/// True when the number is an open socket that does not listen.
pub(super) fn is_connection(number: i32) -> bool {
    let mut bytes = size_of::<libc::c_int>() as libc::socklen_t;
    let mut listens: libc::c_int = 0;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
    let room = (&raw mut listens).cast();
    // SAFETY: room for the int asked for; a number that is no socket is refused.
    let done = unsafe { libc::getsockopt(number, level, option, room, &raw mut bytes) };
    done == 0 && listens == 0
}
