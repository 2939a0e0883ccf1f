//! A socket as its task, the engine and other tasks see it.

use super::{executor::token_of, hub::Hub, relay::Relay};
use crate::{
    Carried, Class, Event, Handle, Kind, Sock,
    lessee::{Budget, Lessee, Park, Turn},
    outlet::{Finish, Outlet},
};
use mio::{Interest, unix::SourceFd};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
    task::Poll,
};

/// The socket is about to go; its task has nothing more to do.
pub(super) struct Gone;

/// A socket's way through the engine.
#[derive(Debug)]
pub(super) enum Phase {
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    Ending(Option<io::Error>),
}

/// The end of what the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    No,
    Seen,
    Told,
}

pub(super) struct Line {
    pub(super) sock: Sock,
    pub(super) kind: Kind,
    pub(super) hub: Rc<Hub>,
    /// None before it could be opened and after it was closed.
    pub(super) fd: RefCell<Option<OwnedFd>>,
    pub(super) phase: RefCell<Phase>,
    /// On the run queue.
    scheduled: Cell<bool>,
    pub(super) readable: Cell<bool>,
    pub(super) writable: Cell<bool>,
    /// `resume` was called.
    pub(super) wanted: Cell<bool>,
    pub(super) lessee: RefCell<Lessee>,
    pub(super) end: Cell<End>,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: RefCell<Vec<u8>>,
    pub(super) outlet: RefCell<Outlet>,
    /// As the source of a relay.
    pub(super) relay: RefCell<Option<Relay>>,
    /// As the target of a relay: its source.
    pub(super) source: RefCell<Option<Rc<Self>>>,
}

impl Line {
    pub(super) fn new(
        sock: Sock,
        kind: Kind,
        class: Class,
        fd: io::Result<OwnedFd>,
        hub: &Rc<Hub>,
    ) -> Rc<Self> {
        let (fd, phase) = match fd {
            Ok(fd) => (Some(fd), Phase::Open),
            Err(error) => (None, Phase::Ending(Some(error))),
        };
        Rc::new(Self {
            sock,
            kind,
            hub: hub.clone(),
            fd: RefCell::new(fd),
            phase: RefCell::new(phase),
            scheduled: Cell::new(false),
            readable: Cell::new(false),
            writable: Cell::new(false),
            wanted: Cell::new(false),
            lessee: RefCell::new(Lessee::new(class)),
            end: Cell::new(End::No),
            unread: RefCell::default(),
            outlet: RefCell::default(),
            relay: RefCell::default(),
            source: RefCell::default(),
        })
    }

    /// Lets the task look again.
    pub(super) fn schedule(&self) {
        if !self.scheduled.replace(true) {
            self.hub.queue.push(self.sock);
        }
    }

    pub(super) fn on_run(&self) {
        self.scheduled.set(false);
    }

    /// Notes what the poller says and lets the task look.
    pub(super) fn on_ready(&self, event: &mio::event::Event) {
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.readable.set(true);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.writable.set(true);
        }
        self.schedule();
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Ending(_))
    }

    pub(super) fn is_leaving(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Leaving)
    }

    /// Receiving or accepting is asked for.
    pub(super) fn wants(&self) -> bool {
        self.wanted.get() && matches!(*self.phase.borrow(), Phase::Open)
    }

    pub(super) fn has_to_send(&self) -> bool {
        let outlet = self.outlet.borrow();
        !outlet.queue.is_empty() || outlet.finish == Finish::Asked
    }

    /// Ends the socket, with a cause if not by the caller's will.
    pub(super) fn close(&self, cause: Option<io::Error>) {
        if !self.is_ending() {
            self.phase.replace(Phase::Ending(cause));
            self.schedule();
        }
    }

    pub(super) fn with_fd<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        match &*self.fd.borrow() {
            Some(fd) => call(fd.as_fd()),
            None => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    /// Adds the socket to the poller: once, for everything, told at each change.
    fn register(&self) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.with_fd(|fd| {
            let (source, token) = (fd.as_raw_fd(), token_of(self.sock));
            let mut source = SourceFd(&source);
            self.hub.registry.register(&mut source, token, interest)
        })
    }

    /// The same, for a task: a socket that the poller refuses ends.
    pub(super) fn enter_poller(&self) -> Result<(), Gone> {
        self.register().or_else(|cause| self.fail(cause))
    }

    /// Ends the socket for `cause`.
    pub(super) fn fail<T>(&self, cause: io::Error) -> Result<T, Gone> {
        self.close(Some(cause));
        Err(Gone)
    }

    /// Takes the descriptor out of the poller and out of here.
    fn take_fd(&self) -> Option<OwnedFd> {
        let fd = self.fd.borrow_mut().take()?;
        // Refused only where it never got in.
        let _ = self.hub.registry.deregister(&mut SourceFd(&fd.as_raw_fd()));
        Some(fd)
    }

    /// Parks until `condition` holds.
    pub(super) async fn until(&self, condition: impl Fn(&Self) -> bool) -> Result<(), Gone> {
        poll_fn(|_| {
            if self.is_ending() {
                Poll::Ready(Err(Gone))
            } else if condition(self) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    /// Parks until there is something to read, or reading is not wanted any more.
    pub(super) async fn readable(&self) -> Result<(), Gone> {
        self.until(|line| line.readable.get() || !line.wants())
            .await
    }

    /// Parks until the socket takes bytes.
    pub(super) async fn writable(&self) -> Result<(), Gone> {
        self.until(|line| line.writable.get()).await
    }

    /// Lets the other tasks go first.
    pub(super) async fn give_way(&self) -> Result<(), Gone> {
        let first = Cell::new(true);
        self.until(|line| {
            if first.replace(false) {
                line.schedule();
                return false;
            }
            !line.hub.is_full() || {
                line.schedule();
                false
            }
        })
        .await
    }

    pub(super) fn parked(&self) -> Option<Park> {
        self.lessee.borrow().parked
    }

    pub(super) fn unpark(&self) {
        self.lessee.borrow_mut().parked = None;
        self.schedule();
    }

    /// Offers a socket that waits for blocks one of those that are free.
    pub(super) fn offer(&self, budget: &mut Budget) -> Turn {
        if self.parked() != Some(Park::Blocks) || self.is_ending() {
            return Turn::Over;
        }
        if self.wants() && !self.lessee.borrow_mut().take_share(budget) {
            return Turn::Waits;
        }
        self.unpark();
        Turn::Over
    }

    /// One of the socket's leases came home.
    pub(super) fn on_home(&self) {
        if self.lessee.borrow_mut().on_home(self.hub.quota) {
            self.schedule();
        }
    }

    /// The last event of a socket that left: hands it out with what was not delivered.
    pub(super) fn tell_detached(&self) {
        self.unlink();
        let Some(fd) = self.take_fd() else { return };
        let carried = Carried {
            handle: Handle::Fd(fd),
            kind: self.kind,
            unread: self.unread.take(),
        };
        let sock = self.sock;
        self.hub.tell(Event::Detached { sock, carried });
    }

    /// Takes the socket apart when the engine goes, so that it is closed whoever still knows it.
    pub(super) fn dissolve(&self) {
        self.unlink();
        drop(self.take_fd());
    }

    /// The last event of a socket that was closed.
    pub(super) fn tell_closed(&self) {
        self.unlink();
        drop(self.take_fd());
        drop(self.outlet.take());
        let sock = self.sock;
        if let Phase::Ending(cause) = self.phase.replace(Phase::Ending(None)) {
            self.hub.tell(Event::Closed { sock, cause });
        }
    }
}
