//! The thread that formats entries and writes them.

use super::{
    LogRing,
    connection_id::ConnectionIds,
    ring::{FirstLogs, Shared},
};
use crate::config::{AccessLogConfig, LogTarget, Snapshot};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

/// The writer's thread.
#[derive(Debug)]
pub struct Writer {
    thread: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
    /// Its other end goes with the thread.
    done: mpsc::Receiver<()>,
}

/// One log: how its lines look and which output they go to.
struct Log {
    config: Arc<AccessLogConfig>,
    output: usize,
}

impl Writer {
    /// Opens every log of a configuration and starts the thread; with a ring for each worker.
    ///
    /// # Errors
    /// The path that could not be opened, and why.
    pub fn start(
        snapshot: &Snapshot,
        workers: usize,
    ) -> Result<(Self, Vec<LogRing>), (String, io::Error)> {
        let (mut opened, mut first_log) = (Opened::default(), Vec::new());
        for listener in &snapshot.listeners {
            first_log.push(FirstLogs {
                connections: opened.open(&listener.access_logs)?,
                chains: listener
                    .chains
                    .all()
                    .iter()
                    .map(|chain| opened.open(super::of_chain(chain)))
                    .collect::<Result<_, _>>()?,
            });
        }
        let Opened {
            logs, mut outputs, ..
        } = opened;
        let ended = Arc::new(AtomicBool::new(false));
        let (done_out, done) = mpsc::channel();
        if logs.is_empty() {
            let rings = (0..workers).map(|_| LogRing::default()).collect();
            return Ok((
                Self {
                    thread: None,
                    ended,
                    done,
                },
                rings,
            ));
        }
        let (rings_out, rings_in) = mpsc::channel::<Vec<Arc<Shared>>>();
        let end = ended.clone();
        let body = move || {
            let _done = done_out;
            if let Ok(rings) = rings_in.recv() {
                write_until(&end, &rings, &logs, &mut outputs);
            }
        };
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(body);
        let thread = thread.map_err(|error| ("thread".to_owned(), error))?;
        let shared = |_| {
            Arc::new(Shared {
                waiting: Mutex::default(),
                writer: thread.thread().clone(),
                first_log: first_log.clone(),
            })
        };
        let shared: Vec<_> = (0..workers).map(shared).collect();
        let ids = ConnectionIds::default();
        let ring = |shared: &Arc<Shared>| LogRing::new(shared.clone(), ids.clone());
        let rings = shared.iter().map(ring).collect();
        let _ = rings_out.send(shared);
        Ok((
            Self {
                thread: Some(thread),
                ended,
                done,
            },
            rings,
        ))
    }

    /// Writes what still waits and ends the thread; who does not take it within that time loses it.
    pub fn finish(mut self, within: Duration) {
        self.ended.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else {
            return;
        };
        thread.thread().unpark();
        if let Err(mpsc::RecvTimeoutError::Disconnected) = self.done.recv_timeout(within) {
            let _ = thread.join();
        }
    }
}

/// The logs of a configuration, in the order of their numbers, and what they go to.
#[derive(Default)]
struct Opened {
    logs: Vec<Log>,
    outputs: Vec<Box<dyn Write + Send>>,
    by_target: HashMap<LogTarget, usize>,
}

impl Opened {
    /// Opens the logs of one place; the first one's number.
    fn open(&mut self, logs: &[Arc<AccessLogConfig>]) -> Result<u32, (String, io::Error)> {
        let first = u32::try_from(self.logs.len()).unwrap_or(u32::MAX);
        for config in logs {
            let output = match self.by_target.get(&config.target) {
                Some(output) => *output,
                None => {
                    let output = self.outputs.len();
                    self.outputs.push(open(&config.target)?);
                    self.by_target.insert(config.target.clone(), output);
                    output
                }
            };
            self.logs.push(Log {
                config: config.clone(),
                output,
            });
        }
        Ok(first)
    }
}

fn open(target: &LogTarget) -> Result<Box<dyn Write + Send>, (String, io::Error)> {
    match target {
        LogTarget::File(path) => {
            let file: io::Result<File> = OpenOptions::new().append(true).create(true).open(path);
            let file = file.map_err(|error| (path.display().to_string(), error))?;
            Ok(Box::new(file))
        }
        LogTarget::Stderr => Ok(Box::new(io::stderr())),
        LogTarget::Stdout => Ok(Box::new(io::stdout())),
    }
}

fn write_until(
    ended: &AtomicBool,
    rings: &[Arc<Shared>],
    logs: &[Log],
    outputs: &mut [Box<dyn Write + Send>],
) {
    let mut entries = Vec::new();
    let mut lines: Vec<Vec<u8>> = outputs.iter().map(|_| Vec::new()).collect();
    loop {
        // Read before the rings: what was handed over before the end is still written.
        let last = ended.load(Ordering::Acquire);
        let mut idle = true;
        for ring in rings {
            entries.clear();
            std::mem::swap(
                &mut entries,
                &mut *ring.waiting.lock().unwrap_or_else(PoisonError::into_inner),
            );
            idle &= entries.is_empty();
            format_all(&entries, logs, &mut lines);
        }
        for (lines, output) in lines.iter_mut().zip(outputs.iter_mut()) {
            if !lines.is_empty() {
                // A log that cannot be written must not stop the others.
                let _ = output.write_all(lines).and_then(|()| output.flush());
                lines.clear();
            }
        }
        if idle && last {
            return;
        }
        if idle {
            std::thread::park();
        }
    }
}

fn format_all(mut entries: &[u8], logs: &[Log], lines: &mut [Vec<u8>]) {
    while let Some((len, rest)) = entries.split_first_chunk::<4>() {
        let Some((entry, rest)) = rest.split_at_checked(u32::from_le_bytes(*len) as usize) else {
            return;
        };
        entries = rest;
        if let Some((number, values)) = entry.split_first_chunk::<4>()
            && let Some(log) = logs.get(u32::from_le_bytes(*number) as usize)
        {
            log.config.format.write(values, &mut lines[log.output]);
        }
    }
}
