//! A body that goes out on a stream, as far as windows let it.

use super::{fields, peer::Peer, plan::Plan};
use crate::message::body_byte;
use engines::Rng;

#[derive(Debug)]
pub(super) struct Outgoing {
    /// Whose body it is; see `body_byte`.
    pub(super) name: u64,
    pub(super) len: u64,
    pub(super) at: u64,
    pub(super) trailers: bool,
    /// The stream is reset when so many bytes are out.
    pub(super) cut: Option<(u64, u32)>,
    /// Everything is out, or was given up.
    pub(super) is_over: bool,
}

impl Outgoing {
    /// An endpoint's answer.
    pub(super) fn of(name: u64, plan: &Plan, cut: Option<(u64, u32)>) -> Self {
        Self {
            name,
            len: plan.len,
            at: 0,
            trailers: plan.trailers,
            cut,
            is_over: false,
        }
    }

    /// A client's request.
    pub(super) fn request(name: u64, len: u64, trailers: bool) -> Self {
        Self {
            name,
            len,
            at: 0,
            trailers,
            cut: None,
            is_over: false,
        }
    }

    /// Sends one frame of at most `most` bytes; returns how many it had, `None` if nothing could go.
    pub(super) fn push(
        &mut self,
        peer: &mut Peer,
        stream: u32,
        most: usize,
        rng: &mut Rng,
    ) -> Option<usize> {
        if self.is_over {
            return None;
        }
        if let Some((_, code)) = self.cut.filter(|(at, _)| *at <= self.at) {
            peer.reset(stream, code);
            self.is_over = true;
            return Some(0);
        }
        let left = self.len - self.at;
        if left == 0 {
            self.end(peer, stream);
            return Some(0);
        }
        let until_cut = self.cut.map_or(left, |(at, _)| at - self.at);
        let part = left.min(until_cut).min(most as u64);
        let part = part.min(peer.room(stream) as u64);
        if part == 0 {
            return None;
        }
        let bytes: Vec<u8> = (self.at..self.at + part)
            .map(|at| body_byte(self.name, at))
            .collect();
        self.at += part;
        let is_last = self.at == self.len && self.cut.is_none() && !self.trailers;
        self.is_over = is_last && rng.chance(1, 2);
        peer.data(stream, &bytes, self.is_over);
        Some(bytes.len())
    }

    fn end(&mut self, peer: &mut Peer, stream: u32) {
        self.is_over = true;
        if self.trailers {
            let sum = self.len.to_string();
            peer.head(stream, &fields(&[("x-sum", &sum)]), true);
        } else {
            peer.data(stream, &[], true);
        }
    }
}
