//! Proxies side by side under the same loads.
//!
//! Each proxy runs with one worker on a CPU of its own; generator and endpoint are on others. In every
//! round each proxy is started anew, loaded, and ended; the order rotates from round to round, so that
//! what drifts on the machine meets all of them. The CPU time is the kernel's count for all threads and
//! children of the proxy.
//!
//! * [`scenario`]: what is measured; [`find`]: who takes part.
//! * [`report`]: what was found, as [`markdown`], [`json`] and [`html`].

mod counters;
mod endpoint;
pub mod figure;
pub mod find;
mod html;
mod markdown;
mod measure;
mod peer;
mod process;
pub mod report;
pub mod scenario;
mod statistics;
mod template;

pub use find::{Found, Wanted};
pub use html::html;
pub use markdown::markdown;
pub use peer::{KINDS, Kind, Peer};
pub use process::{PINNED, become_pinned};
pub use report::Report;
pub use scenario::{Overrides, Scenario};
pub use statistics::Spread;

use crate::{report::Machine, run::Stop, workload::Arrivals};
use endpoint::Endpoint;
use engines::EngineKind;
use figure::Figure;
use measure::Bench;
use process::Dir;
use report::{About, Comparison, Row};
use scenario::{Kind as Aim, Listener};

/// What is compared, and on what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In the order in which they are measured.
    pub scenarios: Vec<Scenario>,
    /// Who takes part.
    pub found: Found,
    /// Where the proxy runs.
    pub proxy_cpu: usize,
    /// Where generator and endpoint run; the endpoint has the last. At least one.
    pub load_cpus: Vec<usize>,
    /// What carries the load.
    pub engine: EngineKind,
    /// Seed of what a load draws.
    pub seed: u64,
}

/// What happened, for those who wait.
pub trait Progress {
    /// A round begins.
    fn begin(&mut self, scenario: &Scenario, round: u32, label: &str);
    /// It ended: its first figure, or why there is none.
    fn end(&mut self, result: Result<(&'static str, f64), &str>);
}

/// Measures everything. A [`Stop`] ends it early; the report has what was measured until then.
///
/// # Errors
/// The endpoint does not start.
pub fn run(plan: &Plan, stop: &Stop, progress: &mut dyn Progress) -> Result<Report, String> {
    let dir = Dir::new()?;
    let endpoint_cpu = plan.load_cpus.last().copied().unwrap_or(plan.proxy_cpu);
    // What we do ourselves is not to disturb the proxy.
    crate::serve::bind(endpoint_cpu)?;
    crate::serve::allow_descriptors();
    let endpoint = Endpoint::start(endpoint_cpu, &dir.sub("endpoint")?, stop)?;
    let bench = Bench {
        proxy_cpu: plan.proxy_cpu,
        load_cpus: plan.load_cpus.clone(),
        engine: plan.engine,
        seed: plan.seed,
        endpoint,
        dir,
        stop,
    };
    let mut duel = Duel {
        bench,
        peers: &plan.found.peers,
        progress,
        loads: Vec::new(),
    };
    let mut comparisons = Vec::new();
    for scenario in &plan.scenarios {
        if stop.is_set() {
            break;
        }
        comparisons.push(duel.compare(scenario));
    }
    let about = |peer: &Peer| About {
        label: peer.label.clone(),
        version: peer.version.clone(),
        is_rival: peer.is_rival,
    };
    Ok(Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine::read(),
        proxy_cpu: plan.proxy_cpu,
        load_cpus: plan.load_cpus.clone(),
        engine: plan.engine.to_string(),
        load_average: statistics::spread(&duel.loads).map(|all| (all.low, all.high)),
        peers: plan.found.peers.iter().map(about).collect(),
        notes: notes(plan),
        comparisons,
        is_cut: stop.is_set(),
    })
}

fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = plan.found.missing.clone();
    if plan.load_cpus.contains(&plan.proxy_cpu) {
        notes.push(
            "proxy, generator and endpoint share a CPU: rates and latencies say little".to_owned(),
        );
    }
    if cfg!(debug_assertions) {
        notes.push(
            "loadtest itself was built without optimisation: build with --release".to_owned(),
        );
    }
    notes
}

/// The report as JSON.
///
/// # Errors
/// None that this data can cause.
pub fn json(report: &Report) -> Result<String, String> {
    serde_json::to_string_pretty(report).map_err(|error| error.to_string())
}

struct Duel<'a> {
    bench: Bench<'a>,
    peers: &'a [Peer],
    progress: &'a mut dyn Progress,
    loads: Vec<f64>,
}

impl Duel<'_> {
    fn compare(&mut self, scenario: &Scenario) -> Comparison {
        let mut asked = scenario.clone();
        let mut rate = None;
        if scenario.kind == Aim::Latency {
            rate = self
                .limit(scenario)
                .map(|limit| (limit * scenario.share).max(1.0));
            asked.workload.arrivals = rate.map_or(Arrivals::Closed, Arrivals::Constant);
        }
        let rows = self.rounds(&asked, asked.rounds);
        Comparison {
            scenario: asked,
            rate,
            rows,
        }
    }

    /// Requests a second that the best rival reaches; the best of all where there is no rival.
    fn limit(&mut self, scenario: &Scenario) -> Option<f64> {
        let mut closed = scenario.clone();
        closed.workload.arrivals = Arrivals::Closed;
        let rows = self.rounds(&closed, 1);
        let reached = |is_wanted: fn(&Row) -> bool| {
            let rates = rows.iter().filter(|row| is_wanted(row));
            let rates = rates.filter_map(|row| row.spread(Figure::RequestsPerSecond));
            rates.map(|rate| rate.median).max_by(f64::total_cmp)
        };
        reached(|row| row.is_rival).or_else(|| reached(|_| true))
    }

    fn rounds(&mut self, scenario: &Scenario, rounds: u32) -> Vec<Row> {
        let row = |peer: &Peer| Row {
            label: peer.label.clone(),
            is_rival: peer.is_rival,
            rounds: Vec::new(),
            failure: lacks(peer, scenario),
        };
        let mut rows: Vec<Row> = self.peers.iter().map(row).collect();
        for round in 0..rounds {
            for turn in 0..rows.len() {
                let index = (turn + round as usize) % rows.len();
                if self.bench.stop.is_set() || rows[index].failure.is_some() {
                    continue;
                }
                self.loads.extend(counters::load_average());
                self.round(scenario, round, index, &mut rows[index]);
            }
        }
        rows
    }

    fn round(&mut self, scenario: &Scenario, round: u32, index: usize, row: &mut Row) {
        let peer = &self.peers[index];
        self.progress.begin(scenario, round, &peer.label);
        match self.bench.round(scenario, peer, round.into()) {
            // What was cut short is no figure.
            Ok(measured) if measured.is_cut => self.progress.end(Err(process::STOPPED)),
            Ok(measured) => {
                let figure = scenario.figures()[0];
                let value = measured.figures.get(&figure).copied();
                self.progress
                    .end(Ok((figure.title(), value.unwrap_or(f64::NAN))));
                row.rounds.push(measured);
            }
            Err(_) if self.bench.stop.is_set() => self.progress.end(Err(process::STOPPED)),
            Err(why) => {
                self.progress.end(Err(&why));
                row.failure = Some(why);
            }
        }
    }
}

/// Why a proxy cannot be measured under a load at all.
fn lacks(peer: &Peer, scenario: &Scenario) -> Option<String> {
    let is_missing = scenario.listener == Listener::Tcp && !peer.has_tcp;
    is_missing.then(|| format!("this build cannot proxy TCP; try {}", peer.kind.install))
}
