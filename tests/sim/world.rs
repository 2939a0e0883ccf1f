//! A whole run: workers, clients, endpoints and tunnels on one network, from a seed to the final count.

use crate::{
    client::Clients,
    endpoint::Endpoints,
    h2::{client::MuxClients, endpoint::MuxEndpoints},
    ledger::{Ledger, SharedLedger},
    party::Turns,
    scenario::Scenario,
    secure::{self, Contexts},
    tunnel::Tunnels,
};
use engines::{
    Carried, Driver, EngineId, EngineOptions, Faults, ListenOptions, Party, Rng, SimNet,
};
use ringlb::{
    access_log::LogRing,
    cluster::SharedBreakers,
    mailbox::{Command, Mailbox},
    stats::{Counter, WorkerStats},
    worker::{Census, Plan, Worker},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tls::Provider;

/// Turns after which a run does not make progress any more.
const TURNS_MAX: usize = 2_000_000;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// A number that two runs of the same seed have in common.
    pub(crate) fingerprint: u64,
    /// Answers that were left to the engine.
    pub(crate) passes: u64,
    /// What there was of TLS, as `Secured` names it.
    pub(crate) secured: [u64; 5],
}

struct RunningWorker {
    /// None when it has drained.
    worker: Option<Worker>,
    stats: Arc<WorkerStats>,
    engine: EngineId,
    mailbox: Arc<Mailbox>,
}

/// Everything that takes part in a run.
pub(crate) struct World {
    net: SimNet,
    start: Instant,
    scenario: Scenario,
    workers: Vec<RunningWorker>,
    clients: Clients,
    endpoints: Endpoints,
    tunnels: Tunnels,
    /// HTTP/2 clients and endpoints.
    mux: Option<(MuxClients, MuxEndpoints)>,
    ledger: SharedLedger,
    driver: Driver,
    drained: bool,
}

/// Runs a seed.
///
/// # Panics
/// If anything happened that must not.
pub(crate) fn run(seed: u64) -> Outcome {
    play(Scenario::new(seed))
}

/// Runs a seed with HTTP/2 in it.
///
/// # Panics
/// If anything happened that must not.
pub(crate) fn run_mixed(seed: u64) -> Outcome {
    play(Scenario::mixed(seed))
}

fn play(scenario: Scenario) -> Outcome {
    let (seed, test) = (scenario.seed, scenario.test());
    let ledger = Ledger::shared();
    ledger.borrow_mut().note(format!("{scenario:?}"));
    let mut world = World::new(scenario, ledger);
    world.run();
    world.close();
    let ledger = world.ledger.borrow();
    ledger.check(seed, test);
    let stats = world.workers.iter().flat_map(|w| &w.stats.listeners);
    Outcome {
        fingerprint: ledger.fingerprint,
        passes: stats.map(|listener| listener.passes.get()).sum(),
        secured: ledger.secure.seen(),
    }
}

impl World {
    fn new(scenario: Scenario, ledger: SharedLedger) -> Self {
        let mut rng = Rng::seeded(scenario.seed ^ 0x5157);
        let net = SimNet::new(rng.next_u64());
        let provider = Provider::seeded(scenario.seed);
        let snapshot = Arc::new(secure::load(&scenario.yaml(), &provider));
        let contexts = Contexts::shared(scenario.secure.as_ref(), scenario.is_strict, &provider);
        let mut listeners: Vec<Vec<Carried>> = (0..scenario.workers).map(|_| Vec::new()).collect();
        let options = ListenOptions {
            reuse_port: true,
            ..ListenOptions::default()
        };
        for listener in &snapshot.listeners {
            for worker in &mut listeners {
                let (carried, _) = net.open_listener(&listener.address, &options).unwrap();
                worker.push(carried);
            }
        }
        let breakers: Vec<_> = snapshot
            .clusters
            .iter()
            .map(|cluster| SharedBreakers::new(cluster.thresholds, scenario.workers))
            .collect();
        let mut workers = Vec::new();
        for listeners in listeners {
            let engine = net.engine(&EngineOptions::from(scenario.blocks.clone()));
            let (id, mailbox) = (engine.id(), Arc::new(Mailbox::default()));
            let stats = WorkerStats::new(&snapshot);
            let plan = Plan {
                snapshot: snapshot.clone(),
                listeners,
                breakers: breakers.clone(),
                stats: stats.clone(),
                log: LogRing::default(),
                mailbox: mailbox.clone(),
                seed: rng.next_u64(),
            };
            workers.push(RunningWorker {
                worker: Some(Worker::new(Box::new(engine), plan)),
                stats,
                engine: id,
                mailbox,
            });
        }
        let endpoints = Endpoints::new(&net, &scenario, &mut rng, &ledger, &contexts);
        let tunnels = Tunnels::new(&net, &scenario, &mut rng, &ledger, &contexts);
        let clients = Clients::new(&net, &scenario, &mut rng, &ledger, &contexts);
        let mux = scenario.mux.as_ref().map(|mux| {
            let endpoints = MuxEndpoints::new(&net, &scenario, mux, &mut rng, &ledger, &contexts);
            let clients = MuxClients::new(&net, &scenario, mux, &mut rng, &ledger, &contexts);
            (clients, endpoints)
        });
        net.set_faults(scenario.faults.clone());
        Self {
            start: net.now(),
            driver: Driver::new(&net, rng.fork()),
            net,
            scenario,
            workers,
            clients,
            endpoints,
            tunnels,
            mux,
            ledger,
            drained: false,
        }
    }

