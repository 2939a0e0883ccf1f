//! The engine of one task per socket, over mio: how goroutine-per-connection proxies work.
//!
//! Each socket is in the poller once, edge-triggered. Its task parks until the socket is readable or
//! writable, reads into a leased block and writes what is queued; so all sends of one turn leave in one
//! call. Tasks share the [`Hub`]; the run queue and the events in it are what `wait` works on.

mod accept;
mod datagram;
mod executor;
mod hub;
mod line;
mod relay;
mod splice;
mod stream;

use crate::{
    Blocks, Buf, Carried, Class, ConnectOptions, Datagram, Engine, EngineCounters, EngineOptions,
    Event, Kind, ListenOptions, SlotKey, Sock, SockAddr, UnixTime, Waker, clock::Clock,
    eventfd::Bell, outlet::Finish, packet, sockaddr::RawAddr, socket,
};
use executor::Executor;
use hub::{Accepted, Hub};
use line::{Gone, Line, Phase};
use mio::{Interest, Token, unix::SourceFd};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

const BELL: Token = Token(usize::MAX);
/// Readiness taken from the kernel at once.
const READY_MAX: usize = 1024;

/// The engine of local tasks. Used on the thread that made it.
pub(crate) struct Tasks {
    poll: mio::Poll,
    ready: mio::Events,
    executor: Executor,
    hub: Rc<Hub>,
    bell: Arc<Bell>,
    counters: EngineCounters,
}

impl Tasks {
    /// # Errors
    /// The operating system's refusal (out of descriptors).
    pub(crate) fn new(options: &EngineOptions) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let bell = Arc::new(Bell::new()?);
        let registry = poll.registry().try_clone()?;
        let mut source = SourceFd(&bell.as_fd().as_raw_fd());
        registry.register(&mut source, BELL, Interest::READABLE)?;
        Ok(Self {
            poll,
            ready: mio::Events::with_capacity(READY_MAX),
            executor: Executor::default(),
            hub: Rc::new(Hub::new(options, registry)),
            bell,
            counters: EngineCounters::default(),
        })
    }

    /// The socket, unless it was closed.
    fn live(&self, sock: Sock) -> Option<&Rc<Line>> {
        self.executor.line(sock).filter(|line| !line.is_ending())
    }

    fn spawn(&mut self, fd: io::Result<OwnedFd>, kind: Kind, class: Class) -> Sock {
        self.spawn_connecting(fd, kind, class, None)
    }

    fn spawn_connecting(
        &mut self,
        fd: io::Result<OwnedFd>,
        kind: Kind,
        class: Class,
        target: Option<Box<RawAddr>>,
    ) -> Sock {
        let hub = &self.hub;
        self.executor.spawn(|sock| {
            let line = Line::new(sock, kind, class, fd, hub);
            if target.as_ref().is_some_and(|target| target.is_unix()) {
                line.reads_stop_short.set(true);
            }
            if target.is_some() {
                line.with_rare(|rare| rare.target = target);
            }
            (line.clone(), Box::pin(run(line)))
        })
    }

    /// Takes note of the leases that came home.
    fn collect(&self) {
        self.hub.blocks.collect(|owner, _| {
            if let Some(line) = self.executor.line(Sock::from_bits(owner)) {
                line.on_home();
            }
        });
        self.hub.feed_starved();
    }

    /// Asks the kernel what is ready; stays there only if there is nothing to do here.
    fn poll(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let until = [deadline, self.hub.next_timer()]
            .into_iter()
            .flatten()
            .min();
        let now = self.hub.now();
        let timeout = if self.hub.queue.is_empty() {
            until.map(|at| at.saturating_duration_since(now))
        } else {
            Some(Duration::ZERO)
        };
        match self.poll.poll(&mut self.ready, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => self.ready.clear(),
            Ok(()) => {}
        }
        for event in &self.ready {
            if event.token() == BELL {
                if self.bell.silence() {
                    self.hub.tell(Event::Woken);
                }
            } else if let Some(line) = self.executor.line_at(event.token().0) {
                line.on_ready(event);
            }
        }
        Ok(())
    }

    /// Runs tasks until none can go on or there are events enough.
    fn run(&mut self) {
        while !self.hub.is_full() && self.executor.run_one(&self.hub.queue) {
            let accepted = self.hub.accepted.take();
            for new in accepted {
                self.admit(new);
            }
        }
    }

    fn admit(&mut self, new: Accepted) {
        let Accepted {
            listener,
            fd,
            peer,
            local,
        } = new;
        let class = self.executor.line(listener).map(|line| line.class());
        let sock = self.spawn(Ok(fd), Kind::Stream, class.unwrap_or_default());
        if let (SockAddr::Unix(_), Some(line)) = (&peer, self.executor.line(sock)) {
            line.reads_stop_short.set(true);
        }
        self.hub.tell(Event::Accepted {
            listener,
            sock,
            peer,
            local,
        });
    }

    fn want(&self, sock: Sock, wanted: bool) {
        if let Some(line) = self.live(sock)
            && line.relay().is_none()
        {
            line.wanted.set(wanted);
            line.schedule();
        }
    }
}

