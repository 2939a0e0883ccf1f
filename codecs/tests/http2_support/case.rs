//! Cases: bytes in, what must come out.

use super::wire::*;
use super::{Side, Told, answer};
use codecs::Limits;
use codecs::http2::Options;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL: u32 = 1;
pub(crate) const FLOW_CONTROL: u32 = 3;
pub(crate) const CLOSED: u32 = 5;
pub(crate) const SIZE: u32 = 6;
pub(crate) const REFUSED: u32 = 7;
pub(crate) const COMPRESSION: u32 = 9;

/// What must come of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// The connection ends with that code.
    Goaway(u32),
    /// That stream alone ends.
    Reset(u32, u32),
    /// All is well, and each stream that asked whole is answered.
    Answered(usize),
}

use Want::{Answered, Goaway, Reset};

pub(crate) type Case = (&'static str, Want, Vec<Vec<u8>>);

pub(crate) fn run(cases: Vec<Case>) {
    for (name, want, bytes) in &cases {
        let bytes = [&[PREFACE.to_vec(), settings(&[])], &bytes[..]]
            .concat()
            .concat();
        run_raw(name, *want, &bytes);
    }
}

pub(crate) fn run_raw(name: &str, want: Want, bytes: &[u8]) {
    for step in [usize::MAX, 1] {
        let mut server = Side::server(&Limits {
            http2: Options {
                streams_max: 10,
                ..Options::default()
            },
            ..Limits::default()
        });
        let mut answered = 0;
        for piece in bytes.chunks(step.min(bytes.len())) {
            let mut told = server.take_one(piece);
            while let Some(now) = told.pop() {
                if let Told::Head(id, _, true) | Told::Data(id, _, true) | Told::Trailers(id, _) =
                    now
                {
                    server.head(id, &answer(200, &[]), true);
                    answered += 1;
                }
                told = server.take_one(b"");
            }
        }
        let seen = frames(&server.written());
        let detail = server.refused.as_ref().map(|why| why.detail);
        let goaway = seen
            .iter()
            .find(|frame| frame.kind == GOAWAY)
            .map(Seen::number);
        let resets: Vec<_> = seen
            .iter()
            .filter(|frame| frame.kind == RST_STREAM && frame.number() != NO_ERROR)
            .map(|frame| (frame.id, frame.number()))
            .collect();
        let got = (goaway, &resets[..], answered);
        let is_good = match want {
            Goaway(code) => goaway == Some(code) && detail.is_some(),
            Reset(id, code) => goaway.is_none() && resets == [(id, code)],
            Answered(count) => goaway.is_none() && resets.is_empty() && answered == count,
        };
        assert!(is_good, "{name}: want {want:?}, got {got:?} {detail:?}");
    }
}

pub(crate) fn get_with(more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &block(&[&GET[..], more].concat()))
}

pub(crate) fn post_with(more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &block(&[&POST[..], more].concat()))
}

pub(crate) fn only(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &block(fields))
}

pub(crate) fn data(id: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, id, payload)
}
