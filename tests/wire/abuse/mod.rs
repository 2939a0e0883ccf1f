//! Attacks on HTTP/2: each ends its own connection with ENHANCE_YOUR_CALM (or its stream, where that is
//! enough), is counted by the name of its limit, leaves memory flat and a neighbour unharmed.

mod heads;

use crate::support::{
    Cluster, HttpListener, Origin, Proxy, Setup,
    h2::{
        DATA, END, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, H2, HEADERS, PING, PRIORITY, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, frame,
    },
    until,
};
use engines::EngineKind;
use std::io::{Read, Write};

on_each_engine!(
    streams_that_are_opened_and_reset,
    streams_that_break_the_rules_to_be_reset_by_us,
    empty_frames,
    pings,
    settings,
    priorities,
    window_updates,
    frames_that_mean_nothing,
    windows_opened_byte_by_byte,
    more_streams_than_are_allowed,
    answers_that_nobody_takes,
    a_window_that_stays_shut,
    bodies_beyond_the_window,
);

/// Growth of memory that is no growth: blocks that are used for the first time, the allocator's slack.
const SLACK_BYTES: u64 = 24 << 20;

/// A proxy and a neighbour on a connection of its own.
struct Scene {
    proxy: Proxy,
    neighbour: H2,
    before: u64,
    _origin: Origin,
}

/// Answers with as many bytes as the path says.
fn sized() -> Origin {
    Origin::new(|request, stream| {
        let bytes = request
            .path()
            .strip_prefix("/b/")
            .and_then(|n| n.parse().ok());
        let body = vec![b'x'; bytes.unwrap_or(2)];
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
    })
}

impl Scene {
    fn new(engine: EngineKind) -> Self {
        let origin = sized();
        let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
        let mut neighbour = H2::new(proxy.at("http"));
        assert_eq!(neighbour.get("/before").status, 200);
        Self {
            before: proxy.resident_bytes(),
            proxy,
            neighbour,
            _origin: origin,
        }
    }

    fn attacker(&self) -> H2 {
        H2::new(self.proxy.at("http"))
    }

    /// The neighbour is served, the limit was counted, memory is flat.
    fn check(mut self, limit: &str) {
        assert_eq!(self.neighbour.get("/after").status, 200);
        assert!(self.proxy.http2_limit(limit) > 0, "{limit} was not counted");
        let grown = self.proxy.resident_bytes().saturating_sub(self.before);
        assert!(grown < SLACK_BYTES, "{grown} bytes more");
        drop(self.neighbour);
        self.proxy.settle();
    }

    /// Sends the bytes again and again until the connection is refused for that limit.
    fn flood(self, limit: &str, mut attacker: H2, mut bytes: impl FnMut(&mut H2) -> Vec<u8>) {
        for _ in 0..200_000 {
            let next = bytes(&mut attacker);
            if !attacker.try_send(&next) || self.proxy.pid() == 0 {
                break;
            }
        }
        expect_calm(attacker);
        self.check(limit);
    }
}

/// The connection ends, and if its last words arrive they are these.
fn expect_calm(mut attacker: H2) {
    if let Some(code) = attacker.goaway() {
        assert_eq!(code, ENHANCE_YOUR_CALM);
    }
}

/// A request's head for a stream, with whatever compression.
fn head(attacker: &mut H2, path: &str) -> Vec<u8> {
    attacker.block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "example"),
        (":path", path),
    ])
}

fn streams_that_are_opened_and_reset(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-reset-flood", attacker, |attacker| {
        let id = attacker.take_id();
        let block = head(attacker, "/b/100000");
        let open = frame(HEADERS, END_HEADERS | END, id, &block);
        [open, frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
    });
}

fn streams_that_break_the_rules_to_be_reset_by_us(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-reset-flood", attacker, |attacker| {
        let id = attacker.take_id();
        let block = head(attacker, "/b/100000");
        let open = frame(HEADERS, END_HEADERS | END, id, &block);
        // An increment of zero is an error of the stream.
        [open, frame(WINDOW_UPDATE, 0, id, &[0; 4])].concat()
    });
}

fn empty_frames(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.request("POST", "/", &[], false);
    scene.flood("http2-empty-frames", attacker, move |_| {
        frame(DATA, 0, id, &[])
    });
}

fn pings(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-ping-flood", attacker, |_| frame(PING, 0, 0, &[0; 8]));
}

fn settings(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-settings-flood", attacker, |_| {
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0])
    });
}

fn priorities(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.request("POST", "/", &[], false);
    scene.flood("http2-priority-flood", attacker, move |_| {
        frame(PRIORITY, 0, id, &[0, 0, 0, 0, 1])
    });
}

fn window_updates(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-window-update-flood", attacker, |_| {
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])
    });
}

fn frames_that_mean_nothing(engine: EngineKind) {
    let scene = Scene::new(engine);
    let attacker = scene.attacker();
    scene.flood("http2-useless-frames", attacker, |_| {
        frame(0x77, 0, 0, b"?")
    });
}

