//! Pipes through which bytes go from socket to socket within the kernel.

use crate::socket;
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// Sizes to ask for, largest first; bytes are copied rather than moved through a smaller pipe.
const SIZES: [i32; 3] = [1 << 20, 256 << 10, 64 << 10];
const SPLICE_MAX: usize = 1 << 20;
/// Empty pipes kept for the next flows.
const SPARE_MAX: usize = 16;
/// Pipes in use: flows beyond are copied.
const PIPES_MAX: usize = 1024;

/// A pipe and how much it holds.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    held: usize,
}

impl Pipe {
    fn open() -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: an array of two, as the call wants.
        socket::check(unsafe {
            libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK)
        })?;
        // SAFETY: both were made a moment ago, and nobody else knows them.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        let sized = SIZES.into_iter().any(|size| {
            // SAFETY: an integer argument; a refusal is a negative result.
            unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, size) >= 0 }
        });
        if !sized {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let held = 0;
        Ok(Self {
            reader,
            writer,
            held,
        })
    }

    /// Bytes in the pipe.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Moves at most `most` bytes in, which is not 0; `Some(0)` is the end of what the socket
    /// receives. `None`: there are none, or the pipe is full.
    pub(crate) fn fill(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<Option<usize>> {
        let bytes = splice(from, self.writer.as_fd(), most.min(SPLICE_MAX))?;
        self.held += bytes.unwrap_or(0);
        Ok(bytes)
    }

    /// Moves bytes out to a socket that does not block; 0: it takes none now.
    pub(crate) fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let bytes = splice(self.reader.as_fd(), to, self.held)?.unwrap_or(0);
        self.held -= bytes;
        Ok(bytes)
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.held];
        let mut reader = File::from(self.reader);
        let mut read = 0;
        // One read may end where a page does.
        while let Ok(more @ 1..) = reader.read(&mut bytes[read..]) {
            read += more;
        }
        bytes.truncate(read);
        bytes
    }
}

/// The pipes of one engine.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    spare: Vec<Pipe>,
    in_use: usize,
}

impl Pipes {
    /// Pipes in use, and those kept for the next flows.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.in_use, self.spare.len())
    }

    /// An empty pipe; none where the system refuses or many are in use.
    pub(crate) fn take(&mut self) -> Option<Pipe> {
        if self.in_use >= PIPES_MAX {
            return None;
        }
        let pipe = self.spare.pop().or_else(|| Pipe::open().ok())?;
        self.in_use += 1;
        Some(pipe)
    }

    /// Takes a pipe back; bytes in it are lost.
    pub(crate) fn put(&mut self, pipe: Pipe) {
        self.in_use -= 1;
        if pipe.held == 0 && self.spare.len() < SPARE_MAX {
            self.spare.push(pipe);
        }
    }

    /// Takes a pipe back and the bytes out of it.
    pub(crate) fn empty(&mut self, pipe: Pipe) -> Vec<u8> {
        self.in_use -= 1;
        pipe.into_bytes()
    }
}

/// Moves at most `bytes`; none where it would have to wait.
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, bytes: usize) -> io::Result<Option<usize>> {
    let (from, to, here) = (from.as_raw_fd(), to.as_raw_fd(), std::ptr::null_mut());
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    // SAFETY: both descriptors are borrowed for the call; no offsets are given.
    match socket::retry_len(|| unsafe { libc::splice(from, here, to, here, bytes, flags) }) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        moved => moved.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, net::Shutdown, os::unix::net::UnixStream};

    fn pair() -> (UnixStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        (near, far)
    }

    #[test]
    fn bytes_go_through_in_order_and_the_end_is_seen() {
        let (mut pipes, (from, mut peer), (to, mut sink)) = (Pipes::default(), pair(), pair());
        let mut pipe = pipes.take().unwrap();
        assert_eq!(pipe.fill(from.as_fd(), usize::MAX).unwrap(), None);
        peer.write_all(b"hello").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(pipe.fill(from.as_fd(), usize::MAX).unwrap(), Some(5));
        assert_eq!(pipe.fill(from.as_fd(), usize::MAX).unwrap(), Some(0));
        assert_eq!((pipe.held(), pipe.drain(to.as_fd()).unwrap()), (5, 5));
        pipes.put(pipe);
        drop(to);
        let mut got = Vec::new();
        sink.read_to_end(&mut got).unwrap();
        assert_eq!((got.as_slice(), pipes.spare.len()), (&b"hello"[..], 1));
    }

    #[test]
    fn no_more_is_taken_than_asked_for() {
        let (mut pipes, (mut from, mut peer)) = (Pipes::default(), pair());
        let mut pipe = pipes.take().unwrap();
        peer.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(from.as_fd(), 3).unwrap(), Some(3));
        let mut rest = [0; 9];
        assert_eq!((from.read(&mut rest).unwrap(), &rest[..2]), (2, &b"lo"[..]));
        assert_eq!(pipes.empty(pipe), b"hel");
    }

    #[test]
    fn bytes_that_are_held_come_out_into_memory() {
        let (mut pipes, (from, mut peer)) = (Pipes::default(), pair());
        let sent: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let mut pipe = pipes.take().unwrap();
        for part in sent.chunks(10_000) {
            peer.write_all(part).unwrap();
            while pipe.fill(from.as_fd(), usize::MAX).unwrap().is_some() {}
        }
        assert_eq!((pipes.empty(pipe), pipes.in_use), (sent, 0));
    }

    #[test]
    fn pipes_in_use_are_limited() {
        let mut pipes = Pipes {
            in_use: PIPES_MAX,
            ..Pipes::default()
        };
        assert!(pipes.take().is_none());
    }
}
