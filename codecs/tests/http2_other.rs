//! Our sides against those of another implementation, the h2 crate, over a duplex in memory: what one
//! says is what the other understands.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests: what fails here is a failed test"
)]

mod http2_support;

use codecs::http2::Options;
use codecs::{Limits, StreamId};
use http2_support::rng::Rng;
use http2_support::{Side, Told, answer, request};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const STREAMS: usize = 12;

/// A message of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Message {
    value: String,
    body: Vec<u8>,
    trailer: Option<String>,
}

impl Message {
    fn new(rng: &mut Rng) -> Self {
        let len = [0, 10, 2000, 90_000][rng.below(4)];
        let len = rng.below(len + 1);
        Self {
            value: "v".repeat(rng.below(200) + 1),
            body: (0..len).map(|n| n as u8).collect(),
            trailer: (rng.below(2) == 0).then(|| "t".repeat(rng.below(20) + 1)),
        }
    }

    fn is_bare(&self) -> bool {
        self.body.is_empty() && self.trailer.is_none()
    }
}

fn limits(rng: &mut Rng) -> Limits {
    Limits {
        http2: Options {
            table_bytes: [0, 64, 4096, 65_536][rng.below(4)],
            stream_window: [100, 65_535, 1 << 20][rng.below(3)],
            ..Options::default()
        },
        ..Limits::default()
    }
}

/// A message that we send, and one that we get.
#[derive(Debug, Default)]
struct Exchange {
    sends: Message,
    sent: usize,
    is_begun: bool,
    is_sent: bool,
    gets: Message,
}

impl Exchange {
    fn push(&mut self, side: &mut Side, id: u64) {
        while !self.is_sent {
            let rest = &self.sends.body[self.sent..];
            let len = side.codec.room(StreamId(id)).min(rest.len());
            let is_last = len == rest.len();
            if len == 0 && !is_last {
                return;
            }
            if len > 0 {
                let end = is_last && self.sends.trailer.is_none();
                self.sent += side.data(id, &rest[..len], end);
                self.is_sent = end;
            }
            if let Some(value) = self.sends.trailer.as_ref().filter(|_| is_last) {
                side.trailers(id, &[("x-trailer", value)]);
                self.is_sent = true;
            }
        }
    }

    /// Takes note of a frame; true at the end.
    fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Head(_, head, end) => {
                let value = head.fields.iter().find(|(name, _)| name == "x-value");
                self.gets.value = value.map(|(_, value)| value.clone()).unwrap_or_default();
                end
            }
            Told::Data(_, piece, end) => {
                self.gets.body.extend(piece);
                end
            }
            Told::Trailers(_, fields) => {
                self.gets.trailer = fields.into_iter().next().map(|(_, value)| value);
                true
            }
            Told::Window(_) => false,
            Told::GoAway | Told::Pong | Told::Refused(..) | Told::Reset(..) => panic!("{told:?}"),
        }
    }
}

async fn write(side: &mut Side, io: &mut DuplexStream) {
    let bytes = side.written();
    io.write_all(&bytes).await.unwrap();
}

async fn read(side: &mut Side, io: &mut DuplexStream, rng: &mut Rng) -> Vec<Told> {
    let mut bytes = vec![0; rng.below(20_000) + 100];
    let len = io.read(&mut bytes).await.unwrap();
    side.wait(1000);
    let told = side.take(&bytes[..len]);
    assert_eq!(side.refused, None);
    told
}

fn stream(told: &Told) -> u64 {
    match told {
        Told::Data(id, ..)
        | Told::Head(id, ..)
        | Told::Refused(id, ..)
        | Told::Reset(id, ..)
        | Told::Trailers(id, _)
        | Told::Window(id) => *id,
        Told::GoAway | Told::Pong => 0,
    }
}

/// Everything the h2 crate gets of a message.
async fn collect(value: Option<&http::HeaderValue>, mut body: h2::RecvStream) -> Message {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut message = Message {
        value: value.map(text).unwrap_or_default(),
        ..Message::default()
    };
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        message.body.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await.unwrap();
    message.trailer = trailers.and_then(|fields| fields.get("x-trailer").map(text));
    message
}

/// Sends what is behind a head by the h2 crate.
fn send(stream: &mut h2::SendStream<bytes::Bytes>, message: &Message) {
    if message.is_bare() {
        return;
    }
    let body = bytes::Bytes::from(message.body.clone());
    if !body.is_empty() {
        stream.send_data(body, message.trailer.is_none()).unwrap();
    }
    if let Some(value) = &message.trailer {
        let mut fields = http::HeaderMap::new();
        fields.insert("x-trailer", value.parse().unwrap());
        stream.send_trailers(fields).unwrap();
    }
}

