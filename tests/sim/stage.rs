//! One worker with scripted peers: what a seed would find only by luck is played step by step, in
//! virtual time.

use crate::{scenario::TYPES, secure, secure::plan::INSPECTOR};
use engines::{
    Buf, ConnectOptions, Driver, Engine, EngineId, EngineOptions, Event, Faults, ListenOptions,
    Party, Rng, SimEngine, SimNet, Sock, SockAddr,
};
use ringlb::{
    access_log::Writer,
    cluster::{Breakers, SharedBreakers},
    config::Snapshot,
    mailbox::{Command, Mailbox},
    stats::WorkerStats,
    worker::{Plan, Worker},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tls::Provider;

/// What a peer's socket was told.
#[derive(Debug, Default)]
struct Told {
    received: Vec<u8>,
    unsent: usize,
    finished: bool,
    closed: bool,
    /// Closed, and not by us.
    reset: bool,
}

/// The worker, the peers and the network between them.
pub(crate) struct Stage {
    net: SimNet,
    worker: Worker,
    worker_engine: EngineId,
    log: Writer,
    mailbox: Arc<Mailbox>,
    peers: SimEngine,
    driver: Driver,
    told: BTreeMap<Sock, Told>,
    accepted: Vec<Sock>,
    /// Endpoints do not read what they accept until they are told to `hear`.
    pub(crate) is_deaf: bool,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// Where all TLS of the scene has its draws from.
    pub(crate) provider: Provider,
    /// The cluster's limits, as another worker would draw from them.
    pub(crate) breakers: Breakers,
}

/// The parts of a configuration that a script may want otherwise; pieces of YAML in flow style.
pub(crate) struct Script<'a> {
    pub(crate) manager: &'a str,
    /// Fields of the filter chain.
    pub(crate) chain: &'a str,
    /// Fields of the listener.
    pub(crate) listener: &'a str,
    /// The listener looks at what comes first.
    pub(crate) is_inspecting: bool,
    /// It is a TCP proxy.
    pub(crate) is_tunnel: bool,
    pub(crate) route: &'a str,
    pub(crate) cluster: &'a str,
    /// The HTTP filters before the router.
    pub(crate) filters: &'a str,
    /// Endpoints listen at 8000 and up.
    pub(crate) endpoints: u16,
    pub(crate) window: usize,
}

impl Default for Script<'_> {
    fn default() -> Self {
        Self {
            manager: "",
            chain: "",
            listener: "",
            is_inspecting: false,
            is_tunnel: false,
            route: "",
            cluster: "",
            filters: "",
            endpoints: 1,
            window: 64 << 10,
        }
    }
}

impl Script<'_> {
    fn yaml(&self) -> String {
        let endpoints = (8000..8000 + self.endpoints).map(|port| {
            format!("{{endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: {port}}}}}}}}}")
        });
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let (listener, chain) = (self.listener, self.chain);
        let (cluster, filter) = (self.cluster, self.filter());
        let looks = if self.is_inspecting { INSPECTOR } else { "" };
        format!(
            "static_resources:
  listeners:
  - name: http
    address: {{socket_address: {{address: 10.0.0.2, port_value: 80}}}}
    {listener}
    {looks}
    filter_chains:
    - name: one
      {chain}
      filters:
{filter}  clusters:
  - name: c
    type: STATIC
    {cluster}
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"
        )
    }
}

