//! Drives the filter over any bodies and trailers, for the fuzz target and the tests.
//!
//! What must hold: no input panics, it does not matter in which pieces a body comes, text is decoded as any
//! other reader of base64 does it, and an answer's messages and trailers are all in what a client gets.

use super::GrpcWebConfig;
use crate::{
    filter::{Chain, Dir, Env, Flow, HttpChainConfig, HttpFilterEntry},
    limits,
    stream::{Half, Record},
};
use base64::prelude::*;
use codecs::{Fields, Head, Length};
use engines::{Buf, Rng, SimNet, UnixTime};
use std::sync::Arc;

const TYPES: [&str; 8] = [
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc-web+proto",
    "application/grpc-web-text+json",
    "application/grpc",
    "application/grpc+proto",
    "text/plain",
    "",
];
const STATUSES: [u16; 4] = [200, 200, 404, 503];

/// The fuzz target. Types and statuses are chosen by the first two bytes, the third says how long the request's
/// body is, the fourth how many lines at the end of the rest are the answer's trailers.
///
/// # Panics
/// If any of that does not hold.
pub fn fuzz_grpc_web(bytes: &[u8]) {
    let Some((&[types, answer, request_len, lines], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let (request, rest) = rest.split_at(rest.len().min(request_len.into()));
    let asked = [
        ("content-type", chosen(types)),
        ("accept", chosen(types >> 3)),
    ];
    let step = usize::from(types ^ lines) % 29 + 2;
    let whole = ask(&asked, request, usize::MAX);
    for step in [1, step] {
        assert_eq!(ask(&asked, request, step), whole, "in steps of {step}");
    }
    let Ok(went_on) = whole else {
        assert!(asked[0].1.contains("-text") && quanta(request).is_none());
        return;
    };
    match asked[0].1.contains("-text") {
        true => assert_eq!(Some(went_on.body), quanta(request)),
        false => assert_eq!(went_on.body, request),
    }
    check_answer(&asked, answer, rest, lines, step);
}

/// A request's body in steps of so many bytes; or the status that it is refused with.
fn ask(asked: &Fielded<'_>, body: &[u8], step: usize) -> Result<Passed, u16> {
    let pieces: Vec<_> = body.chunks(step).collect();
    let passed = Bench::new().pass(0, (asked, body, None), &pieces);
    passed.map_err(status)
}

fn check_answer(asked: &Fielded<'_>, kind: u8, rest: &[u8], lines: u8, step: usize) {
    let content_type = chosen(kind >> 2);
    let mut head = vec![("content-type", content_type)];
    let is_told = kind & 0x20 != 0;
    if is_told {
        head.push(("grpc-status", "5"));
    }
    let (body, values) = ends(rest, usize::from(lines) % 4);
    let names = ["grpc-status", "grpc-message", "x"];
    let pairs = names.iter().zip(&values);
    let trailers: Vec<_> = pairs.map(|(name, value)| (*name, &value[..])).collect();
    let sent = (kind & 0x40 != 0 && !trailers.is_empty()).then_some(&trailers[..]);
    let status = STATUSES[usize::from(kind & 3)];
    let is_web = asked[0].1.contains("-web");
    let answer = |step| {
        let mut bench = Bench::new();
        bench.ask(asked[0].1, asked[1].1);
        let pieces: Vec<_> = body.chunks(step).collect();
        let passed = bench.pass(status, (&head, body, sent), &pieces);
        let mut passed = passed.expect("no refusal");
        let form = passed.field("content-type").unwrap_or_default();
        // Padding stands where a piece ended.
        if is_web && form.contains("-text") {
            passed.body = quanta(&passed.body).expect("base64");
        }
        passed
    };
    let whole = answer(usize::MAX);
    for step in [1, step] {
        assert_eq!(answer(step), whole, "in steps of {step}");
    }
    let is_grpc = is_told
        || (status == 200 && content_type.contains("/grpc") && !content_type.contains("-text"));
    let mut expected = body.to_vec();
    match is_web {
        true if is_grpc => expected.extend(sent.map(frame).unwrap_or_default()),
        true => expected.clear(),
        false => {
            let mut fields = Fields::default();
            append(sent.unwrap_or_default(), &mut fields);
            assert_eq!(whole.trailers, sent.map(|_| fields));
        }
    }
    assert_eq!(whole.body, expected);
    assert!(is_grpc || !is_web || whole.field("grpc-status").is_some());
}

/// The last so many lines, and what is before them.
fn ends(mut rest: &[u8], lines: usize) -> (&[u8], Vec<String>) {
    let mut values = Vec::new();
    for _ in 0..lines {
        let at = rest.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let visible = rest[at..].iter().filter(|byte| byte.is_ascii_graphic());
        values.push(visible.map(|byte| char::from(*byte)).collect());
        rest = &rest[..at];
    }
    (rest, values)
}

/// The frame of trailers; nothing if there are none.
fn frame(trailers: &Fielded<'_>) -> Vec<u8> {
    let lines = trailers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines: String = lines.collect();
    let len = (lines.len() as u32).to_be_bytes();
    match trailers {
        [] => Vec::new(),
        [..] => [&[0x80][..], &len, lines.as_bytes()].concat(),
    }
}

/// Base64 whose every quantum may be padded, by the library's decoder.
fn quanta(text: &[u8]) -> Option<Vec<u8>> {
    let quanta = text
        .chunks(4)
        .map(|quantum| BASE64_STANDARD.decode(quantum).ok());
    quanta.collect::<Option<Vec<_>>>().map(|all| all.concat())
}

fn chosen(number: u8) -> &'static str {
    TYPES[usize::from(number) % TYPES.len()]
}

/// The status of a refusal.
fn status(flow: Flow) -> u16 {
    match flow {
        Flow::Respond { reply, behind: 0 } => reply.status,
        Flow::Respond { .. } | Flow::Go | Flow::Rematch | Flow::Reset(_) | Flow::Wait => {
            panic!("no answer: {flow:?}")
        }
    }
}

/// Names and values.
pub(super) type Fielded<'a> = [(&'a str, &'a str)];
/// A message's fields, its body, and its trailers; none: it has none.
pub(super) type Message<'a> = (&'a Fielded<'a>, &'a [u8], Option<&'a Fielded<'a>>);

