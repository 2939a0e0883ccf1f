//! Attacks on TLS: each ends its own connection, is counted, and a neighbour is served throughout.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    tls::{ONLY_12, ONLY_13, Offer, bulk, offering},
    tls_config::{serving, tcp_chain, to},
    tls_programs::{Program, has},
    until,
};
use engines::EngineKind;
use std::io::{Read, Write};

on_each_engine!(
    a_renegotiation_is_refused,
    keys_may_change_but_not_without_end,
    records_that_break_the_rules,
    handshakes_that_do_not_go_on_are_closed,
    the_oldest_of_too_many_handshakes_gives_way,
    messages_in_small_pieces_cost_little,
);

struct Scene {
    proxy: Proxy,
    neighbour: Client,
    before: u64,
    _origin: Origin,
}

impl Scene {
    fn new(engine: EngineKind) -> Self {
        let origin = Origin::new(|request, stream| {
            let body = match request.path() {
                "/long" => bulk(3 << 20),
                _ => request.body.clone(),
            };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
        });
        let timeout = format!(
            "transport_socket_connect_timeout: 0.3s, {}",
            serving(&["any"])
        );
        let yaml = Setup::default()
            .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
            .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")])
            .listen_chains("hasty", "", &[to(&timeout, "c")])
            .listen_chains("hasty-tcp", "", &[tcp_chain(&timeout, "c")])
            .cluster(&Cluster::default(), &[origin.at()])
            .yaml();
        let proxy = Proxy::start(engine, &yaml);
        let mut neighbour = Client::any(proxy.at("tls"));
        assert_eq!(neighbour.get("/before").status, 200);
        Self {
            before: proxy.resident_bytes(),
            proxy,
            neighbour,
            _origin: origin,
        }
    }

    fn faults(&self, detail: &str) -> u64 {
        self.proxy
            .labelled(&format!("ringlb_tls_faults_total{{detail=\"{detail}\"}}"))
    }

    fn attacker(&self, listener: &str) -> Client {
        let offer = offering(&Offer {
            versions: ONLY_13,
            ..Offer::default()
        });
        Client::secure(self.proxy.at(listener), &offer, "any.test")
    }

    fn check(mut self) {
        assert_eq!(self.neighbour.get("/after").status, 200);
        let grown = self.proxy.resident_bytes().saturating_sub(self.before);
        assert!(grown < 24 << 20, "{grown} bytes more");
        drop(self.neighbour);
        self.proxy.settle();
    }
}

fn a_renegotiation_is_refused(engine: EngineKind) {
    if !has("openssl") {
        return;
    }
    let scene = Scene::new(engine);
    for (number, listener) in ["tls", "tcp"].into_iter().enumerate() {
        let mut client = Program::s_client(scene.proxy.at(listener), &["-tls1_2"]);
        client.line_with("Verify return code");
        client.send("R\n");
        let said = client.rest();
        assert!(said.contains("RENEGOTIATING"), "{said}");
        assert!(
            said.contains("no renegotiation") || said.contains("unexpected message"),
            "{said}"
        );
        assert_eq!(scene.faults("tls_renegotiation"), number as u64 + 1);
    }
    scene.check();
}

fn keys_may_change_but_not_without_end(engine: EngineKind) {
    let scene = Scene::new(engine);
    if has("openssl") {
        let mut client = Program::s_client(scene.proxy.at("tls"), &["-tls1_3"]);
        client.line_with("Verify return code");
        for key in ["K\n", "k\n"] {
            client.send(key);
            client.line_with("KEYUPDATE");
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
            client.line_with("HTTP/1.1 200 OK");
        }
    }
    for listener in ["tls", "tcp"] {
        // Between requests, and within a body.
        let mut client = scene.attacker(listener);
        for _ in 0..6 {
            client.update_keys().unwrap();
            assert_eq!(client.get("/").status, 200);
        }
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 60000\r\n\r\n");
        for part in bulk(60_000).chunks(10_000) {
            client.send(part);
            client.update_keys().unwrap();
        }
        assert_eq!(client.answer().body, bulk(60_000));
        // Data pays for them.
        for _ in 0..3 {
            client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2000000\r\n\r\n");
            client.send(bulk(2_000_000));
            assert_eq!(client.answer().body.len(), 2_000_000);
            for _ in 0..10 {
                client.update_keys().unwrap();
            }
        }
        assert_eq!(
            scene.faults("tls_key_updates"),
            u64::from(listener == "tcp")
        );
        // Requests of an update that nobody reads the answers to.
        let mut client = scene.attacker(listener);
        for _ in 0..10_000 {
            if client.update_keys().is_err() {
                break;
            }
        }
        let _ = client.rest();
        until("it is counted", || {
            scene.faults("tls_key_updates") == 1 + u64::from(listener == "tcp")
        });
    }
    scene.check();
}

