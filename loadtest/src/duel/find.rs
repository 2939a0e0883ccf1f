//! Where binaries are.

use super::peer::{KINDS, Kind, Peer};
use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What the command line says of the peers.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Binaries by the name of their kind, instead of those that are found.
    pub binaries: Vec<(String, PathBuf)>,
    /// Further copies: kind, label, binary.
    pub copies: Vec<(String, String, PathBuf)>,
    /// Labels or kinds that take part; empty: all.
    pub only: Vec<String>,
}

/// Who takes part, and why others do not.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In the order of the tables.
    pub peers: Vec<Peer>,
    /// Sentences about those that are missing.
    pub missing: Vec<String>,
}

/// Reads `KIND:LABEL=PATH`.
///
/// # Errors
/// It is not of this form.
pub fn parse_copy(text: &str) -> Result<(String, String, PathBuf), String> {
    let wrong = || format!("`{text}` is no peer such as ringlb:before=/path/to/ringlb");
    let (name, path) = text.split_once('=').ok_or_else(wrong)?;
    let (kind, label) = name.split_once(':').ok_or_else(wrong)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if Kind::find(kind).is_none() || label.is_empty() || !label.chars().all(is_plain) {
        return Err(wrong());
    }
    Ok((kind.to_owned(), label.to_owned(), path.into()))
}

impl Wanted {
    /// Looks for everybody who is wanted.
    ///
    /// # Errors
    /// ringlb is missing, a binary that was named cannot be run, two peers have one label, or nobody is
    /// left.
    pub fn find(&self) -> Result<Found, String> {
        let mut found = Found::default();
        for kind in &KINDS {
            let named = self.binaries.iter().find(|(name, _)| name == kind.name);
            let binary = match named {
                Some((_, path)) => Some(path.clone()),
                None if self.wants_kind(kind) => locate(kind),
                None => continue,
            };
            match binary {
                Some(path) => found.peers.extend(kind.peers(&path, None)?),
                None if kind.name == KINDS[0].name => {
                    return Err(format!(
                        "ringlb is not built; run\n\n    {}\n\nor give --ringlb PATH",
                        kind.install
                    ));
                }
                None => found
                    .missing
                    .push(format!("{} is not installed: {}", kind.name, kind.install)),
            }
            let copies = self.copies.iter().filter(|(name, _, _)| name == kind.name);
            for (_, label, path) in copies {
                found.peers.extend(kind.peers(path, Some(label))?);
            }
        }
        found.peers.retain(|peer| self.wants(peer));
        self.leave_out_uring(&mut found);
        let mut labels: Vec<&str> = found.peers.iter().map(|peer| &*peer.label).collect();
        labels.sort_unstable();
        match labels.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two peers are called {}", pair[0])),
            None if labels.is_empty() => Err("nobody is left to be measured".to_owned()),
            None => Ok(found),
        }
    }

    fn wants_kind(&self, kind: &Kind) -> bool {
        let begins = |word: &String| word.split('-').next() == Some(kind.name);
        self.only.is_empty() || self.only.iter().any(begins)
    }

    fn wants(&self, peer: &Peer) -> bool {
        let is_named = |word: &String| {
            let rest = peer.label.strip_prefix(word.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.only.is_empty() || self.only.iter().any(is_named)
    }

    fn leave_out_uring(&self, found: &mut Found) {
        let is_uring = |peer: &Peer| !peer.is_rival && peer.label.ends_with("-uring");
        if let Err(reason) = engines::uring_available()
            && found.peers.iter().any(is_uring)
        {
            found.peers.retain(|peer| !is_uring(peer));
            found
                .missing
                .push(format!("io_uring cannot be had here: {reason}"));
        }
    }
}

/// Beside our own executable and in `target/release` for ringlb, then where commands are.
fn locate(kind: &Kind) -> Option<PathBuf> {
    let own = env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let built = [beside, Some(PathBuf::from("target/release"))]
        .into_iter()
        .flatten();
    let path = env::var_os("PATH").unwrap_or_default();
    let commands =
        env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let places: Vec<PathBuf> = match kind.name == KINDS[0].name {
        true => built.chain(commands).collect(),
        false => commands.collect(),
    };
    let paths = places.into_iter().map(|place| place.join(kind.name));
    paths.into_iter().find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    let about = path.metadata();
    about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_a_kind_a_label_and_a_path() {
        let copy = parse_copy("ringlb:before=/a=b").unwrap();
        assert_eq!(copy, ("ringlb".into(), "before".into(), "/a=b".into()));
        for wrong in [
            "ringlb=/a",
            "squid:x=/a",
            "ringlb:=/a",
            "ringlb:a/b=/a",
            "ringlb:x",
        ] {
            assert!(parse_copy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_named_binary_that_is_not_there_is_an_error() {
        let wanted = Wanted {
            binaries: vec![("haproxy".into(), "/nowhere/haproxy".into())],
            only: vec!["haproxy".into()],
            ..Wanted::default()
        };
        assert!(wanted.find().unwrap_err().contains("/nowhere/haproxy"));
    }

    #[test]
    fn labels_choose_whole_kinds_or_one() {
        let binaries = vec![("ringlb".to_owned(), PathBuf::from("/bin/true"))];
        for (only, want) in [("ringlb", 2), ("ringlb-epoll", 1), ("ringlb-ep", 0)] {
            let wanted = Wanted {
                binaries: binaries.clone(),
                only: vec![only.to_owned()],
                ..Wanted::default()
            };
            let count = wanted.find().map_or(0, |found| found.peers.len());
            assert!(
                count == want || count == 3 && only == "ringlb",
                "{only}: {count}"
            );
        }
    }
}
