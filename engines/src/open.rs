//! Building a kernel engine by name.

use crate::{
    BlockLimits, Carried, Engine, Kind, ListenOptions, SockAddr,
    epoll::Reactor,
    socket,
    tasks::Tasks,
    uring::{Uring, uring_available},
};
use std::{fmt, io, os::fd::AsFd, str::FromStr, time::Duration};

/// An armed receive is worth its memory to a stream whose peer sends more often.
const IDLE_AFTER: Duration = Duration::from_secs(30);

const PIPES_MAX: usize = 1024;

/// What an engine is built with.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Sizes of the worker's pool of blocks.
    pub blocks: BlockLimits,
    /// A stream that has received nothing for so long, or up to twice as long, gives up in the kernel
    /// what makes receiving fast (`uring`; the others have nothing of the kind). 30 s by default.
    pub idle_after: Duration,
    /// Pipes in use at most, for bulk that is relayed or passed on; further flows are copied. 1024 by
    /// default, and no more than two descriptors each make a quarter of what the process may have open.
    pub pipes_max: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            blocks: BlockLimits::default(),
            idle_after: IDLE_AFTER,
            pipes_max: PIPES_MAX,
        }
    }
}

impl From<BlockLimits> for EngineOptions {
    fn from(blocks: BlockLimits) -> Self {
        Self {
            blocks,
            ..Self::default()
        }
    }
}

/// An engine that runs on the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Edge-triggered reactor.
    Epoll,
    /// A small task per connection.
    Tasks,
    /// io_uring.
    Uring,
}

impl EngineKind {
    /// All kinds, in the order of their names.
    pub const ALL: [Self; 3] = [Self::Epoll, Self::Tasks, Self::Uring];

    fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::Tasks => "tasks",
            Self::Uring => "uring",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

/// No engine has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEngine(pub String);

impl fmt::Display for UnknownEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.0;
        write!(f, "unknown engine `{name}`: epoll, tasks or uring")
    }
}

impl std::error::Error for UnknownEngine {}

/// Builds an engine, on the thread that will run it.
///
/// # Errors
/// The operating system's refusal.
pub fn open(kind: EngineKind, options: &EngineOptions) -> io::Result<Box<dyn Engine>> {
    match kind {
        EngineKind::Epoll => Ok(Box::new(Reactor::new(options)?)),
        EngineKind::Uring => Ok(Box::new(Uring::new(options)?)),
        EngineKind::Tasks => Ok(Box::new(Tasks::new(options)?)),
    }
}

/// Opens a listening socket for an engine to adopt; with the address it is bound to.
///
/// # Errors
/// The operating system's refusal.
pub fn open_listener(at: &SockAddr, options: &ListenOptions) -> io::Result<(Carried, SockAddr)> {
    let fd = socket::listen(at, options)?;
    let local = socket::local(fd.as_fd()).ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((Carried::from((fd, Kind::Listener)), local))
}

/// The engine for this kernel: io_uring where it is allowed, else `epoll` and one sentence that says
/// why.
pub fn choose() -> (EngineKind, Option<String>) {
    match uring_available() {
        Ok(()) => (EngineKind::Uring, None),
        Err(reason) => (EngineKind::Epoll, Some(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in EngineKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("poll".parse::<EngineKind>().is_err());
    }
}