/// A task: serves the socket until it goes, then tells so.
///
/// Its memory is what it keeps while it waits, and each idle stream has one. So a stream's futures keep
/// no more than the line, others are boxed, and they are blocks rather than `async fn`s, which keep
/// each argument twice.
#[allow(clippy::manual_async_fn, reason = "keeps `line` once")]
fn run(line: Rc<Line>) -> impl Future<Output = ()> {
    async move {
        let served = match line.kind {
            Kind::Datagram => Box::pin(datagram::receive(&line)).await,
            Kind::Listener => Box::pin(accept::accept(&line)).await,
            Kind::Stream => match Box::pin(stream::open(&line)).await {
                Ok(()) => {
                    let receiving = pin!(stream::receive(&line));
                    let sending = pin!(stream::send(&line));
                    stream::until_either_ends(receiving, sending).await
                }
                Err(Gone) => Err(Gone),
            },
        };
        match served {
            Ok(()) => line.tell_detached(),
            Err(Gone) => line.tell_closed(),
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for line in self.executor.lines() {
            line.dissolve();
        }
        // What is left of the sockets is known to each other only.
        self.hub.clear();
    }
}

impl Engine for Tasks {
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        self.hub.count(|counters| counters.waits += 1);
        loop {
            self.hub.clock.set(Clock::read());
            self.hub.begin_turn();
            self.collect();
            self.poll(deadline)?;
            self.hub.clock.set(Clock::read());
            self.hub.end_backoffs();
            self.hub.end_report_periods();
            self.run();
            let late = deadline.is_some_and(|at| at <= self.hub.now());
            let mut told = self.hub.events.borrow_mut();
            if !told.is_empty() || late {
                self.hub
                    .count(|counters| counters.events += told.len() as u64);
                events.append(&mut told);
                self.counters.clone_from(&self.hub.counters.borrow());
                return Ok(());
            }
        }
    }

    fn now(&self) -> Instant {
        self.hub.now()
    }

    fn wall(&self) -> UnixTime {
        self.hub.clock.get().wall
    }

    fn waker(&self) -> Waker {
        Waker::new(self.bell.clone())
    }

    fn blocks(&self) -> Blocks {
        self.hub.blocks.clone()
    }

    fn counters(&self) -> &EngineCounters {
        &self.counters
    }

    fn adopt(&mut self, carried: Carried) -> Sock {
        let kind = carried.kind;
        let fd = carried.handle.into_prepared(kind);
        let sock = self.spawn(fd, kind, Class::default());
        if let Some(line) = self.executor.line(sock) {
            line.with_rare(|rare| rare.unread = carried.unread);
            let is_unix = line.with_fd(|fd| Ok(socket::is_unix(fd)));
            line.reads_stop_short.set(is_unix.unwrap_or(false));
        }
        sock
    }

    fn detach(&mut self, sock: Sock) {
        if let Some(line) = self.live(sock) {
            line.phase.set(Phase::Leaving);
            line.schedule();
        }
    }

    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::listen(at, options)?;
        Ok(self.spawn(Ok(fd), Kind::Listener, options.class))
    }

    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        let fd = socket::bind(at, options)?;
        Ok(self.spawn(Ok(fd), Kind::Datagram, options.class))
    }

    fn connect(&mut self, to: &SockAddr, options: &ConnectOptions) -> Sock {
        let (fd, target) = match socket::dial(to) {
            Ok((fd, target)) => (Ok(fd), Some(target)),
            Err(cause) => (Err(cause), None),
        };
        self.spawn_connecting(fd, Kind::Stream, options.class, target)
    }

    fn resume(&mut self, sock: Sock) {
        self.want(sock, true);
    }

    fn pause(&mut self, sock: Sock) {
        self.want(sock, false);
    }

    fn send(&mut self, sock: Sock, data: Buf) {
        if let Some(line) = self.live(sock)
            && line.kind == Kind::Stream
            && line.outlet.borrow().finish == Finish::No
        {
            line.queue(data, false);
        }
    }

    fn send_to(&mut self, sock: Sock, datagram: Datagram) {
        let Some(line) = self.live(sock) else { return };
        if line.kind == Kind::Datagram {
            let Datagram { peer, local, data } = &datagram;
            let sent = line.with_fd(|fd| packet::send(fd, peer, *local, data));
            let dropped = u64::from(sent.is_err());
            line.hub
                .count(|counters| counters.datagrams_dropped += dropped);
        }
    }

    fn finish(&mut self, sock: Sock) {
        if let Some(line) = self.live(sock)
            && line.outlet.borrow().finish == Finish::No
        {
            line.outlet.borrow_mut().finish = Finish::Asked;
            line.schedule();
        }
    }

    fn close(&mut self, sock: Sock) {
        if let Some(line) = self.live(sock) {
            line.close(None);
        }
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(line) = self.live(sock)
            && line.kind == Kind::Stream
        {
            // A socket that could not be opened has nobody to be told.
            let _ = line.with_fd(|fd| Ok(socket::reset_on_close(fd)));
        }
        self.close(sock);
    }

    fn relay(&mut self, from: Sock, to: Sock) {
        if let Some(line) = self.live(from) {
            line.start_relay(self.live(to), None);
        }
    }

    fn pass(&mut self, from: Sock, to: Sock, bytes: u64) {
        let may = |line: &&Rc<Line>| line.kind == Kind::Stream && line.relay().is_none();
        if bytes > 0
            && let Some(line) = self.live(from).filter(may)
        {
            line.start_relay(self.live(to), Some(bytes));
        }
    }

    fn local(&self, sock: Sock) -> Option<SockAddr> {
        let fd = self.executor.line(sock)?.fd.borrow();
        socket::local(fd.as_ref()?.as_fd())
    }

    fn original_dst(&self, sock: Sock) -> Option<SockAddr> {
        let fd = self.executor.line(sock)?.fd.borrow();
        socket::original_dst(fd.as_ref()?.as_fd())
    }
}
