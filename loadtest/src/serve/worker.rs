//! One event loop: an engine, its listeners and their connections. Nothing is shared with other workers.

use super::{
    answer::Defaults,
    http::{Http, Phase},
    link::{Counters, Desk, Link},
    raw::{Raw, Use},
    table::Table,
};
use crate::secure::{Opened, Secure};
use engines::{BufMut, Carried, Engine, Event, SlotKey, Sock, Wheel};
use nix::{
    libc::linger,
    sys::socket::{setsockopt, sockopt},
};
use std::{io, sync::Arc, time::Instant};
use tls::{ServerContext, Session};

/// What a listener's connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Every byte comes back.
    Echo,
    /// Requests of any protocol that `codecs` knows.
    Http,
    /// The same over TLS.
    Https,
    /// Every byte is dropped.
    Sink,
    /// Bytes come without end.
    Source,
    /// Every byte comes back, over TLS.
    TlsEcho,
}

impl Service {
    /// As it is written on the command line and told when it listens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Https => "https",
            Self::Sink => "sink",
            Self::Source => "source",
            Self::TlsEcho => "tls-echo",
        }
    }

    /// It is spoken over TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::TlsEcho)
    }
}

/// One thread's part of the endpoint.
pub struct Worker {
    desk: Desk,
    conns: Table<Conn>,
    listeners: Vec<(Sock, Service)>,
    tls: Option<Arc<ServerContext>>,
    wheel: Wheel,
    events: Vec<Event>,
    due: Vec<u32>,
}

struct Conn {
    link: Link,
    role: Role,
    /// The peer has finished.
    is_done: bool,
    is_reading: bool,
    alarm: Option<Instant>,
}

enum Role {
    Http(Http),
    Raw(Raw),
    /// Given up by the engine to be reset.
    Leaving,
}

impl Worker {
    /// A worker on `engine`; it accepts from the first turn on.
    pub fn new(
        mut engine: Box<dyn Engine>,
        listeners: Vec<(Carried, Service)>,
        defaults: Defaults,
    ) -> Self {
        let listeners = listeners.into_iter().map(|(carried, service)| {
            let sock = engine.adopt(carried);
            engine.resume(sock);
            (sock, service)
        });
        let listeners = listeners.collect();
        Self {
            wheel: Wheel::new(engine.now()),
            desk: Desk::new(engine, defaults),
            conns: Table::default(),
            listeners,
            tls: None,
            events: Vec::new(),
            due: Vec::new(),
        }
    }

    /// With what listeners over TLS share; without, their connections are closed.
    pub fn over_tls(mut self, context: Arc<ServerContext>) -> Self {
        self.tls = Some(context);
        self
    }

    /// Serves without end.
    ///
    /// # Errors
    /// The engine is broken.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.turn()?;
        }
    }

    /// Waits for events and reacts to them.
    ///
    /// # Errors
    /// The engine is broken.
    pub fn turn(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        self.desk.engine.wait(self.wheel.next(), &mut events)?;
        self.desk.now = self.desk.engine.now();
        events.drain(..).for_each(|event| self.on_event(event));
        self.events = events;
        self.expire();
        Ok(())
    }

    /// When it has something to do by itself.
    pub fn deadline(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.desk.counters
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::AcceptFailed { .. } => self.desk.counters.accept_failures += 1,
            Event::Accepted { listener, sock, .. } => self.on_accepted(listener, sock),
            Event::Closed { sock, .. } => self.forget(sock),
            Event::Detached { sock, carried } => {
                self.forget(sock);
                self.reset(carried);
            }
            Event::Finished { sock } => self.with(sock, Conn::on_finished),
            Event::Received { sock, data } => {
                self.with(sock, |conn, desk| conn.on_received(desk, data));
            }
            Event::Sent { sock, bytes } => self.with(sock, |conn, desk| conn.on_sent(desk, bytes)),
            Event::Connected { .. }
            | Event::Datagram { .. }
            | Event::Relayed { .. }
            | Event::Woken => {}
        }
    }

    fn on_accepted(&mut self, listener: Sock, sock: Sock) {
        let found = self.listeners.iter().find(|(known, _)| *known == listener);
        let Some((_, service)) = found.copied() else {
            return self.desk.engine.close(sock);
        };
        let secure = match (&self.tls, service.is_secure()) {
            (_, false) => None,
            (Some(context), true) => Some(Secure::new(Session::accept(context))),
            (None, true) => return self.desk.engine.close(sock),
        };
        let role = match service {
            Service::Http | Service::Https => Role::Http(Http::new(self.desk.now)),
            Service::Echo | Service::TlsEcho => Role::Raw(Raw::new(Use::Echo)),
            Service::Sink => Role::Raw(Raw::new(Use::Sink)),
            Service::Source => Role::Raw(Raw::new(Use::Source)),
        };
        self.desk.counters.accepted += 1;
        let conn = Conn {
            link: Link::new(sock, secure),
            role,
            is_done: false,
            is_reading: false,
            alarm: None,
        };
        self.conns.insert(sock, conn);
        self.wheel.set(sock.index(), None);
        self.with(sock, Conn::pump);
    }

    /// Lets something happen to a connection, then brings engine and wheel in line with its state.
    fn with(&mut self, sock: Sock, happen: impl FnOnce(&mut Conn, &mut Desk)) {
        let Some(conn) = self.conns.find(sock) else {
            return;
        };
        happen(conn, &mut self.desk);
        conn.link.flush(&mut self.desk);
        let alarm = conn.deadline();
        if alarm != conn.alarm {
            conn.alarm = alarm;
            if self.conns.sock_at(sock.index()) == Some(sock) {
                self.wheel.set(sock.index(), alarm);
            }
        }
        let Some(conn) = self.conns.find(sock) else {
            return;
        };
        if conn.is_over() {
            self.desk.engine.close(sock);
            return self.forget(sock);
        }
        conn.sync_reading(&mut self.desk);
    }

    fn forget(&mut self, sock: Sock) {
        if self.conns.sock_at(sock.index()) == Some(sock) {
            self.wheel.set(sock.index(), None);
        }
        self.conns.remove(sock);
    }

    fn expire(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(self.desk.now, &mut due);
        for index in due.drain(..) {
            if let Some(sock) = self.conns.sock_at(index) {
                self.with(sock, Conn::on_timer);
            }
        }
        self.due = due;
    }

    /// Closes a socket so that its peer sees a reset: it does not linger in the kernel. Simulated
    /// sockets can only be closed.
    fn reset(&mut self, carried: Carried) {
        if let Some(fd) = carried.try_clone().ok().and_then(Carried::into_fd) {
            let at_once = linger {
                l_onoff: 1,
                l_linger: 0,
            };
            // Where this is refused the peer sees an end instead: it still gets no answer.
            let _ = setsockopt(&fd, sockopt::Linger, &at_once);
        }
        let sock = self.desk.engine.adopt(carried);
        self.desk.engine.close(sock);
    }
}

