//! Pipes through which bytes go from socket to socket within the kernel.

use crate::{EngineCounters, socket};
use nix::sys::resource::{Resource, getrlimit};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Sizes to ask for, largest first; bytes are copied rather than moved through a smaller pipe.
const SIZES: [i32; 3] = [1 << 20, 256 << 10, 64 << 10];
/// Empty pipes kept for the next flows.
const SPARE_MAX: usize = 4;
/// All engines' pipes in use take at most a quarter of the process's descriptors, two each.
const DESCRIPTORS_EACH: usize = 8;
/// So many flows are not tried with a pipe after the system has refused one.
const REFUSED_TRIES: u8 = 100;
/// Bytes that all flows may move in one turn of the engine; then others are served.
const TURN_BYTES: usize = 4 << 20;
/// Engines that may have pipes.
static ENGINES: AtomicUsize = AtomicUsize::new(0);
/// What all pipes in use may hold before further ones are as small as can be; with those 128 MiB.
const BYTES_MAX: usize = 64 << 20;

/// A pipe and how much it holds.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
    size: usize,
    held: usize,
}

impl Pipe {
    /// A pipe of at most `most` bytes.
    fn open(most: usize) -> io::Result<Self> {
        let mut ends = [-1; 2];
        // SAFETY: an array of two, as the call wants.
        socket::check(unsafe {
            libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK)
        })?;
        // SAFETY: both were made a moment ago, and nobody else knows them.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        let sizes = SIZES.into_iter().filter(|size| *size as usize <= most);
        let mut sized = sizes.map(|size| {
            // SAFETY: an integer argument; a refusal is a negative result.
            unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, size) }
        });
        let size = sized.find(|size| *size > 0);
        Ok(Self {
            reader,
            writer,
            size: size.ok_or(io::ErrorKind::OutOfMemory)? as usize,
            held: 0,
        })
    }

    /// Bytes in the pipe.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Moves at most `most` bytes in, which is not 0; `Some(0)` is the end of what the socket
    /// receives. `None`: there are none, or the pipe is full. It is to be empty: a pipe's size counts
    /// pieces, which may be larger than pages, so one that is filled until it refuses holds a multiple.
    pub(crate) fn fill(&mut self, from: BorrowedFd<'_>, most: usize) -> io::Result<Option<usize>> {
        let bytes = splice(from, self.writer.as_fd(), most.min(self.size))?;
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
#[derive(Debug)]
pub(crate) struct Pipes {
    spare: Vec<Pipe>,
    in_use: usize,
    /// What those in use can hold.
    bytes: usize,
    /// Pipes in use at most.
    max: usize,
    /// Pipes that all engines may have in use.
    max_of_all: usize,
    /// Tries to be refused without asking the system.
    refusals: u8,
    /// Bytes moved in this turn.
    moved: usize,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        ENGINES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipes {
    /// At most `max` in use, and no more than this engine's share of the process's descriptors.
    pub(crate) fn new(max: usize) -> Self {
        ENGINES.fetch_add(1, Ordering::Relaxed);
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        Self {
            spare: Vec::new(),
            in_use: 0,
            bytes: 0,
            max,
            max_of_all: descriptors / DESCRIPTORS_EACH,
            refusals: 0,
            moved: 0,
        }
    }

    /// Pipes in use, and those kept for the next flows.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.in_use, self.spare.len())
    }

    /// An empty pipe; none where the system refuses or many are in use.
    pub(crate) fn take(&mut self, counters: &mut EngineCounters) -> Option<Pipe> {
        let pipe = self.find_or_open();
        match &pipe {
            Some(pipe) => {
                self.in_use += 1;
                self.bytes += pipe.size;
            }
            None => counters.pipes_refused += 1,
        }
        pipe
    }

    fn find_or_open(&mut self) -> Option<Pipe> {
        let share = self.max_of_all / ENGINES.load(Ordering::Relaxed).max(1);
        if self.in_use >= share.min(self.max) {
            return None;
        }
        let smallest = SIZES[SIZES.len() - 1] as usize;
        let most = BYTES_MAX.saturating_sub(self.bytes).max(smallest);
        let fits = self.spare.iter().rposition(|pipe| pipe.size <= most);
        if let Some(at) = fits {
            return Some(self.spare.swap_remove(at));
        }
        if self.refusals > 0 {
            self.refusals -= 1;
            return None;
        }
        let opened = Pipe::open(most);
        if opened.is_err() {
            self.refusals = REFUSED_TRIES;
        }
        opened.ok()
    }

    /// A new turn: all flows together may move so much again.
    pub(crate) fn begin_turn(&mut self) {
        self.moved = 0;
    }

    /// Something may still be moved in this turn.
    pub(crate) fn has_share(&self) -> bool {
        self.moved < TURN_BYTES
    }

    /// Bytes went into a pipe.
    pub(crate) fn on_moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// Takes a pipe back; bytes in it are lost.
    pub(crate) fn put(&mut self, pipe: Pipe) {
        self.on_back(&pipe);
        if pipe.held == 0 && self.spare.len() < SPARE_MAX {
            self.spare.push(pipe);
        }
    }

    /// Takes a pipe back and the bytes out of it.
    pub(crate) fn empty(&mut self, pipe: Pipe) -> Vec<u8> {
        self.on_back(&pipe);
        pipe.into_bytes()
    }

    fn on_back(&mut self, pipe: &Pipe) {
        self.in_use -= 1;
        self.bytes -= pipe.size;
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
        let (mut pipes, (from, mut peer), (to, mut sink)) = (Pipes::new(8), pair(), pair());
        let mut pipe = pipes.take(&mut EngineCounters::default()).unwrap();
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
        let (mut pipes, (mut from, mut peer)) = (Pipes::new(8), pair());
        let mut pipe = pipes.take(&mut EngineCounters::default()).unwrap();
        peer.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(from.as_fd(), 3).unwrap(), Some(3));
        let mut rest = [0; 9];
        assert_eq!((from.read(&mut rest).unwrap(), &rest[..2]), (2, &b"lo"[..]));
        assert_eq!(pipes.empty(pipe), b"hel");
    }

    #[test]
    fn bytes_that_are_held_come_out_into_memory() {
        let (mut pipes, (from, mut peer)) = (Pipes::new(8), pair());
        let sent: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let mut pipe = pipes.take(&mut EngineCounters::default()).unwrap();
        for part in sent.chunks(10_000) {
            peer.write_all(part).unwrap();
            while pipe.fill(from.as_fd(), usize::MAX).unwrap().is_some() {}
        }
        assert_eq!((pipes.empty(pipe), pipes.in_use), (sent, 0));
    }

    #[test]
    fn pipes_are_small_when_those_in_use_can_hold_much() {
        let mut pipes = Pipes::new(8);
        pipes.bytes = BYTES_MAX - (300 << 10);
        let sizes: Vec<_> = (0..3)
            .map(|_| pipes.take(&mut EngineCounters::default()).unwrap())
            .collect();
        let bytes: Vec<_> = sizes.iter().map(|pipe| pipe.size >> 10).collect();
        assert_eq!(bytes, [256, 64, 64]);
        sizes.into_iter().for_each(|pipe| pipes.put(pipe));
        assert_eq!(pipes.bytes, BYTES_MAX - (300 << 10));
    }

    #[test]
    fn pipes_in_use_are_limited() {
        let mut pipes = Pipes::new(0);
        let mut counters = EngineCounters::default();
        assert!(pipes.take(&mut counters).is_none());
        assert_eq!(counters.pipes_refused, 1);
    }

    #[test]
    fn pipes_leave_most_descriptors_to_connections() {
        let mut pipes = Pipes::new(8);
        pipes.max_of_all = 0;
        assert!(pipes.take(&mut EngineCounters::default()).is_none());
    }

    #[test]
    fn a_turn_has_an_end() {
        let mut pipes = Pipes::new(8);
        assert!(pipes.has_share());
        pipes.on_moved(TURN_BYTES);
        assert!(!pipes.has_share());
        pipes.begin_turn();
        assert!(pipes.has_share());
    }
}
