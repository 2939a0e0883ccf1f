//! The same over TLS: what large answers to a client cost.

use super::{on_uring, worker};
use engines::EngineKind;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringlb::config::{Listen, Pair};
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
use tls::{Client, ClientContext, ClientSettings, Now, Provider, Session, Version, What};

const REQUEST: &[u8] = b"GET /some/path HTTP/1.1\r\nhost: example.com\r\n\r\n";
const BODY_BYTES: usize = 256 << 10;
/// What no answer has but at its end.
const LAST: u8 = 0;
const WARM: usize = 30;
const MEASURED: usize = 60;

/// Answers each request with a large body.
fn serve(endpoint: &TcpListener) {
    let (mut stream, _) = endpoint.accept().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'a'; BODY_BYTES - 1], &[LAST]].concat();
    let (mut room, mut ahead) = ([0; 4096], Vec::new());
    loop {
        let len = stream.read(&mut room).unwrap();
        if len == 0 {
            return;
        }
        ahead.extend_from_slice(&room[..len]);
        if ahead.ends_with(b"\r\n\r\n") {
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
    fn connect(to: SocketAddr) -> Self {
        let settings = ClientSettings {
            server: Client::Unverified,
            identity: None,
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

fn large_answers_allocate_nothing(kind: EngineKind) {
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let to = format!("http://{}", endpoint.local_addr().unwrap());
    let (mut worker, at) = worker(
        kind,
        Listen {
            certificates: vec![Pair::Inline(cert.pem(), signing_key.serialize_pem())],
            ..Listen::new("https://127.0.0.1:0", vec![to])
        },
    );
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    let others = [
        thread::spawn(move || serve(&endpoint)),
        thread::spawn(move || {
            let mut client = TlsClient::connect(at);
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
    assert_eq!(
        info.count_total, 0,
        "{kind}: {info:?} for {MEASURED} answers"
    );
    run_until(WARM + MEASURED + 1);
    drop(worker);
    for other in others {
        other.join().unwrap();
    }
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
