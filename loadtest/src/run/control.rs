//! The thread that called: it starts the others, tells the watch what happens, and adds up what they
//! measured.

use super::{
    Means, RunError, Stop, Target, Watch,
    lane::{Lane, Load, Share},
    limits,
    live::Live,
    slices::Slices,
    thread::{Part, Seat},
};
use crate::{
    outcome::{Handshakes, Outcome, Tally},
    workload::Workload,
};
use engines::Rng;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Until the threads know the moment at which they start.
const NOTICE: Duration = Duration::from_millis(2);
const TICK: Duration = Duration::from_secs(1);

/// What a thread tells.
pub(super) enum Told {
    /// Its connections came about, or failed once; why, if none came about.
    Settled {
        unreachable: Option<String>,
    },
    /// No request is waited for any more.
    Ended,
    Done(Box<Part>),
    Failed(String),
}

/// The threads of a run.
pub(super) struct Crew<'a> {
    target: &'a Target,
    threads: Vec<JoinHandle<()>>,
    lives: Vec<Arc<Live>>,
    told: Receiver<Told>,
    /// Dropped to let connections close.
    releases: Vec<Sender<()>>,
    orders: Arc<Orders>,
    stop: &'a Stop,
}

/// What the threads are told.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// When requests start.
    pub(super) start: OnceLock<Instant>,
    /// The run was given up.
    pub(super) is_off: AtomicBool,
}

impl<'a> Crew<'a> {
    /// Starts the threads; their connections open.
    pub(super) fn start(
        target: &'a Target,
        workload: &Workload,
        means: &Means,
        stop: &'a Stop,
    ) -> Result<Self, RunError> {
        let threads = means.threads as u64;
        limits::check_descriptors(workload, threads).map_err(RunError)?;
        let load = Arc::new(Load::new(target.clone(), workload.clone()));
        let (tell, told) = channel();
        let mut crew = Self {
            target,
            threads: Vec::new(),
            lives: Vec::new(),
            told,
            releases: Vec::new(),
            orders: Arc::default(),
            stop,
        };
        let mut rng = Rng::seeded(means.seed);
        for index in 0..means.threads {
            let (release, released) = channel();
            let live = Arc::new(Live::default());
            let seat = Seat {
                load: load.clone(),
                share: Share {
                    index: index as u32,
                    of: means.threads as u32,
                },
                seed: rng.next_u64(),
                engine: means.engine,
                cpu: (!means.cpus.is_empty()).then(|| means.cpus[index % means.cpus.len()]),
                stop: stop.clone(),
                orders: crew.orders.clone(),
                live: live.clone(),
                told: tell.clone(),
                release: released,
            };
            let named = std::thread::Builder::new().name(format!("load-{index}"));
            let thread = named
                .spawn(move || seat.work())
                .map_err(|error| RunError(format!("thread {index}: {error}")))?;
            crew.threads.push(thread);
            crew.lives.push(live);
            crew.releases.push(release);
        }
        Ok(crew)
    }

    /// Sees the run through.
    pub(super) fn see_through(
        mut self,
        workload: &Workload,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        self.try_see_through(workload, watch)
    }

