//! `/stats/prometheus`: the workers' blocks, summed, in the text format 0.0.4.

use super::{grpc_answers, tls};
use crate::{
    config::Terminal,
    control::Running,
    stats::{ClusterStats, Counter, Gauge, Histogram, HistogramTotals, ListenerStats},
};
use std::fmt::Write;

/// Upper bounds of the latency buckets, in µs.
const BOUNDS_US: [u64; 14] = [
    250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// A metric's name, what it means, and where a block keeps it.
type Metric<S, T> = (&'static str, &'static str, fn(&S) -> &T);

const LISTENER_COUNTERS: &[Metric<ListenerStats, Counter>] = &[
    ("connections_total", "Connections accepted", |s| {
        &s.connections
    }),
    ("accept_failures_total", "Accepts that failed", |s| {
        &s.accept_failures
    }),
    ("requests_total", "Requests with a complete head", |s| {
        &s.requests
    }),
    ("upgrades_total", "Requests that became tunnels", |s| {
        &s.upgrades
    }),
    ("malformed_total", "Requests refused as malformed", |s| {
        &s.malformed
    }),
    (
        "resets_total",
        "Requests given up without a complete answer",
        |s| &s.resets,
    ),
    (
        "head_timeouts_total",
        "request_headers_timeout fired",
        |s| &s.head_timeouts,
    ),
    ("request_timeouts_total", "request_timeout fired", |s| {
        &s.request_timeouts
    }),
    (
        "stream_idle_timeouts_total",
        "stream_idle_timeout fired",
        |s| &s.stream_idle_timeouts,
    ),
    (
        "duration_timeouts_total",
        "max_stream_duration or grpc-timeout fired",
        |s| &s.duration_timeouts,
    ),
    (
        "idle_timeouts_total",
        "idle_timeout of a connection fired",
        |s| &s.idle_timeouts,
    ),
    (
        "tls_handshake_failures_total",
        "Handshakes that failed",
        |s| &s.handshake_failures,
    ),
    (
        "tls_handshake_timeouts_total",
        "transport_socket_connect_timeout fired",
        |s| &s.handshake_timeouts,
    ),
    (
        "tls_handshake_overflows_total",
        "Handshakes given up because too many younger ones were under way",
        |s| &s.handshake_overflows,
    ),
    (
        "no_filter_chain_total",
        "Connections that no filter chain matches",
        |s| &s.no_chain,
    ),
    (
        "filter_timeouts_total",
        "listener_filters_timeout fired",
        |s| &s.inspect_timeouts,
    ),
    (
        "keepalive_timeouts_total",
        "Connections whose PING was not answered in time",
        |s| &s.keepalive_timeouts,
    ),
    (
        "discard_overflows_total",
        "Discarded bodies over the limit",
        |s| &s.discard_overflows,
    ),
    (
        "discard_timeouts_total",
        "Discarded bodies that did not end in time",
        |s| &s.discard_timeouts,
    ),
    (
        "linger_overflows_total",
        "Lingering closes cut for their bytes",
        |s| &s.linger_overflows,
    ),
    (
        "linger_timeouts_total",
        "Lingering closes cut for their time",
        |s| &s.linger_timeouts,
    ),
    (
        "flush_timeouts_total",
        "Connections whose last bytes were not taken in time",
        |s| &s.flush_timeouts,
    ),
    (
        "rematch_overflows_total",
        "Requests sent back to matching too often",
        |s| &s.rematch_overflows,
    ),
    ("backpressure_total", "Times a source was paused", |s| {
        &s.backpressure
    }),
    ("passes_total", "Answers whose body went past us", |s| {
        &s.passes
    }),
    ("received_bytes_total", "Bytes of bodies received", |s| {
        &s.received_bytes
    }),
    ("sent_bytes_total", "Bytes of bodies sent", |s| {
        &s.sent_bytes
    }),
];

const LISTENER_GAUGES: &[Metric<ListenerStats, Gauge>] = &[
    ("connections_active", "Connections open now", |s| {
        &s.connections_active
    }),
    ("requests_active", "Requests under way now", |s| {
        &s.requests_active
    }),
    (
        "upgrades_active",
        "Tunnels of upgraded requests open now",
        |s| &s.upgrades_active,
    ),
];

const CLUSTER_COUNTERS: &[Metric<ClusterStats, Counter>] = &[
    ("connections_total", "Connections begun", |s| &s.connections),
    (
        "connect_failures_total",
        "Connections that failed to open",
        |s| &s.connect_failures,
    ),
    ("connect_timeouts_total", "connect_timeout fired", |s| {
        &s.connect_timeouts
    }),
    (
        "tls_handshake_failures_total",
        "Handshakes that failed",
        |s| &s.handshake_failures,
    ),
    ("requests_total", "Requests sent", |s| &s.requests),
    (
        "connections_overflow_total",
        "max_connections reached",
        |s| &s.connections_overflow,
    ),
    (
        "pending_overflow_total",
        "max_pending_requests reached",
        |s| &s.pending_overflow,
    ),
    ("requests_overflow_total", "max_requests reached", |s| {
        &s.requests_overflow
    }),
    ("retries_overflow_total", "max_retries reached", |s| {
        &s.retries_overflow
    }),
    ("retries_total", "Requests tried again", |s| &s.retries),
    (
        "retry_bytes_exceeded_total",
        "Bodies too long to retry",
        |s| &s.retry_bytes_exceeded,
    ),
    ("timeouts_total", "The route's timeout fired", |s| {
        &s.timeouts
    }),
    (
        "resets_total",
        "Connections that ended within an answer",
        |s| &s.resets,
    ),
    (
        "stream_resets_total",
        "Requests given up or not taken by the endpoint",
        |s| &s.stream_resets,
    ),
    (
        "reset_overflows_total",
        "Connections retired because too many requests were given up on them",
        |s| &s.reset_overflows,
    ),
    (
        "connections_drained_total",
        "Connections that the endpoint ends with GOAWAY",
        |s| &s.connections_drained,
    ),
    (
        "keepalive_timeouts_total",
        "Connections whose PING was not answered in time",
        |s| &s.keepalive_timeouts,
    ),
    ("malformed_total", "Answers refused as malformed", |s| {
        &s.malformed
    }),
    (
        "idle_overflows_total",
        "Connections closed because too many were idle",
        |s| &s.idle_overflows,
    ),
    ("no_endpoint_total", "Requests without an endpoint", |s| {
        &s.no_endpoint
    }),
];

const CLUSTER_GAUGES: &[Metric<ClusterStats, Gauge>] = &[
    (
        "connections_active",
        "Connections open or being opened",
        |s| &s.connections_active,
    ),
    ("requests_active", "Requests under way now", |s| {
        &s.requests_active
    }),
];

/// What each block of a kind counts.
struct Kind<S: 'static> {
    whose: &'static str,
    counters: &'static [Metric<S, Counter>],
    gauges: &'static [Metric<S, Gauge>],
    answers: fn(&S) -> &[Counter; 5],
    latency: fn(&S) -> &Histogram,
}

const LISTENERS: Kind<ListenerStats> = Kind {
    whose: "listener",
    counters: LISTENER_COUNTERS,
    gauges: LISTENER_GAUGES,
    answers: |s| &s.answers,
    latency: |s| &s.latency,
};

const CLUSTERS: Kind<ClusterStats> = Kind {
    whose: "cluster",
    counters: CLUSTER_COUNTERS,
    gauges: CLUSTER_GAUGES,
    answers: |s| &s.answers,
    latency: |s| &s.latency,
};

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
        let prefix = match &listener.chains.only_chain().terminal {
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

fn family(
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
