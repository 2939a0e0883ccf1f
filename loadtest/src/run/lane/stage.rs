//! The stages of a lane: connections open, requests start, their answers are waited for.

use super::{Lane, nanos};
use crate::{run::arrivals::Arrivals, workload::Workload};
use engines::Rng;
use std::time::Instant;

pub use crate::run::arrivals::Share;

/// Where a lane stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connections are opened; nothing is asked.
    Opening,
    /// Requests start.
    Running,
    /// No request starts any more; answers are waited for until then.
    Ending {
        until_ns: u64,
    },
    Done,
}

/// When requests start.
#[derive(Debug)]
pub(super) struct Schedule {
    warm_up: Arrivals,
    main: std::iter::Take<Arrivals>,
    warm_up_ns: u64,
    duration_ns: u64,
    grace_ns: u64,
    is_open: bool,
    /// Requests that may still start in the measured part of a closed loop.
    pub(super) count_left: u64,
    has_count: bool,
    /// The next intended start of an open schedule.
    next_ns: Option<u64>,
    start_ns: u64,
    begin_ns: u64,
    pub(super) end_ns: u64,
    /// The first turn behind `start_ns`, and behind `begin_ns`, was made.
    has_started: bool,
    has_begun: bool,
    /// How long the measured part was, and whether the count ended it.
    measured_ns: u64,
    is_counted_out: bool,
}

impl Schedule {
    pub(super) fn new(workload: &Workload, share: Share, rng: &mut Rng) -> Self {
        let (wanted, count) = (&workload.arrivals, workload.count);
        let count_left = count.map_or(u64::MAX, |count| share.part_of(count));
        let starts = usize::try_from(count_left).unwrap_or(usize::MAX);
        Self {
            warm_up: Arrivals::warm_up(wanted, workload.warm_up, share, rng),
            main: Arrivals::new(wanted, workload.duration, share, rng).take(starts),
            warm_up_ns: nanos(workload.warm_up),
            duration_ns: nanos(workload.duration),
            grace_ns: nanos(workload.grace),
            is_open: wanted.is_open(),
            count_left,
            has_count: count.is_some(),
            next_ns: None,
            start_ns: 0,
            begin_ns: u64::MAX,
            end_ns: u64::MAX,
            has_started: false,
            has_begun: false,
            measured_ns: 0,
            is_counted_out: false,
        }
    }

    fn start(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
        self.begin_ns = start_ns + self.warm_up_ns;
        self.end_ns = self.begin_ns + self.duration_ns;
        self.draw();
    }

    fn draw(&mut self) {
        let warm = self.warm_up.next().map(|ns| self.start_ns + ns);
        self.next_ns = warm.or_else(|| self.main.next().map(|ns| self.begin_ns + ns));
    }

    /// Takes the next start of an open schedule that is due.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<u64> {
        let at = self.next_ns.filter(|at| *at <= now_ns)?;
        self.draw();
        Some(at)
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Takes one start of a closed loop.
    pub(super) fn take_one(&mut self, now_ns: u64) -> bool {
        if now_ns < self.begin_ns {
            return now_ns >= self.start_ns;
        }
        let has = self.count_left > 0 && now_ns < self.end_ns;
        self.count_left -= u64::from(has);
        has
    }

    fn is_used_up(&self) -> bool {
        self.has_count
            && match self.is_open {
                true => self.next_ns.is_none(),
                false => self.count_left == 0,
            }
    }
}

impl Lane {
    /// Requests start from `at` on (the warm-up first); all lanes of a run are told the same.
    pub fn start(&mut self, at: Instant) {
        if self.stage != Stage::Opening {
            return;
        }
        let start_ns = nanos(at.saturating_duration_since(self.epoch));
        self.schedule.start(start_ns);
        self.recorder
            .set_span(self.schedule.begin_ns, self.schedule.end_ns);
        self.stage = Stage::Running;
    }

    /// No request starts any more and no answer is waited for.
    pub fn cut(&mut self) {
        if self.stage != Stage::Done {
            if self.stage == Stage::Running {
                self.end_starts();
            }
            self.finish();
        }
    }

    /// Requests started and the warm-up is over.
    pub fn has_begun(&self) -> bool {
        self.schedule.has_begun
    }

    /// No request starts any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ending { .. } | Stage::Done)
    }

    /// Nothing is waited for any more.
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(super) fn stage_deadline_ns(&self) -> Option<u64> {
        let schedule = &self.schedule;
        match self.stage {
            Stage::Opening | Stage::Done => None,
            Stage::Ending { until_ns } => Some(until_ns),
            Stage::Running => {
                // A closed loop begins by itself, an open one with its first start.
                let first = (!schedule.has_started).then_some(schedule.start_ns);
                let begin = (!schedule.has_begun).then_some(schedule.begin_ns);
                let known = [first, begin, schedule.next_ns, Some(schedule.end_ns)];
                known.into_iter().flatten().min()
            }
        }
    }

    pub(super) fn enter_measured(&mut self) {
        let schedule = &mut self.schedule;
        schedule.has_started |= self.stage == Stage::Running && self.now_ns >= schedule.start_ns;
        if !schedule.has_begun && self.stage == Stage::Running && self.now_ns >= schedule.begin_ns {
            schedule.has_begun = true;
        }
    }

    pub(super) fn advance_stage(&mut self) {
        if self.stage == Stage::Running {
            let is_over = self.now_ns >= self.schedule.end_ns;
            self.schedule.is_counted_out = !is_over && self.schedule.is_used_up();
            if is_over || self.schedule.is_counted_out {
                self.end_starts();
            }
        }
        if let Stage::Ending { until_ns } = self.stage {
            let is_idle = self.under_way == 0 && self.queue.oldest_ns().is_none();
            if is_idle || self.now_ns >= until_ns {
                self.finish();
            }
        }
    }

    fn end_starts(&mut self) {
        let last_ns = self.now_ns.min(self.schedule.end_ns);
        self.schedule.measured_ns = last_ns.saturating_sub(self.schedule.begin_ns);
        let until_ns = last_ns.saturating_add(self.schedule.grace_ns);
        self.stage = Stage::Ending { until_ns };
    }

    fn finish(&mut self) {
        self.stage = Stage::Done;
        for place in &self.places {
            for exchange in &place.exchanges {
                self.recorder.unfinished(self.now_ns, exchange.intended_ns);
            }
        }
        for intended_ns in self.queue.waiting() {
            self.recorder.unfinished(self.now_ns, intended_ns);
        }
        self.queue.clear();
    }

    /// How long the measured part was, and whether it ended because the count was used up.
    pub(super) fn measured_ns(&self) -> (u64, bool) {
        (self.schedule.measured_ns, self.schedule.is_counted_out)
    }

    /// Connections are of use: requests start, or wait for one.
    pub(super) fn needs_connections(&self) -> bool {
        match self.stage {
            Stage::Opening | Stage::Running => true,
            Stage::Ending { .. } => self.queue.oldest_ns().is_some(),
            Stage::Done => false,
        }
    }
}