impl Conn {
    fn on_received(&mut self, desk: &mut Desk, mut data: BufMut) {
        while let Some(opened) = self.link.open(desk, &mut data) {
            match opened {
                Ok(Opened::Data(data)) => self.on_data(desk, data),
                Ok(Opened::Established) => {}
                Ok(Opened::Closed) => self.on_finished(desk),
                Err(_) => return self.on_fault(desk),
            }
        }
    }

    fn on_data(&mut self, desk: &mut Desk, data: BufMut) {
        match &mut self.role {
            Role::Http(http) => http.on_received(&mut self.link, desk, data),
            Role::Raw(raw) => raw.on_received(&mut self.link, desk, data),
            Role::Leaving => {}
        }
    }

    /// What came is no TLS; whatever was to be said to that is on its way.
    fn on_fault(&mut self, desk: &mut Desk) {
        desk.counters.malformed += 1;
        match &mut self.role {
            Role::Http(http) => http.on_fault(desk),
            Role::Raw(raw) => raw.on_finished(),
            Role::Leaving => {}
        }
    }

    /// The peer has finished; over TLS it may tell that twice.
    fn on_finished(&mut self, desk: &mut Desk) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        match &mut self.role {
            Role::Http(http) => http.on_finished(&mut self.link, desk),
            Role::Raw(raw) => {
                raw.on_finished();
                self.link.end(desk);
            }
            Role::Leaving => {}
        }
    }

    fn on_sent(&mut self, desk: &mut Desk, bytes: usize) {
        self.link.unsent = self.link.unsent.saturating_sub(bytes);
        match &mut self.role {
            Role::Http(http) => http.on_sent(&mut self.link, desk),
            Role::Raw(raw) => raw.pump(&mut self.link, desk),
            Role::Leaving => {}
        }
    }

    fn on_timer(&mut self, desk: &mut Desk) {
        self.alarm = None;
        if let Role::Http(http) = &mut self.role {
            http.on_timer(&mut self.link, desk);
        }
    }

    fn pump(&mut self, desk: &mut Desk) {
        if let Role::Raw(raw) = &mut self.role {
            raw.pump(&mut self.link, desk);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.role {
            Role::Http(http) => http.deadline(&self.link),
            Role::Raw(_) | Role::Leaving => None,
        }
    }

    fn is_over(&self) -> bool {
        match &self.role {
            Role::Http(http) => http.is_over(&self.link),
            Role::Raw(raw) => raw.is_over(&self.link),
            Role::Leaving => false,
        }
    }

    fn sync_reading(&mut self, desk: &mut Desk) {
        let is_wanted = match &self.role {
            Role::Http(http) if http.phase == Phase::Reset => {
                desk.engine.detach(self.link.sock);
                self.role = Role::Leaving;
                return;
            }
            Role::Http(http) => http.wants_reading(&self.link),
            Role::Raw(raw) => raw.wants_reading(&self.link),
            Role::Leaving => return,
        };
        if is_wanted != self.is_reading {
            self.is_reading = is_wanted;
            match is_wanted {
                true => desk.engine.resume(self.link.sock),
                false => desk.engine.pause(self.link.sock),
            }
        }
    }
}
