//! Proxies side by side under the same loads.
//!
//! Each proxy runs with one worker on a CPU of its own; generator and endpoint are on others. In every
//! round each proxy is started anew, loaded, and ended; beginner and direction change from round to round,
//! so that what drifts on the machine meets all of them. The CPU time is the kernel's count for all threads and
//! children of the proxy.
//!
//! * [`scenario`]: what is measured; [`find`]: who takes part.
//! * [`report`]: what was found, as [`markdown`], [`json`] and [`html`].

mod certificates;
mod counters;
mod dir;
mod endpoint;
pub mod figure;
pub mod find;
mod html;
mod json;
mod kinds;
pub mod limit;
mod markdown;
mod measure;
mod peer;
mod process;
pub mod report;
pub mod scenario;
mod statistics;
mod tables;
mod template;

pub use find::{Found, Wanted};
pub use html::html;
pub use json::json;
pub use kinds::{KINDS, Kind};
pub use markdown::markdown;
pub use peer::Peer;
pub use process::{PINNED, become_pinned};
pub use report::Report;
pub use scenario::{Overrides, Scenario};
pub use statistics::Spread;

use crate::{report::Machine, run::Stop, workload::Arrivals};
use certificates::Certificates;
use dir::Dir;
use endpoint::Endpoint;
use engines::EngineKind;
use limit::Base;
use measure::Bench;
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

/// The generator's CPUs of those that the load has: of several the endpoint has the last to itself.
pub fn generator_cpus(load_cpus: &[usize]) -> &[usize] {
    match load_cpus {
        [generator @ .., _] if !generator.is_empty() => generator,
        all => all,
    }
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
        certificates: Certificates::new()?,
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

struct Duel<'a> {
    bench: Bench<'a>,
    peers: &'a [Peer],
    progress: &'a mut dyn Progress,
    loads: Vec<f64>,
}

impl Duel<'_> {
    fn compare(&mut self, scenario: &Scenario) -> Comparison {
        let mut asked = scenario.clone();
        let mut base = None;
        if scenario.kind == Aim::Latency {
            base = self.base(scenario);
            let rate = base.map(|base| (base.requests_per_second * scenario.share).max(1.0));
            asked.workload.arrivals = rate.map_or(Arrivals::Closed, Arrivals::Constant);
        }
        let rows = self.rounds(&asked, asked.rounds);
        Comparison {
            scenario: asked,
            base,
            rows,
        }
    }

    /// What the proxies reach in a closed loop, over as many rounds as will be measured.
    fn base(&mut self, scenario: &Scenario) -> Option<Base> {
        let mut closed = scenario.clone();
        closed.workload.arrivals = Arrivals::Closed;
        limit::base(&self.rounds(&closed, closed.rounds))
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
            for index in turns(rows.len(), round as usize) {
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

/// In which order `count` proxies have their turns: who begins changes from round to round, and so does the
/// direction, so that nobody always comes after the same one.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| match round % 2 {
        0 => (round + turn) % count,
        _ => (round % count + count - turn) % count,
    })
}

/// Why a proxy cannot be measured under a load at all.
fn lacks(peer: &Peer, scenario: &Scenario) -> Option<String> {
    if scenario.listener == Listener::Tcp && !peer.has_tcp {
        let install = peer.kind.install;
        return Some(format!("this build cannot proxy TCP; try {install}"));
    }
    let mut lacks = peer.kind.lacks.iter();
    let lack = lacks.find(|(listener, _)| *listener == scenario.listener);
    lack.map(|(_, why)| (*why).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_in_every_round_and_nobody_always_the_same_before() {
        let order = |round| turns(4, round).collect::<Vec<_>>();
        assert_eq!(order(0), [0, 1, 2, 3]);
        assert_eq!(order(1), [1, 0, 3, 2]);
        assert_eq!(order(2), [2, 3, 0, 1]);
        assert_eq!(order(3), [3, 2, 1, 0]);
        assert_eq!(order(4), order(0));
        for (count, round) in [(1, 5), (3, 7), (5, 99)] {
            let mut all: Vec<_> = turns(count, round).collect();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
        assert_eq!(turns(0, 1).count(), 0);
    }
}
