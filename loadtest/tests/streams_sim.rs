//! The load generator and the endpoint over HTTP/2 on a simulated network: every answer of many streams
//! is right, however what is sent is cut, and nothing is left behind on a network that breaks. The same
//! over TLS.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{
    Driver, EngineId, EngineOptions, Faults, ListenOptions, Party, Rng, SimNet, SockAddr,
};
use loadtest::{
    outcome::{Failure, Outcome},
    run::{self, Lane, Load, Share, Target, Tls},
    serve::{self, Counters, Defaults, SelfSigned, Service, Worker},
    workload::{Arrivals, Protocol, Request, Sessions, Workload},
};
use std::{sync::Arc, time::Duration};
use tls::{Client, ClientSettings, ServerContext, Version};

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok());
    0..count.unwrap_or(16)
}

/// Without optimisation handshakes take their time.
fn few_seeds() -> std::ops::Range<u64> {
    0..seeds().end.div_ceil(3)
}

struct Stage {
    net: SimNet,
    driver: Driver,
    lane: (Lane, EngineId),
    worker: (Worker, EngineId),
}

impl Stage {
    fn new(seed: u64, faults: Faults, workload: &Workload) -> Self {
        Self::with(seed, faults, workload, None)
    }

    /// Over TLS if there is a context for both sides.
    fn with(seed: u64, faults: Faults, workload: &Workload, tls: Option<Both>) -> Self {
        workload.check(1).unwrap();
        let net = SimNet::new(seed);
        net.set_faults(faults);
        let at: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let opened = net.open_listener(&SockAddr::from(at), &ListenOptions::default());
        let (carried, address) = opened.unwrap();
        let options = EngineOptions::default();
        let engine = net.engine(&options);
        let id = engine.id();
        let service = match tls {
            None => Service::Http,
            Some(_) => Service::Https,
        };
        let listeners = vec![(carried, service)];
        let mut worker = Worker::new(Box::new(engine), listeners, Defaults::default());
        let (server, tls) = tls.unzip();
        if let Some(context) = server {
            worker = worker.over_tls(context);
        }
        let target = Target {
            address,
            authority: "a".to_owned(),
            tls,
        };
        let load = Arc::new(Load::new(target, workload.clone()));
        let engine = net.engine(&options);
        let lane_id = engine.id();
        let lane = Lane::new(Box::new(engine), load, Share::ALL, seed);
        Self {
            driver: Driver::new(&net, Rng::seeded(seed)),
            net,
            lane: (lane, lane_id),
            worker: (worker, id),
        }
    }

    /// False: nothing will happen any more.
    fn step(&mut self) -> bool {
        let parties = [
            Party {
                engine: self.worker.1,
                deadline: self.worker.0.deadline(),
            },
            Party {
                engine: self.lane.1,
                deadline: self.lane.0.deadline(),
            },
        ];
        match self.driver.next(&parties) {
            Some(0) => self.worker.0.turn().unwrap(),
            Some(_) => self.lane.0.turn().unwrap(),
            None => return false,
        }
        true
    }

    /// Runs to the end, and a little longer.
    fn run(mut self) -> (Outcome, Counters) {
        while !self.lane.0.is_settled() {
            assert!(self.step());
        }
        self.lane.0.start(self.net.now());
        while !self.lane.0.is_done() {
            assert!(self.step(), "somebody waits for ever");
        }
        let counters = self.worker.0.counters();
        let outcome = run::outcome(vec![self.lane.0]);
        let tally = outcome.tally;
        let ended = tally.completed + tally.failed + tally.unfinished;
        assert_eq!(tally.started, ended, "a request has one end: {tally:?}");
        (outcome, counters)
    }
}

/// What both sides of a connection over TLS begin with.
type Both = (Arc<ServerContext>, Tls);

/// The draws of the cryptography are not the seed's; lengths and order do not depend on them.
fn both() -> Both {
    let versions = (Version::Tls12, Version::Tls13);
    let identity = SelfSigned::localhost().unwrap().identity().unwrap();
    let settings = ClientSettings {
        server: Client::Unverified,
        identity: None,
        alpn: Vec::new(),
        versions,
        suites: Vec::new(),
        groups: Vec::new(),
        sessions_max: 0,
        key_log: None,
    };
    let server = serve::secure(identity, versions, Vec::new(), Vec::new());
    (server.unwrap(), Tls::new(settings, "localhost").unwrap())
}

