//! A socket as its task, the engine and other tasks see it. What an idle stream does not need lies
//! apart, in [`Rare`].

use super::{executor::token_of, hub::Hub, relay::Relay};
use crate::{
    Buf, Carried, Class, Event, Handle, Kind, Sock,
    lessee::{Budget, Lessee, Park, Turn},
    outlet::Outlet,
    sockaddr::RawAddr,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// `detach` was called: goes when its sends have left.
    Leaving,
    /// Is to go; see [`Rare::cause`].
    Ending,
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
    pub(super) phase: Cell<Phase>,
    /// On the run queue.
    scheduled: Cell<bool>,
    pub(super) readable: Cell<bool>,
    /// A read that does not fill its room may leave something behind: it stopped at urgent data or at
    /// descriptors that a Unix socket passed along, or the peer's end or an error is next.
    pub(super) reads_stop_short: Cell<bool>,
    pub(super) writable: Cell<bool>,
    /// `resume` was called.
    pub(super) wanted: Cell<bool>,
    lessee: Cell<Lessee>,
    pub(super) end: Cell<End>,
    pub(super) outlet: RefCell<Outlet>,
    rare: RefCell<Option<Box<Rare>>>,
}

/// An idle connection costs this much, of which there may be very many.
const _: () = assert!(size_of::<Line>() <= 88);

/// What few sockets have, and idle streams never.
#[derive(Default)]
pub(super) struct Rare {
    /// Why it ends, unless the caller has closed it.
    cause: Option<io::Error>,
    /// Where it connects to; until its task takes it.
    pub(super) target: Option<Box<RawAddr>>,
    /// Bytes that an adopted socket brought along.
    pub(super) unread: Vec<u8>,
    /// As the source of a relay.
    pub(super) relay: Option<Rc<Relay>>,
    /// As the target of a relay: its source.
    pub(super) source: Option<Rc<Line>>,
}

impl Rare {
    fn is_blank(&self) -> bool {
        let Self {
            cause,
            target,
            unread,
            relay,
            source,
        } = self;
        let holds = cause.is_some() || target.is_some() || relay.is_some() || source.is_some();
        !holds && unread.is_empty()
    }
}

impl Line {
    pub(super) fn new(
        sock: Sock,
        kind: Kind,
        class: Class,
        fd: io::Result<OwnedFd>,
        hub: &Rc<Hub>,
    ) -> Rc<Self> {
        let (fd, cause) = match fd {
            Ok(fd) => (Some(fd), None),
            Err(error) => (None, Some(error)),
        };
        let line = Self {
            sock,
            kind,
            hub: hub.clone(),
            fd: RefCell::new(fd),
            phase: Cell::new(Phase::Open),
            scheduled: Cell::new(false),
            readable: Cell::new(false),
            reads_stop_short: Cell::new(false),
            writable: Cell::new(false),
            wanted: Cell::new(false),
            lessee: Cell::new(Lessee::new(class)),
            end: Cell::new(End::No),
            outlet: RefCell::default(),
            rare: RefCell::default(),
        };
        if cause.is_some() {
            line.end_for(cause);
        }
        Rc::new(line)
    }

    /// Is to go from now on; `cause`: not by the caller's will.
    fn end_for(&self, cause: Option<io::Error>) {
        self.phase.set(Phase::Ending);
        if cause.is_some() {
            self.with_rare(|rare| rare.cause = cause);
        }
    }

    /// Changes what lies apart, and gives it up if none of it is needed any more.
    pub(super) fn with_rare<T>(&self, change: impl FnOnce(&mut Rare) -> T) -> T {
        let mut place = self.rare.borrow_mut();
        let rare = place.get_or_insert_default();
        let result = change(rare);
        if rare.is_blank() {
            *place = None;
        }
        result
    }

    /// Takes a part out of what lies apart, if there is anything.
    pub(super) fn take_rare<T: Default>(&self, part: impl FnOnce(&mut Rare) -> &mut T) -> T {
        if self.rare.borrow().is_none() {
            return T::default();
        }
        self.with_rare(|rare| std::mem::take(part(rare)))
    }

    /// As the source of a relay.
    pub(super) fn relay(&self) -> Option<Rc<Relay>> {
        self.rare.borrow().as_ref()?.relay.clone()
    }

    /// As the target of a relay: its source.
    pub(super) fn source(&self) -> Option<Rc<Self>> {
        self.rare.borrow().as_ref()?.source.clone()
    }

    pub(super) fn class(&self) -> Class {
        self.lessee.get().class
    }