fn windows_opened_byte_by_byte(engine: EngineKind) {
    let scene = Scene::new(engine);
    // INITIAL_WINDOW_SIZE.
    let mut attacker = H2::with_settings(scene.proxy.at("http"), &[(4, 0)]);
    let id = attacker.request("GET", "/b/100000", &[], true);
    for _ in 0..20_000 {
        if !attacker.try_send(&frame(WINDOW_UPDATE, 0, id, &[0, 0, 0, 1])) {
            break;
        }
        // Wait for the byte, so that each costs a frame.
        loop {
            match attacker.next() {
                Some(frame) if frame.kind == DATA => break,
                Some(frame) if frame.kind == GOAWAY => {
                    assert_eq!(frame.code(), ENHANCE_YOUR_CALM);
                    return scene.check("http2-tiny-windows");
                }
                Some(_) => {}
                None => return scene.check("http2-tiny-windows"),
            }
        }
    }
    scene.check("http2-tiny-windows");
}

fn more_streams_than_are_allowed(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let open: Vec<_> = (0..100)
        .map(|_| attacker.request("POST", "/", &[], false))
        .collect();
    let refused = attacker.request("POST", "/", &[], false);
    assert_eq!(attacker.reply(refused).reset, Some(7));
    attacker.send(DATA, END, open[0], b"");
    assert_eq!(attacker.reply(open[0]).status, 200);
    drop(attacker);
    scene.check("http2-too-many-streams");
}

/// The "window stall": a hundred long answers are asked for and no window is ever opened.
fn answers_that_nobody_takes(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attackers: Vec<_> = (0..3)
        .map(|_| H2::with_settings(scene.proxy.at("http"), &[(4, 0)]))
        .collect();
    for attacker in &mut attackers {
        for _ in 0..100 {
            attacker.request("GET", "/b/3000000", &[], true);
        }
    }
    let cluster = "ringlb_cluster_requests_active";
    until("all are under way", || scene.proxy.metric(cluster) >= 300);
    // The endpoints have sent what they could: nothing moves any more.
    let mut last = 0;
    until("nothing moves", || {
        let now = scene.proxy.metric("ringlb_worker_events_total");
        std::mem::replace(&mut last, now) + 20 > now
    });
    let mut neighbour = H2::new(scene.proxy.at("http"));
    assert_eq!(neighbour.get("/b/200000").body.len(), 200_000);
    let grown = scene.proxy.resident_bytes().saturating_sub(scene.before);
    // Each connection: `CONN_BYTES_MAX` and what was under way; see docs/operations.md.
    assert!(grown < SLACK_BYTES + 3 * (8 << 20), "{grown} bytes more");
    drop((attackers, neighbour));
    drop(scene.neighbour);
    scene.proxy.settle();
}

/// For the whole idle time, which nothing but the window can use up: the answer is there at once, and the
/// neighbour has a timeout of its own.
fn a_window_that_stays_shut(engine: EngineKind) {
    let origin = sized();
    let yaml = Setup::default()
        .listen(&HttpListener {
            name: "impatient",
            manager: "stream_idle_timeout: 0.2s",
            routes: "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: shut}}}]",
            ..HttpListener::default()
        })
        .listen(&HttpListener::default())
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut attacker = H2::with_settings(proxy.at("impatient"), &[(4, 0)]);
    let id = attacker.request("GET", "/", &[], true);
    let stalled = attacker.reply(id);
    assert_eq!((stalled.status, stalled.body.len()), (200, 0));
    assert_eq!(stalled.reset, Some(ENHANCE_YOUR_CALM));
    assert_eq!(proxy.http2_limit("http2-stalled-window"), 1);
    let mut neighbour = H2::new(proxy.at("http"));
    assert_eq!(neighbour.get("/b/10").body.len(), 10);
}

/// More than the window of a stream whose endpoint does not read.
fn bodies_beyond_the_window(engine: EngineKind) {
    let deaf = Origin::raw(|stream| {
        let mut head = [0; 1];
        let _ = (&stream).read_exact(&mut head);
        std::thread::park();
    });
    let proxy = Proxy::start(engine, &Setup::http(&[deaf.at()]));
    let mut neighbour = H2::new(proxy.at("http"));
    let waits = neighbour.request("GET", "/", &[], true);
    let mut attacker = H2::new(proxy.at("http"));
    let id = attacker.request("POST", "/", &[], false);
    let block = vec![0; 16_384];
    // What the sockets on both sides hold goes first.
    for _ in 0..4000 {
        if !attacker.try_send(&frame(DATA, 0, id, &block)) {
            break;
        }
    }
    let refused = loop {
        match attacker.next() {
            Some(frame) if matches!(frame.kind, RST_STREAM | GOAWAY) => break frame.code(),
            Some(_) => {}
            None => break 3,
        }
    };
    assert_eq!(refused, 3, "FLOW_CONTROL_ERROR");
    neighbour.send(PING, 0, 0, b"are here");
    loop {
        let frame = neighbour.next().unwrap();
        assert_ne!(frame.kind, GOAWAY);
        if frame.kind == PING && frame.payload == b"are here" {
            break;
        }
    }
    assert!(waits > 0);
}
