//! The endpoint on a simulated network: every answer byte for byte, however streams are cut, however
//! slowly they are read, and whatever the peer sends.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use engines::{
    Buf, ConnectOptions, Driver, Engine, EngineOptions, Event, Faults, ListenOptions, Party, Rng,
    SimEngine, SimNet, Sock, SockAddr,
};
use loadtest::serve::{Counters, Defaults, Service, Worker, limits, pattern};
use std::time::{Duration, Instant};

/// What a scripted client does and has seen.
struct Client {
    engine: SimEngine,
    sock: Sock,
    received: Vec<u8>,
    is_finished: bool,
    is_closed: bool,
    events: Vec<Event>,
}

impl Client {
    fn turn(&mut self) {
        self.engine.wait(None, &mut self.events).unwrap();
        for event in self.events.drain(..) {
            match event {
                Event::Received { data, .. } => self.received.extend_from_slice(&data),
                Event::Finished { .. } => self.is_finished = true,
                Event::Closed { .. } => self.is_closed = true,
                Event::AcceptFailed { .. }
                | Event::Accepted { .. }
                | Event::Connected { .. }
                | Event::Datagram { .. }
                | Event::Detached { .. }
                | Event::Relayed { .. }
                | Event::Sent { .. }
                | Event::Woken => {}
            }
        }
    }
}

/// An endpoint and one connection to it.
struct Stage {
    net: SimNet,
    driver: Driver,
    worker: Worker,
    worker_id: engines::EngineId,
    client: Client,
    start: Instant,
}

impl Stage {
    fn new(seed: u64, faults: Faults, service: Service) -> Self {
        let net = SimNet::new(seed);
        net.set_faults(faults);
        let at: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        let opened = net.open_listener(&SockAddr::from(at), &ListenOptions::default());
        let (carried, at) = opened.unwrap();
        let options = EngineOptions::default();
        let engine = net.engine(&options);
        let worker_id = engine.id();
        let worker = Worker::new(
            Box::new(engine),
            vec![(carried, service)],
            Defaults::default(),
        );
        let mut engine = net.engine(&options);
        let sock = engine.connect(&at, &ConnectOptions::default());
        engine.resume(sock);
        Self {
            driver: Driver::new(&net, Rng::seeded(seed)),
            start: net.now(),
            net,
            worker,
            worker_id,
            client: Client {
                engine,
                sock,
                received: Vec::new(),
                is_finished: false,
                is_closed: false,
                events: Vec::new(),
            },
        }
    }

    fn say(&mut self, bytes: &[u8]) {
        self.client
            .engine
            .send(self.client.sock, Buf::copy_of(bytes));
    }

    /// Runs until the client has seen enough; false if nothing will ever happen again.
    fn run_until(&mut self, is_enough: impl Fn(&Client) -> bool) -> bool {
        while !is_enough(&self.client) {
            let parties = [
                Party {
                    engine: self.worker_id,
                    deadline: self.worker.deadline(),
                },
                Party {
                    engine: self.client.engine.id(),
                    deadline: None,
                },
            ];
            match self.driver.next(&parties) {
                None => return false,
                Some(0) => self.worker.turn().unwrap(),
                Some(_) => self.client.turn(),
            }
        }
        true
    }

    fn elapsed(&self) -> Duration {
        self.net.now() - self.start
    }
}

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok());
    0..count.unwrap_or(32)
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nserver: loadtest\r\ncontent-type: application/octet-stream\r\ncache-control: no-store\r\n";

fn fixed(len: usize) -> Vec<u8> {
    let mut answer = format!("{HEAD}content-length: {len}\r\n\r\n").into_bytes();
    answer.extend(pattern::pattern().iter().cycle().take(len));
    answer
}