/// Answers each request with a message of its own; what it got and what it answered.
async fn serve(io: DuplexStream, seed: u64, window: u32) -> Vec<(Message, Message)> {
    let mut rng = Rng::new(seed + 1000);
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(window);
    let mut connection = builder.handshake::<_, bytes::Bytes>(io).await.unwrap();
    let mut tasks = Vec::new();
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted.unwrap();
        let message = Message::new(&mut rng);
        tasks.push(tokio::task::spawn_local(async move {
            assert_eq!(request.uri().path(), "/path");
            let value = request.headers().get("x-value").cloned();
            let got = collect(value.as_ref(), request.into_body()).await;
            let head = http::Response::builder()
                .header("x-value", &message.value)
                .body(())
                .unwrap();
            let mut stream = respond.send_response(head, message.is_bare()).unwrap();
            send(&mut stream, &message);
            (got, message)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future);
}

#[test]
fn our_client_and_their_server_understand_each_other() {
    for seed in 0..20 {
        run(ask_theirs(seed));
    }
}

async fn ask_theirs(seed: u64) {
    let mut rng = Rng::new(seed);
    let window = [0, 1000, 65_535][rng.below(3)].max(500);
    let (mut io, far) = tokio::io::duplex(1 << 22);
    let theirs = tokio::task::spawn_local(serve(far, seed, window));
    let mut side = Side::client(&limits(&mut rng));
    let mut exchanges: BTreeMap<u64, Exchange> = BTreeMap::new();
    // Their crate forgets to open a window that its own SETTINGS made negative: they come first.
    write(&mut side, &mut io).await;
    assert_eq!(read(&mut side, &mut io, &mut rng).await, []);
    let mut left = STREAMS;
    for _ in 0..STREAMS {
        let sends = Message::new(&mut rng);
        let id = side.codec.open().unwrap().0;
        side.head(
            id,
            &request("POST", "/path", &[("x-value", &sends.value)]),
            sends.is_bare(),
        );
        let is_sent = sends.is_bare();
        let mut it = Exchange {
            sends,
            is_sent,
            ..Exchange::default()
        };
        it.push(&mut side, id);
        exchanges.insert(id, it);
    }
    while left > 0 {
        write(&mut side, &mut io).await;
        let told = read(&mut side, &mut io, &mut rng).await;
        assert!(!theirs.is_finished(), "the other side has gone");
        for told in told {
            let id = stream(&told);
            if let Some(it) = exchanges.get_mut(&id) {
                left -= usize::from(it.take(told));
                it.push(&mut side, id);
            }
        }
    }
    write(&mut side, &mut io).await;
    drop(io);
    let theirs = theirs.await.unwrap();
    assert_eq!(theirs.len(), exchanges.len());
    for ((got, answered), it) in theirs.iter().zip(exchanges.values()) {
        assert_eq!((got, answered), (&it.sends, &it.gets), "seed {seed}");
    }
}

#[test]
fn their_client_and_our_server_understand_each_other() {
    for seed in 0..20 {
        run(answer_theirs(seed));
    }
}

/// Asks with messages of its own; what it asked and what it got.
async fn ask(io: DuplexStream, seed: u64, window: u32) -> Vec<(Message, Message)> {
    let mut rng = Rng::new(seed + 1000);
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (mut sender, connection) = builder.handshake::<_, bytes::Bytes>(io).await.unwrap();
    tokio::task::spawn_local(connection);
    let mut tasks = Vec::new();
    for _ in 0..STREAMS {
        sender = sender.ready().await.unwrap();
        let message = Message::new(&mut rng);
        let head = http::Request::builder()
            .method("POST")
            .uri("http://example.com/path")
            .header("x-value", &message.value)
            .body(())
            .unwrap();
        let (answer, mut stream) = sender.send_request(head, message.is_bare()).unwrap();
        send(&mut stream, &message);
        tasks.push(tokio::task::spawn_local(async move {
            let answer = answer.await.unwrap();
            let value = answer.headers().get("x-value").cloned();
            (message, collect(value.as_ref(), answer.into_body()).await)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

async fn answer_theirs(seed: u64) {
    let mut rng = Rng::new(seed);
    let window = [500, 1000, 65_535][rng.below(3)];
    let (mut io, far) = tokio::io::duplex(1 << 22);
    let theirs = tokio::task::spawn_local(ask(far, seed, window));
    let mut side = Side::server(&limits(&mut rng));
    let mut exchanges: BTreeMap<u64, Exchange> = BTreeMap::new();
    let theirs = loop {
        write(&mut side, &mut io).await;
        if theirs.is_finished() {
            break theirs.await.unwrap();
        }
        let told = read(&mut side, &mut io, &mut rng).await;
        for told in told.into_iter().filter(|told| *told != Told::GoAway) {
            let id = stream(&told);
            let it = exchanges.entry(id).or_insert_with(|| Exchange {
                sends: Message::new(&mut rng),
                ..Exchange::default()
            });
            if it.take(told) {
                let end = it.sends.is_bare();
                side.head(id, &answer(200, &[("x-value", &it.sends.value)]), end);
                (it.is_sent, it.is_begun) = (end, true);
            }
            if it.is_begun {
                it.push(&mut side, id);
            }
        }
    };
    assert_eq!(theirs.len(), exchanges.len());
    for ((asked, got), it) in theirs.iter().zip(exchanges.values()) {
        assert_eq!((asked, got), (&it.gets, &it.sends), "seed {seed}");
    }
}
