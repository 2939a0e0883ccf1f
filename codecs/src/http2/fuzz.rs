//! Drives both sides over any bytes, for the fuzz target and the property tests.
//!
//! What must hold: no input panics, and every split of it gives the same frames.

use super::{Http2, PREFACE};
use crate::{
    Codec, Frame, Head, Heads, Limits, Malformed, Protocol, Reason, StreamId, Version, Wait,
};
use std::time::Instant;

/// A frame as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Data(u64, Vec<u8>, bool),
    GoAway,
    Head(u64, String, bool),
    Pong,
    Refused(u64, Malformed),
    Reset(u64, Reason, &'static str),
    Trailers(u64, String),
    Window(u64),
}

/// All frames of a connection, and why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    pub seen: Vec<Seen>,
    pub refused: Option<Malformed>,
}

/// The fuzz target.
pub fn fuzz_http2(bytes: &[u8]) {
    let sum = bytes.iter().fold(1, |sum, byte| sum + usize::from(*byte));
    for run in [at_server, at_client] {
        let whole = run(bytes, usize::MAX);
        for step in [1, sum % 29 + 2] {
            assert_eq!(run(bytes, step), whole, "in steps of {step}");
        }
    }
}

/// What a server makes of `bytes` behind the preface; each request is answered once it ended.
pub fn at_server(bytes: &[u8], step: usize) -> Trace {
    let mut limits = Limits::default();
    limits.http2.allow_connect = true;
    let mut codec = Http2.server(&limits);
    let mut trace = Trace::default();
    feed(codec.as_mut(), PREFACE, usize::MAX, &mut trace, false);
    feed(codec.as_mut(), bytes, step, &mut trace, true);
    trace
}

/// What a client that knows its server's settings and has asked thrice makes of `bytes`.
pub fn at_client(bytes: &[u8], step: usize) -> Trace {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let mut codec = Http2.client(&Limits::default());
    let mut trace = Trace::default();
    feed(codec.as_mut(), SETTINGS, usize::MAX, &mut trace, false);
    for method in ["GET", "HEAD", "POST"] {
        let mut head = Head::default();
        head.set_method(method.as_bytes());
        head.set_authority(b"a");
        head.set_path(b"/");
        if let Some(id) = codec.open() {
            codec.head(id, &head, method != "POST", &mut Vec::new());
        }
    }
    feed(codec.as_mut(), bytes, step, &mut trace, false);
    trace
}

fn feed(codec: &mut dyn Codec, bytes: &[u8], step: usize, trace: &mut Trace, answers: bool) {
    let mut heads = Heads::default();
    let mut inbox = Vec::new();
    let mut out = Vec::new();
    for piece in bytes.chunks(step.min(bytes.len().max(1))) {
        inbox.extend_from_slice(piece);
        while trace.refused.is_none() {
            let step = match codec.decode(now(), &inbox, &mut heads) {
                Ok(step) => step,
                Err(why) => {
                    codec.refuse(&why, b"", &mut out);
                    trace.refused = Some(why);
                    break;
                }
            };
            assert!(step.used <= inbox.len(), "more was used than there is");
            let part: Vec<u8> = inbox.drain(..step.used).collect();
            let is_idle = step.used == 0 && step.frame.is_none();
            if let Some(frame) = step.frame {
                let ended = see(codec, frame, &part, &mut trace.seen, &mut out);
                if let Some(id) = ended.filter(|_| answers) {
                    answer(codec, id, &mut out);
                }
            }
            if step.wait != Wait::Go || is_idle {
                break;
            }
        }
        codec.control(&mut out);
        out.clear();
    }
}

/// Takes note of a frame; the stream that it ended.
fn see(
    codec: &mut dyn Codec,
    frame: Frame,
    part: &[u8],
    seen: &mut Vec<Seen>,
    out: &mut Vec<u8>,
) -> Option<StreamId> {
    match frame {
        Frame::Data { id, len, end } => {
            codec.release(id, len, out);
            let payload = &part[part.len() - len..];
            match seen.last_mut() {
                Some(Seen::Data(last, bytes, is_end)) if *last == id.0 && !*is_end => {
                    bytes.extend_from_slice(payload);
                    *is_end = end;
                }
                Some(_) | None => seen.push(Seen::Data(id.0, payload.to_vec(), end)),
            }
            return end.then_some(id);
        }
        Frame::GoAway => seen.push(Seen::GoAway),
        Frame::Head { id, head, end } => {
            seen.push(Seen::Head(id.0, format!("{head:?}"), end));
            return end.then_some(id);
        }
        Frame::Pong => seen.push(Seen::Pong),
        Frame::Refused { id, why } => {
            codec.refuse_stream(id, why.status, b"", out);
            seen.push(Seen::Refused(id.0, why));
        }
        Frame::Reset { id, reason, detail } => seen.push(Seen::Reset(id.0, reason, detail)),
        Frame::Trailers { id, fields } => {
            seen.push(Seen::Trailers(id.0, format!("{fields:?}")));
            return Some(id);
        }
        Frame::Window { id } => seen.push(Seen::Window(id.0)),
    }
    None
}

fn answer(codec: &mut dyn Codec, id: StreamId, out: &mut Vec<u8>) {
    let mut head = Head::default();
    (head.status, head.version) = (200, Version::Http2);
    codec.head(id, &head, false, out);
    let body = [0; 100];
    let len = codec.room(id).min(body.len());
    codec.data(id, &body[..len], len == body.len());
}

#[expect(
    clippy::disallowed_methods,
    reason = "budgets count from it; it is never compared with a clock"
)]
fn now() -> Instant {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}