#[test]
fn pipelined_answers_come_complete_and_in_order_however_the_stream_is_cut() {
    for seed in seeds() {
        let mut rng = Rng::seeded(seed);
        let mut stage = Stage::new(seed, Faults::rough(&mut rng), Service::Http);
        let lengths = [0, 100, 400_000, 1, 1024, 1025, 70_000, 3];
        let mut want = Vec::new();
        for len in lengths {
            stage.say(format!("GET /bytes/{len} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
            want.extend(fixed(len));
        }
        assert!(
            stage.run_until(|client| client.received.len() >= want.len()),
            "{seed}"
        );
        assert!(stage.client.received == want, "{seed}");
        stage.client.engine.finish(stage.client.sock);
        assert!(stage.run_until(|client| client.is_finished), "{seed}");
        assert_eq!(stage.worker.connections(), 0, "{seed}");
        assert_eq!(stage.worker.counters().answered, lengths.len() as u64);
    }
}

#[test]
fn an_echo_gives_back_what_it_was_sent() {
    for seed in seeds() {
        let mut rng = Rng::seeded(seed);
        let body: Vec<u8> = (0..60_000).map(|_| rng.below(256) as u8).collect();
        let faults = Faults::rough(&mut rng);
        let mut stage = Stage::new(seed, faults.clone(), Service::Http);
        let ask = "POST /echo?delay=5 HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 60000\r\n\r\n";
        stage.say(ask.as_bytes());
        stage.say(&body);
        let mut want = format!("HTTP/1.1 100 Continue\r\n\r\n{HEAD}content-length: 60000\r\n\r\n")
            .into_bytes();
        want.extend_from_slice(&body);
        let is_all = |client: &Client| client.received.ends_with(&body);
        assert!(stage.run_until(is_all), "{seed}");
        let seen = &stage.client.received;
        // The peer that waits for `100 Continue` is only told so while its body is not there.
        assert!(seen == &want || seen == &want[25..], "{seed}");

        let mut stage = Stage::new(seed, faults, Service::Echo);
        stage.say(&body);
        stage.client.engine.finish(stage.client.sock);
        assert!(stage.run_until(|client| client.is_finished), "{seed}");
        assert!(stage.client.received == body, "{seed}");
        assert_eq!(stage.worker.connections(), 0, "{seed}");
    }
}

#[test]
fn a_chunked_echo_has_the_bytes_of_the_request() {
    let mut stage = Stage::new(1, Faults::default(), Service::Http);
    stage.say(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx: y\r\n\r\n");
    assert!(stage.run_until(|client| client.received.ends_with(b"0\r\n\r\n")));
    let text = String::from_utf8(stage.client.received).unwrap();
    let want = format!("{HEAD}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(text, want);
}

#[test]
fn a_paced_body_takes_its_time_and_a_delayed_answer_waits() {
    for (path, len, at_least) in [
        ("/slow/1000?rate=500", 1000, 2000),
        ("/slow/3?rate=1", 3, 3000),
        ("/bytes/9?delay=1500", 9, 1500),
        ("/slow/100?rate=1000&delay=700", 100, 800),
    ] {
        let mut stage = Stage::new(3, Faults::default(), Service::Http);
        stage.say(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
        let want = fixed(len);
        assert!(
            stage.run_until(|client| client.received.len() >= want.len()),
            "{path}"
        );
        assert!(stage.client.received == want, "{path}");
        let (least, took) = (Duration::from_millis(at_least), stage.elapsed());
        assert!(
            took >= least && took < least + Duration::from_millis(100),
            "{path}: {took:?}"
        );
    }
}

#[test]
fn faults_are_what_they_are_called() {
    let ask = |path: &str, seed: u64| {
        let mut stage = Stage::new(seed, Faults::default(), Service::Http);
        stage.say(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
        let is_told = stage.run_until(|client| client.is_finished || client.is_closed);
        (stage, is_told)
    };
    let (stage, is_told) = ask("/?fault=close", 1);
    assert!(is_told && stage.client.received.is_empty() && stage.client.is_finished);
    let (stage, is_told) = ask("/bytes/1000?fault=cut", 2);
    let want = fixed(1000);
    assert!(is_told && stage.client.received == want[..want.len() - 500]);
    let (stage, is_told) = ask("/?fault=garbage", 3);
    assert!(is_told && stage.client.received.starts_with(b"\x00\xff"));
    let (stage, is_told) = ask("/?fault=reset", 4);
    assert!(is_told && stage.client.received.is_empty());
    assert_eq!(stage.worker.connections(), 0);
    for (fault, seed) in [("cancel", 6), ("refuse", 7)] {
        let (stage, is_told) = ask(&format!("/?fault={fault}"), seed);
        assert!(is_told && stage.client.received.is_empty(), "{fault}");
    }
    let (stage, is_told) = ask("/bytes/9?fault=drain", 8);
    let text = String::from_utf8_lossy(&stage.client.received).into_owned();
    assert!(is_told && text.contains("\r\nconnection: close\r\n"));
    assert!(stage.client.received.ends_with(&pattern::pattern()[..9]));
    let (mut stage, is_told) = ask("/?fault=stall", 5);
    assert!(!is_told && stage.client.received.is_empty());
    stage.client.engine.finish(stage.client.sock);
    assert!(stage.run_until(|client| client.is_finished || client.is_closed));
}

#[test]
fn malformed_input_is_refused_by_its_protocol_and_read_to_its_end() {
    for (bytes, status) in [
        (&b"GET / HTTP/1.1\nhost: a\r\n\r\n"[..], "400"),
        (b"\x16\x03\x01 no protocol at all\r\n\r\n", "400"),
        (b"GET / HTTP/2.7\r\n\r\n", "505"),
    ] {
        let mut stage = Stage::new(6, Faults::default(), Service::Http);
        stage.say(bytes);
        assert!(stage.run_until(|client| client.is_finished));
        let text = String::from_utf8_lossy(&stage.client.received).into_owned();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert_eq!(stage.worker.counters().malformed, 1);
        // It waits for our end as long as it is told, and no longer.
        assert!(!stage.run_until(|client| client.is_closed));
        assert_eq!(stage.worker.connections(), 0);
        let Counters { close_timeouts, .. } = stage.worker.counters();
        assert_eq!(close_timeouts, 1);
        assert!(stage.elapsed() >= limits::LINGER_TIME);
    }
}

#[test]
fn hostile_networks_and_bytes_leave_nothing_behind() {
    for seed in seeds() {
        let mut rng = Rng::seeded(seed);
        let service = [Service::Http, Service::Echo, Service::Sink][rng.index(3)];
        let mut stage = Stage::new(seed, Faults::hostile(&mut rng), service);
        for _ in 0..rng.below(5) {
            let noise: Vec<u8> = (0..rng.below(500)).map(|_| rng.below(256) as u8).collect();
            let paths = [
                "/bytes/100000",
                "/echo",
                "/?fault=reset",
                "/?delay=50",
                "/?fault=cut",
                "/slow/99",
            ];
            let path = paths[rng.index(paths.len())];
            stage.say(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes());
            if rng.chance(1, 4) {
                stage.say(&noise);
            }
        }
        stage.client.engine.finish(stage.client.sock);
        stage.run_until(|client| client.is_finished || client.is_closed);
        stage.client.engine.close(stage.client.sock);
        stage.run_until(|_| false);
        assert_eq!(stage.worker.connections(), 0, "{seed}");
    }
}

#[test]
fn a_reader_that_does_not_read_costs_a_bounded_queue() {
    let mut stage = Stage::new(8, Faults::default(), Service::Http);
    stage.client.engine.pause(stage.client.sock);
    stage.say(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!stage.run_until(|_| false), "it waits for the reader");
    let before = stage.client.received.len();
    stage.client.engine.resume(stage.client.sock);
    assert!(stage.run_until(|client| client.received.len() > before + (4 << 20)));
    assert!(!stage.client.is_finished);
}
