//! What holds for any input, any split of it, and any order of calls.

mod http2_support;

use codecs::http2::fuzz::{at_client, at_server, fuzz_http2};
use codecs::{Head, Limits, Reason, StreamId};
use http2_support::rng::Rng;
use http2_support::wire::*;
use http2_support::{Side, answer, request};
use std::path::Path;

#[test]
fn any_split_of_any_frames_gives_the_same() {
    for seed in 0..600 {
        fuzz_http2(&frames_of(&mut Rng::new(seed), true));
    }
}

#[test]
fn the_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/http2");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        fuzz_http2(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 12, "{count} files");
}

#[test]
fn generated_frames_reach_every_kind_of_outcome() {
    let (mut told, mut refused, mut answers) = (0, 0, 0);
    for seed in 0..300 {
        let bytes = frames_of(&mut Rng::new(seed), true);
        let trace = at_server(&bytes, usize::MAX);
        told += trace.seen.len();
        refused += usize::from(trace.refused.is_some());
        answers += at_client(&bytes, usize::MAX).seen.len();
    }
    assert!(
        told > 800 && refused > 20 && refused < 290 && answers > 100,
        "{told} {refused} {answers}"
    );
}

#[test]
fn any_order_of_calls_keeps_both_sides_sound() {
    for seed in 0..600 {
        let mut rng = Rng::new(seed);
        let limits = Limits::default();
        let mut side = match rng.below(2) {
            0 => Side::server(&limits),
            _ => Side::client(&limits),
        };
        if rng.below(4) > 0 {
            side.take(PREFACE);
        }
        for _ in 0..60 {
            call(&mut side, &mut rng);
        }
    }
}

fn call(side: &mut Side, rng: &mut Rng) {
    let id = rng.below(12) as u64;
    let end = rng.below(2) == 0;
    match rng.below(14) {
        0 => drop(side.codec.eof()),
        1 => side.codec.drain(&mut side.out),
        2 => drop(side.codec.open()),
        3 => side.head(id, &request("GET", "/", &[("x", "1")]), end),
        4 => side.head(id, &answer(200, &[]), end),
        5 => side.head(
            id,
            &answer([100, 101, 204, 0, 1000][rng.below(5)], &[]),
            end,
        ),
        6 => drop(side.data(id, &vec![0; rng.below(100)], end)),
        7 => side.trailers(id, &[("x", "1")]),
        8 => side.reset(id, Reason::Cancel),
        9 => side
            .codec
            .release(StreamId(id), rng.below(100), &mut side.out),
        10 => drop(side.codec.ping(&mut side.out)),
        11 => side.head(id, &websocket(), false),
        12 => drop(side.codec.data(StreamId(id), &vec![0; rng.below(100)], end)),
        _ => drop(side.take(&frames_of(rng, false))),
    }
    assert!(!side.codec.life().is_closed() || side.codec.room(StreamId(id)) == 0);
}

fn websocket() -> Head {
    let mut head = request("GET", "/", &[]);
    head.set_upgrade(b"websocket");
    head
}

/// Frames of which most are as they should be.
fn frames_of(rng: &mut Rng, begins: bool) -> Vec<u8> {
    let mut bytes = match begins && rng.below(20) > 0 {
        true => settings(&[]),
        false => Vec::new(),
    };
    // Streams to speak of: three that are asked, or three that are answered.
    let opens = begins && rng.below(4) > 0;
    let is_answers = rng.below(2) == 0;
    for id in [1, 3, 5].into_iter().filter(|_| opens) {
        bytes.extend(match is_answers {
            true => frame(HEADERS, END_HEADERS, id, &block(&[(":status", "200")])),
            false => post(id),
        });
    }
    for _ in 0..rng.below(12) + 1 {
        bytes.extend(any_frame(rng));
    }
    if rng.below(6) == 0 {
        let at = rng.below(bytes.len());
        bytes[at] ^= 1 << rng.below(8);
    }
    if rng.below(6) == 0 {
        bytes.truncate(rng.below(bytes.len()));
    }
    bytes
}

fn any_frame(rng: &mut Rng) -> Vec<u8> {
    let max = [3, 3, 3, 6][rng.below(4)];
    let id = 2 * rng.below(max) as u32 + 1;
    match rng.below(20) {
        0..5 => frame(
            HEADERS,
            [WHOLE, END_HEADERS][rng.below(2)],
            id,
            &block(&POST),
        ),
        5 => frame(HEADERS, WHOLE, id, &block(&[("x-trailer", "1")])),
        6 => frame(
            HEADERS,
            WHOLE,
            id,
            &block(&[(":status", "200"), ("content-length", "3")]),
        ),
        7 => frame(HEADERS, END_HEADERS, id, &block(&[(":status", "200")])),
        8 => {
            let whole = block(&GET);
            let (first, rest) = whole.split_at(rng.below(whole.len()));
            [
                frame(HEADERS, END_STREAM, id, first),
                frame(CONTINUATION, END_HEADERS, id, rest),
            ]
            .concat()
        }
        9..13 => frame(
            DATA,
            [0, END_STREAM][rng.below(2)],
            id,
            &vec![b'x'; rng.below(40) + 1],
        ),
        13 => frame(
            DATA,
            PADDED,
            id,
            &[&[3], &vec![b'x'; 3 + rng.below(9)][..]].concat(),
        ),
        14 => window_update(id * rng.below(2) as u32, rng.below(1000) as u32 + 1),
        15 => settings(&[(4, rng.below(200) as u32), (5, 16_384)]),
        16 => rst(id, rng.below(14) as u32),
        17 => frame(PING, [0, ACK][rng.below(2)], 0, b"rl-probe"),
        18 => frame(GOAWAY, 0, 0, &[0, 0, 0, rng.below(6) as u8, 0, 0, 0, 0]),
        _ => frame(PRIORITY, 0, id, &[0, 0, 0, rng.below(12) as u8, 1]),
    }
}
