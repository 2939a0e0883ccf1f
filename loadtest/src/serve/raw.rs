//! Connections without a protocol: what comes goes back, is dropped, or is never asked for.

use super::{
    limits,
    link::{Desk, Link, must_copy},
    pattern,
};
use engines::{Buf, BufMut};

/// What a raw connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Echo,
    Sink,
    Source,
}

/// One raw connection.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) r#use: Use,
    /// The peer has finished.
    is_done: bool,
    /// Bytes of the pattern sent so far.
    at: u64,
}

impl Raw {
    pub(super) fn new(r#use: Use) -> Self {
        Self {
            r#use,
            is_done: false,
            at: 0,
        }
    }

    pub(super) fn on_received(&self, link: &mut Link, desk: &mut Desk, data: BufMut) {
        if self.r#use != Use::Echo {
            return;
        }
        let data = data.freeze();
        let data = match must_copy(&data) {
            true => desk.blocks.write(&data),
            false => data,
        };
        link.send(desk, data);
        if link.unsent >= limits::ECHO_HIGH_BYTES {
            desk.counters.echo_pauses += 1;
        }
    }

    pub(super) fn on_finished(&mut self) {
        self.is_done = true;
    }

    /// Queues what a source has room for.
    pub(super) fn pump(&mut self, link: &mut Link, desk: &mut Desk) {
        if self.r#use != Use::Source || self.is_done {
            return;
        }
        while link.unsent < limits::UNSENT_HIGH_BYTES {
            let data: Buf = pattern::slice(self.at, limits::SLICE_BYTES_MAX);
            self.at += data.len() as u64;
            link.send(desk, data);
        }
    }

    pub(super) fn wants_reading(&self, link: &Link) -> bool {
        !self.is_done && (self.r#use != Use::Echo || link.unsent < limits::ECHO_HIGH_BYTES)
    }

    /// The peer has finished and got what it was owed. A source owes nothing.
    pub(super) fn is_over(&self, link: &Link) -> bool {
        self.is_done && (link.unsent == 0 || self.r#use == Use::Source)
    }
}
