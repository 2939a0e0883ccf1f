//! A pipe between two sockets, and how much it holds.

use crate::socket;
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Sizes to ask for, largest first; the system's default is left where none is granted.
const SIZES: [i32; 2] = [1 << 20, 256 << 10];
const SPLICE_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    /// # Errors
    /// The operating system's refusal (out of descriptors).
    pub(super) fn open() -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: an array of two, as the call wants.
        if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both were made a moment ago, and nobody else knows them.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        for size in SIZES {
            // SAFETY: an integer argument; a refusal is a negative result.
            if unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, size) } >= 0 {
                break;
            }
        }
        let held = 0;
        Ok(Self {
            reader,
            writer,
            held,
        })
    }

    /// Bytes in the pipe.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes in; 0: the pipe is full, or there are none.
    pub(super) fn fill(&mut self, from: BorrowedFd<'_>) -> io::Result<usize> {
        let bytes = splice(from, self.writer.as_fd(), SPLICE_MAX)?;
        self.held += bytes;
        Ok(bytes)
    }

    /// Moves bytes out to a socket that does not block; 0: it takes none now.
    pub(super) fn drain(&mut self, to: RawFd) -> io::Result<usize> {
        // SAFETY: the caller's socket is open during the call.
        let to = unsafe { BorrowedFd::borrow_raw(to) };
        let bytes = splice(self.reader.as_fd(), to, self.held)?;
        self.held -= bytes;
        Ok(bytes)
    }

    /// Reads what is left into memory.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.held];
        let read = File::from(self.reader).read(&mut bytes).unwrap_or(0);
        bytes.truncate(read);
        bytes
    }
}

/// Moves at most `bytes`; 0 where it would have to wait.
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let (from, to, here) = (from.as_raw_fd(), to.as_raw_fd(), std::ptr::null_mut());
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    // SAFETY: both descriptors are borrowed for the call; no offsets are given.
    match socket::retry_len(|| unsafe { libc::splice(from, here, to, here, bytes, flags) }) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        moved => moved,
    }
}
