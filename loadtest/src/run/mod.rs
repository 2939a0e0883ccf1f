//! Asking and measuring: a thread a core, each with an engine, connections and histograms of its own.

mod arrivals;
mod connection;
mod control;
mod cpu_time;
mod echo;
mod exchange;
mod lane;
mod limits;
mod live;
mod mix;
mod net;
mod pipeline;
mod protocol;
mod recorder;
mod secure;
mod slices;
mod stop;
mod thread;
mod unread;

pub use control::outcome;
pub use lane::{Lane, Load, Share};
pub use limits::{BACKLOG_MAX, LINGERING_MAX};
pub use secure::Tls;
pub use stop::Stop;

use crate::{
    outcome::{Outcome, Tally},
    workload::Workload,
};
use engines::{EngineKind, SockAddr};
use std::fmt;

/// Where a load goes to, and what carries it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub address: SockAddr,
    /// `Host` of the requests that do not say another.
    pub authority: String,
    /// How it is spoken to over TLS; none: in the clear.
    pub tls: Option<Tls>,
}

/// What makes the load.
#[derive(Clone, Debug)]
pub struct Means {
    /// The engine of each thread.
    pub engine: EngineKind,
    /// Threads, at least 1.
    pub threads: usize,
    /// CPUs that the threads are bound to, in turn; empty: not bound.
    pub cpus: Vec<usize>,
    /// Seed of what is drawn (mix, Poisson arrivals).
    pub seed: u64,
}

/// Is told of a run's moments, on the thread that called [`run`]. Counts are from the very start on,
/// warm-up included.
pub trait Watch {
    /// The warm-up is over.
    fn begin(&mut self, _so_far: &Tally) {}
    /// A second passed.
    fn tick(&mut self, _so_far: &Tally) {}
    /// The last request was started and the grace is over; connections are still open.
    fn end(&mut self, _so_far: &Tally) {}
}

/// Why a run could not be made.
#[derive(Debug)]
pub struct RunError(pub String);

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RunError {}

/// Makes the load and waits for its end. A [`Stop`] ends it early; what was measured until then is the
/// outcome.
///
/// # Errors
/// Nothing of the load could be made: limits of the process, no engine, a workload that contradicts
/// itself, a target that takes no connection or does not speak the protocol at the first try.
pub fn run(
    target: &Target,
    workload: &Workload,
    means: &Means,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> Result<Outcome, RunError> {
    workload
        .check(means.threads)
        .map_err(|problems| RunError(problems.join("\n")))?;
    control::Crew::start(target, workload, means, stop)?.see_through(workload, watch)
}
