//! What happens to a flight on its way.

use crate::{fuzz::choices::Choices, record::HEADER_BYTES};
use std::ops::Range;

/// Things that happen to one flight.
const EDITS_MAX: usize = 8;

/// Bytes that a flight grows to at most: more than a session holds.
const FLIGHT_BYTES_MAX: usize = 320 << 10;

/// Does to a flight what the input says, which is nothing once it is at its end; returns in how long pieces the flight
/// arrives.
pub(super) fn edit(choices: &mut Choices<'_>, flight: &mut Vec<u8>) -> usize {
    for _ in 0..EDITS_MAX {
        match choices.byte() % 10 {
            0 => break,
            1 => change(choices, flight),
            2 => drop(flight.drain(range(choices, flight))),
            3 => repeat(choices, flight),
            4 => {
                let at = place(choices, flight);
                let len = choices.byte();
                let more = choices.bytes(len.into());
                flight.splice(at..at, more.iter().copied());
            }
            5 => flight.truncate(place(choices, flight)),
            6 => split_record(choices, flight),
            7 => swap_records(choices, flight),
            8 => drop_record(choices, flight),
            _ => retype_record(choices, flight),
        }
    }
    match choices.byte() {
        0 => usize::MAX,
        step => step.into(),
    }
}

fn place(choices: &mut Choices<'_>, flight: &[u8]) -> usize {
    choices.number() % (flight.len() + 1)
}

fn range(choices: &mut Choices<'_>, flight: &[u8]) -> Range<usize> {
    let (start, len) = (place(choices, flight), choices.number());
    start..flight.len().min(start + len)
}

fn change(choices: &mut Choices<'_>, flight: &mut [u8]) {
    let (at, mask) = (place(choices, flight), choices.byte());
    if let Some(byte) = flight.get_mut(at) {
        *byte ^= mask;
    }
}

/// The same bytes several times, one after another.
fn repeat(choices: &mut Choices<'_>, flight: &mut Vec<u8>) {
    let range = range(choices, flight);
    let bytes = flight[range.clone()].to_vec();
    let room = FLIGHT_BYTES_MAX.saturating_sub(flight.len());
    let times = room.checked_div(bytes.len()).unwrap_or(0);
    let times = times.min(choices.number());
    flight.splice(range.end..range.end, bytes.repeat(times));
}

/// One record becomes two with the same head, as RFC 8446 §5.1 allows for messages that are not encrypted.
fn split_record(choices: &mut Choices<'_>, flight: &mut Vec<u8>) {
    let (record, at) = (record(choices, flight), choices.number());
    let body = record.len().saturating_sub(HEADER_BYTES);
    if body == 0 {
        return;
    }
    let at = at % body;
    let mut parts = Vec::new();
    let head = &flight[record.start..record.start + HEADER_BYTES - 2];
    let (first, second) = flight[record.start + HEADER_BYTES..record.end].split_at(at);
    for part in [first, second] {
        let len = part.len() as u16;
        parts.extend([head, &len.to_be_bytes(), part].concat());
    }
    flight.splice(record, parts);
}

fn swap_records(choices: &mut Choices<'_>, flight: &mut [u8]) {
    let first = record(choices, flight);
    let second = record_at(flight, first.end);
    flight[first.start..second.end].rotate_left(first.len());
}

fn drop_record(choices: &mut Choices<'_>, flight: &mut Vec<u8>) {
    let record = record(choices, flight);
    flight.drain(record);
}

fn retype_record(choices: &mut Choices<'_>, flight: &mut [u8]) {
    let (record, kind) = (record(choices, flight), choices.byte());
    if let Some(first) = flight.get_mut(record.start) {
        *first = kind;
    }
}

/// One of the records that follow one another from the front on.
fn record(choices: &mut Choices<'_>, flight: &[u8]) -> Range<usize> {
    let mut record = record_at(flight, 0);
    for _ in 0..choices.byte() % 16 {
        let next = record_at(flight, record.end);
        if next.is_empty() {
            break;
        }
        record = next;
    }
    record
}

/// What a head says that is there, as far as the flight goes.
fn record_at(flight: &[u8], start: usize) -> Range<usize> {
    let Some([_, _, _, high, low]) = flight[start..].first_chunk::<HEADER_BYTES>() else {
        return start..flight.len();
    };
    let len = HEADER_BYTES + usize::from(u16::from_be_bytes([*high, *low]));
    start..flight.len().min(start + len)
}
