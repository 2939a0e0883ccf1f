//! One worker in steady state: some clients that ask together, again and again, and an endpoint.

use crate::counted::Counted;
use engines::{
    Buf, ConnectOptions, Driver, Engine, EngineId, EngineOptions, Event, Faults, ListenOptions,
    Party, Rng, SimEngine, SimNet, Sock,
};
use ringlb::{
    access_log::Writer,
    cluster::SharedBreakers,
    config,
    mailbox::Mailbox,
    stats::WorkerStats,
    worker::{Plan, Worker},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Clients that ask at the same time: a turn of the worker serves about as many events.
pub(crate) const CLIENTS: usize = 8;

const REQUEST: &[u8] =
    b"GET /some/path?query=1 HTTP/1.1\r\nhost: example.com\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\n";
const BODY: [u8; 100] = [b'x'; 100];

/// The worker, the peers and the network between them.
pub(crate) struct Lane {
    net: SimNet,
    worker: Worker,
    worker_engine: EngineId,
    peers: SimEngine,
    driver: Driver,
    /// What each client has received of its answer.
    clients: BTreeMap<Sock, Vec<u8>>,
    answered: usize,
    events: Vec<Event>,
    /// Ends the access log when it is dropped.
    _writer: Writer,
}

impl Lane {
    /// `logs`: with an access log.
    pub(crate) fn new(logs: bool) -> Self {
        let loaded = config::load(&yaml(logs)).unwrap_or_else(|problems| panic!("{problems:?}"));
        let snapshot = Arc::new(loaded.snapshot);
        let net = SimNet::new(1);
        let latency = Duration::from_micros(50);
        net.set_faults(Faults {
            latency: (latency, latency),
            ..Faults::default()
        });
        let listeners = snapshot.listeners.iter().map(|listener| {
            let opened = net.open_listener(&listener.address, &ListenOptions::default());
            opened.unwrap().0
        });
        let (writer, mut rings) = Writer::start(&snapshot, 1).unwrap();
        let breakers = snapshot.clusters.iter();
        let plan = Plan {
            listeners: listeners.collect(),
            breakers: breakers
                .map(|c| SharedBreakers::new(c.thresholds, 1))
                .collect(),
            stats: WorkerStats::new(&snapshot),
            log: rings.remove(0),
            mailbox: Arc::new(Mailbox::default()),
            seed: 7,
            snapshot: snapshot.clone(),
        };
        let engine = net.engine(&EngineOptions::default());
        let worker_engine = engine.id();
        let mut peers = net.engine(&EngineOptions::default());
        let endpoint = &snapshot.clusters[0].endpoints[0].address;
        let endpoint = peers.listen(endpoint, &ListenOptions::default()).unwrap();
        peers.resume(endpoint);
        let to = &snapshot.listeners[0].address;
        let clients = (0..CLIENTS).map(|_| {
            let sock = peers.connect(to, &ConnectOptions::default());
            peers.resume(sock);
            (sock, Vec::new())
        });
        Self {
            clients: clients.collect(),
            worker: Worker::new(Box::new(Counted(engine)), plan),
            worker_engine,
            peers,
            driver: Driver::new(&net, Rng::seeded(1)),
            net,
            answered: 0,
            events: Vec::new(),
            _writer: writer,
        }
    }

    /// Every client asks once and gets its answer.
    pub(crate) fn round(&mut self) {
        self.answered = 0;
        for (sock, received) in &mut self.clients {
            received.clear();
            self.peers.send(*sock, Buf::from_static(REQUEST));
        }
        while self.answered < CLIENTS {
            self.step();
        }
    }

    fn step(&mut self) {
        let worker = Party {
            engine: self.worker_engine,
            deadline: self.worker.next_deadline(),
        };
        let peers = Party {
            engine: self.peers.id(),
            deadline: None,
        };
        let patience = self.net.now() + Duration::from_secs(1);
        match self.driver.next(&[peers, worker]) {
            Some(0) => {
                self.peers.wait(Some(patience), &mut self.events).unwrap();
                let mut events = std::mem::take(&mut self.events);
                events.drain(..).for_each(|event| self.note(event));
                self.events = events;
            }
            Some(_) => turn(&mut self.worker),
            None => panic!("a request is not answered"),
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Accepted { sock, .. } => self.peers.resume(sock),
            Event::Received { sock, data } => match self.clients.get_mut(&sock) {
                Some(received) => {
                    received.extend_from_slice(&data);
                    self.answered += usize::from(received.ends_with(&BODY));
                }
                // Requests come in one piece here.
                None => {
                    assert!(data.ends_with(b"\r\n\r\n"));
                    self.peers.send(sock, Buf::from([ANSWER, &BODY].concat()));
                }
            },
            Event::Connected { .. } | Event::Sent { .. } => {}
            Event::AcceptFailed { .. }
            | Event::Closed { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Finished { .. }
            | Event::Relayed { .. }
            | Event::Woken => panic!("{event:?}"),
        }
    }
}

/// The function whose instructions are counted, as `--toggle-collect` names it.
pub(crate) const PATTERN: &str = "*lane::turn*";

#[inline(never)]
fn turn(worker: &mut Worker) {
    worker.turn().unwrap();
}

/// The configuration that ringlb is measured with.
fn yaml(logs: bool) -> String {
    let bench = include_str!("../wire/bench.yaml");
    let (http, others) = bench.split_once("  - name: h2c\n").unwrap();
    let (_, tcp) = others.split_once("  - name: tcp\n").unwrap();
    let yaml = [http, "  - name: tcp\n", tcp]
        .concat()
        .replace("@PORT_HTTP@", "80")
        .replace("@PORT_TCP@", "81")
        .replace("@PORT_BACKEND@", "8000");
    let codec = "          codec_type: HTTP1\n";
    let log = "          access_log:
          - name: log
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/null\n";
    assert!(yaml.contains(codec));
    if logs {
        yaml.replace(codec, &[log, codec].concat())
    } else {
        yaml
    }
}
