//! The same over TLS: what large answers to a client cost.

use super::{on_uring, worker, worker_of};
use engines::EngineKind;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringlb::{
    config::{self, Listen, Pair},
    worker::Worker,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tls::{Client, ClientContext, ClientSettings, Identity, Now, Provider, Session, Version, What};

const REQUEST: &[u8] = b"GET /some/path HTTP/1.1\r\nhost: example.com\r\n\r\n";
/// What no answer has but at its end.
const LAST: u8 = 0;
const WARM: usize = 30;
const MEASURED: usize = 60;

/// Answers each request, in which `wanted` has to stand, with so long a body.
fn serve(endpoint: &TcpListener, wanted: &str, body_bytes: usize) {
    let (mut stream, _) = endpoint.accept().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\n\r\n");
    let answer = [head.as_bytes(), &vec![b'a'; body_bytes - 1], &[LAST]].concat();
    let (mut room, mut ahead) = ([0; 4096], Vec::new());
    loop {
        let len = stream.read(&mut room).unwrap();
        if len == 0 {
            return;
        }
        ahead.extend_from_slice(&room[..len]);
        if ahead.ends_with(b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&ahead);
            assert!(text.contains(wanted), "{text}");
            ahead.clear();
            stream.write_all(&answer).unwrap();
        }
    }
}

/// A client on a thread of its own, whose allocations are not the worker's.
struct TlsClient {
    stream: TcpStream,
    session: Session,
}

impl TlsClient {
    fn connect(to: SocketAddr, identity: Option<Identity>) -> Self {
        let settings = ClientSettings {
            server: Client::Unverified,
            identity,
            alpn: Vec::new(),
            versions: (Version::Tls13, Version::Tls13),
            suites: Vec::new(),
            groups: Vec::new(),
            sessions_max: 0,
            key_log: None,
        };
        let context = ClientContext::new(&Provider::system(), settings).unwrap();
        let mut stream = TcpStream::connect(to).unwrap();
        let mut out = Vec::new();
        let session = Session::connect(&context, Some("a.test"), false, NOW, &mut out).unwrap();
        stream.write_all(&out).unwrap();
        let mut client = Self { stream, session };
        while !client.session.is_established() {
            client.receive();
        }
        client
    }

    /// Reads once; whether the end of an answer came.
    fn receive(&mut self) -> bool {
        let mut room = [0; 16 << 10];
        let len = self.stream.read(&mut room).unwrap();
        assert!(len > 0, "the connection ended");
        let (mut rest, mut out, mut last) = (&mut room[..len], Vec::new(), None);
        while !rest.is_empty() {
            let step = self.session.receive(NOW, rest, &mut out).unwrap();
            last = match step.what {
                What::Data(at) => rest[at].last().copied(),
                What::Joined(bytes) => bytes.last().copied(),
                What::Nothing | What::Established | What::Closed => last,
            };
            rest = &mut rest[step.used..];
        }
        self.stream.write_all(&out).unwrap();
        last == Some(LAST)
    }

    fn exchange(&mut self) {
        let mut out = vec![0; self.session.sealed_len(NOW, REQUEST.len())];
        self.session.seal(NOW, &[REQUEST], &mut out).unwrap();
        self.stream.write_all(&out).unwrap();
        while !self.receive() {}
    }
}

/// Within the certificate's time.
const NOW: Now = Duration::from_secs(1_800_000_000);

/// Somebody's certificate and key, PEM.
fn certificate() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

/// Exchanges in steady state allocate nothing; `others`: the endpoint, then the client.
fn allocates_nothing(
    mut worker: Worker,
    endpoint: impl FnOnce() + Send + 'static,
    client: impl FnOnce() -> TlsClient + Send + 'static,
) {
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let others = [
        thread::spawn(endpoint),
        thread::spawn(move || {
            let mut client = client();
            // One more than are waited for: the worker never waits for what does not come.
            for _ in 0..=WARM + MEASURED {
                client.exchange();
                count.fetch_add(1, Ordering::Relaxed);
            }
        }),
    ];
    let mut run_until = |end| {
        while done.load(Ordering::Relaxed) < end {
            worker.turn().unwrap();
        }
    };
    run_until(WARM);
    let info = allocation_counter::measure(|| run_until(WARM + MEASURED));
    assert_eq!(info.count_total, 0, "{info:?} for {MEASURED} exchanges");
    run_until(WARM + MEASURED + 1);
    drop(worker);
    for other in others {
        other.join().unwrap();
    }
}

fn large_answers_allocate_nothing(kind: EngineKind) {
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("http://{}", endpoint.local_addr().unwrap());
    let (chain, key) = certificate();
    let listen = Listen {
        certificates: vec![Pair::Inline(chain, key)],
        ..Listen::new("https://127.0.0.1:0", vec![to])
    };
    let (worker, at) = worker(kind, listen);
    allocates_nothing(
        worker,
        move || serve(&endpoint, "", 256 << 10),
        move || TlsClient::connect(at, None),
    );
}

fn telling_of_a_client_allocates_nothing(kind: EngineKind) {
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let (chain, key) = certificate();
    let yaml = format!(
        "static_resources:
  listeners:
  - name: l
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - transport_socket:
        name: t
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificates: [{{certificate_chain: {{inline_string: {chain:?}}}, private_key: {{inline_string: {key:?}}}}}]
            validation_context: {{trust_chain_verification: ACCEPT_UNTRUSTED}}
      filters:
      - name: m
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h
          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {{subject: true, dns: true}}
          route_config: {{virtual_hosts: [{{name: v, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: c}}}}]}}]}}
          http_filters: [{{name: r, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}]
  clusters:
  - name: c
    load_assignment: {{cluster_name: c, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}}}]}}]}}
",
        endpoint.local_addr().unwrap().port()
    );
    let (worker, at) = worker_of(kind, config::load(&yaml).unwrap().snapshot);
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    allocates_nothing(
        worker,
        move || serve(&endpoint, "x-forwarded-client-cert: Hash=", 12),
        move || TlsClient::connect(at, Some(identity)),
    );
}

#[test]
fn large_answers_allocate_nothing_on_epoll() {
    large_answers_allocate_nothing(EngineKind::Epoll);
}

#[test]
fn large_answers_allocate_nothing_on_tasks() {
    large_answers_allocate_nothing(EngineKind::Tasks);
}

#[test]
fn large_answers_allocate_nothing_on_uring() {
    on_uring(|| large_answers_allocate_nothing(EngineKind::Uring));
}

#[test]
fn telling_of_a_client_allocates_nothing_on_epoll() {
    telling_of_a_client_allocates_nothing(EngineKind::Epoll);
}

#[test]
fn telling_of_a_client_allocates_nothing_on_tasks() {
    telling_of_a_client_allocates_nothing(EngineKind::Tasks);
}

#[test]
fn telling_of_a_client_allocates_nothing_on_uring() {
    on_uring(|| telling_of_a_client_allocates_nothing(EngineKind::Uring));
}
