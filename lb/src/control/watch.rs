//! Directories that are watched for changes, by inotify(7).

use nix::{
    errno::Errno,
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor},
};
use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::unix::AsyncFd,
    time::{Instant, timeout_at},
};

/// Times the settle time after which a change is told although the next one has already come.
const PATIENCE: u32 = 10;

/// Watches directories.
pub(super) struct Watch {
    inotify: AsyncFd<Descriptor>,
    watched: Vec<(WatchDescriptor, PathBuf)>,
    /// Those that could not be watched, each told once.
    failed: BTreeSet<PathBuf>,
    settle: Duration,
}

struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watch {
    /// Watches nothing yet. `settle`: how long nothing has to happen after a change before it is told: files
    /// that belong together are not written at the same instant.
    ///
    /// # Errors
    /// The operating system's.
    #[allow(
        deprecated,
        reason = "what is registered owns its descriptor, as the unsafe form wants it"
    )]
    pub(super) fn new(settle: Duration) -> io::Result<Self> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Ok(Self {
            inotify: AsyncFd::new(Descriptor(Inotify::init(flags)?))?,
            watched: Vec::new(),
            failed: BTreeSet::new(),
            settle,
        })
    }

    /// Watches these directories and no others. Those that were not watched until now, in which a change may
    /// have been missed; and why others cannot be watched, each once.
    pub(super) fn set(&mut self, wanted: &BTreeSet<PathBuf>) -> (BTreeSet<PathBuf>, Vec<String>) {
        let old = std::mem::take(&mut self.watched);
        let (keep, leave): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|(_, path)| wanted.contains(path));
        self.watched = keep;
        for (descriptor, _) in leave {
            self.release(descriptor);
        }
        let (mut new, mut problems) = (BTreeSet::new(), Vec::new());
        for path in wanted {
            if self.watched.iter().any(|(_, known)| known == path) {
                continue;
            }
            match self.add(path) {
                Ok(()) => drop(new.insert(path.clone())),
                Err(error) if self.failed.insert(path.clone()) => {
                    problems.push(format!("{}: cannot be watched: {error}", path.display()));
                }
                Err(_) => {}
            }
        }
        (new, problems)
    }

    fn add(&mut self, path: &Path) -> Result<(), Errno> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let descriptor = self.inotify.get_ref().0.add_watch(path, flags)?;
        self.failed.remove(path);
        self.watched.push((descriptor, path.to_owned()));
        Ok(())
    }

    /// A directory may have two paths, by a mount, and has one descriptor then.
    fn release(&self, descriptor: WatchDescriptor) {
        if !self.watched.iter().any(|(other, _)| *other == descriptor) {
            // It is gone already if its directory is.
            let _ = self.inotify.get_ref().0.rm_watch(descriptor);
        }
    }

    /// Waits until something has happened in a watched directory and then nothing for the settle time: where.
    /// A directory that itself was moved or removed is no longer watched.
    ///
    /// # Errors
    /// The operating system's.
    pub(super) async fn changed(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        let mut changed = BTreeSet::new();
        self.read(&mut changed).await?;
        let end = Instant::now() + self.settle * PATIENCE;
        loop {
            let quiet = (Instant::now() + self.settle).min(end);
            match timeout_at(quiet, self.read(&mut changed)).await {
                Ok(read) => read?,
                Err(_) => return Ok(changed),
            }
            if Instant::now() >= end {
                return Ok(changed);
            }
        }
    }

    /// Waits for events.
    async fn read(&mut self, changed: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let events = loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| Ok(inotify.get_ref().0.read_events()?));
            if let Ok(events) = read {
                break events?;
            }
        };
        for event in events {
            let all = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
            let here = |descriptor: &WatchDescriptor| all || *descriptor == event.wd;
            let paths = self
                .watched
                .iter()
                .filter(|(descriptor, _)| here(descriptor));
            changed.extend(paths.map(|(_, path)| path.clone()));
            let gone = AddWatchFlags::IN_IGNORED
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_UNMOUNT;
            if event.mask.intersects(gone) {
                self.watched
                    .retain(|(descriptor, _)| *descriptor != event.wd);
                self.release(event.wd);
            }
        }
        Ok(())
    }
}