pub(super) struct Bench {
    chain: Box<Chain>,
    config: HttpChainConfig,
    pub(super) record: Record,
}

/// What has passed the filter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) fields: Vec<(String, String)>,
    pub(super) length: Length,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<Fields>,
}

impl Passed {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &value[..])
    }
}

fn append(from: &Fielded<'_>, to: &mut Fields) {
    for (name, value) in from {
        to.append(name.as_bytes(), value.as_bytes());
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let config = HttpChainConfig {
            entries: vec![HttpFilterEntry {
                name: "web".into(),
                config: Arc::new(GrpcWebConfig),
                disabled: false,
            }],
        };
        Self {
            chain: Chain::new(&config).expect("a chain with a filter"),
            config,
            record: Record::new(SimNet::new(1).now()),
        }
    }

    /// Passes a message whose body comes in those pieces, each in a turn of its own.
    pub(super) fn pass(
        &mut self,
        status: u16,
        message: Message<'_>,
        pieces: &[&[u8]],
    ) -> Result<Passed, Flow> {
        let dir = if status == 0 {
            Dir::Request
        } else {
            Dir::Response
        };
        let (mut head, mut half) = (Head::default(), Half::default());
        head.status = status;
        append(message.0, &mut head.fields);
        let is_bare = pieces.concat().is_empty() && message.2.is_none();
        head.length = match is_bare {
            true => Length::None,
            false => Length::Known(message.1.len() as u64),
        };
        half.incoming_end = is_bare;
        let mut flow = self.run(dir, &mut head, &mut half);
        for piece in pieces {
            if matches!(flow, Flow::Go | Flow::Wait) {
                half.receive(Buf::copy_of(piece), false);
                flow = self.run(dir, &mut head, &mut half);
            }
        }
        if let Some(trailers) = message.2 {
            append(trailers, half.trailers.get_or_insert_default());
        }
        half.incoming_end = true;
        if matches!(flow, Flow::Go | Flow::Wait) {
            flow = self.run(dir, &mut head, &mut half);
        }
        let Flow::Go = flow else { return Err(flow) };
        assert!(half.ready_end);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = head.fields.iter();
        Ok(Passed {
            fields: all.map(|(name, value)| (text(name), text(value))).collect(),
            length: head.length,
            body: half.ready.to_vec(),
            trailers: half.trailers,
        })
    }

    fn run(&mut self, dir: Dir, head: &mut Head, half: &mut Half) -> Flow {
        let mut env = Env {
            now: self.record.started,
            wall: UnixTime::default(),
            rng: &mut Rng::seeded(1),
            record: &mut self.record,
            config: &self.config,
            tls: None,
            cluster: "c",
        };
        self.chain
            .run(dir, head, half, limits::STREAM_BYTES_MAX, &mut env)
    }

    pub(super) fn ask(&mut self, content_type: &str, accept: &str) -> Passed {
        let fields = [("content-type", content_type), ("accept", accept)];
        let passed = self.pass(0, (&fields, b"", None), &[]);
        passed.expect("a head passes")
    }
}
