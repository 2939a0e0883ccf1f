//! A report for a browser: one file that needs nothing else.

mod heat;
mod percentiles;
mod pieces;
mod timeline;

use super::{Summary, figures, page, unit, warnings};
use crate::outcome::Outcome;
use pieces::pieces;

/// An outcome as an HTML page: what was run, warnings, key figures, latency as table, by percentile and
/// over time, throughput and failures over time. It works offline and without script.
pub fn html(summary: &Summary, outcome: &Outcome) -> String {
    let pieces = pieces(outcome);
    let title = format!("Load on {}", summary.target);
    let mut body = format!("<h1>{}</h1>\n", super::markup::escape(&title));
    body += &page::facts(facts(summary, outcome));
    body += &page::alerts(&warnings(summary, outcome));
    body += &page::tiles(tiles(outcome));
    body += &latency(summary, outcome);
    body += &percentiles::section(outcome);
    body += &heat::section(&pieces, outcome.measured);
    body += &timeline::completed(&pieces);
    body += &timeline::failed(&pieces);
    body += &failures(outcome);
    body += &handshakes(outcome);
    body += &counts(summary, outcome);
    page::page(&title, &body)
}

fn facts(summary: &Summary, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mut facts = summary.facts();
    let cut = if outcome.is_cut { ", then cut" } else { "" };
    facts.push((
        "measured",
        unit::time(outcome.measured.as_nanos() as f64) + cut,
    ));
    facts.push(("loadtest", summary.version.clone()));
    facts
}

fn tiles(outcome: &Outcome) -> Vec<(&'static str, String, String)> {
    let tally = &outcome.tally;
    let completed = figures::per_second(tally.completed, outcome.measured);
    let received = figures::per_second(outcome.in_time.received_bytes, outcome.measured);
    let latency = |quantile| figures::time(figures::at(&outcome.latency, quantile));
    let of = |total: String| format!("{total} in all");
    vec![
        (
            "completed",
            unit::number(completed) + "/s",
            of(unit::count(tally.completed)),
        ),
        (
            "failed",
            unit::share(tally.failed, tally.started),
            of(unit::count(tally.failed)),
        ),
        ("p50", latency(0.5), "corrected".to_owned()),
        ("p99", latency(0.99), "corrected".to_owned()),
        (
            "max",
            figures::time(figures::max(&outcome.latency)),
            "corrected".to_owned(),
        ),
        (
            "received",
            unit::bytes(received) + "/s",
            of(unit::bytes(tally.received_bytes as f64)),
        ),
    ]
}

fn latency(summary: &Summary, outcome: &Outcome) -> String {
    let about = if summary.is_open {
        "Corrected: from the moment at which a request was to start. Uncorrected: from the moment at \
         which it was sent, as if nobody had waited."
    } else {
        "Each answer started the next request: a stalled target is asked less, so its stalls are hardly \
         seen here."
    };
    let rows = figures::latency(outcome).into_iter().map(|(name, times)| {
        let cells = times.map(figures::time);
        std::iter::once(name.to_owned()).chain(cells).collect()
    });
    let histograms = [&outcome.latency, &outcome.service, &outcome.connect];
    let samples = histograms.map(|histogram| unit::count(histogram.len()));
    let samples = std::iter::once("samples".to_owned())
        .chain(samples)
        .collect();
    let rows: Vec<Vec<String>> = rows.chain([samples]).collect();
    let table = page::table(&["", "corrected", "uncorrected", "connect"], &rows);
    page::section("Latency", about, &table)
}

fn failures(outcome: &Outcome) -> String {
    let errors = figures::errors(outcome);
    if errors.is_empty() {
        return String::new();
    }
    let row = |(class, count): &(_, u64)| {
        let (name, meaning) = figures::failure(*class);
        let name = format!("{name}: {meaning}");
        vec![name, unit::count(*count)]
    };
    let rows: Vec<Vec<String>> = errors.iter().map(row).collect();
    page::section(
        "Failures by class",
        "",
        &page::table(&["class", "count"], &rows),
    )
}

