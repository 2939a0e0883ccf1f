//! The engines of one test, their calls, and running them until something holds.
//!
//! Every call goes through here, so that the log knows what may still be told.

use super::{log::Log, world::World};
use engines::{
    Blocks, Buf, Carried, ConnectOptions, Engine, EngineOptions, Event, ListenOptions, Sock,
    SockAddr,
};
use std::{
    fs, mem,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Events that one `wait` may tell.
const EVENTS_MAX: usize = 256;
/// Rounds without any event after which a condition will not come true any more.
const RESTS_MAX: usize = 30_000;
/// Rounds without any event after which nothing more is under way.
const QUIET_ROUNDS: usize = 4;

/// One socket of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) at: usize,
    pub(crate) sock: Sock,
}

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Abstract,
    Unix,
    V4,
    V6,
}

pub(crate) struct Lab<W> {
    pub(crate) world: W,
    pub(crate) log: Log,
    /// Time of each engine's last turn.
    times: Vec<Instant>,
    rounds: usize,
    events: Vec<Event>,
    paths: Vec<PathBuf>,
}

impl<W: World> Lab<W> {
    pub(crate) fn new(engines: usize) -> Self {
        Self::with(engines, &EngineOptions::default())
    }

    /// Whose sockets are idle for long as soon as nothing comes.
    pub(crate) fn resting(engines: usize) -> Self {
        let options = EngineOptions {
            idle_after: Duration::ZERO,
            ..EngineOptions::default()
        };
        Self::with(engines, &options)
    }

    pub(crate) fn with(engines: usize, options: &EngineOptions) -> Self {
        let mut world = W::open(engines, options);
        let times = (0..engines).map(|at| world.engine(at).now()).collect();
        Self {
            world,
            log: Log::default(),
            times,
            rounds: 0,
            events: Vec::new(),
            paths: Vec::new(),
        }
    }

    pub(crate) fn engine(&mut self, at: usize) -> &mut dyn Engine {
        self.world.engine(at)
    }

    pub(crate) fn blocks(&mut self, at: usize) -> Blocks {
        self.engine(at).blocks()
    }

    /// Lets one engine tell what it has; true when it told anything.
    pub(crate) fn turn(&mut self, at: usize, rest: bool) -> bool {
        let mut events = mem::take(&mut self.events);
        let before = self.world.engine(at).now();
        assert_eq!(before, self.times[at], "time moved between two waits");
        self.world.turn(at, rest, &mut events);
        self.times[at] = self.world.engine(at).now();
        assert!(self.times[at] >= before, "time went back");
        assert!(events.len() <= EVENTS_MAX, "{} events", events.len());
        let any = !events.is_empty();
        events.drain(..).for_each(|event| self.log.note(at, event));
        self.events = events;
        any
    }

    /// Lets each engine tell what it has; true when any told anything.
    pub(crate) fn round(&mut self, rest: bool) -> bool {
        let engines = self.times.len();
        self.rounds += 1;
        let resting = self.rounds % engines;
        let told = (0..engines).filter(|at| self.turn(*at, rest && *at == resting));
        told.count() > 0
    }