    /// Until every client has had its say.
    fn run(&mut self) {
        for _ in 0..TURNS_MAX {
            let is_mux_done = self
                .mux
                .as_ref()
                .is_none_or(|(clients, _)| clients.is_done());
            if self.clients.is_done() && self.tunnels.is_done() && is_mux_done {
                return;
            }
            if !self.ledger.borrow().violations.is_empty() {
                return;
            }
            if !self.turn() {
                let text = "nothing happens any more, and clients still wait".to_owned();
                return self.ledger.borrow_mut().violate(text);
            }
        }
        self.ledger
            .borrow_mut()
            .violate("the run does not end".to_owned());
    }

    /// Lets one party run; false if none ever will.
    fn turn(&mut self) -> bool {
        let mut parties: Vec<_> = self
            .workers
            .iter()
            .filter_map(RunningWorker::party)
            .collect();
        let workers = parties.len();
        let drain = self.drain_deadline();
        let beside = self.beside();
        parties.extend(beside.into_iter().map(|party| Party {
            engine: party.id(),
            deadline: party.deadline(),
        }));
        parties[workers].deadline = earliest(parties[workers].deadline, drain);
        let Some(next) = self.driver.next(&parties) else {
            return false;
        };
        self.ledger.borrow_mut().now = self.net.now() - self.start;
        if drain.is_some_and(|at| at <= self.net.now()) {
            self.begin_drain();
        }
        match next.checked_sub(workers) {
            None => self.turn_worker(next),
            Some(other) => self.beside()[other].turn(),
        }
        true
    }

    /// The parties beside the workers, the clients first.
    fn beside(&mut self) -> Vec<&mut dyn Turns> {
        let mut all: Vec<&mut dyn Turns> =
            vec![&mut self.clients, &mut self.endpoints, &mut self.tunnels];
        if let Some((clients, endpoints)) = &mut self.mux {
            all.extend([clients as &mut dyn Turns, endpoints]);
        }
        all
    }

    fn turn_worker(&mut self, number: usize) {
        let running = self
            .workers
            .iter_mut()
            .filter(|running| running.worker.is_some());
        let Some(running) = running.into_iter().nth(number) else {
            return;
        };
        if let Some(worker) = &mut running.worker {
            worker.turn().unwrap();
            if worker.is_over() {
                running.worker = None;
            }
        }
    }

    fn drain_deadline(&self) -> Option<Instant> {
        let after = self.scenario.drain_at.filter(|_| !self.drained)?;
        Some(self.start + after)
    }

    fn begin_drain(&mut self) {
        self.drained = true;
        self.clients.draining = true;
        self.tunnels.draining = true;
        if let Some((clients, _)) = &mut self.mux {
            clients.draining = true;
        }
        self.ledger.borrow_mut().note("drain".to_owned());
        for running in &self.workers {
            running.mailbox.put(Command::Drain { within: DRAIN_TIME });
        }
    }

    /// The network behaves, the clients are gone: whatever is left has to come home by itself.
    fn close(&mut self) {
        if !self.ledger.borrow().violations.is_empty() {
            return;
        }
        self.net.set_faults(Faults::default());
        self.clients.retire();
        self.tunnels.retire();
        if let Some((clients, endpoints)) = &mut self.mux {
            clients.retire();
            endpoints.retire();
        }
        let turns = (0..TURNS_MAX).take_while(|_| self.turn()).count();
        let mut ledger = self.ledger.borrow_mut();
        if turns == TURNS_MAX {
            ledger.violate("the workers do not come to rest".to_owned());
        }
        for (number, running) in self.workers.iter_mut().enumerate() {
            let Some(worker) = &mut running.worker else {
                continue;
            };
            let census = worker.census();
            if census != Census::default() {
                ledger.violate(format!("worker {number} keeps {census:?}"));
            }
            let written = worker.engine().blocks().written();
            if written > 0 {
                ledger.violate(format!("worker {number} keeps {written} write blocks"));
            }
        }
        if self.drained && self.workers.iter().any(|running| running.worker.is_some()) {
            ledger.violate("a draining worker does not end".to_owned());
        }
        let alive = self
            .workers
            .iter()
            .filter(|running| running.worker.is_some())
            .count();
        let kinds = 2 + usize::from(self.mux.is_some());
        let listeners = 2 * alive + kinds * self.scenario.endpoints;
        if self.net.sockets() != listeners {
            ledger.violate(format!(
                "{} sockets instead of {listeners}",
                self.net.sockets()
            ));
        }
        drop(ledger);
        self.check_handshakes();
    }

    /// The workers have counted the handshakes that the peers know of.
    fn check_handshakes(&self) {
        let tls = self.workers.iter().map(|running| &running.stats.tls);
        let (mut down, mut up) = (0, 0);
        for stats in tls {
            down += stats
                .downstream
                .versions
                .iter()
                .map(Counter::get)
                .sum::<u64>();
            up += stats
                .upstream
                .versions
                .iter()
                .map(Counter::get)
                .sum::<u64>();
        }
        let mut ledger = self.ledger.borrow_mut();
        let seen = &ledger.secure;
        let is_down = (seen.answered..=seen.begun).contains(&down);
        let is_up = (seen.asked..=seen.accepted).contains(&up);
        if !(is_down && is_up) {
            let text = format!("{down} and {up} handshakes were counted: {seen:?}");
            ledger.violate(text);
        }
    }
}

impl RunningWorker {
    fn party(&self) -> Option<Party> {
        let worker = self.worker.as_ref()?;
        Some(Party {
            engine: self.engine,
            deadline: worker.next_deadline(),
        })
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}
