//! A report for a terminal.

use super::{Summary, figures, unit, warnings};
use crate::{grpc, outcome::Outcome};

/// Columns that a sentence is wrapped at.
const WIDTH: usize = 96;

/// An outcome for the eye: what was run, rates and counts, failures by class, latency, bytes, what the
/// generator needed, and at the end whatever makes the figures doubtful.
pub fn text(summary: &Summary, outcome: &Outcome) -> String {
    let mut out = format!("loadtest {}\n", summary.version);
    for (name, fact) in summary.facts() {
        sentence(&mut out, &format!("  {name:<10}"), &fact);
    }
    requests(&mut out, summary, outcome);
    errors(&mut out, outcome);
    calls(&mut out, outcome);
    latency(&mut out, summary, outcome);
    handshakes(&mut out, outcome);
    traffic(&mut out, outcome);
    for warning in warnings(summary, outcome) {
        out.push('\n');
        sentence(&mut out, "! ", &warning);
    }
    out
}

fn requests(out: &mut String, summary: &Summary, outcome: &Outcome) {
    let tally = &outcome.tally;
    let measured = unit::time(outcome.measured.as_nanos() as f64);
    let asked = summary.asked_per_second;
    let asked = asked.map_or_else(String::new, |rate| {
        format!(" ({}/s asked for)", unit::number_short(rate))
    });
    let rows = [
        ("started", tally.started),
        ("completed", tally.completed),
        ("failed", tally.failed),
        ("unfinished", tally.unfinished),
    ];
    let rows = rows.map(|(name, count)| {
        let rate = figures::per_second(count, outcome.measured);
        let share = unit::share(count, tally.started);
        [
            name.to_owned(),
            unit::count(count),
            unit::number(rate) + "/s",
            share,
        ]
    });
    out.push_str(&format!("\nRequests in {measured}{asked}\n"));
    table(out, &rows);
}

fn errors(out: &mut String, outcome: &Outcome) {
    let errors = figures::errors(outcome);
    if errors.is_empty() {
        return;
    }
    let rows: Vec<[String; 2]> = errors
        .iter()
        .map(|(class, count)| [figures::failure(*class).0.to_owned(), unit::count(*count)])
        .collect();
    out.push_str("\nFailures\n");
    let mut lines = String::new();
    table(&mut lines, &rows);
    for (line, (class, _)) in lines.lines().zip(&errors) {
        out.push_str(&format!("{line}   {}\n", figures::failure(*class).1));
    }
}

fn calls(out: &mut String, outcome: &Outcome) {
    let Some(calls) = &outcome.calls else {
        return;
    };
    let statuses = calls.statuses.iter();
    let statuses = statuses.map(|(status, count)| {
        let name = format!("{status} {}", grpc::name(*status));
        [name, unit::count(*count)]
    });
    let messages = ["messages".to_owned(), unit::count(calls.messages)];
    let rows: Vec<[String; 2]> = statuses.chain([messages]).collect();
    out.push_str("\nStatus of gRPC\n");
    table(out, &rows);
}

fn latency(out: &mut String, summary: &Summary, outcome: &Outcome) {
    let head = ["", "corrected", "uncorrected", "connect"].map(str::to_owned);
    let rows = figures::latency(outcome);
    let rows = rows
        .into_iter()
        .map(|(name, [corrected, uncorrected, connect])| {
            let [corrected, uncorrected, connect] =
                [corrected, uncorrected, connect].map(figures::time);
            [name.to_owned(), corrected, uncorrected, connect]
        });
    let samples = [&outcome.latency, &outcome.service, &outcome.connect];
    let samples = samples.map(|histogram| unit::count(histogram.len()));
    let [corrected, uncorrected, connect] = samples;
    let samples = ["samples".to_owned(), corrected, uncorrected, connect];
    let rows: Vec<[String; 4]> = [head].into_iter().chain(rows).chain([samples]).collect();
    out.push_str("\nLatency\n");
    table(out, &rows);
    if !summary.is_open {
        let note =
            "Closed arrivals ask a stalled target less: its stalls are hardly seen in latency.";
        sentence(out, "  ", note);
    }
}

fn handshakes(out: &mut String, outcome: &Outcome) {
    let Some(all) = &outcome.handshakes else {
        return;
    };
    out.push_str("\nTLS handshakes\n");
    table(out, &figures::handshakes(all, outcome.measured));
    table(out, &figures::handshake_times(all));
}

