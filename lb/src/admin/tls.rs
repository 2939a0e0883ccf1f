//! Statistics of TLS: handshakes by what they agreed on, why sessions failed, what became of secrets.

use super::prometheus::label;
use crate::{
    config::SecretStats,
    control::Running,
    stats::{HandshakeStats, WorkerStats},
};
use std::{collections::BTreeMap, fmt::Write, sync::PoisonError};

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// Writes the families.
pub(super) fn render(out: &mut String, running: &Running) {
    let sides: [(&str, fn(&WorkerStats) -> &HandshakeStats); 2] = [
        ("downstream", |worker| &worker.tls.downstream),
        ("upstream", |worker| &worker.tls.upstream),
    ];
    let sum = |count: &dyn Fn(&WorkerStats) -> u64| -> u64 {
        running.stats.iter().map(|worker| count(worker)).sum()
    };
    begin(out, "tls_handshakes_total", "Completed handshakes");
    for (side, of) in sides {
        for (place, version) in VERSIONS.iter().enumerate() {
            let labels = format!("side=\"{side}\",version=\"{version}\"");
            let count = sum(&|worker| of(worker).versions[place].get());
            line(out, "tls_handshakes_total", &labels, count);
        }
    }
    begin(
        out,
        "tls_resumed_total",
        "Handshakes that resumed a session",
    );
    for (side, of) in sides {
        let count = sum(&|worker| of(worker).resumed.get());
        line(out, "tls_resumed_total", &label("side", side), count);
    }
    begin(
        out,
        "tls_certified_total",
        "Handshakes with a certificate of the peer",
    );
    for (side, of) in sides {
        let count = sum(&|worker| of(worker).certified.get());
        line(out, "tls_certified_total", &label("side", side), count);
    }
    faults(out, running);
    secrets(out, &running.snapshot.secrets.stats());
}

fn faults(out: &mut String, running: &Running) {
    let mut sums = BTreeMap::new();
    for worker in &running.stats {
        let faults = worker.tls.faults.lock();
        let faults = faults.unwrap_or_else(PoisonError::into_inner);
        for (detail, count) in &*faults {
            *sums.entry(*detail).or_insert(0) += count;
        }
    }
    begin(
        out,
        "tls_faults_total",
        "Sessions that failed, by their detail",
    );
    for (detail, count) in sums {
        line(out, "tls_faults_total", &label("detail", detail), count);
    }
}

fn secrets(out: &mut String, secrets: &[SecretStats]) {
    begin(out, "secret_updates_total", "Changes that are in use");
    for secret in secrets {
        let labels = label("secret", &secret.secret);
        line(out, "secret_updates_total", &labels, secret.updates);
    }
    begin(
        out,
        "secret_update_failures_total",
        "Changes that cannot be used",
    );
    for secret in secrets {
        let (labels, count) = (label("secret", &secret.secret), secret.update_failures);
        line(out, "secret_update_failures_total", &labels, count);
    }
    let name = "ringlb_secret_expires_seconds";
    let help = "When the first certificate of the chain expires, since the Unix epoch";
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} gauge");
    for secret in secrets {
        if let Some(end) = secret.expires {
            let labels = label("secret", &secret.secret);
            let _ = writeln!(out, "{name}{{{labels}}} {}", end.as_secs());
        }
    }
}

fn begin(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP ringlb_{name} {help}.\n# TYPE ringlb_{name} counter"
    );
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "ringlb_{name}{{{labels}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn secrets_are_told_of_by_name() {
        let stats = SecretStats {
            secret: "a \"b\"".into(),
            updates: 2,
            update_failures: 1,
            expires: Some(Duration::from_secs(9)),
        };
        let trust = SecretStats {
            secret: "ca".into(),
            expires: None,
            ..stats.clone()
        };
        let mut out = String::new();
        secrets(&mut out, &[stats, trust]);
        let lines: Vec<_> = out.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                r#"ringlb_secret_updates_total{secret="a \"b\""} 2"#,
                r#"ringlb_secret_updates_total{secret="ca"} 2"#,
                r#"ringlb_secret_update_failures_total{secret="a \"b\""} 1"#,
                r#"ringlb_secret_update_failures_total{secret="ca"} 1"#,
                r#"ringlb_secret_expires_seconds{secret="a \"b\""} 9"#,
            ]
        );
    }
}