    /// Runs the engines until `holds`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Log) -> bool) {
        let mut rests = 0;
        while !holds(&self.log) {
            assert!(rests < RESTS_MAX, "never: {what}");
            if !self.round(rests > 0) {
                rests += 1;
            } else {
                rests = rests.min(1);
            }
        }
    }

    /// Runs the engines until nothing more is under way.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET_ROUNDS * self.times.len() {
            quiet = if self.round(quiet > 0) { 0 } else { quiet + 1 };
        }
    }

    /// An address to listen on.
    pub(crate) fn address(&mut self, family: Family) -> SockAddr {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringlb-contract-{}-{number}", std::process::id());
        match family {
            Family::Abstract => SockAddr::Unix(format!("@{name}").into()),
            Family::Unix => {
                let path = std::env::temp_dir().join(name);
                self.paths.push(path.clone());
                SockAddr::Unix(path)
            }
            Family::V4 => SockAddr::Inet("127.0.0.1:0".parse().unwrap()),
            Family::V6 => SockAddr::Inet("[::1]:0".parse().unwrap()),
        }
    }

    /// The families that this machine has.
    pub(crate) fn families(&mut self) -> Vec<Family> {
        let all = [Family::Abstract, Family::Unix, Family::V4, Family::V6];
        let has = |family: &Family| *family != Family::V6 || self.has_ipv6();
        all.into_iter().filter(has).collect()
    }

    fn has_ipv6(&mut self) -> bool {
        let at = self.address(Family::V6);
        match self.engine(0).bind(&at, &ListenOptions::default()) {
            Ok(sock) => {
                self.close(End { at: 0, sock });
                true
            }
            Err(error) => {
                println!("without IPv6: {error}");
                false
            }
        }
    }

    /// A listener that does not accept yet.
    pub(crate) fn listen(&mut self, at: usize, family: Family) -> End {
        self.listen_with(at, family, &ListenOptions::default())
    }

    pub(crate) fn listen_with(
        &mut self,
        at: usize,
        family: Family,
        options: &ListenOptions,
    ) -> End {
        let address = self.address(family);
        let sock = self.engine(at).listen(&address, options).expect("listens");
        self.know(End { at, sock })
    }

    pub(crate) fn bind(&mut self, at: usize, family: Family) -> End {
        let address = self.address(family);
        let options = ListenOptions::default();
        let sock = self.engine(at).bind(&address, &options).expect("binds");
        self.know(End { at, sock })
    }

    pub(crate) fn local(&mut self, end: End) -> SockAddr {
        self.engine(end.at).local(end.sock).expect("has an address")
    }

    pub(crate) fn connect(&mut self, at: usize, to: &SockAddr) -> End {
        let options = ConnectOptions::default();
        let sock = self.engine(at).connect(to, &options);
        self.know(End { at, sock })
    }

    /// A connection from engine `from` to engine `to`: its two ends, both paused.
    pub(crate) fn pair(&mut self, from: usize, to: usize) -> (End, End) {
        let listener = self.listen(to, Family::V4);
        self.resume(listener);
        let ends = self.pair_by(from, listener);
        self.close(listener);
        ends
    }

    /// A connection from engine `from` to a listener that accepts.
    pub(crate) fn pair_by(&mut self, from: usize, listener: End) -> (End, End) {
        let (to, known) = (self.local(listener), self.log[listener].accepted.len());
        let client = self.connect(from, &to);
        self.until("a connection", |log| {
            log[client].connected && log[listener].accepted.len() > known
        });
        (client, self.log[listener].accepted[known].end)
    }

    pub(crate) fn adopt(&mut self, at: usize, carried: Carried) -> End {
        let sock = self.engine(at).adopt(carried);
        self.know(End { at, sock })
    }

    pub(crate) fn send(&mut self, end: End, data: impl Into<Buf>) {
        let data = data.into();
        self.log.at(end).asked.sent_bytes += data.len();
        self.engine(end.at).send(end.sock, data);
    }

    pub(crate) fn resume(&mut self, end: End) {
        self.log.at(end).asked.resume = true;
        self.engine(end.at).resume(end.sock);
    }

    pub(crate) fn pause(&mut self, end: End) {
        self.engine(end.at).pause(end.sock);
    }

    pub(crate) fn finish(&mut self, end: End) {
        self.engine(end.at).finish(end.sock);
    }

    pub(crate) fn close(&mut self, end: End) {
        self.log.at(end).asked.close = true;
        self.engine(end.at).close(end.sock);
    }

    pub(crate) fn abort(&mut self, end: End) {
        self.log.at(end).asked.close = true;
        self.engine(end.at).abort(end.sock);
    }

    pub(crate) fn relay(&mut self, from: End, to: End) {
        assert_eq!(from.at, to.at, "one engine relays");
        self.log.at(from).asked.relay = true;
        self.engine(from.at).relay(from.sock, to.sock);
    }

    pub(crate) fn pass(&mut self, from: End, to: End, bytes: u64) {
        assert_eq!(from.at, to.at, "one engine passes");
        self.log.at(from).asked.pass = Some(bytes);
        self.engine(from.at).pass(from.sock, to.sock, bytes);
    }

    /// Detaches the socket and takes it once it has left.
    pub(crate) fn detach(&mut self, end: End) -> Carried {
        self.engine(end.at).detach(end.sock);
        self.until("the socket leaves", |log| log[end].is_over());
        self.log.at(end).carried.take().expect("the socket left")
    }

    /// Keeps the leases that the socket receives from now on.
    pub(crate) fn hold(&mut self, end: End) {
        self.log.at(end).asked.hold = true;
    }

    /// Gives back the leases kept so far.
    pub(crate) fn release(&mut self, end: End) {
        self.log.at(end).held.clear();
    }

    /// Closes every socket and sees that nothing is left of them.
    pub(crate) fn end(mut self) {
        self.log.release_all();
        for end in self.log.open() {
            self.close(end);
        }
        self.until("all sockets close", |log| log.open().is_empty());
        self.log.release_all();
        for at in 0..self.times.len() {
            let blocks = self.blocks(at);
            assert_eq!(
                (blocks.leased(), blocks.written()),
                (0, 0),
                "blocks are out"
            );
        }
        self.settle();
    }

    fn know(&mut self, end: End) -> End {
        self.log.at(end);
        end
    }
}

impl<W> Drop for Lab<W> {
    fn drop(&mut self) {
        for path in &self.paths {
            // Never made, where nobody listened on it.
            let _ = fs::remove_file(path);
        }
    }
}