fn get(path: &str, body: u64) -> Request {
    Request {
        method: if body > 0 { "POST" } else { "GET" }.to_owned(),
        path: path.to_owned(),
        body,
        ..Request::default()
    }
}

fn workload(protocol: Protocol, streams: u32, requests: Vec<Request>) -> Workload {
    Workload {
        protocol,
        connections: 2,
        streams,
        count: Some(60),
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(600),
        timeout: Duration::from_secs(100),
        grace: Duration::from_secs(100),
        verify: true,
        requests,
        ..Workload::default()
    }
}

fn of_http() -> Vec<Request> {
    vec![
        get("/bytes/100?crc", 0),
        get("/chunked/70000?crc", 0),
        get("/bytes/500000?crc&delay=20", 0),
        get("/slow/3000?rate=10000&crc", 0),
        get("/echo", 50_000),
        get("/echo?delay=50", 400_000),
        get("/bytes/0", 20_000),
        Request {
            method: "HEAD".to_owned(),
            ..get("/bytes/100", 0)
        },
    ]
}

fn of_grpc() -> Vec<Request> {
    vec![
        get("/p.S/M?crc", 10),
        get("/bytes/200000?crc", 0),
        get("/bytes/999?messages=40&crc", 2000),
        get("/bytes/3000?messages=40&crc&rate=100000", 0),
        get("/bytes/0?messages=7&crc", 0),
        get("/p.S/Echo", 300_000),
        get("/p.S/Echo?delay=30", 70_000),
    ]
}

#[test]
fn answers_are_whole_however_what_is_sent_is_cut() {
    for seed in seeds() {
        let faults = Faults::rough(&mut Rng::seeded(seed));
        for (protocol, requests) in [(Protocol::Http2, of_http()), (Protocol::Grpc, of_grpc())] {
            let streams = if seed % 4 == 0 { 1 } else { 7 };
            let load = Workload {
                count: Some(20),
                ..workload(protocol, streams, requests)
            };
            let (outcome, counters) = Stage::new(seed, faults.clone(), &load).run();
            assert_eq!(outcome.tally.completed, 20, "{seed}: {:?}", outcome.errors);
            assert_eq!((counters.answered, counters.malformed), (20, 0), "{seed}");
        }
    }
}

#[test]
fn answers_are_whole_over_tls_however_what_is_sent_is_cut() {
    let tls = both();
    for seed in few_seeds() {
        let faults = Faults::rough(&mut Rng::seeded(seed));
        for (protocol, requests) in [
            (Protocol::Http1, of_http()),
            (Protocol::Http2, of_http()),
            (Protocol::Grpc, of_grpc()),
        ] {
            let load = Workload {
                count: Some(20),
                sessions: Sessions::Resumed,
                requests_per_connection: (seed % 2 == 0).then_some(3),
                ..workload(protocol, if seed % 4 == 0 { 1 } else { 3 }, requests)
            };
            let stage = Stage::with(seed, faults.clone(), &load, Some(tls.clone()));
            let (outcome, counters) = stage.run();
            assert_eq!(outcome.tally.completed, 20, "{seed}: {:?}", outcome.errors);
            assert_eq!((counters.answered, counters.malformed), (20, 0), "{seed}");
            let handshakes = outcome.handshakes.unwrap();
            assert!(handshakes.count() > 0, "{seed}");
        }
    }
}

#[test]
fn a_network_that_breaks_leaves_nothing_of_tls_behind() {
    let tls = both();
    for seed in few_seeds() {
        let faults = Faults::hostile(&mut Rng::seeded(seed));
        for (protocol, requests) in [(Protocol::Http1, of_http()), (Protocol::Http2, of_http())] {
            let load = Workload {
                requests_per_connection: (seed % 2 == 0).then_some(10),
                timeout: Duration::from_secs(2),
                ..workload(protocol, 4, requests)
            };
            let stage = Stage::with(seed, faults.clone(), &load, Some(tls.clone()));
            let (outcome, _) = stage.run();
            assert_eq!(outcome.tally.started, 60, "{seed}");
            for why in [Failure::Body, Failure::Malformed, Failure::Status] {
                let found = outcome.errors.get(&why);
                assert_eq!(found, None, "{seed}: {:?}", outcome.errors);
            }
        }
    }
}

