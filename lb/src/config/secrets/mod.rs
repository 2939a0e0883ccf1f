//! Secrets: certificates, trust and ticket keys as resources that can change while they are used.
//!
//! A [`Store`] is filled while a configuration is compiled, then it is shared as [`Secrets`]. When a secret
//! has changed, what is made of it is made anew and put in its place. What cannot be used changes nothing.

mod recipe;
mod store;

pub(super) use recipe::{Fault, Recipe, Value};
pub(super) use store::{Store, Use, Values};

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use xds::api::envoy::extensions::transport_sockets::tls::v3::Secret;

/// The secrets of a configuration. They belong to the control thread; what is made of them, to the workers.
#[derive(Default)]
pub struct Secrets(Mutex<Store>);

/// What became of a secret that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name in `static_resources.secrets`; that of its file, or its place in the configuration, if it has none.
    pub secret: String,
    /// Why the old one stays in use, if it does.
    pub error: Option<String>,
}

/// What is counted of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretStats {
    /// As in [`Outcome::secret`].
    pub secret: String,
    /// Times that it changed and is used as it is now.
    pub updates: u64,
    /// Times that it changed and could not be used.
    pub update_failures: u64,
    /// When the first certificate of its chain expires, since the Unix epoch; `None`: it is no certificate.
    pub expires: Option<tls::Now>,
    /// When its stapled OCSP response is outdated, since the Unix epoch; `None`: it has none, or one that does not say.
    pub staple_expires: Option<tls::Now>,
}

/// How long before the end of a certificate it is told of.
const EXPIRES_SOON: Duration = Duration::from_secs(7 * 24 * 3600);

impl SecretStats {
    /// A line for each part that has expired, or that is a certificate and expires within seven days.
    pub fn warnings(&self, now: tls::Now) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.expires.map(|end| end.checked_sub(now)) {
            Some(None) => warnings.push("its certificate has expired".to_owned()),
            Some(Some(left)) if left < EXPIRES_SOON => {
                let hours = left.as_secs() / 3600;
                warnings.push(format!("its certificate expires in {hours} hours"));
            }
            Some(Some(_)) | None => {}
        }
        if self.staple_expires.is_some_and(|end| end < now) {
            warnings.push("its OCSP response is outdated and is not sent".to_owned());
        }
        let line = |warning| format!("secret {}: {warning}", self.secret);
        warnings.into_iter().map(line).collect()
    }

    /// Takes in another use of the same file: what changed, changed for both; what expires first counts.
    fn join(&mut self, other: Self) {
        self.updates = self.updates.max(other.updates);
        self.update_failures = self.update_failures.max(other.update_failures);
        self.expires = first(self.expires, other.expires);
        self.staple_expires = first(self.staple_expires, other.staple_expires);
    }
}

fn first(one: Option<tls::Now>, other: Option<tls::Now>) -> Option<tls::Now> {
    one.into_iter().chain(other).min()
}

impl Secrets {
    pub(super) fn new(store: Store) -> Self {
        Self(Mutex::new(store))
    }

    /// Reads what lies in these directories again. What did not change is not told of.
    pub fn reload(&self, changed: &BTreeSet<PathBuf>) -> Vec<Outcome> {
        self.lock()
            .reload(|directory: &Path| changed.contains(directory))
    }

    /// Replaces a secret by one of the same name; `None`: there is none of that name.
    pub fn set(&self, secret: &Secret) -> Option<Outcome> {
        self.lock().set(secret)
    }

    /// The directories in which a change may be one of a secret: those that hold a file, a symbolic link on
    /// the way to it, or would hold what is missing; and those of `watched_directory`.
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        self.lock().directories()
    }

    /// What is counted of each secret that is used.
    pub fn stats(&self) -> Vec<SecretStats> {
        self.lock().stats()
    }

    /// New random keys for the session tickets of every listener that was not given any.
    pub fn rotate_tickets(&self, now: tls::Now) {
        self.lock().rotate_tickets(now);
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
