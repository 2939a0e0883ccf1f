//! A directory for what children write.

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::signal::kill,
    unistd::{Pid, geteuid},
};
use std::{
    fs::{self, File},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

/// What names begin with; the process's id and a number follow.
const PREFIX: &str = "loadtest-duel-";

/// A directory of our own, removed in the end. It is locked as long as we live: what a killed process
/// left is known by its lock being free, and removed by the next one.
#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Dir {
    pub(super) fn new() -> Result<Self, String> {
        Self::within(&std::env::temp_dir())
    }

    fn within(place: &Path) -> Result<Self, String> {
        remove_stale(place);
        let name = |n: u32| format!("{PREFIX}{}-{n}", std::process::id());
        let mut paths = (0..100).map(|n| place.join(name(n)));
        let create = |path: &PathBuf| fs::DirBuilder::new().mode(0o700).create(path).is_ok();
        let path = paths.find(create);
        let path = path.ok_or_else(|| format!("{}: no directory can be made", place.display()))?;
        let lock = locked(&path).ok_or_else(|| format!("{}: cannot be locked", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// A directory in it.
    pub(super) fn sub(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The lock of a directory that nobody else holds.
fn locked(path: &Path) -> Option<Flock<File>> {
    let dir = File::open(path).ok()?;
    Flock::lock(dir, FlockArg::LockExclusiveNonblock).ok()
}

/// Removes our user's directories whose processes are gone.
fn remove_stale(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_ours = |about: fs::Metadata| about.is_dir() && about.uid() == geteuid().as_raw();
        let is_dead = entry
            .file_name()
            .to_str()
            .and_then(owner)
            .is_some_and(is_gone);
        // Of a link the link itself is looked at.
        if is_dead && entry.metadata().is_ok_and(is_ours) && locked(&entry.path()).is_some() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The process that a directory of this name belongs to.
fn owner(name: &str) -> Option<Pid> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    let pid: i32 = pid.parse().ok()?;
    (pid > 0).then(|| Pid::from_raw(pid))
}

/// It has ended; one that is seen from elsewhere only by its lock looks the same.
fn is_gone(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let place = std::env::temp_dir().join(format!("loadtest-dir-{}", std::process::id()));
        // No process has a greater number than 2^22.
        let stale = place.join(format!("{PREFIX}4194305-0"));
        let held = place.join(format!("{PREFIX}4194306-0"));
        let others = place.join("loadtest-duel-x-0");
        for dir in [&stale, &held, &others] {
            fs::create_dir_all(dir.join("nginx")).unwrap();
        }
        let lock = locked(&held).unwrap();
        let dir = Dir::within(&place).unwrap();
        let second = Dir::within(&place).unwrap();
        assert!(!stale.exists() && held.exists() && others.exists());
        assert!(dir.path.exists() && second.path != dir.path);
        let path = dir.path.clone();
        drop((dir, lock));
        assert!(!path.exists());
        fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn only_our_names_have_owners() {
        assert_eq!(owner("loadtest-duel-12-3"), Some(Pid::from_raw(12)));
        for name in [
            "loadtest-duel-12",
            "loadtest-duel--1-0",
            "loadtest-duel-0-1",
            "loadtest-duel-1-x",
            "x",
        ] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
