//! Opening sockets and starting worker threads.

use super::{
    Options, cpus,
    crew::{Crew, Seat},
};
use crate::{
    access_log,
    cluster::SharedBreakers,
    config::{ListenerConfig, Loaded, Snapshot},
    limits,
    mailbox::{Command, Mailbox},
    stats::WorkerStats,
    worker::{Plan, Worker},
};
use engines::{Carried, EngineKind, ListenOptions, Rng, SockAddr};
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use xds::api::envoy::config::bootstrap::v3::Bootstrap;

/// Which engine is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// The best that the kernel allows.
    Auto,
    /// This one, or an error.
    One(EngineKind),
}

impl std::str::FromStr for Engines {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let one = text.parse().map(Self::One);
        one.map_err(|_| format!("`{text}` is no engine; there are auto, uring, epoll and tasks"))
    }
}

/// Why a process did not start.
#[derive(Debug)]
pub enum StartError {
    /// The admin interface's address could not be listened on.
    Admin(std::net::SocketAddr, io::Error),
    /// An engine could not be opened.
    Engine(EngineKind, String),
    /// A listener's address could not be listened on.
    Listener(String, SockAddr, io::Error),
    /// An access log could not be opened.
    Log(String, io::Error),
    /// A thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin(at, error) => write!(f, "admin: cannot listen on {at}: {error}"),
            Self::Engine(kind, reason) => write!(f, "engine {kind}: {reason}"),
            Self::Listener(name, at, error) => {
                write!(f, "listener {name}: cannot listen on {at}: {error}")
            }
            Self::Log(path, error) => write!(f, "access log {path}: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

/// A process that serves, as other parts of the control thread see it.
#[derive(Clone, Debug)]
pub struct Running {
    /// The configuration as it was written.
    pub bootstrap: Arc<Bootstrap>,
    /// The compiled form.
    pub snapshot: Arc<Snapshot>,
    /// Where each listener listens, port 0 resolved.
    pub addresses: Vec<SockAddr>,
    /// What the workers count.
    pub stats: Vec<Arc<WorkerStats>>,
    /// The engine that runs.
    pub engine: EngineKind,
    mailboxes: Vec<Arc<Mailbox>>,
    draining: Arc<AtomicBool>,
}

impl Running {
    /// The process no longer takes connections and is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Lets every worker end, within that time.
    pub(super) fn drain(&self, within: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.tell_all(|| Command::Drain { within });
    }

    /// Tells every worker something.
    pub fn tell_all(&self, command: impl Fn() -> Command) {
        self.mailboxes
            .iter()
            .for_each(|mailbox| mailbox.put(command()));
    }
}

/// The worker threads.
pub struct Handles {
    threads: Vec<JoinHandle<()>>,
    log: access_log::Writer,
    broken: mpsc::UnboundedReceiver<io::Error>,
    alive: watch::Receiver<()>,
}

impl Handles {
    /// The first error of a worker's engine.
    pub(super) async fn broken(&mut self) -> io::Error {
        match self.broken.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// All workers have ended.
    pub(super) async fn ended(&mut self) {
        while self.alive.changed().await.is_ok() {}
    }

    pub(super) fn join(self) {
        for thread in self.threads {
            // A worker that panicked has said so on standard error.
            let _ = thread.join();
        }
        self.log.finish(limits::LOG_TIME);
    }
}

/// Opens every listening socket, then starts the workers.
///
/// # Errors
/// The first thing that could not be had; nothing serves then.
pub fn start(loaded: Loaded, options: &Options) -> Result<(Running, Handles), StartError> {
    let engine = choose(options.engine)?;
    let workers = options.workers.unwrap_or_else(cpus::count).max(1);
    let snapshot = Arc::new(loaded.snapshot);
    let (sockets, addresses) = open_listeners(&snapshot, workers)?;
    let (log, rings) = access_log::Writer::start(&snapshot, workers)
        .map_err(|(path, error)| StartError::Log(path, error))?;
    let shared = |config: &Arc<crate::config::ClusterConfig>| {
        SharedBreakers::new(config.thresholds, workers)
    };
    let breakers: Vec<_> = snapshot.clusters.iter().map(shared).collect();
    let (broken_out, broken) = mpsc::unbounded_channel();
    let (alive_out, alive) = watch::channel(());
    let alive_out = Arc::new(alive_out);
    let mut rng = Rng::from_os();
    let mut running = Running {
        bootstrap: Arc::new(loaded.bootstrap),
        snapshot: snapshot.clone(),
        addresses,
        stats: Vec::new(),
        engine,
        mailboxes: Vec::new(),
        draining: Arc::default(),
    };
    let (mut crew, mut threads) = (Crew::default(), Vec::new());
    for (index, (listeners, log)) in sockets.into_iter().zip(rings).enumerate() {
        let (stats, mailbox) = (WorkerStats::new(&snapshot), Arc::new(Mailbox::default()));
        running.stats.push(stats.clone());
        running.mailboxes.push(mailbox.clone());
        let plan = Plan {
            snapshot: snapshot.clone(),
            listeners,
            breakers: breakers.clone(),
            stats,
            log,
            mailbox,
            seed: rng.next_u64(),
        };
        let seat = crew.seat();
        let (broken, alive) = (broken_out.clone(), alive_out.clone());
        let body = move || {
            cpus::pin(index, workers);
            work(&seat, plan, &broken);
            drop(alive);
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(body);
        threads.push(thread.map_err(StartError::Thread)?);
    }
    running.engine = crew.agree_on(engine, options.engine)?;
    let handles = Handles {
        threads,
        log,
        broken,
        alive,
    };
    Ok((running, handles))
}

/// A worker's thread: its engine is built here, where it is used.
fn work(seat: &Seat, plan: Plan, broken: &mpsc::UnboundedSender<io::Error>) {
    let Some(engine) = seat.open_engine() else {
        return;
    };
    if let Err(error) = Worker::new(engine, plan).run() {
        let _ = broken.send(error);
    }
}

fn choose(wanted: Engines) -> Result<EngineKind, StartError> {
    match (wanted, engines::uring_available()) {
        (Engines::Auto, Ok(())) => Ok(EngineKind::Uring),
        (Engines::Auto, Err(reason)) => Ok(fall_back(&reason)),
        (Engines::One(EngineKind::Uring), Err(reason)) => {
            Err(StartError::Engine(EngineKind::Uring, reason))
        }
        (Engines::One(kind), _) => Ok(kind),
    }
}

/// What `auto` takes where io_uring cannot be had; says why.
pub(super) fn fall_back(reason: &str) -> EngineKind {
    eprintln!("engine epoll: io_uring is not used: {reason}");
    EngineKind::Epoll
}

/// Every listener's socket for each worker, and its address.
fn open_listeners(
    snapshot: &Snapshot,
    workers: usize,
) -> Result<(Vec<Vec<Carried>>, Vec<SockAddr>), StartError> {
    let mut sockets: Vec<Vec<Carried>> = (0..workers).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for listener in &snapshot.listeners {
        let named =
            |error| StartError::Listener(listener.name.clone(), listener.address.clone(), error);
        addresses.push(open_everywhere(listener, &mut sockets).map_err(named)?);
    }
    Ok((sockets, addresses))
}

/// Opens a listener for each worker; a Unix socket, or one without `enable_reuse_port`, is shared.
fn open_everywhere(
    listener: &ListenerConfig,
    sockets: &mut [Vec<Carried>],
) -> io::Result<SockAddr> {
    let separate = listener.reuse_port && listener.address.inet().is_some();
    let options = ListenOptions {
        backlog: listener.backlog,
        reuse_port: separate,
        ..ListenOptions::default()
    };
    let (first, address) = engines::open_listener(&listener.address, &options)?;
    let mut opened = vec![first];
    for _ in 1..sockets.len() {
        let next = if separate {
            engines::open_listener(&address, &options)?.0
        } else {
            opened[0].try_clone()?
        };
        opened.push(next);
    }
    for (worker, carried) in sockets.iter_mut().zip(opened) {
        worker.push(carried);
    }
    Ok(address)
}
