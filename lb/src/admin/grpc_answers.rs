//! Statistics of gRPC requests by what they came to: only clusters and statuses that have occurred.

use crate::{grpc::Outcome, stats::ClusterStats};
use std::fmt::Write;

/// Writes the family; `workers`: the blocks of each, in the order of `labels`.
pub(super) fn render(out: &mut String, labels: &[String], workers: &[&[ClusterStats]]) {
    let name = "ringlb_cluster_grpc_answers_total";
    let _ = writeln!(
        out,
        "# HELP {name} gRPC requests by status.\n# TYPE {name} counter"
    );
    for (index, label) in labels.iter().enumerate() {
        let all = workers.iter().map(|blocks| blocks[index].grpc.counters());
        let all: Vec<_> = all.flatten().collect();
        for slot in 0..Outcome::SLOTS {
            let sum: u64 = all.iter().map(|counters| counters[slot].get()).sum();
            if sum > 0 {
                let status = Outcome::label(slot);
                let _ = writeln!(out, "{name}{{{label},grpc_status=\"{status}\"}} {sum}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_occurred_is_summed_over_the_workers_and_nothing_else_is_told() {
        let workers = [0, 1].map(|_| [0, 1].map(|_| ClusterStats::default()));
        for (worker, field) in [(0, Some("0")), (1, Some("0")), (1, Some("99")), (0, None)] {
            let outcome = Outcome::of_field(field.map(str::as_bytes));
            workers[worker][1].grpc.count(outcome.slot().unwrap());
        }
        assert!(workers[0][0].grpc.counters().is_none());
        let labels = ["cluster=\"a\"".to_owned(), "cluster=\"b\"".to_owned()];
        let mut out = String::new();
        render(&mut out, &labels, &[&workers[0], &workers[1]]);
        let lines: Vec<_> = out.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [("0", 2), ("other", 1), ("none", 1)].map(|(status, count)| {
            let labels = format!("cluster=\"b\",grpc_status=\"{status}\"");
            format!("ringlb_cluster_grpc_answers_total{{{labels}}} {count}")
        });
        assert_eq!(lines, expected);
    }
}
