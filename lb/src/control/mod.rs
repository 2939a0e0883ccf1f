//! The control thread: opens sockets, starts workers, serves the admin interface, ends well.
//!
//! Every listening socket is opened before a worker starts, so that a bad address stops the start and
//! port 0 is the same for all. Tokio is only the transport of this thread; no request passes it.

mod cpus;
mod crew;
mod secrets;
mod start;
mod watch;

pub use start::{Engines, Handles, Running, StartError, start};

use crate::{admin, config::Loaded, mailbox::Command};
use std::{io, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// How a process runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which engine.
    pub engine: Engines,
    /// Worker threads; `None`: one for each CPU that the process may use.
    pub workers: Option<usize>,
    /// How long connections under way get to end after SIGTERM or SIGINT.
    pub drain_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: Engines::Auto,
            workers: None,
            drain_time: Duration::from_secs(30),
        }
    }
}

/// Why a process ended badly.
#[derive(Debug)]
pub enum RunError {
    /// The control thread's own transport failed.
    Control(io::Error),
    /// It did not start.
    Start(StartError),
    /// A worker's engine broke.
    Worker(io::Error),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control(error) => write!(f, "control: {error}"),
            Self::Start(error) => error.fmt(f),
            Self::Worker(error) => write!(f, "worker: {error}"),
        }
    }
}

/// Runs a configuration until SIGTERM or SIGINT, or until `done` completes.
///
/// # Errors
/// It did not start, or a worker broke.
pub fn run<D: Future<Output = ()>>(
    loaded: Loaded,
    options: &Options,
    done: impl FnOnce(Running) -> D,
) -> Result<(), RunError> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(RunError::Control)?;
    runtime.block_on(async {
        let mut ends = Ends::new().map_err(RunError::Control)?;
        let (running, mut handles) = start(loaded, options).map_err(RunError::Start)?;
        let admin = admin::open(&running).await.map_err(RunError::Start)?;
        tell(&running, admin.as_ref().map(|(_, at)| *at));
        if let Some((listener, _)) = admin {
            tokio::spawn(admin::serve(listener, running.clone()));
        }
        tokio::spawn(secrets::follow(running.snapshot.secrets.clone()));
        let broken = tokio::select! {
            () = ends.first() => None,
            () = done(running.clone()) => None,
            error = handles.broken() => Some(error),
        };
        eprintln!("draining, at most {} s", options.drain_time.as_secs());
        running.drain(options.drain_time);
        tokio::select! {
            () = handles.ended() => {}
            () = ends.first() => running.tell_all(|| Command::Stop),
        }
        handles.ended().await;
        handles.join();
        broken.map_or(Ok(()), |error| Err(RunError::Worker(error)))
    })
}

/// What runs, and one line for each address that is served.
fn tell(running: &Running, admin: Option<std::net::SocketAddr>) {
    eprintln!("engine {}, {} workers", running.engine, running.stats.len());
    for (listener, address) in running.snapshot.listeners.iter().zip(&running.addresses) {
        eprintln!("listening {} {address}", listener.name);
    }
    if let Some(at) = admin {
        eprintln!("admin {at}");
    }
}

/// The signals that end the process.
struct Ends {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
