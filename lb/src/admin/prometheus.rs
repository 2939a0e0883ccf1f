//! `/stats/prometheus`: the workers' blocks, summed, in the text format 0.0.4.

use super::{
    grpc_answers,
    metrics::{CLUSTERS, Kind, LISTENERS},
    tls,
};
use crate::{config::Terminal, control::Running, stats::HistogramTotals};
use std::fmt::Write;

/// Upper bounds of the latency buckets, in µs.
const BOUNDS_US: [u64; 14] = [
    250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

pub(super) fn render(running: &Running) -> String {
    let mut out = String::new();
    let stats = &running.stats;
    let listeners: Vec<_> = stats.iter().map(|worker| &worker.listeners[..]).collect();
    blocks(
        &mut out,
        &LISTENERS,
        &labels_of_listeners(running),
        &listeners,
    );
    let names = running.snapshot.clusters.iter();
    let names: Vec<_> = names
        .map(|cluster| label("cluster", &cluster.name))
        .collect();
    let clusters: Vec<_> = stats.iter().map(|worker| &worker.clusters[..]).collect();
    blocks(&mut out, &CLUSTERS, &names, &clusters);
    grpc_answers::render(&mut out, &names, &clusters);
    workers(&mut out, running);
    http2_limits(&mut out, running);
    tls::render(&mut out, running);
    out
}

/// Everything that blocks of a kind count, the workers' blocks summed.
fn blocks<S>(out: &mut String, kind: &Kind<S>, labels: &[String], workers: &[&[S]]) {
    let whose = kind.whose;
    for (name, help, pick) in kind.counters {
        let sum = |i: usize| workers.iter().map(|blocks| pick(&blocks[i]).get()).sum();
        family(
            out,
            &format!("ringlb_{whose}_{name}"),
            help,
            "counter",
            labels,
            sum,
        );
    }
    for (name, help, pick) in kind.gauges {
        let sum = |i: usize| workers.iter().map(|blocks| pick(&blocks[i]).get()).sum();
        family(
            out,
            &format!("ringlb_{whose}_{name}"),
            help,
            "gauge",
            labels,
            sum,
        );
    }
    answers(out, whose, labels, |i, class| {
        let counters = workers.iter().map(|blocks| (kind.answers)(&blocks[i]));
        counters.map(|answers| answers[class].get()).sum()
    });
    histograms(out, whose, labels, |i, totals| {
        workers
            .iter()
            .for_each(|blocks| (kind.latency)(&blocks[i]).add_to(totals));
    });
}

/// Times peers broke the limits of HTTP/2, by the limit's name.
fn http2_limits(out: &mut String, running: &Running) {
    let limits = codecs::http2::LIMITS.iter();
    let labels: Vec<_> = limits.map(|name| label("limit", name)).collect();
    family(
        out,
        "ringlb_http2_limits_total",
        "Times a peer broke a limit",
        "counter",
        &labels,
        |i| {
            let workers = running.stats.iter();
            workers.map(|worker| worker.http2_limits[i].get()).sum()
        },
    );
    let workers = running.stats.iter();
    let sum: u64 = workers.map(|worker| worker.control_overflows.get()).sum();
    let (name, help) = (
        "ringlb_control_overflows_total",
        "Connections closed because their peer asks and does not read",
    );
    let _ = writeln!(
        out,
        "# HELP {name} {help}.\n# TYPE {name} counter\n{name} {sum}"
    );
}

fn labels_of_listeners(running: &Running) -> Vec<String> {
    let labels = running.snapshot.listeners.iter().map(|listener| {
        let prefix = match &listener.chains.first_chain().terminal {
            Terminal::Http(http) => &http.stat_prefix,
            Terminal::Tcp(tcp) => &tcp.stat_prefix,
        };
        format!(
            "{},{}",
            label("listener", &listener.name),
            label("stat_prefix", prefix)
        )
    });
    labels.collect()
}

/// `name="value"`, escaped as the format asks.
pub(super) fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

pub(super) fn family(
    out: &mut String,
    name: &str,
    help: &str,
    kind: &str,
    labels: &[String],
    value: impl Fn(usize) -> u64,
) {
    let _ = writeln!(out, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    for (index, label) in labels.iter().enumerate() {
        let _ = writeln!(out, "{name}{{{label}}} {}", value(index));
    }
}

fn answers(out: &mut String, whose: &str, labels: &[String], sum: impl Fn(usize, usize) -> u64) {
    let name = format!("ringlb_{whose}_answers_total");
    let _ = writeln!(
        out,
        "# HELP {name} Answers by class of status.\n# TYPE {name} counter"
    );
    for (index, label) in labels.iter().enumerate() {
        for class in 0..5 {
            let sum = sum(index, class);
            let _ = writeln!(out, "{name}{{{label},class=\"{}xx\"}} {sum}", class + 1);
        }
    }
}

fn histograms(
    out: &mut String,
    whose: &str,
    labels: &[String],
    add: impl Fn(usize, &mut HistogramTotals),
) {
    let name = format!("ringlb_{whose}_latency_seconds");
    let _ = writeln!(
        out,
        "# HELP {name} Duration of requests.\n# TYPE {name} histogram"
    );
    for (index, label) in labels.iter().enumerate() {
        let mut totals = HistogramTotals::default();
        add(index, &mut totals);
        for bound in BOUNDS_US {
            let (seconds, below) = (bound as f64 / 1e6, totals.below(bound));
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"{seconds}\"}} {below}");
        }
        let (count, sum) = (totals.count(), totals.sum_us as f64 / 1e6);
        let _ = writeln!(out, "{name}_bucket{{{label},le=\"+Inf\"}} {count}");
        let _ = writeln!(
            out,
            "{name}_sum{{{label}}} {sum}\n{name}_count{{{label}}} {count}"
        );
    }
}

fn workers(out: &mut String, running: &Running) {
    let labels: Vec<_> = (0..running.stats.len())
        .map(|w| format!("worker=\"{w}\",engine=\"{}\"", running.engine))
        .collect();
    let engine = |index: usize| &running.stats[index].engine;
    let mut one = |name: &str, help: &str, kind: &str, value: &dyn Fn(usize) -> u64| {
        family(
            out,
            &format!("ringlb_worker_{name}"),
            help,
            kind,
            &labels,
            value,
        );
    };
    one("waits_total", "Turns of the loop", "counter", &|i| {
        engine(i).waits.get()
    });
    one("events_total", "Events delivered", "counter", &|i| {
        engine(i).events.get()
    });
    one(
        "rearms_total",
        "Receives started, sockets registered",
        "counter",
        &|i| engine(i).rearms.get(),
    );
    one(
        "rests_total",
        "Receives given up because nothing came for long",
        "counter",
        &|i| engine(i).rests.get(),
    );
    one(
        "pipes_refused_total",
        "Times that bulk was copied for want of a pipe",
        "counter",
        &|i| engine(i).pipes_refused.get(),
    );
    one(
        "blocks_exhausted_total",
        "Receives that waited for blocks",
        "counter",
        &|i| engine(i).blocks_exhausted.get(),
    );
    one(
        "quota_reached_total",
        "Receives that waited for their quota",
        "counter",
        &|i| engine(i).quota_reached.get(),
    );
    one(
        "reserve_receives_total",
        "Receives from the reserve",
        "counter",
        &|i| engine(i).reserve_receives.get(),
    );
    one(
        "access_log_drops_total",
        "Access log entries dropped",
        "counter",
        &|i| running.stats[i].log_drops.get(),
    );
    one(
        "blocks_leased",
        "Receive blocks leased now",
        "gauge",
        &|i| engine(i).blocks_leased.get(),
    );
}