fn handshakes(outcome: &Outcome) -> String {
    let Some(all) = &outcome.handshakes else {
        return String::new();
    };
    let about = match all.is_measured {
        true => "From having a connection to having a session on it, in the measured time.",
        false => "From having a connection to having a session on it, before the measured time.",
    };
    let counts = figures::handshakes(all, outcome.measured);
    let counts: Vec<Vec<String>> = counts.into_iter().map(Vec::from).collect();
    let times: Vec<Vec<String>> = figures::handshake_times(all)
        .into_iter()
        .map(Vec::from)
        .collect();
    let tables = page::table(&["", "count", "rate"], &counts) + &page::table(&["", "time"], &times);
    page::section("TLS handshakes", about, &tables)
}

fn counts(summary: &Summary, outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let rate = |count| figures::per_second(count, outcome.measured);
    let requests = |name: &str, count| {
        vec![
            name.to_owned(),
            unit::count(count),
            unit::number(rate(count)) + "/s",
        ]
    };
    let bytes = |name: &str, all: u64, in_time: u64| {
        let (all, rate) = (unit::bytes(all as f64), unit::bytes(rate(in_time)));
        vec![name.to_owned(), all, rate + "/s"]
    };
    let mut rows = vec![
        requests("started", tally.started),
        requests("completed", tally.completed),
        requests("failed", tally.failed),
        requests("unfinished", tally.unfinished),
        // Some were before the time that was measured: they have no rate.
        vec![
            "connected".to_owned(),
            unit::count(tally.connected),
            String::new(),
        ],
        bytes(
            "received",
            tally.received_bytes,
            outcome.in_time.received_bytes,
        ),
        bytes("sent", tally.sent_bytes, outcome.in_time.sent_bytes),
    ];
    if let Some(asked) = summary.asked_per_second {
        let row = [
            "asked for".to_owned(),
            String::new(),
            unit::number(asked) + "/s",
        ];
        rows.insert(0, row.to_vec());
    }
    let table = page::table(&["", "count", "rate"], &rows);
    let generator = &outcome.generator;
    let own = page::facts([
        ("generator's threads", unit::count(generator.threads.into())),
        ("its CPU time", unit::number(generator.cpu_seconds) + " s"),
        (
            "busiest thread",
            unit::number_short((1000.0 * generator.busy).round() / 10.0) + " %",
        ),
        ("latest start", figures::time(Some(generator.late_ns))),
    ]);
    page::section("Counts", "", &(table + &own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{markup::check, sample};

    #[test]
    fn any_outcome_gives_a_well_formed_page_of_bounded_size() {
        for (name, summary, outcome) in sample::odd() {
            let page = html(&summary, &outcome);
            assert_eq!(check(&page), Ok(()), "{name}");
            for bad in ["NaN", ">inf", "\"inf", "\u{1b}", "<b>&"] {
                assert!(!page.contains(bad), "{name}: {bad}");
            }
            assert!(page.len() < 1 << 20, "{name}: {}", page.len());
        }
    }

    #[test]
    fn a_run_shows_all_sections() {
        let (summary, outcome) = sample::small();
        let page = html(&summary, &outcome);
        for (part, count) in [
            ("<h2>Latency</h2>", 1),
            ("<h2>Latency by percentile</h2>", 1),
            ("<h2>Latency over time</h2>", 1),
            ("<h2>Completed over time</h2>", 1),
            ("<h2>Failures over time</h2>", 1),
            ("<h2>Failures by class</h2>", 1),
            ("<svg ", 8),
            ("class=\"line s0\"", 4),
        ] {
            assert_eq!(page.matches(part).count(), count, "{part}");
        }
    }

    #[test]
    fn a_run_without_answers_says_so() {
        let (summary, outcome) = sample::empty();
        let page = html(&summary, &outcome);
        assert!(!page.contains("<svg"));
        assert!(page.contains("Nothing was recorded."));
    }
}
