//! A thread with a lane on it.

use super::{
    Stop,
    control::{Orders, Told},
    cpu_time::cpu_time,
    lane::{Lane, Load, Share},
    live::Live,
    recorder::Record,
};
use crate::process;
use engines::{BlockLimits, EngineKind, EngineOptions};
use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant},
};

/// What a thread is made of.
pub(super) struct Seat {
    pub(super) load: Arc<Load>,
    pub(super) share: Share,
    pub(super) seed: u64,
    pub(super) engine: EngineKind,
    pub(super) cpu: Option<usize>,
    pub(super) stop: Stop,
    pub(super) orders: Arc<Orders>,
    pub(super) live: Arc<Live>,
    pub(super) told: Sender<Told>,
    /// Its other end is dropped when connections may close.
    pub(super) release: Receiver<()>,
}

/// What a thread made of its part.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) record: Record,
    pub(super) measured: Duration,
    /// CPU time of the measured part, up to the last start.
    pub(super) cpu: Duration,
    /// The share of that time in which the thread ran.
    pub(super) busy: f64,
}

/// CPU time and time of a moment.
#[derive(Clone, Copy)]
struct Moment {
    cpu: Duration,
    at: Instant,
}

impl Seat {
    /// Runs the lane to its end and tells what came of it.
    pub(super) fn work(self) {
        let told = self.told.clone();
        // Nobody listens any more if the run was given up.
        let _ = match self.try_work() {
            Ok(()) => Ok(()),
            Err(why) => told.send(Told::Failed(why)),
        };
    }

    fn try_work(self) -> Result<(), String> {
        if let Some(cpu) = self.cpu {
            process::bind(cpu)?;
        }
        let options = EngineOptions::from(BlockLimits::default());
        let engine = engines::open(self.engine, &options)
            .map_err(|error| format!("engine {}: {error}", self.engine))?;
        self.stop.attach(engine.waker());
        let mut lane = Lane::new(engine, self.load.clone(), self.share, self.seed);
        self.open(&mut lane)?;
        let span = self.measure(&mut lane)?;
        let (cpu, busy) = span.map_or((Duration::ZERO, 0.0), |[begin, end]| {
            let cpu = end.cpu.saturating_sub(begin.cpu);
            let wall = end.at.saturating_duration_since(begin.at);
            (cpu, cpu.as_secs_f64() / wall.as_secs_f64().max(1e-9))
        });
        self.live.publish(lane.so_far());
        let _ = self.told.send(Told::Ended);
        let _ = self.release.recv();
        let (record, measured) = lane.into_record();
        let part = Part {
            record,
            measured,
            cpu,
            busy: busy.min(1.0),
        };
        let _ = self.told.send(Told::Done(Box::new(part)));
        Ok(())
    }

    fn open(&self, lane: &mut Lane) -> Result<(), String> {
        let mut is_told = false;
        loop {
            if self.stop.is_set() {
                lane.cut();
                return Ok(());
            }
            if let Some(start) = self.orders.start.get() {
                lane.start(*start);
                return Ok(());
            }
            if lane.is_settled() && !is_told {
                is_told = true;
                let unreachable = lane.unreachable().map(str::to_owned);
                let _ = self.told.send(Told::Settled { unreachable });
            }
            self.turn(lane)?;
        }
    }

    /// The begin and the end of the measured part, if it was reached.
    fn measure(&self, lane: &mut Lane) -> Result<Option<[Moment; 2]>, String> {
        let (mut begin, mut end) = (None, None);
        while !lane.is_done() {
            if self.stop.is_set() {
                end = end.or(Some(moment(lane)));
                lane.cut();
                break;
            }
            self.turn(lane)?;
            self.live.publish(lane.so_far());
            if begin.is_none() && lane.has_begun() {
                begin = Some(moment(lane));
            }
            if end.is_none() && lane.has_ended() {
                end = Some(moment(lane));
            }
        }
        Ok(begin.zip(end).map(|(begin, end)| [begin, end]))
    }

    fn turn(&self, lane: &mut Lane) -> Result<(), String> {
        lane.turn()
            .map_err(|error| format!("engine {}: {error}", self.engine))?;
        match lane.fatal() {
            Some(why) => Err(why.to_owned()),
            None if self.orders.is_off.load(Ordering::Acquire) => Err("given up".to_owned()),
            None => Ok(()),
        }
    }
}

fn moment(lane: &Lane) -> Moment {
    Moment {
        cpu: cpu_time(),
        at: lane.now(),
    }
}
