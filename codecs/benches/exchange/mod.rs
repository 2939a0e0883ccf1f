//! One proxied exchange, step by step: what both benches measure.
//!
//! No step is inlined, so that a profiler finds each by its name.

use codecs::http1::Http1;
use codecs::{Codec, Frame, Head, Heads, Limits, Protocol, Step, StreamId};
use std::hint::black_box;
use std::time::Instant;

/// A kind of exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    request: &'static [u8],
    answer: &'static [u8],
    body: &'static [u8],
}

/// What a small client asks, what a browser asks, and an answer in chunks.
pub(crate) const SHAPES: &[Shape] = &[
    Shape {
        name: "small",
        request: b"GET /b/100 HTTP/1.1\r\nHost: 127.0.0.1:19000\r\nUser-Agent: bench/1.0\r\n\
            Accept: */*\r\n\r\n",
        answer: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\
            Date: Wed, 25 Nov 2026 18:40:00 GMT\r\nServer: nginx/1.22.1\r\n\r\n",
        body: &[b'x'; 100],
    },
    Shape {
        name: "browser",
        request: b"GET /articles/2026/11/a-title-of-some-length?ref=front&utm_source=feed HTTP/1.1\r\n\
            Host: www.example.com\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n\
            sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n\
            sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
            User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/130.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,\
            application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\n\
            Sec-Fetch-Mode: navigate\r\nReferer: https://www.example.com/\r\n\
            Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
            Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; _ga=GA1.2.1234567890.1700000000; \
            consent=yes\r\n\r\n",
        answer: b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Wed, 25 Nov 2026 18:40:00 GMT\r\n\
            Content-Type: text/html; charset=utf-8\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\
            Vary: Accept-Encoding\r\nCache-Control: private, max-age=0, must-revalidate\r\n\
            ETag: \"5f3c-abc0123\"\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n\
            Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n\
            Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; Secure; HttpOnly\r\n\r\n",
        body: &[b'x'; 100],
    },
    Shape {
        name: "chunked",
        request: b"GET /b/100 HTTP/1.1\r\nHost: 127.0.0.1:19000\r\nUser-Agent: bench/1.0\r\n\
            Accept: */*\r\n\r\n",
        answer: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\
            Date: Wed, 25 Nov 2026 18:40:00 GMT\r\nServer: nginx/1.22.1\r\n\r\n",
        body: b"10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n\
            10\r\n0123456789abcdef\r\n0\r\n\r\n",
    },
];

/// The steps by their names, in order.
pub(crate) const STEPS: &[&str] = &[
    "decode_request",
    "dress_request",
    "encode_request",
    "decode_answer",
    "dress_answer",
    "encode_answer",
    "pass_body",
];

/// A downstream and an upstream connection that are kept alive.
pub(crate) struct Exchange {
    shape: Shape,
    server: Box<dyn Codec>,
    client: Box<dyn Codec>,
    id: StreamId,
    heads: Heads,
    out: Vec<u8>,
    now: Instant,
}

impl Exchange {
    /// # Panics
    /// There is no shape of that name.
    pub(crate) fn new(shape: &str) -> Self {
        let shape = SHAPES.iter().find(|known| known.name == shape);
        Self {
            shape: *shape.expect("a known shape"),
            server: Http1.server(&Limits::default()),
            client: Http1.client(&Limits::default()),
            id: StreamId(0),
            heads: Heads::default(),
            out: Vec::with_capacity(4096),
            now: now(),
        }
    }

    /// All steps once.
    #[inline(never)]
    pub(crate) fn run(&mut self) {
        let mut request = self.decode_request();
        dress_request(&mut request);
        self.encode_request(&request);
        let mut answer = self.decode_answer();
        dress_answer(&mut answer);
        self.encode_answer(&answer);
        self.pass_body();
        self.recycle(request);
        self.recycle(answer);
    }

    #[inline(never)]
    pub(crate) fn decode_request(&mut self) -> Box<Head> {
        let step = self
            .server
            .decode(self.now, self.shape.request, &mut self.heads);
        head_of(step.expect("a good request"))
    }

    #[inline(never)]
    pub(crate) fn encode_request(&mut self, head: &Head) {
        self.id = self.client.open().expect("a free connection");
        self.out.clear();
        self.client.head(self.id, head, true, &mut self.out);
        black_box(&self.out);
    }

    #[inline(never)]
    pub(crate) fn decode_answer(&mut self) -> Box<Head> {
        let step = self
            .client
            .decode(self.now, self.shape.answer, &mut self.heads);
        head_of(step.expect("a good answer"))
    }

    #[inline(never)]
    pub(crate) fn encode_answer(&mut self, head: &Head) {
        self.out.clear();
        self.server.head(self.id, head, false, &mut self.out);
        black_box(&self.out);
    }

    #[inline(never)]
    pub(crate) fn pass_body(&mut self) {
        let mut rest = self.shape.body;
        loop {
            let step = self.client.decode(self.now, rest, &mut self.heads);
            let Step { used, frame, .. } = step.expect("a good body");
            let (taken, behind) = rest.split_at(used);
            rest = behind;
            let Some(Frame::Data { len, end, .. }) = frame else {
                panic!("a body came as {frame:?}");
            };
            black_box(self.server.data(self.id, &taken[used - len..], end));
            if end {
                return;
            }
        }
    }

    pub(crate) fn recycle(&mut self, head: Box<Head>) {
        self.heads.put(head);
    }
}

/// What the proxy changes in a request.
#[inline(never)]
fn dress_request(head: &mut Head) {
    head.set_upgrade(b"");
    head.fields.retain(|name, _| !name.starts_with(b"x-envoy-"));
    if head.fields.get(b"x-forwarded-for").is_none() {
        head.fields.append(b"x-forwarded-for", b"127.0.0.1");
    }
    head.fields.set(b"x-forwarded-proto", b"http");
}

/// What the proxy changes in an answer.
#[inline(never)]
fn dress_answer(head: &mut Head) {
    if head.fields.get(b"date").is_none() {
        head.fields
            .append(b"date", b"Wed, 25 Nov 2026 18:40:00 GMT");
    }
    head.fields.set(b"server", b"ringlb");
}

fn head_of(step: Step) -> Box<Head> {
    match step.frame {
        Some(Frame::Head { head, .. }) => head,
        frame => panic!("a head came as {frame:?}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the codec takes a time that it does not read"
)]
fn now() -> Instant {
    Instant::now()
}
