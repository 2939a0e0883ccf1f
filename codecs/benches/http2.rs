//! Time of a request on each side of HTTP/2: a head of 12 fields and a body of 1 KiB each way, on a
//! connection whose tables are warm. `h2_crate` is a whole exchange of the h2 crate, both sides, in
//! memory; `exchange` is the same of ours.

use codecs::http2::Http2;
use codecs::{Codec, Frame, Head, Heads, Length, Limits, Protocol, StreamId, Wait};
use divan::Bencher;
use std::time::Instant;

fn main() {
    divan::main();
}

const REQUEST: [(&str, &str); 12] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.com/a/page/before/this/one"),
    (
        "cookie",
        "session=0123456789abcdef0123456789abcdef; theme=dark",
    ),
    ("content-type", "application/json"),
    ("cache-control", "no-cache"),
    ("origin", "https://www.example.com"),
    ("x-forwarded-for", "192.0.2.17"),
    ("x-request-id", "3f0f6d9e-2a5b-4f6e-9b1a-0c8d7e6f5a4b"),
    ("priority", "u=1, i"),
];

const ANSWER: [(&str, &str); 12] = [
    ("server", "endpoint"),
    ("date", "Tue, 01 Jul 2026 12:00:00 GMT"),
    ("content-type", "application/json; charset=utf-8"),
    ("cache-control", "max-age=0, private, must-revalidate"),
    ("etag", "W/\"2c9f1e6d8b7a5040\""),
    ("vary", "accept-encoding"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("x-request-id", "3f0f6d9e-2a5b-4f6e-9b1a-0c8d7e6f5a4b"),
    ("x-envoy-upstream-service-time", "12"),
];

const BODY: [u8; 1024] = [b'x'; 1024];

/// Both sides of a connection, and an exchange between them in four steps.
struct Pair {
    client: Box<dyn Codec>,
    server: Box<dyn Codec>,
    heads: Heads,
    request: Head,
    answer: Head,
    up: Vec<u8>,
    down: Vec<u8>,
    now: Instant,
    id: StreamId,
}

impl Pair {
    #[expect(clippy::disallowed_methods, reason = "a bench has no other clock")]
    fn new() -> Self {
        let limits = Limits::default();
        let mut request = Head::default();
        request.set_method(b"POST");
        request.set_scheme(b"https");
        request.set_authority(b"www.example.com");
        request.set_path(b"/api/v1/items?page=3");
        let mut answer = Head::default();
        answer.status = 200;
        for (head, fields) in [(&mut request, REQUEST), (&mut answer, ANSWER)] {
            head.length = Length::Known(BODY.len() as u64);
            for (name, value) in fields {
                head.fields.append(name.as_bytes(), value.as_bytes());
            }
        }
        Self {
            client: Http2.client(&limits),
            server: Http2.server(&limits),
            heads: Heads::default(),
            request,
            answer,
            up: Vec::new(),
            down: Vec::new(),
            now: Instant::now(),
            id: StreamId(0),
        }
    }

    /// One whose tables and memory are warm.
    fn warm() -> Self {
        let mut pair = Self::new();
        (0..20).for_each(|_| pair.run());
        pair
    }

    fn run(&mut self) {
        self.encode_request();
        self.decode_request();
        self.encode_answer();
        self.decode_answer();
    }

    fn encode_request(&mut self) {
        let Some(id) = self.client.open() else {
            return;
        };
        self.id = id;
        encode(self.client.as_mut(), id, &self.request, &mut self.up);
    }

    fn decode_request(&mut self) {
        let mut up = std::mem::take(&mut self.up);
        decode(
            self.server.as_mut(),
            self.now,
            &up,
            &mut self.heads,
            &mut self.down,
        );
        up.clear();
        self.up = up;
    }

    fn encode_answer(&mut self) {
        encode(self.server.as_mut(), self.id, &self.answer, &mut self.down);
    }

    fn decode_answer(&mut self) {
        let mut down = std::mem::take(&mut self.down);
        decode(
            self.client.as_mut(),
            self.now,
            &down,
            &mut self.heads,
            &mut self.up,
        );
        down.clear();
        // What the client owes goes with the next request.
        self.down = down;
    }
}

fn encode(codec: &mut dyn Codec, id: StreamId, head: &Head, out: &mut Vec<u8>) {
    codec.head(id, head, false, out);
    assert!(codec.room(id) >= BODY.len());
    let wrap = codec.data(id, &BODY, true);
    out.extend_from_slice(&wrap.before);
    out.extend_from_slice(&BODY);
    out.extend_from_slice(&wrap.after);
}

fn decode(
    codec: &mut dyn Codec,
    now: Instant,
    mut input: &[u8],
    heads: &mut Heads,
    out: &mut Vec<u8>,
) {
    loop {
        let Ok(step) = codec.decode(now, input, heads) else {
            panic!("refused");
        };
        input = &input[step.used..];
        match step.frame {
            Some(Frame::Head { head, .. }) => heads.put(head),
            Some(Frame::Data { id, len, .. }) => codec.release(id, len, out),
            Some(
                Frame::GoAway
                | Frame::Pong
                | Frame::Refused { .. }
                | Frame::Reset { .. }
                | Frame::Trailers { .. }
                | Frame::Window { .. },
            )
            | None => {}
        }
        if step.wait != Wait::Go {
            break;
        }
    }
    codec.control(out);
}

#[divan::bench]
fn exchange(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::warm();
    bencher.bench_local(|| pair.run());
}

/// The four steps by themselves; each on connections that stand at it.
#[divan::bench(args = ["1 encode request", "2 decode request", "3 encode answer", "4 decode answer"])]
fn step(bencher: Bencher<'_, '_>, step: &str) {
    let steps: [fn(&mut Pair); 4] = [
        Pair::encode_request,
        Pair::decode_request,
        Pair::encode_answer,
        Pair::decode_answer,
    ];
    let at = usize::from(step.as_bytes()[0] - b'1');
    let ready = || {
        let mut pair = Pair::warm();
        steps[..at].iter().for_each(|step| step(&mut pair));
        pair
    };
    bencher.with_inputs(ready).bench_local_refs(steps[at]);
}

/// The same exchange by the h2 crate.
#[divan::bench]
fn h2_crate(bencher: Bencher<'_, '_>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        return;
    };
    let local = tokio::task::LocalSet::new();
    let (near, far) = tokio::io::duplex(1 << 16);
    let mut sender = local.block_on(&runtime, async {
        tokio::task::spawn_local(serve(far));
        let (sender, connection) = h2::client::handshake(near).await.expect("a handshake");
        tokio::task::spawn_local(connection);
        sender.ready().await.expect("a connection")
    });
    let mut run = || {
        local.block_on(&runtime, async {
            let (answer, mut body) = sender.send_request(h2_request(), false).expect("a stream");
            body.send_data(payload(), true).expect("a window");
            let answer = answer.await.expect("an answer");
            drain(answer.into_body()).await;
        });
    };
    (0..20).for_each(|_| run());
    bencher.bench_local(run);
}

fn payload() -> bytes::Bytes {
    bytes::Bytes::from_static(&BODY)
}

fn h2_request() -> http::Request<()> {
    let mut builder = http::Request::builder()
        .method("POST")
        .uri("https://www.example.com/api/v1/items?page=3")
        .header("content-length", "1024");
    for (name, value) in REQUEST {
        builder = builder.header(name, value);
    }
    builder.body(()).expect("a request")
}

async fn serve(io: tokio::io::DuplexStream) {
    let mut connection = h2::server::handshake(io).await.expect("a handshake");
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::task::spawn_local(async move {
            drain(request.into_body()).await;
            let mut builder = http::Response::builder().header("content-length", "1024");
            for (name, value) in ANSWER {
                builder = builder.header(name, value);
            }
            let answer = builder.body(()).expect("an answer");
            let mut body = respond.send_response(answer, false).expect("a stream");
            body.send_data(payload(), true).expect("a window");
        });
    }
}

async fn drain(mut body: h2::RecvStream) {
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
    }
}