    fn try_see_through(
        &mut self,
        workload: &Workload,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, RunError> {
        self.settle()?;
        self.accompany(workload, watch)?;
        let is_cut = self.stop.is_set();
        watch.end(&self.tally());
        self.releases.clear();
        let mut sum = Sum::default();
        for _ in 0..self.threads.len() {
            match self.told.recv() {
                Ok(Told::Done(part)) => sum.add(*part),
                Ok(Told::Failed(why)) => return Err(self.failed(&why)),
                Ok(Told::Settled { .. } | Told::Ended) => {}
                Err(_) => return Err(RunError("a thread of the load died".to_owned())),
            }
        }
        Ok(sum.into_outcome(is_cut))
    }

    /// Waits until all connections came about or failed once; at least one has to come about.
    fn settle(&self) -> Result<(), RunError> {
        let (mut causes, mut settled) = (Vec::new(), 0);
        while settled < self.threads.len() {
            match self.told.recv() {
                Ok(Told::Settled { unreachable }) => {
                    causes.extend(unreachable);
                    settled += 1;
                }
                Ok(Told::Ended | Told::Done(_)) if self.stop.is_set() => {
                    return Err(RunError("stopped before the first request".to_owned()));
                }
                Ok(Told::Failed(why)) => return Err(self.failed(&why)),
                Ok(Told::Ended | Told::Done(_)) | Err(_) => {
                    return Err(RunError("a thread of the load died".to_owned()));
                }
            }
        }
        if causes.len() == settled {
            let cause = causes.first().map_or("", String::as_str);
            return Err(RunError(format!(
                "cannot connect to {}: {cause}",
                self.target.address
            )));
        }
        Ok(())
    }

    /// Lets requests start, and tells the watch until all threads ended.
    fn accompany(&self, workload: &Workload, watch: &mut dyn Watch) -> Result<(), RunError> {
        let start = now() + NOTICE;
        let _ = self.orders.start.set(start);
        self.stop.wake();
        let begin = start + workload.warm_up;
        let (mut has_begun, mut next, mut ended) = (false, begin.min(start + TICK), 0);
        while ended < self.threads.len() {
            let left = next.saturating_duration_since(now());
            match self.told.recv_timeout(left) {
                Ok(Told::Ended) => ended += 1,
                Ok(Told::Failed(why)) => return Err(self.failed(&why)),
                Ok(Told::Settled { .. } | Told::Done(_)) => {}
                Err(RecvTimeoutError::Timeout) => {
                    if !has_begun && next >= begin {
                        has_begun = true;
                        watch.begin(&self.tally());
                    } else {
                        watch.tick(&self.tally());
                    }
                    let tick = next + TICK;
                    next = if has_begun { tick } else { tick.min(begin) };
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(RunError("a thread of the load died".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn failed(&self, why: &str) -> RunError {
        RunError(format!("{}: {why}", self.target.address))
    }

    fn tally(&self) -> Tally {
        let mut sum = Tally::default();
        self.lives.iter().for_each(|live| live.add_to(&mut sum));
        sum
    }
}

impl Drop for Crew<'_> {
    /// No thread outlives its run.
    fn drop(&mut self) {
        self.orders.is_off.store(true, Ordering::Release);
        self.stop.wake();
        self.releases.clear();
        for thread in self.threads.drain(..) {
            // What it died of was told on stderr.
            let _ = thread.join();
        }
        self.stop.detach_all();
    }
}

/// The one place outside the engines that reads a clock: this thread waits on no engine.
#[expect(
    clippy::disallowed_methods,
    reason = "the control thread has no engine"
)]
fn now() -> Instant {
    Instant::now()
}

/// What lanes measured together that were driven without threads; nothing is known of the generator.
pub fn outcome(lanes: Vec<Lane>) -> Outcome {
    let mut sum = Sum::default();
    for lane in lanes {
        let (record, measured) = lane.into_record();
        sum.add(Part {
            record,
            measured,
            cpu: Duration::ZERO,
            busy: 0.0,
        });
    }
    sum.into_outcome(false)
}

/// What the threads measured, added up.
#[derive(Default)]
struct Sum {
    outcome: Outcome,
    slices: Slices,
    /// Before the measured time, and in it.
    handshakes: Option<[Handshakes; 2]>,
}

impl Sum {
    fn add(&mut self, part: Part) {
        let (record, outcome) = (part.record, &mut self.outcome);
        outcome.measured = outcome.measured.max(part.measured);
        let tally = &mut outcome.tally;
        tally.started += record.tally.started;
        tally.completed += record.tally.completed;
        tally.failed += record.tally.failed;
        tally.unfinished += record.tally.unfinished;
        tally.received_bytes += record.tally.received_bytes;
        tally.sent_bytes += record.tally.sent_bytes;
        tally.connected += record.tally.connected;
        outcome.in_time.received_bytes += record.in_time.received_bytes;
        outcome.in_time.sent_bytes += record.in_time.sent_bytes;
        outcome.unverified += record.unverified;
        if let Some(calls) = record.calls {
            let sum = outcome.calls.get_or_insert_default();
            sum.messages += calls.messages;
            for (status, count) in calls.statuses {
                *sum.statuses.entry(status).or_default() += count;
            }
        }
        if let Some(parts) = record.handshakes {
            let none = || [false, true].map(Handshakes::new);
            let sums = self.handshakes.get_or_insert_with(none);
            for (sum, part) in sums.iter_mut().zip(&parts) {
                sum.add(part);
            }
        }
        for (failure, count) in record.errors.into_iter().filter(|(_, count)| *count > 0) {
            *outcome.errors.entry(failure).or_default() += count;
        }
        for (into, from) in [
            (&mut outcome.latency, record.latency),
            (&mut outcome.service, record.service),
            (&mut outcome.connect, record.connect),
        ] {
            // Refused only if `from` reached farther; all have the same bounds.
            let _ = into.add(&from);
        }
        self.slices.add(record.slices);
        let generator = &mut outcome.generator;
        generator.cpu_seconds += part.cpu.as_secs_f64();
        generator.threads += 1;
        generator.late_ns = generator.late_ns.max(record.late_ns);
        generator.busy = generator.busy.max(part.busy);
        generator.cut_lingering += record.cut_lingering;
    }

    fn into_outcome(self, is_cut: bool) -> Outcome {
        let (slices, slice) = self.slices.into_parts();
        let handshakes = self
            .handshakes
            .map(|[before, measured]| match measured.count() {
                0 => before,
                _ => measured,
            });
        Outcome {
            handshakes,
            slices,
            slice,
            is_cut,
            ..self.outcome
        }
    }
}