impl Script<'_> {
    /// What ends the chain.
    fn filter(&self) -> String {
        let Self {
            manager,
            route,
            filters,
            ..
        } = self;
        if self.is_tunnel {
            return format!(
                "      - name: proxy
        typed_config:
          \"@type\": {TYPES}.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          {manager}
          cluster: c\n"
            );
        }
        format!(
            "      - name: manager
        typed_config:
          \"@type\": {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          {manager}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [
            {{match: {{prefix: /}}, route: {{cluster: c{route}}}}}]}}]}}
          http_filters: [{filters}
            {{name: router, typed_config: {{\"@type\": {TYPES}.filters.http.router.v3.Router}}}}]\n"
        )
    }
}

impl Stage {
    pub(crate) fn new(script: &Script<'_>) -> Self {
        let provider = Provider::seeded(1);
        let snapshot = Arc::new(secure::load(&script.yaml(), &provider));
        let net = SimNet::new(1);
        net.set_faults(Faults {
            window: script.window,
            ..Faults::default()
        });
        let address = &snapshot.listeners[0].address;
        let (listener, _) = net
            .open_listener(address, &ListenOptions::default())
            .unwrap();
        let engine = net.engine(&EngineOptions::default());
        let (worker_engine, mailbox) = (engine.id(), Arc::new(Mailbox::default()));
        let stats = WorkerStats::new(&snapshot);
        let breakers = SharedBreakers::new(snapshot.clusters[0].thresholds, 2);
        let (log, mut rings) = Writer::start(&snapshot, 1).unwrap();
        let plan = Plan {
            snapshot: snapshot.clone(),
            listeners: vec![listener],
            breakers: vec![breakers.clone()],
            stats: stats.clone(),
            log: rings.remove(0),
            mailbox: mailbox.clone(),
            seed: 1,
        };
        let mut peers = net.engine(&EngineOptions::default());
        for port in 8000..8000 + script.endpoints {
            let at = SockAddr::Inet(([10, 0, 0, 1], port).into());
            let sock = peers.listen(&at, &ListenOptions::default()).unwrap();
            peers.resume(sock);
        }
        Self {
            worker: Worker::new(Box::new(engine), plan),
            driver: Driver::new(&net, Rng::seeded(1)),
            net,
            worker_engine,
            log,
            mailbox,
            peers,
            told: BTreeMap::new(),
            accepted: Vec::new(),
            is_deaf: false,
            stats,
            snapshot,
            provider,
            breakers: Breakers::new(breakers),
        }
    }

    /// A client that is connected and reads.
    pub(crate) fn client(&mut self) -> Sock {
        let sock = self.deaf_client();
        self.peers.resume(sock);
        sock
    }

    /// A client that does not read until it is told to `hear`.
    pub(crate) fn deaf_client(&mut self) -> Sock {
        let to = SockAddr::Inet(([10, 0, 0, 2], 80).into());
        self.peers.connect(&to, &ConnectOptions::default())
    }

    /// That peer reads no more until it is told to `hear`.
    pub(crate) fn deafen(&mut self, sock: Sock) {
        self.peers.pause(sock);
    }

    pub(crate) fn hear(&mut self, sock: Sock) {
        self.peers.resume(sock);
    }

    pub(crate) fn send(&mut self, sock: Sock, bytes: impl AsRef<[u8]>) {
        self.told.entry(sock).or_default().unsent += bytes.as_ref().len();
        self.peers.send(sock, Buf::copy_of(bytes.as_ref()));
    }

    /// The time as TLS sees it.
    pub(crate) fn wall(&self) -> tls::Now {
        self.net.wall().0
    }

    /// Ends our direction.
    pub(crate) fn finish(&mut self, sock: Sock) {
        self.peers.finish(sock);
    }

    /// Bytes that a peer has sent and the network has not taken.
    pub(crate) fn unsent(&self, sock: Sock) -> usize {
        self.told.get(&sock).map_or(0, |told| told.unsent)
    }

    pub(crate) fn close(&mut self, sock: Sock) {
        self.peers.close(sock);
    }

    /// Ends the connection with a reset.
    pub(crate) fn abort(&mut self, sock: Sock) {
        self.peers.abort(sock);
    }

    pub(crate) fn drain(&self, within: Duration) {
        self.mailbox.put(Command::Drain { within });
    }

    /// Ends the worker, and writes what it has logged.
    pub(crate) fn end(mut self) {
        self.drain(Duration::ZERO);
        self.settle();
        assert!(self.is_worker_over());
        self.worker.run().unwrap();
        self.log.finish(Duration::from_secs(60));
    }

    /// The connection that was accepted as the `number`th, at whichever endpoint.
    #[track_caller]
    pub(crate) fn accepted(&self, number: usize) -> Sock {
        self.accepted[number]
    }

    /// How many connections the endpoints accepted.
    pub(crate) fn accepted_len(&self) -> usize {
        self.accepted.len()
    }

    /// Takes what a socket received so far.
    pub(crate) fn text(&mut self, sock: Sock) -> String {
        let told = self.told.entry(sock).or_default();
        String::from_utf8_lossy(&std::mem::take(&mut told.received)).into_owned()
    }

    /// Takes what a socket received so far.
    pub(crate) fn bytes(&mut self, sock: Sock) -> Vec<u8> {
        std::mem::take(&mut self.told.entry(sock).or_default().received)
    }

    /// Whether the worker has ended its direction, or all of the connection.
    pub(crate) fn has_ended(&self, sock: Sock) -> bool {
        self.told
            .get(&sock)
            .is_some_and(|told| told.finished || told.closed)
    }

    /// Whether the connection was reset and no end came before.
    pub(crate) fn was_reset(&self, sock: Sock) -> bool {
        self.told
            .get(&sock)
            .is_some_and(|told| told.reset && !told.finished)
    }

    pub(crate) fn is_worker_over(&self) -> bool {
        self.worker.is_over()
    }

    /// Lets that much time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.net.now() + time;
        let mut events = Vec::new();
        while self.net.now() < until {
            // An engine outlives its worker until it has done what it was asked for last.
            let is_over = self.worker.is_over();
            let worker = Party {
                engine: self.worker_engine,
                deadline: self.worker.next_deadline().filter(|_| !is_over),
            };
            let peers = Party {
                engine: self.peers.id(),
                deadline: Some(until),
            };
            match self.driver.next(&[peers, worker]) {
                Some(0) => {
                    self.peers.wait(Some(until), &mut events).unwrap();
                    events.drain(..).for_each(|event| self.note(event));
                }
                Some(_) if is_over => {
                    let engine = self.worker.engine();
                    let now = engine.now();
                    engine.wait(Some(now), &mut Vec::new()).unwrap();
                }
                Some(_) => self.worker.turn().unwrap(),
                None => return,
            }
        }
    }

    /// Long enough for every message under way.
    pub(crate) fn settle(&mut self) {
        self.run(Duration::from_millis(10));
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Accepted { sock, .. } => {
                self.accepted.push(sock);
                if !self.is_deaf {
                    self.peers.resume(sock);
                }
            }
            Event::Received { sock, data } => {
                self.told
                    .entry(sock)
                    .or_default()
                    .received
                    .extend_from_slice(&data);
            }
            Event::Finished { sock } => self.told.entry(sock).or_default().finished = true,
            Event::Closed { sock, cause } => {
                let told = self.told.entry(sock).or_default();
                (told.closed, told.reset) = (true, cause.is_some());
            }
            Event::Sent { sock, bytes } => self.told.entry(sock).or_default().unsent -= bytes,
            Event::AcceptFailed { .. }
            | Event::Connected { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Relayed { .. }
            | Event::Woken => {}
        }
    }
}
