//! Several engines on one simulated network, run by its driver, and what each socket was told.

use engines::{
    Buf, BufMut, ConnectOptions, Datagram, Driver, Engine, EngineOptions, Event, Faults,
    ListenOptions, Party, Rng, SimEngine, SimNet, Sock, SockAddr,
};
use std::{
    collections::BTreeMap,
    io,
    time::{Duration, Instant},
};

/// Turns after which a run does not come to rest any more.
const TURNS_MAX: usize = 1_000_000;

/// A socket of one engine.
pub(crate) type End = (usize, Sock);

#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) accepted: Vec<(End, SockAddr, SockAddr)>,
    pub(crate) accept_failures: usize,
    pub(crate) connected: bool,
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) received: Vec<u8>,
    pub(crate) sent: usize,
    pub(crate) finished: bool,
    /// With the cause, if there was one.
    pub(crate) closed: Option<Option<io::ErrorKind>>,
}

pub(crate) struct Rig {
    pub(crate) net: SimNet,
    pub(crate) engines: Vec<SimEngine>,
    pub(crate) told: BTreeMap<End, Told>,
    /// When set, what is received is kept here and pins its blocks.
    pub(crate) held: Option<Vec<BufMut>>,
    nothing: Told,
    driver: Driver,
    start: Instant,
}

impl Rig {
    pub(crate) fn new(seed: u64, engines: usize, faults: Faults) -> Self {
        Self::with(seed, engines, faults, &EngineOptions::default())
    }

    pub(crate) fn with(seed: u64, engines: usize, faults: Faults, options: &EngineOptions) -> Self {
        let net = SimNet::new(seed);
        net.set_faults(faults);
        Self {
            engines: (0..engines).map(|_| net.engine(options)).collect(),
            told: BTreeMap::new(),
            held: None,
            nothing: Told::default(),
            driver: Driver::new(&net, Rng::seeded(seed)),
            start: net.now(),
            net,
        }
    }

    /// Lets the next engine tell what it has; which, and false when nothing will ever happen again.
    pub(crate) fn turn(&mut self, events: &mut Vec<Event>) -> Option<usize> {
        let party = |engine: &SimEngine| Party {
            engine: engine.id(),
            deadline: None,
        };
        let parties: Vec<_> = self.engines.iter().map(party).collect();
        let at = self.driver.next(&parties)?;
        self.engines[at].wait(None, events).unwrap();
        Some(at)
    }

    /// Runs until `holds`.
    #[track_caller]
    pub(crate) fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS_MAX {
            if holds(self) {
                return;
            }
            assert!(self.step(), "nothing happens any more");
        }
        panic!("it never holds");
    }

    /// Runs until nothing will ever happen again.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        let turns = (0..TURNS_MAX).take_while(|_| self.step()).count();
        assert!(turns < TURNS_MAX, "it does not come to rest");
    }

    fn step(&mut self) -> bool {
        let mut events = Vec::new();
        let Some(at) = self.turn(&mut events) else {
            return false;
        };
        events.into_iter().for_each(|event| self.note(at, event));
        true
    }

    fn note(&mut self, at: usize, event: Event) {
        match event {
            Event::Accepted {
                listener,
                sock,
                peer,
                local,
            } => self
                .told_mut((at, listener))
                .accepted
                .push(((at, sock), peer, local)),
            Event::AcceptFailed { listener, .. } => {
                self.told_mut((at, listener)).accept_failures += 1;
            }
            Event::Closed { sock, cause } => {
                let told = self.told_mut((at, sock));
                assert_eq!(told.closed, None, "closed twice");
                told.closed = Some(cause.map(|cause| cause.kind()));
            }
            Event::Connected { sock } => self.told_mut((at, sock)).connected = true,
            Event::Datagram { sock, datagram } => {
                self.told_mut((at, sock)).datagrams.push(datagram);
            }
            Event::Finished { sock } => self.told_mut((at, sock)).finished = true,
            Event::Received { sock, data } => {
                self.told_mut((at, sock)).received.extend_from_slice(&data);
                if let Some(held) = &mut self.held {
                    held.push(data);
                }
            }
            Event::Sent { sock, bytes } => self.told_mut((at, sock)).sent += bytes,
            Event::Relayed { .. } | Event::Detached { .. } | Event::Woken => {}
        }
    }

    fn told_mut(&mut self, end: End) -> &mut Told {
        self.told.entry(end).or_default()
    }

    /// What the socket was told so far.
    pub(crate) fn told(&self, end: End) -> &Told {
        self.told.get(&end).unwrap_or(&self.nothing)
    }

    /// Virtual time since the start.
    pub(crate) fn passed(&self) -> Duration {
        self.net.now() - self.start
    }

    /// A listener that accepts.
    pub(crate) fn listen(&mut self, at: usize, to: &str) -> (End, SockAddr) {
        self.listen_with(at, to, &ListenOptions::default()).unwrap()
    }

    pub(crate) fn listen_with(
        &mut self,
        at: usize,
        to: &str,
        options: &ListenOptions,
    ) -> io::Result<(End, SockAddr)> {
        let engine = &mut self.engines[at];
        let sock = engine.listen(&address(to), options)?;
        engine.resume(sock);
        let local = engine.local(sock).unwrap();
        Ok(((at, sock), local))
    }

    pub(crate) fn connect(&mut self, at: usize, to: &SockAddr) -> End {
        let sock = self.engines[at].connect(to, &ConnectOptions::default());
        (at, sock)
    }

    /// A connection from engine 0 to engine 1: client and server, both paused.
    pub(crate) fn pair(&mut self) -> (End, End) {
        let (listener, to) = self.listen(1, "10.0.0.1:0");
        let client = self.connect(0, &to);
        self.until(|rig| rig.told(client).connected && !rig.told(listener).accepted.is_empty());
        let server = self.told(listener).accepted[0].0;
        self.close(listener);
        self.settle();
        (client, server)
    }

    pub(crate) fn resume(&mut self, end: End) {
        self.engines[end.0].resume(end.1);
    }

    pub(crate) fn pause(&mut self, end: End) {
        self.engines[end.0].pause(end.1);
    }

    pub(crate) fn send(&mut self, end: End, data: &[u8]) {
        self.engines[end.0].send(end.1, Buf::copy_of(data));
    }

    pub(crate) fn finish(&mut self, end: End) {
        self.engines[end.0].finish(end.1);
    }

    pub(crate) fn close(&mut self, end: End) {
        self.engines[end.0].close(end.1);
    }
}

pub(crate) fn address(text: &str) -> SockAddr {
    match text.parse() {
        Ok(inet) => SockAddr::Inet(inet),
        Err(_) => SockAddr::Unix(text.into()),
    }
}

/// A text in which every place looks different.
pub(crate) fn text(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
