//! What an HTTP/2 endpoint means to do with a request.

use super::{frame, hpack::Fields};
use crate::scenario::BODY_MAX;
use engines::Rng;
use std::time::Duration;

/// What goes wrong with an answer, where that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// The stream is reset inside the answer.
    Cut(u32),
    /// The whole connection breaks the rules.
    Garbage,
    None,
    /// The connection ends.
    Quit,
    /// The stream is refused.
    Refuse,
    /// No answer comes.
    Silence,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// The answer does not wait for the request's end.
    pub(super) early: bool,
    /// And the rest of the request is not wanted: the stream is reset without an error.
    pub(super) stops: bool,
    pub(super) delay: Duration,
    pub(super) status: u16,
    pub(super) len: u64,
    pub(super) has_length: bool,
    pub(super) trailers: bool,
    pub(super) hint: bool,
    pub(super) mishap: Mishap,
}

impl Plan {
    /// `refuses`: it was not refused yet. `fails`: the route's policy asks for another try, and gets it.
    pub(super) fn new(strict: bool, refuses: bool, fails: bool, head: bool, rng: &mut Rng) -> Self {
        let codes = [frame::CANCEL, frame::INTERNAL_ERROR, frame::PROTOCOL_ERROR];
        let mishap = match rng.below(12) {
            0 if refuses => Mishap::Refuse,
            _ if strict => Mishap::None,
            1 => Mishap::Cut(codes[rng.index(3)]),
            2 => Mishap::Garbage,
            3 => Mishap::Quit,
            4 => Mishap::Silence,
            5 => Mishap::Refuse,
            _ => Mishap::None,
        };
        let slowest = 1 << rng.between(1, 18);
        let status = match rng.below(20) {
            _ if fails => 503,
            0 => 204,
            1 => 304,
            _ => 200,
        };
        let len = match rng.below(5) {
            _ if status != 200 => 0,
            0 => 0,
            1 => rng.below(100),
            2 => rng.below(5000),
            _ => rng.below(BODY_MAX),
        };
        let early = rng.chance(1, 6);
        Self {
            early,
            stops: early && rng.chance(1, 2),
            delay: Duration::from_micros(rng.below(slowest)),
            status,
            len,
            has_length: status == 200 && rng.chance(1, 2),
            trailers: status == 200 && !head && rng.chance(1, 3),
            hint: rng.chance(1, 10),
            mishap,
        }
    }

    pub(super) fn head(&self, id: u64) -> Fields {
        let mut head = vec![
            (":status".to_owned(), self.status.to_string()),
            ("x-id".to_owned(), id.to_string()),
        ];
        if self.has_length {
            head.push(("content-length".to_owned(), self.len.to_string()));
        }
        head
    }
}
