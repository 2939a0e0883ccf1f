//! Lanes and a scripted endpoint on one simulated network.

use crate::endpoint::{Answer, Endpoint, Request};
use engines::{Driver, EngineId, EngineOptions, Faults, Party, Rng, SimNet, SockAddr};
use hdrhistogram::Histogram;
use loadtest::{
    outcome::{Outcome, histogram},
    run::{self, Lane, Load, Share, Target},
    workload::Workload,
};
use std::{sync::Arc, time::Duration};

/// What a segment takes.
pub(crate) const LATENCY: Duration = Duration::from_micros(50);
/// What an exchange takes beside the endpoint's delay.
pub(crate) const ROUND_TRIP: Duration = Duration::from_micros(100);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A workload without warm-up.
pub(crate) fn workload() -> Workload {
    Workload {
        warm_up: Duration::ZERO,
        duration: ms(1000),
        ..Workload::default()
    }
}

pub(crate) struct Rig {
    net: SimNet,
    lanes: Vec<(Lane, EngineId)>,
    pub(crate) endpoint: Endpoint,
    driver: Driver,
}

impl Rig {
    pub(crate) fn new(
        workload: &Workload,
        lanes: u32,
        script: impl FnMut(&Request) -> Option<Answer> + 'static,
    ) -> Self {
        workload.check(lanes as usize).unwrap();
        let net = SimNet::new(1);
        net.set_faults(Faults {
            latency: (LATENCY, LATENCY),
            ..Faults::default()
        });
        let address = SockAddr::Inet("10.0.0.1:80".parse().unwrap());
        let endpoint = Endpoint::new(&net, &address, Box::new(script));
        let target = Target {
            address,
            authority: "a".to_owned(),
            tls: None,
        };
        let load = Arc::new(Load::new(target, workload.clone()));
        let lanes = (0..lanes).map(|index| {
            let engine = net.engine(&EngineOptions::default());
            let (id, share) = (engine.id(), Share { index, of: lanes });
            (
                Lane::new(Box::new(engine), load.clone(), share, u64::from(index)),
                id,
            )
        });
        Self {
            lanes: lanes.collect(),
            endpoint,
            driver: Driver::new(&net, Rng::seeded(1)),
            net,
        }
    }

    pub(crate) fn echoing(mut self) -> Self {
        self.endpoint.echoes = true;
        self
    }

    pub(crate) fn over_http2(mut self) -> Self {
        self.endpoint.speaks_http2 = true;
        self
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.net.set_faults(faults);
    }

    /// Opens connections and lets requests start.
    pub(crate) fn start(&mut self) {
        while !self.lanes.iter().all(|(lane, _)| lane.is_settled()) {
            self.step();
        }
        let now = self.net.now();
        self.endpoint.start = now;
        for (lane, _) in &mut self.lanes {
            lane.start(now);
        }
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> (Outcome, Endpoint) {
        self.start();
        while !self.lanes.iter().all(|(lane, _)| lane.is_done()) {
            self.step();
        }
        let lanes = self.lanes.into_iter().map(|(lane, _)| lane).collect();
        let outcome = run::outcome(lanes);
        let tally = outcome.tally;
        let ended = tally.completed + tally.failed + tally.unfinished;
        assert_eq!(tally.started, ended, "a request has one end: {tally:?}");
        (outcome, self.endpoint)
    }

    pub(crate) fn step(&mut self) {
        let mut parties = vec![Party {
            engine: self.endpoint.engine.id(),
            deadline: self.endpoint.deadline(),
        }];
        parties.extend(self.lanes.iter().map(|(lane, engine)| Party {
            engine: *engine,
            deadline: lane.deadline(),
        }));
        match self.driver.next(&parties) {
            Some(0) => self.endpoint.turn(),
            Some(n) => self.lanes[n - 1].0.turn().unwrap(),
            None => panic!("nothing will happen any more"),
        }
    }

    pub(crate) fn lane(&mut self) -> &mut Lane {
        &mut self.lanes[0].0
    }
}

/// The histogram of these times.
pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Histogram<u64> {
    let mut all = histogram();
    for time in times {
        all.record(time.as_nanos() as u64).unwrap();
    }
    all
}

/// Percentiles of a histogram are those of the times themselves, to three digits.
pub(crate) fn assert_exact(found: &Histogram<u64>, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    assert_eq!(found.len(), sorted.len() as u64);
    for permille in [1, 10, 100, 250, 500, 750, 900, 990, 999, 1000] {
        let rank = (sorted.len() * permille).div_ceil(1000).max(1);
        let want = sorted[rank - 1].as_nanos() as f64;
        let is = found.value_at_quantile(permille as f64 / 1000.0) as f64;
        assert!(
            (is - want).abs() <= want * 0.001,
            "{permille}: {is} for {want}"
        );
    }
    assert_eq!(*found, of(times.iter().copied()));
}
