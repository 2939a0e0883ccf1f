//! What is told of TLS: handshakes, why sessions failed, and the secrets that are in use.

use super::prometheus::{family, label};
use crate::{
    config::SecretStats,
    control::Running,
    stats::{HandshakeStats, TlsStats, WorkerStats},
};
use engines::UnixTime;
use std::fmt::Write;
use tls::Version;

/// The handshakes of one side.
type Side = fn(&TlsStats) -> &HandshakeStats;

const SIDES: [(&str, Side); 2] = [
    ("downstream", |tls| &tls.downstream),
    ("upstream", |tls| &tls.upstream),
];

/// Writes what the workers have counted and how the secrets are.
pub(super) fn render(out: &mut String, running: &Running) {
    handshakes(out, &running.stats);
    faults(out, &running.stats);
    secrets(out, &running.snapshot.secrets.stats(), UnixTime::now());
}

fn handshakes(out: &mut String, workers: &[std::sync::Arc<WorkerStats>]) {
    let mut one = |name: &str, help: &str, labels: &[String], pick: &dyn Fn(usize) -> u64| {
        let name = format!("ringlb_tls_{name}");
        family(out, &name, help, "counter", labels, pick);
    };
    let sum = |side: Side, pick: &dyn Fn(&HandshakeStats) -> u64| -> u64 {
        workers.iter().map(|worker| pick(side(&worker.tls))).sum()
    };
    let versions = [Version::Tls12, Version::Tls13];
    let rows: Vec<_> = SIDES
        .iter()
        .flat_map(|(name, side)| (0..versions.len()).map(move |version| (*name, *side, version)))
        .collect();
    let labels = rows.iter().map(|(name, _, version)| {
        let version = label("version", versions[*version].name());
        format!("{},{version}", label("side", name))
    });
    one(
        "handshakes_total",
        "Completed handshakes",
        &labels.collect::<Vec<_>>(),
        &|i| {
            let (_, side, version) = rows[i];
            sum(side, &|stats| stats.versions[version].get())
        },
    );
    let sides = SIDES.map(|(name, _)| label("side", name));
    one(
        "resumed_total",
        "Handshakes that resumed a session",
        &sides,
        &|i| sum(SIDES[i].1, &|stats| stats.resumed.get()),
    );
    one(
        "certified_total",
        "Handshakes in which the peer presented a certificate",
        &sides,
        &|i| sum(SIDES[i].1, &|stats| stats.certified.get()),
    );
}

/// Why sessions failed: only what has occurred.
fn faults(out: &mut String, workers: &[std::sync::Arc<WorkerStats>]) {
    let sum = |at: usize| -> u64 {
        let workers = workers.iter();
        workers.map(|worker| worker.tls.faults[at].get()).sum()
    };
    let all = tls::DETAILS.iter().enumerate();
    let occurred = all.map(|(at, detail)| (label("detail", detail), sum(at)));
    let (labels, counts): (Vec<_>, Vec<_>) = occurred.filter(|(_, count)| *count > 0).unzip();
    family(
        out,
        "ringlb_tls_faults_total",
        "Sessions that failed, by reason",
        "counter",
        &labels,
        |i| counts[i],
    );
}

fn secrets(out: &mut String, stats: &[SecretStats], now: UnixTime) {
    let labels: Vec<_> = stats
        .iter()
        .map(|one| label("secret", &one.secret))
        .collect();
    family(
        out,
        "ringlb_secret_updates_total",
        "Changes that are in use",
        "counter",
        &labels,
        |i| stats[i].updates,
    );
    family(
        out,
        "ringlb_secret_update_failures_total",
        "Changes that could not be used",
        "counter",
        &labels,
        |i| stats[i].update_failures,
    );
    expiries(
        out,
        "ringlb_certificate_days_until_expiry",
        "Days until the first certificate of a chain expires, below 0 once it has",
        stats
            .iter()
            .zip(&labels)
            .map(|(one, label)| (label, one.expires)),
        now,
    );
    expiries(
        out,
        "ringlb_staple_days_until_expiry",
        "Days until a stapled OCSP response is outdated, below 0 once it is",
        stats
            .iter()
            .zip(&labels)
            .map(|(one, label)| (label, one.staple_expires)),
        now,
    );
}

fn expiries<'a>(
    out: &mut String,
    name: &str,
    help: &str,
    all: impl Iterator<Item = (&'a String, Option<tls::Now>)>,
    now: UnixTime,
) {
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} gauge");
    for (label, expires) in all {
        if let Some(expires) = expires {
            let _ = writeln!(out, "{name}{{{label}}} {}", days(expires, now));
        }
    }
}

/// Whole days from `now` on, rounded down.
fn days(at: tls::Now, now: UnixTime) -> i64 {
    let seconds = |time: tls::Now| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    (seconds(at) - seconds(now.0)).div_euclid(24 * 3600)
}

/// One line for each secret that is in use.
pub(super) fn certs(running: &Running) -> String {
    let mut out = String::new();
    for one in running.snapshot.secrets.stats() {
        let SecretStats {
            secret,
            updates,
            update_failures,
            ..
        } = &one;
        let _ = write!(
            out,
            "{secret}::updates::{updates}\n{secret}::update_failures::{update_failures}\n"
        );
        if let Some(expires) = one.expires {
            let days = days(expires, UnixTime::now());
            let _ = writeln!(out, "{secret}::days_until_expiry::{days}");
        }
        if let Some(expires) = one.staple_expires {
            let days = days(expires, UnixTime::now());
            let _ = writeln!(out, "{secret}::days_until_staple_expiry::{days}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_until_expiry_are_whole_and_go_below_zero() {
        let now = UnixTime(Duration::from_secs(1_000_000));
        for (after, want) in [(0, 0), (86_399, 0), (86_400, 1), (-1, -1), (-86_401, -2)] {
            let at = Duration::from_secs((1_000_000i64 + after) as u64);
            assert_eq!(days(at, now), want, "{after}");
        }
    }

    #[test]
    fn a_secret_is_told_of_with_its_failures_and_its_expiry() {
        let stats = [SecretStats {
            secret: "cert \"a\"".into(),
            updates: 2,
            update_failures: 1,
            expires: Some(Duration::from_secs(10 * 86_400)),
            staple_expires: None,
        }];
        let mut out = String::new();
        secrets(&mut out, &stats, UnixTime(Duration::ZERO));
        for line in [
            "ringlb_secret_updates_total{secret=\"cert \\\"a\\\"\"} 2",
            "ringlb_secret_update_failures_total{secret=\"cert \\\"a\\\"\"} 1",
            "ringlb_certificate_days_until_expiry{secret=\"cert \\\"a\\\"\"} 10",
        ] {
            assert!(out.lines().any(|other| other == line), "{line}\n{out}");
        }
    }
}