    pub(super) fn with_lessee<T>(&self, change: impl FnOnce(&mut Lessee) -> T) -> T {
        let mut lessee = self.lessee.get();
        let result = change(&mut lessee);
        self.lessee.set(lessee);
        result
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
        let is_ending = event.is_read_closed() || event.is_error();
        if is_ending || event.is_priority() {
            self.reads_stop_short.set(true);
        }
        if event.is_readable() || is_ending {
            self.readable.set(true);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.writable.set(true);
            self.let_source_look();
        }
        self.schedule();
    }

    /// As a relay's target: the source may have waited for it.
    pub(super) fn let_source_look(&self) {
        if let Some(source) = self.source() {
            source.schedule();
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.phase.get() == Phase::Ending
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.phase.get() == Phase::Leaving
    }

    /// Receiving or accepting is asked for.
    pub(super) fn wants(&self) -> bool {
        self.wanted.get() && self.phase.get() == Phase::Open
    }

    /// Queues bytes of the caller or of a relay.
    pub(super) fn queue(&self, data: Buf, relayed: bool) {
        let mut spares = self.hub.spares.borrow_mut();
        self.outlet.borrow_mut().push(data, relayed, &mut spares);
        self.schedule();
    }

    pub(super) fn has_to_send(&self) -> bool {
        let outlet = self.outlet.borrow();
        !outlet.is_empty() || outlet.is_to_finish()
    }

    /// It is to go, and not by the caller's will.
    pub(super) fn has_failed(&self) -> bool {
        let rare = self.rare.borrow();
        rare.as_ref().is_some_and(|rare| rare.cause.is_some())
    }

    /// Ends the socket, with a cause if not by the caller's will.
    pub(super) fn close(&self, cause: Option<io::Error>) {
        if !self.is_ending() {
            self.end_for(cause);
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
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
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
    // Not `async`: a task's memory is that of the futures it may wait in, and this one is one pointer.
    pub(super) fn until<C>(&self, condition: C) -> impl Future<Output = Result<(), Gone>>
    where
        C: Fn(&Self) -> bool,
    {
        poll_fn(move |_| {
            if self.is_ending() {
                Poll::Ready(Err(Gone))
            } else if condition(self) {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        })
    }

    /// Parks until there is something to read, or reading is not wanted any more.
    pub(super) fn readable(&self) -> impl Future<Output = Result<(), Gone>> {
        self.until(|line| line.readable.get() || !line.wants())
    }

    /// Parks until the socket takes bytes.
    pub(super) fn writable(&self) -> impl Future<Output = Result<(), Gone>> {
        self.until(|line| line.writable.get())
    }

    /// Goes on in the next turn; `served`: it had a share of this one.
    pub(super) fn give_way(&self, served: bool) -> impl Future<Output = Result<(), Gone>> {
        let first = Cell::new(true);
        self.until(move |line| {
            let waits = first.replace(false) || line.hub.is_full();
            if waits && !line.scheduled.replace(true) {
                line.hub.queue.push_later(line.sock, served);
            }
            !waits
        })
    }

    pub(super) fn parked(&self) -> Option<Park> {
        self.lessee.get().parked
    }

    pub(super) fn park(&self, why: Park) {
        self.with_lessee(|lessee| lessee.parked = Some(why));
    }

    pub(super) fn unpark(&self) {
        self.with_lessee(|lessee| lessee.parked = None);
        self.schedule();
    }

    /// Offers a socket that waits for blocks one of those that are free.
    pub(super) fn offer(&self, budget: &mut Budget) -> Turn {
        if self.parked() != Some(Park::Blocks) || self.is_ending() {
            return Turn::Over;
        }
        if self.wants() && !self.with_lessee(|lessee| lessee.take_share(budget)) {
            return Turn::Waits;
        }
        self.unpark();
        Turn::Over
    }

    /// One of the socket's leases came home.
    pub(super) fn on_home(&self) {
        if self.with_lessee(|lessee| lessee.on_home(self.hub.quota)) {
            self.schedule();
        }
    }

    /// The last event of a socket that left: hands it out with what was not delivered.
    pub(super) fn tell_detached(&self) {
        self.tell_last();
        let mut unread = self.take_piped();
        self.unlink();
        unread.append(&mut self.take_rare(|rare| &mut rare.unread));
        let Some(fd) = self.take_fd() else { return };
        let carried = Carried {
            handle: Handle::Fd(fd),
            kind: self.kind,
            unread,
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
        self.tell_last();
        self.unlink();
        drop(self.take_fd());
        drop(self.outlet.take());
        let sock = self.sock;
        let cause = self.take_rare(|rare| &mut rare.cause);
        self.hub.tell(Event::Closed { sock, cause });
    }
}