#[test]
fn slow_answers_hold_no_other_stream_up() {
    let load = Workload {
        arrivals: Arrivals::Constant(100.0),
        connections: 1,
        ..workload(
            Protocol::Http2,
            100,
            vec![
                get("/bytes/100", 0),
                get("/bytes/100?delay=400", 0),
                get("/echo?delay=400", 100_000),
                get("/slow/400?rate=1000", 0),
            ],
        )
    };
    let (outcome, _) = Stage::new(1, Faults::default(), &load).run();
    assert_eq!((outcome.tally.completed, outcome.tally.connected), (60, 1));
    // A tick of the endpoint's timers, or of its pace, and the way.
    let (least, most) = (400_000_000, 425_000_000);
    let slow = outcome.latency.count_between(least - 1_000_000, most);
    let quick = outcome.latency.count_between(0, 5_000_000);
    assert_eq!(slow + quick, 60, "{slow} {quick}");
    assert!(slow > 20 && quick > 5, "{slow} {quick}");
}

#[test]
fn what_goes_wrong_with_one_stream_is_told_and_the_others_go_on() {
    for (fault, failure, connections) in [
        ("refuse", Failure::Refused, 2),
        ("cancel", Failure::Reset, 2),
        ("stall", Failure::Timeout, 2),
    ] {
        let load = Workload {
            timeout: Duration::from_secs(1),
            ..workload(
                Protocol::Http2,
                10,
                vec![
                    get(&format!("/?fault={fault}"), 0),
                    get("/bytes/100000?crc", 0),
                ],
            )
        };
        let (outcome, _) = Stage::new(5, Faults::default(), &load).run();
        let failed = outcome.errors[&failure];
        assert!(failed > 5, "{fault}");
        assert_eq!(outcome.errors.len(), 1, "{fault}: {:?}", outcome.errors);
        let tally = (outcome.tally.completed + failed, outcome.tally.connected);
        assert_eq!(tally, (60, connections), "{fault}");
    }
}

#[test]
fn a_connection_that_drains_or_ends_is_replaced() {
    for (fault, failures) in [
        ("drain", &[Failure::Refused][..]),
        ("close", &[Failure::Closed]),
        ("cut", &[Failure::Closed]),
        ("reset", &[Failure::Closed]),
    ] {
        let path = format!("/bytes/2000?fault={fault}");
        let requests = vec![get(&path, 0), get("/bytes/3000?crc&delay=3", 0)];
        let load = Workload {
            verify: false,
            ..workload(Protocol::Http2, 5, requests)
        };
        let (outcome, _) = Stage::new(7, Faults::default(), &load).run();
        let told = outcome.errors.keys().all(|why| failures.contains(why));
        assert!(told, "{fault}: {:?}", outcome.errors);
        assert!(outcome.tally.connected > 4, "{fault}");
        assert_eq!(outcome.tally.unfinished, 0, "{fault}");
    }
}

#[test]
fn readers_that_are_slow_are_held_back_by_their_windows() {
    let load = Workload {
        read_rate: Some(200_000),
        connections: 1,
        count: Some(4),
        ..workload(Protocol::Http2, 4, vec![get("/bytes/500000?crc", 0)])
    };
    let (outcome, _) = Stage::new(9, Faults::default(), &load).run();
    assert_eq!(outcome.tally.completed, 4);
    // Two million bytes less what the window holds.
    let seconds = outcome.measured.as_secs_f64();
    assert!((9.5..10.1).contains(&seconds), "{seconds}");
}

#[test]
fn a_network_that_breaks_leaves_nothing_behind() {
    for seed in seeds() {
        let faults = Faults::hostile(&mut Rng::seeded(seed));
        for (protocol, requests) in [(Protocol::Http2, of_http()), (Protocol::Grpc, of_grpc())] {
            let load = Workload {
                requests_per_connection: (seed % 2 == 0).then_some(10),
                timeout: Duration::from_secs(2),
                ..workload(protocol, 8, requests)
            };
            let stage = Stage::new(seed, faults.clone(), &load);
            let (outcome, counters) = stage.run();
            assert_eq!(outcome.tally.started, 60, "{seed}");
            for why in [
                Failure::Body,
                Failure::Malformed,
                Failure::Status,
                Failure::Unsolicited,
            ] {
                assert_eq!(
                    outcome.errors.get(&why),
                    None,
                    "{seed}: {:?}",
                    outcome.errors
                );
            }
            assert_eq!(counters.malformed, 0, "{seed}");
        }
    }
}