/// What a peer does with keys that are right.
fn records_that_break_the_rules(engine: EngineKind) {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    const DATA: u8 = 23;
    let scene = Scene::new(engine);
    let long = vec![b'a'; 16_385];
    let late = [&[11, 0, 0xff, 0xff][..], &[0; 9000]].concat();
    // The kind, what is in it, how often at most, and what is told.
    let attacks: [(u8, &[u8], usize, &str); 13] = [
        (DATA, b"", 10_000, "tls_empty_records"),
        (HANDSHAKE, b"", 1, "tls_unexpected_message"),
        (HANDSHAKE, &[1, 0, 0, 0], 1, "tls_unexpected_message"),
        // RFC 8446 §4.6.2: a certificate that was not asked for, a request by who may not make one; §4.5.
        (
            HANDSHAKE,
            &[11, 0, 0, 4, 0, 0, 0, 0],
            1,
            "tls_unexpected_message",
        ),
        (
            HANDSHAKE,
            &[13, 0, 0, 3, 0, 0, 0],
            1,
            "tls_unexpected_message",
        ),
        (HANDSHAKE, &[5, 0, 0, 0], 1, "tls_unexpected_message"),
        (HANDSHAKE, &[24, 0, 0, 1, 2], 1, "tls_bad_message"),
        (
            HANDSHAKE,
            &[24, 0, 0, 1, 0, 24],
            1,
            "tls_unexpected_message",
        ),
        (HANDSHAKE, &[11, 1, 0, 1], 1, "tls_post_handshake_too_long"),
        (HANDSHAKE, &late, 9, "tls_unexpected_message"),
        (DATA, &long, 1, "tls_record_overflow"),
        (ALERT, &[2, 40], 1, "tls_handshake_failure"),
        (20, &[1], 1, "tls_unexpected_message"),
    ];
    for listener in ["tls", "tcp"] {
        for (kind, contents, times, detail) in attacks {
            let before = scene.faults(detail);
            let (mut stream, mut sealer) = scene.attacker(listener).unbound();
            for _ in 0..times {
                if stream.write_all(&sealer.record(kind, contents)).is_err() {
                    break;
                }
            }
            let _ = stream.read_to_end(&mut Vec::new());
            let now = || scene.faults(detail);
            until(&format!("{listener} {kind} {detail} is counted"), || {
                now() > before
            });
            assert_eq!(now(), before + 1, "{listener} {kind} {detail}");
        }
        // A record that nobody with the keys has made, and one that is none.
        for (bytes, detail) in [
            (&[23, 3, 3, 0, 30][..], "tls_bad_record"),
            (&[23, 3, 3, 0x50, 0][..], "tls_record_overflow"),
            (&[99, 3, 3, 0, 30][..], "tls_unexpected_message"),
        ] {
            let before = scene.proxy.page("/stats/prometheus");
            let (mut stream, _) = scene.attacker(listener).unbound();
            let _ = stream.write_all(&[bytes, &[5; 30]].concat());
            let _ = stream.read_to_end(&mut Vec::new());
            until(&format!("{listener} {detail}\n{before}"), || {
                fault_lines(&scene.proxy.page("/stats/prometheus")) != fault_lines(&before)
            });
        }
    }
    scene.check();
}

fn fault_lines(page: &str) -> Vec<&str> {
    let lines = page.lines();
    lines
        .filter(|line| line.starts_with("ringlb_tls_faults_total"))
        .collect()
}

