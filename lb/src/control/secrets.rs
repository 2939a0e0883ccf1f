//! Secrets follow their files: certificates are renewed while the process runs, no connection is touched.

use super::watch::Watch;
use crate::config::{Outcome, SecretStats, Secrets};
use std::{collections::BTreeSet, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How long nothing has to happen to the files after a change before they are read.
const SETTLE_TIME: Duration = Duration::from_millis(200);

/// How often listeners seal session tickets with a new key, unless they were given keys.
const TICKET_KEY_TIME: Duration = Duration::from_secs(12 * 3600);

/// Follows the files of secrets, and renews ticket keys, until the future is dropped.
pub(super) async fn follow(secrets: Arc<Secrets>) {
    warn(&secrets, |_| true);
    tokio::join!(follow_files(&secrets), renew_tickets(&secrets));
}

async fn follow_files(secrets: &Arc<Secrets>) {
    if secrets.directories().is_empty() {
        return;
    }
    let followed = async {
        let mut files = Files::new(secrets.clone(), SETTLE_TIME)?;
        loop {
            let news = files.news().await?;
            news.iter().for_each(tell);
            let is_new = |one: &SecretStats| news.iter().any(|news| news.is_of(&one.secret));
            warn(secrets, is_new);
        }
    };
    let end: io::Result<()> = followed.await;
    if let Err(error) = end {
        eprintln!("secrets: their files are no longer watched: {error}");
    }
}

async fn renew_tickets(secrets: &Secrets) {
    let mut ticks = interval_at(Instant::now() + TICKET_KEY_TIME, TICKET_KEY_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        secrets.rotate_tickets(engines::UnixTime::now().0);
        warn(secrets, |_| true);
    }
}

/// The files of secrets.
struct Files {
    secrets: Arc<Secrets>,
    watch: Watch,
    /// What was found while the watch was set.
    first: Vec<News>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Secret(Outcome),
    /// A directory cannot be watched.
    Unwatched(String),
}

impl Files {
    fn new(secrets: Arc<Secrets>, settle: Duration) -> io::Result<Self> {
        let watch = Watch::new(settle)?;
        let mut files = Self {
            secrets,
            watch,
            first: Vec::new(),
        };
        // They may have changed since they were read.
        files.first = files.read(BTreeSet::new());
        Ok(files)
    }

    /// Waits for a change of some secret.
    async fn news(&mut self) -> io::Result<Vec<News>> {
        let mut news = std::mem::take(&mut self.first);
        while news.is_empty() {
            let changed = self.watch.changed().await?;
            news = self.read(changed);
        }
        Ok(news)
    }

    /// First watches where the files are now: what happens after that comes as another change.
    fn read(&mut self, mut changed: BTreeSet<PathBuf>) -> Vec<News> {
        let (new, problems) = self.watch.set(&self.secrets.directories());
        changed.extend(new);
        let outcomes = self.secrets.reload(&changed).into_iter();
        let problems = problems.into_iter().map(News::Unwatched);
        problems.chain(outcomes.map(News::Secret)).collect()
    }
}

fn tell(news: &News) {
    match news {
        News::Secret(Outcome {
            secret,
            error: None,
        }) => eprintln!("secret {secret}: changed, in use for new connections"),
        News::Secret(Outcome {
            secret,
            error: Some(error),
        }) => eprintln!("ERROR secret {secret}: cannot be used, the old one stays: {error}"),
        News::Unwatched(what) => eprintln!("ERROR secrets: {what}"),
    }
}

impl News {
    /// It tells that this secret has changed.
    fn is_of(&self, name: &str) -> bool {
        matches!(self, Self::Secret(Outcome { secret, error: None }) if secret == name)
    }
}

/// Tells of certificates and OCSP responses that have expired or are about to.
fn warn(secrets: &Secrets, is_wanted: impl Fn(&SecretStats) -> bool) {
    let now = engines::UnixTime::now().0;
    for stats in secrets.stats().iter().filter(|stats| is_wanted(stats)) {
        for warning in stats.warnings(now) {
            eprintln!("warning: {warning}");
        }
    }
}

#[cfg(test)]
mod tests;
