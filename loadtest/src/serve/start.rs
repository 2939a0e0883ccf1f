//! Opening listeners and starting a thread for each worker.

use super::{Defaults, Service, Worker};
use crate::process::bind;
use engines::{Carried, Engine, EngineKind, EngineOptions, ListenOptions, SockAddr};
use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};
use tls::ServerContext;

/// The kernel caps it at `net.core.somaxconn`.
const BACKLOG: u32 = 65_535;

/// What an endpoint is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen, and what for; port 0 is chosen by the kernel.
    pub listeners: Vec<(Service, SockAddr)>,
    /// What listeners over TLS share; needed where there are some.
    pub tls: Option<Arc<ServerContext>>,
    /// What is answered where a request does not say otherwise.
    pub defaults: Defaults,
    /// The engine of each thread; none: io_uring where the kernel allows it, else epoll.
    pub engine: Option<EngineKind>,
    /// Threads, at least 1.
    pub threads: usize,
    /// CPUs that the threads are bound to, in turn; empty: not bound.
    pub cpus: Vec<usize>,
}

/// An endpoint that serves. It ends with the process.
#[derive(Debug)]
pub struct Running {
    /// What listens where, in the order of the options, ports resolved.
    pub addresses: Vec<(Service, SockAddr)>,
    broken: mpsc::Receiver<io::Error>,
}

impl Running {
    /// Waits until an engine breaks, which none should; tells why.
    pub fn broken(&self) -> io::Error {
        let gone = |_| io::Error::other("every thread has ended");
        self.broken.recv().unwrap_or_else(gone)
    }
}

/// Opens every listener, then starts the threads; all of them accept when it returns.
///
/// # Errors
/// What could not be had: an address, an engine, a CPU, a thread.
pub fn start(options: &Options) -> Result<Running, String> {
    let threads = options.threads.max(1);
    let (sockets, addresses) = open_all(options, threads)?;
    let (engine, is_fixed) = match options.engine {
        Some(kind) => (kind, true),
        None => (engines::choose().0, false),
    };
    let (ready_out, ready) = mpsc::channel();
    let (broken_out, broken) = mpsc::channel();
    for (index, listeners) in sockets.into_iter().enumerate() {
        let (ready, broken) = (ready_out.clone(), broken_out.clone());
        let (defaults, tls) = (options.defaults.clone(), options.tls.clone());
        let cpu = match options.cpus.is_empty() {
            true => None,
            false => Some(options.cpus[index % options.cpus.len()]),
        };
        let body = move || {
            let opened = cpu
                .map_or(Ok(()), bind)
                .and_then(|()| open_engine(engine, is_fixed));
            let engine = match opened {
                Ok(engine) => engine,
                Err(why) => return drop(ready.send(Err(why))),
            };
            let mut worker = Worker::new(engine, listeners, defaults);
            if let Some(tls) = tls {
                worker = worker.over_tls(tls);
            }
            let _ = ready.send(Ok(()));
            if let Err(error) = worker.run() {
                let _ = broken.send(error);
            }
        };
        let thread = thread::Builder::new().name(format!("serve-{index}"));
        let started = thread.spawn(body);
        started.map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    ready.iter().take(threads).collect::<Result<(), String>>()?;
    Ok(Running { addresses, broken })
}

fn open_engine(kind: EngineKind, is_fixed: bool) -> Result<Box<dyn Engine>, String> {
    let options = EngineOptions::default();
    let opened = match engines::open(kind, &options) {
        Err(_) if kind == EngineKind::Uring && !is_fixed => {
            engines::open(EngineKind::Epoll, &options)
        }
        opened => opened,
    };
    opened.map_err(|error| format!("engine {kind}: {error}"))
}

type Opened = (Vec<Vec<(Carried, Service)>>, Vec<(Service, SockAddr)>);

/// Every listener's socket for each thread, and its address.
fn open_all(options: &Options, threads: usize) -> Result<Opened, String> {
    let mut sockets: Vec<Vec<(Carried, Service)>> = (0..threads).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for (service, at) in &options.listeners {
        let separate = threads > 1 && at.inet().is_some();
        let listen = ListenOptions {
            backlog: BACKLOG,
            reuse_port: separate,
            ..ListenOptions::default()
        };
        let failed = |error| format!("{}: cannot listen on {at}: {error}", service.name());
        let (first, address) = engines::open_listener(at, &listen).map_err(failed)?;
        let mut all = vec![first];
        for _ in 1..threads {
            let next = match separate {
                true => engines::open_listener(&address, &listen).map(|(carried, _)| carried),
                false => all[0].try_clone(),
            };
            all.push(next.map_err(failed)?);
        }
        for (worker, carried) in sockets.iter_mut().zip(all) {
            worker.push((carried, *service));
        }
        addresses.push((*service, address));
    }
    Ok((sockets, addresses))
}