fn handshakes_that_do_not_go_on_are_closed(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.extend([7; 100]);
    for (number, listener) in ["hasty", "hasty-tcp"].into_iter().enumerate() {
        let at = scene.proxy.at(listener);
        let mut silent = Client::new(at);
        let mut partial = Client::new(at);
        partial.send(&hello);
        // The server has said all it can, the client nothing more.
        let mut waiting = Client::new(at);
        waiting.send(first_flight());
        // One whose handshake is over may be idle.
        let mut open = Client::any(at);
        assert!(silent.is_closed());
        let _ = (partial.rest(), waiting.rest());
        let timeouts = "ringlb_listener_handshake_timeouts_total";
        assert_eq!(scene.proxy.metric(timeouts), 3 * (number as u64 + 1));
        assert_eq!(open.get("/").status, 200);
    }
    scene.check();
}

/// A ClientHello as rustls makes it.
fn first_flight() -> Vec<u8> {
    use rustls::{ClientConnection, pki_types::ServerName};
    let name = ServerName::try_from("any.test").unwrap();
    let mut tls = ClientConnection::new(offering(&Offer::default()), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    hello
}

/// Data in records of one byte, and a client that asks for much and reads nothing.
fn messages_in_small_pieces_cost_little(engine: EngineKind) {
    let scene = Scene::new(engine);
    let (mut stream, mut sealer) = scene.attacker("tls").unbound();
    let request = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 6000\r\n\r\n".to_vec();
    let all = [request, vec![b'x'; 6000]].concat();
    let records: Vec<u8> = all
        .iter()
        .flat_map(|byte| sealer.record(23, &[*byte]))
        .collect();
    stream.write_all(&records).unwrap();
    // The answer holds what was sent: its length is enough to know it here.
    let mut answer = vec![0; 6000];
    stream.read_exact(&mut answer).unwrap();
    drop(stream);
    let mut deaf: Vec<_> = [ONLY_12, ONLY_13]
        .into_iter()
        .cycle()
        .take(10)
        .map(|versions| {
            let offer = offering(&Offer {
                versions,
                ..Offer::default()
            });
            Client::secure(scene.proxy.at("tls"), &offer, "any.test")
        })
        .collect();
    for client in &mut deaf {
        client.send("GET /long HTTP/1.1\r\nhost: h\r\n\r\n".repeat(20));
    }
    until("all are under way", || {
        scene.proxy.metric("ringlb_listener_requests_active") >= 10
    });
    assert!(scene.proxy.resident_bytes() < scene.before + (40 << 20));
    drop(deaf);
    scene.check();
}

/// Clients that begin and do not go on, more than a worker has room for.
fn the_oldest_of_too_many_handshakes_gives_way(engine: EngineKind) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    const MAX: usize = ringlb::limits::HANDSHAKES_MAX;
    let (_, descriptors_max) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, descriptors_max, descriptors_max).unwrap();
    if descriptors_max < 4 * MAX as u64 {
        return eprintln!("skipped: only {descriptors_max} descriptors");
    }
    let scene = Scene::new(engine);
    // What a tunnel begins with is counted by the same rule.
    let listener = match engine {
        EngineKind::Uring => "tcp",
        EngineKind::Epoll | EngineKind::Tasks => "tls",
    };
    let mut crowd: Vec<_> = (0..MAX + 5)
        .map(|_| {
            let mut client = Client::new(scene.proxy.at(listener));
            client.send([22, 3, 1, 2]);
            client
        })
        .collect();
    // The neighbour's handshake is over, and counts no more.
    until("all have come", || {
        let name = "ringlb_listener_handshake_overflows_total";
        scene.proxy.metric(name) == 5
    });
    // Those that came first, and no others.
    for client in &mut crowd[..5] {
        assert!(client.is_closed());
    }
    // Whoever comes now is served all the same.
    let mut late = Client::any(scene.proxy.at(listener));
    assert_eq!(late.get("/late").status, 200);
    drop((late, crowd));
    scene.check();
}
