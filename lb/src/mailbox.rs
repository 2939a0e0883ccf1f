//! How other threads tell a worker something.

use engines::Waker;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What a worker may be told.
#[derive(Debug)]
pub enum Command {
    /// Accept no more, let what is under way end within that time, then stop.
    Drain {
        /// Connections still open after it are closed.
        within: Duration,
    },
    /// Stop now.
    Stop,
}

/// A worker's letter box; any thread may put, the worker takes.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    commands: Vec<Command>,
    waker: Option<Waker>,
}

impl Mailbox {
    /// Names the engine to wake; called by the worker when it starts.
    pub fn attach(&self, waker: Waker) {
        let mut inner = self.lock();
        if !inner.commands.is_empty() {
            waker.wake();
        }
        inner.waker = Some(waker);
    }

    /// Puts a command and wakes the worker.
    pub fn put(&self, command: Command) {
        let mut inner = self.lock();
        inner.commands.push(command);
        if let Some(waker) = &inner.waker {
            waker.wake();
        }
    }

    /// Takes all commands in order.
    pub fn take(&self) -> Vec<Command> {
        std::mem::take(&mut self.lock().commands)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
