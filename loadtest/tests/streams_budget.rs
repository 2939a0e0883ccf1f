//! Over HTTP/2 and TLS as over HTTP/1: a request in steady state allocates nothing, neither where it is asked nor
//! where it is answered.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{EngineKind, EngineOptions, ListenOptions, SockAddr};
use loadtest::{
    run::{self, Lane, Load, Means, Share, Stop, Target, Tls, Watch},
    serve::{self, Defaults, SelfSigned, Service, Worker},
    workload::{Protocol, Request, Workload},
};
use std::{sync::Arc, thread, time::Duration};
use tls::{Client, ClientSettings, ServerContext, Version};

const EXCHANGES: u64 = 1000;
/// Room for what grows with time, not with requests: pieces of the run, for pictures.
const ALLOCATIONS_MAX: u64 = EXCHANGES / 20;

fn engines_here() -> impl Iterator<Item = EngineKind> {
    let has_uring = engines::uring_available();
    if let Err(reason) = &has_uring {
        eprintln!("skipped on uring: {reason}");
    }
    EngineKind::ALL
        .into_iter()
        .filter(move |kind| *kind != EngineKind::Uring || has_uring.is_ok())
}

fn any() -> SockAddr {
    SockAddr::Inet(([127, 0, 0, 1], 0).into())
}

/// All of them; whether each is over TLS.
fn loads() -> impl Iterator<Item = (bool, (Protocol, &'static str, u64))> {
    let plain = LOADS.into_iter().map(|load| (false, load));
    plain.chain(SECURE_LOADS.into_iter().map(|load| (true, load)))
}

fn load(
    address: SockAddr,
    protocol: Protocol,
    path: &str,
    body: u64,
    is_secure: bool,
) -> (Target, Workload) {
    let target = Target {
        authority: address.to_string(),
        address,
        tls: is_secure.then(tls),
    };
    let workload = Workload {
        protocol,
        connections: 1,
        streams: 8,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(3600),
        requests: vec![Request {
            path: path.to_owned(),
            method: "POST".to_owned(),
            body,
            ..Request::default()
        }],
        ..Workload::default()
    };
    (target, workload)
}

const VERSIONS: (Version, Version) = (Version::Tls12, Version::Tls13);

fn server_context() -> Arc<ServerContext> {
    let identity = SelfSigned::localhost().unwrap().identity().unwrap();
    serve::secure(identity, VERSIONS, Vec::new(), Vec::new()).unwrap()
}

fn tls() -> Tls {
    let settings = ClientSettings {
        server: Client::Unverified,
        identity: None,
        alpn: Vec::new(),
        versions: VERSIONS,
        suites: Vec::new(),
        groups: Vec::new(),
        sessions_max: 0,
        key_log: None,
    };
    Tls::new(settings, "localhost").unwrap()
}

/// Loads over TLS whose records come whole: one that comes in parts is put together in memory of its own.
const SECURE_LOADS: [(Protocol, &str, u64); 3] = [
    (Protocol::Http1, "/bytes/100", 0),
    (Protocol::Http2, "/bytes/100", 0),
    (Protocol::Grpc, "/p.S/M", 100),
];

const LOADS: [(Protocol, &str, u64); 5] = [
    (Protocol::Http2, "/bytes/100", 0),
    (Protocol::Http2, "/bytes/40000", 0),
    (Protocol::Http2, "/bytes/100", 3000),
    (Protocol::Grpc, "/p.S/M", 100),
    (Protocol::Grpc, "/bytes/2000?messages=3", 2000),
];

#[test]
fn what_asks_allocates_nothing() {
    let served = serve::start(&serve::Options {
        listeners: vec![(Service::Http, any()), (Service::Https, any())],
        tls: Some(server_context()),
        defaults: Defaults::default(),
        engine: Some(EngineKind::Epoll),
        threads: 1,
        cpus: Vec::new(),
    });
    let addresses = served.unwrap().addresses;
    let addresses = [0, 1].map(|at: usize| addresses[at].1.clone());
    for kind in engines_here() {
        for (is_secure, (protocol, path, body)) in loads() {
            let address = addresses[usize::from(is_secure)].clone();
            let (target, workload) = load(address, protocol, path, body, is_secure);
            let engine = engines::open(kind, &EngineOptions::default()).unwrap();
            let load = Arc::new(Load::new(target, workload));
            let mut lane = Lane::new(engine, load, Share::ALL, 1);
            while !lane.is_settled() {
                lane.turn().unwrap();
            }
            lane.start(lane.now());
            let mut exchanges = |until: u64| {
                while lane.so_far().completed < until {
                    lane.turn().unwrap();
                }
            };
            exchanges(EXCHANGES);
            let counted = allocation_counter::measure(|| exchanges(2 * EXCHANGES));
            let count = counted.count_total;
            assert!(
                count <= ALLOCATIONS_MAX,
                "{kind} {path}: {count} for {EXCHANGES} requests"
            );
            assert_eq!(lane.so_far().failed, 0, "{kind} {path}");
        }
    }
}

struct Unwatched;

impl Watch for Unwatched {}

#[test]
fn what_answers_allocates_nothing() {
    for kind in engines_here() {
        for (is_secure, (protocol, path, body)) in loads() {
            let opened = engines::open_listener(&any(), &ListenOptions::default());
            let (listener, address) = opened.unwrap();
            let engine = engines::open(kind, &EngineOptions::default()).unwrap();
            let service = if is_secure {
                Service::Https
            } else {
                Service::Http
            };
            let worker = Worker::new(engine, vec![(listener, service)], Defaults::default());
            let mut worker = worker.over_tls(server_context());
            let (target, workload) = load(address, protocol, path, body, is_secure);
            let workload = Workload {
                count: Some(3 * EXCHANGES),
                ..workload
            };
            let means = Means {
                engine: EngineKind::Epoll,
                threads: 1,
                cpus: Vec::new(),
                seed: 1,
            };
            let asking = thread::spawn(move || {
                run::run(&target, &workload, &means, &Stop::default(), &mut Unwatched)
            });
            let mut answer = |until: u64| {
                while worker.counters().answered < until {
                    worker.turn().unwrap();
                }
            };
            answer(EXCHANGES);
            let counted = allocation_counter::measure(|| answer(2 * EXCHANGES));
            answer(3 * EXCHANGES);
            while worker.connections() > 0 {
                worker.turn().unwrap();
            }
            let outcome = asking.join().unwrap().unwrap();
            assert_eq!(outcome.tally.completed, 3 * EXCHANGES, "{kind} {path}");
            // Where an answer leaves in several slices, the engine's queue grows anew in each burst.
            let is_long = ["/bytes/40000", "/bytes/2000?messages=3"].contains(&path);
            let most = if is_long { EXCHANGES } else { 0 };
            let count = counted.count_total;
            assert!(
                count <= most,
                "{kind} {path}: {count} for {EXCHANGES} requests"
            );
        }
    }
}
