//! Where binaries are.

use super::{
    kinds::{KINDS, Kind},
    peer::Peer,
};
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
    /// ringlb is missing, a binary that was named cannot be run, two peers have one label, `only` leaves
    /// out a copy or names nobody, or nobody is left.
    pub fn find(&self) -> Result<Found, String> {
        let mut found = Found::default();
        for kind in &KINDS {
            self.add_installed(kind, &mut found)?;
            let copies = self.copies.iter().filter(|(name, _, _)| name == kind.name);
            for (_, label, path) in copies {
                let mut peers = kind.peers(path, Some(label))?;
                peers.retain(|peer| self.wants(peer));
                if peers.is_empty() {
                    return Err(format!(
                        "`--only` leaves out the peer {label}; name it there too"
                    ));
                }
                found.peers.extend(peers);
            }
        }
        self.check_names(&found)?;
        leave_out_uring(&mut found);
        let mut labels: Vec<&str> = found.peers.iter().map(|peer| &*peer.label).collect();
        labels.sort_unstable();
        match labels.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two peers are called {}", pair[0])),
            None if labels.is_empty() => Err(NOBODY.to_owned()),
            None => Ok(found),
        }
    }

    fn add_installed(&self, kind: &'static Kind, found: &mut Found) -> Result<(), String> {
        let named = self.binaries.iter().find(|(name, _)| name == kind.name);
        let binary = match named {
            Some((_, path)) => Some(path.clone()),
            None if self.wants_kind(kind) => locate(kind),
            None => return Ok(()),
        };
        match binary {
            Some(path) => {
                let peers = kind.peers(&path, None)?.into_iter();
                found.peers.extend(peers.filter(|peer| self.wants(peer)));
                Ok(())
            }
            None if kind.name == KINDS[0].name => Err(format!(
                "ringlb is not built; run\n\n    {}\n\nor give --ringlb PATH",
                kind.install
            )),
            None => {
                let missing = format!("{} is not installed: {}", kind.name, kind.install);
                found.missing.push(missing);
                Ok(())
            }
        }
    }

    /// Every word of `only` names somebody, or a kind that is told to be missing.
    fn check_names(&self, found: &Found) -> Result<(), String> {
        if found.peers.is_empty() {
            return Err(NOBODY.to_owned());
        }
        let is_missing = |word: &str| {
            let kind = Kind::find(word.split('-').next().unwrap_or(word));
            kind.is_some_and(|kind| !found.peers.iter().any(|peer| peer.kind.name == kind.name))
        };
        let is_nobody =
            |word: &&String| !found.peers.iter().any(|peer| names(word, peer)) && !is_missing(word);
        match self.only.iter().find(is_nobody) {
            Some(word) => Err(format!("`--only`: nobody is called {word}")),
            None => Ok(()),
        }
    }

    fn wants_kind(&self, kind: &Kind) -> bool {
        let begins = |word: &String| word.split('-').next() == Some(kind.name);
        self.only.is_empty() || self.only.iter().any(begins)
    }

    fn wants(&self, peer: &Peer) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| names(word, peer))
    }
}

const NOBODY: &str = "nobody is left to be measured";

/// A kind names all of it, copies too; else it is a label, or one without the way to run it.
fn names(word: &str, peer: &Peer) -> bool {
    let rest = peer.label.strip_prefix(word);
    word == peer.kind.name || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Without io_uring its peers are missing.
fn leave_out_uring(found: &mut Found) {
    let is_uring = |peer: &Peer| !peer.is_rival && peer.label.ends_with("-uring");
    if let Err(reason) = engines::uring_available()
        && found.peers.iter().any(is_uring)
    {
        found.peers.retain(|peer| !is_uring(peer));
        let missing = format!("io_uring cannot be had here: {reason}");
        found.missing.push(missing);
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

    fn labels(only: &[&str]) -> Result<Vec<String>, String> {
        let copy =
            |kind: &str, label: &str| (kind.to_owned(), label.to_owned(), "/bin/true".into());
        let wanted = Wanted {
            binaries: ["ringlb", "haproxy"]
                .map(|name| (name.to_owned(), PathBuf::from("/bin/true")))
                .into(),
            copies: vec![copy("ringlb", "before"), copy("haproxy", "old")],
            only: only.iter().map(|word| (*word).to_owned()).collect(),
        };
        let found = wanted.find()?.peers.into_iter().map(|peer| peer.label);
        // Whether io_uring can be had is not what is tested.
        Ok(found.filter(|label| !label.ends_with("-uring")).collect())
    }

    #[test]
    fn copies_are_chosen_by_kind_or_label_and_never_dropped_unsaid() {
        for (only, want) in [
            (
                &["before", "old"][..],
                &["before-epoll", "before-tasks", "old"][..],
            ),
            (
                &["before-epoll", "haproxy"],
                &["before-epoll", "haproxy", "old"],
            ),
            (
                &["ringlb", "old"],
                &[
                    "ringlb-epoll",
                    "ringlb-tasks",
                    "before-epoll",
                    "before-tasks",
                    "old",
                ],
            ),
        ] {
            assert_eq!(labels(only).unwrap(), want, "{only:?}");
        }
        assert!(
            labels(&["haproxy"])
                .unwrap_err()
                .contains("the peer before")
        );
        assert!(labels(&["ringlb"]).unwrap_err().contains("the peer old"));
        let nobody = labels(&["before", "old", "ringlb-ep"]).unwrap_err();
        assert!(nobody.contains("nobody is called ringlb-ep"), "{nobody}");
    }
}