fn traffic(out: &mut String, outcome: &Outcome) {
    let tally = &outcome.tally;
    let bytes = |all: u64, in_time: u64| {
        let rate = figures::per_second(in_time, outcome.measured);
        [unit::bytes(all as f64), unit::bytes(rate) + "/s"]
    };
    let in_time = outcome.in_time;
    let [received, received_rate] = bytes(tally.received_bytes, in_time.received_bytes);
    let [sent, sent_rate] = bytes(tally.sent_bytes, in_time.sent_bytes);
    out.push_str("\nTraffic\n");
    table(
        out,
        &[
            ["received".to_owned(), received, received_rate],
            ["sent".to_owned(), sent, sent_rate],
            [
                "connected".to_owned(),
                unit::count(tally.connected),
                String::new(),
            ],
        ],
    );
    let generator = &outcome.generator;
    let rows = [
        ("threads", unit::count(generator.threads.into())),
        ("CPU time", unit::number(generator.cpu_seconds) + " s"),
        (
            "busiest",
            unit::number_short((1000.0 * generator.busy).round() / 10.0) + " %",
        ),
        ("latest", figures::time(Some(generator.late_ns))),
    ];
    out.push_str("\nGenerator\n");
    table(out, &rows.map(|(name, figure)| [name.to_owned(), figure]));
}

/// Rows with columns as wide as their widest cell, the first on the left, the others on the right.
fn table<const N: usize>(out: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0).max(8));
    for row in rows {
        let mut line = format!("  {:<1$}", row[0], widths[0].max(10));
        for (cell, width) in row.iter().zip(widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// A sentence behind a mark, wrapped so that its lines begin below each other.
fn sentence(out: &mut String, mark: &str, sentence: &str) {
    let indent = mark.chars().count();
    out.push_str(mark);
    let mut column = indent;
    for (at, word) in sentence.split_whitespace().enumerate() {
        // What a target or a workload names may hold anything; a terminal obeys control characters.
        let word: String = word.chars().filter(|c| !c.is_control()).collect();
        let width = word.chars().count();
        if at > 0 && column + 1 + width > WIDTH {
            out.push_str(&format!("\n{:indent$}", ""));
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(&word);
        column += width;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_run_reads_as_it_should() {
        let (summary, outcome) = sample::small();
        let expected = "\
loadtest 1.2.3
  target    127.0.0.1:8080 as example.org
  workload  1,000 requests/s evenly
  engine    uring, 1 thread, seed 0
  machine   Linux 6.8.0, Some CPU, 2 CPUs

Requests in 1.00 s (1,000/s asked for)
  started        1,000   1,000/s     100 %
  completed        990     990/s    99.0 %
  failed             8    8.00/s   0.800 %
  unfinished         2    2.00/s   0.200 %

Failures
  timeout            6   no answer in time
  closed             2   connection ended before the answer

Latency
              corrected  uncorrected   connect
  p50            100 µs      50.0 µs   20.0 µs
  p75            100 µs      50.0 µs   20.0 µs
  p90            100 µs      50.0 µs   20.0 µs
  p99           9.99 ms      50.0 µs   20.0 µs
  p99.9         9.99 ms      5.00 ms   20.0 µs
  p99.99        9.99 ms      5.00 ms   20.0 µs
  max           9.99 ms      5.00 ms   20.0 µs
  mean           298 µs      60.0 µs   20.0 µs
  samples         1,000          992         4

Traffic
  received    1.00 MiB  1.00 MiB/s
  sent        64.0 KiB  64.0 KiB/s
  connected          4

Generator
  threads            1
  CPU time     0.250 s
  busiest         25 %
  latest       20.0 µs

! At p99 the corrected latency is 200 times the uncorrected one: requests waited before they
  could be sent, because the target stalled or is slower than the rate.

! 8 of 1,000 requests failed (0.800 %), most as “timeout”.

! 2 of 1,000 requests had no answer when the run ended.
";
        let got = text(&summary, &outcome);
        assert_eq!(got, expected, "{got}");
    }

    #[test]
    fn handshakes_are_told_with_what_they_agreed_on() {
        let (summary, outcome) = sample::secured();
        let expected = "
TLS handshakes
  full                                   10    10.0/s
  resumed                                30    30.0/s
  TLS 1.3, TLS_AES_128_GCM_SHA256        40
  p50           250 µs
  p75           250 µs
  p90           250 µs
  p99           250 µs
  p99.9         250 µs
  p99.99        250 µs
  max           250 µs
  mean          250 µs
";
        let got = text(&summary, &outcome);
        assert!(got.contains(expected), "{got}");
    }

    #[test]
    fn any_outcome_is_told_without_numbers_that_are_none() {
        for (name, summary, outcome) in sample::odd() {
            let told = text(&summary, &outcome);
            for bad in ["NaN", "inf", "\u{1b}"] {
                assert!(!told.contains(bad), "{name}: {told}");
            }
            assert!(
                told.lines().all(|line| line.chars().count() <= 140),
                "{name}: {told}"
            );
        }
    }
}
