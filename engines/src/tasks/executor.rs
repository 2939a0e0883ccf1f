//! A run queue of local tasks, one per socket.
//!
//! Tasks are woken by the engine, never by a [`std::task::Waker`]: whoever changes what a task waits
//! for puts its socket on the queue, and the task looks again. So a task may be polled without need,
//! and a wake-up cannot get lost between two looks.

use super::line::Line;
use crate::{SlotKey, Slots, Sock, later::Later};
use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Waker},
};

pub(super) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The sockets whose tasks are to look again, in this turn and in the next one.
#[derive(Default)]
pub(super) struct RunQueue {
    now: RefCell<VecDeque<Sock>>,
    later: RefCell<Later<Sock>>,
}

impl RunQueue {
    pub(super) fn push(&self, sock: Sock) {
        self.now.borrow_mut().push_back(sock);
    }

    /// For the next turn; `served`: its task had a share of this one.
    pub(super) fn push_later(&self, sock: Sock, served: bool) {
        self.later.borrow_mut().push(sock, served);
    }

    pub(super) fn begin_turn(&self) {
        self.later
            .borrow_mut()
            .begin_turn(&mut self.now.borrow_mut());
    }

    /// Nobody is to look in this turn.
    pub(super) fn is_empty(&self) -> bool {
        self.now.borrow().is_empty()
    }

    fn pop(&self) -> Option<Sock> {
        self.now.borrow_mut().pop_front()
    }
}

/// All tasks by their sockets.
#[derive(Default)]
pub(super) struct Executor {
    tasks: Slots<Sock, Running>,
}

struct Running {
    line: Rc<Line>,
    task: Task,
}

impl Executor {
    /// Takes a task in and schedules it.
    pub(super) fn spawn(&mut self, make: impl FnOnce(Sock) -> (Rc<Line>, Task)) -> Sock {
        let sock = self.tasks.insert_with(|sock| {
            let (line, task) = make(sock);
            Running { line, task }
        });
        if let Some(line) = self.line(sock) {
            line.schedule();
        }
        sock
    }

    pub(super) fn line(&self, sock: Sock) -> Option<&Rc<Line>> {
        self.tasks.get(sock).map(|running| &running.line)
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Rc<Line>> {
        self.tasks.iter().map(|(_, running)| &running.line)
    }

    pub(super) fn line_at(&self, index: usize) -> Option<&Rc<Line>> {
        let sock = self.tasks.key_at(u32::try_from(index).ok()?)?;
        self.line(sock)
    }

    /// Lets the next task on the queue look; false when there is none.
    pub(super) fn run_one(&mut self, queue: &RunQueue) -> bool {
        let Some(sock) = queue.pop() else {
            return false;
        };
        let Some(running) = self.tasks.get_mut(sock) else {
            return true;
        };
        running.line.on_run();
        let mut context = Context::from_waker(Waker::noop());
        if running.task.as_mut().poll(&mut context).is_ready() {
            self.tasks.remove(sock);
        }
        true
    }
}

/// A socket's place in the poller.
pub(super) fn token_of(sock: Sock) -> mio::Token {
    mio::Token(sock.index() as usize)
}
