//! What is known of one end of an encrypted connection.

use super::{
    contexts::{Asking, Place},
    talk::Talk,
};
use engines::{Buf, Event};
use std::collections::VecDeque;

/// One end of an encrypted connection.
pub(super) struct End {
    /// None: it is not connected.
    pub(super) talk: Option<Talk>,
    /// At a client.
    pub(super) asking: Option<Asking>,
    pub(super) place: Place,
    /// `Accepted`, until the handshake is over.
    pub(super) held: Option<Event>,
    pub(super) is_bad: bool,
    pub(super) is_open: bool,
    /// The peer was told that nothing more comes, or will be.
    pub(super) is_over: bool,
    /// Data came.
    pub(super) has_heard: bool,
    /// The peer wants to be told what arrives.
    pub(super) is_read: bool,
    /// It ends without `close_notify`.
    pub(super) is_curt: bool,
    /// It has ended our direction, and is closed when that has left.
    pub(super) has_ended: bool,
    pub(super) is_leaving: bool,
    /// What is sent when the handshake is over.
    pub(super) waiting: Vec<Buf>,
    pub(super) ends: bool,
    /// Bytes queued, and how many the peer knows of.
    pub(super) queued: VecDeque<(usize, usize)>,
    pub(super) updates: u32,
    /// Bytes until one is changed.
    pub(super) spoils_after: Option<usize>,
}

impl End {
    pub(super) fn new() -> Self {
        Self {
            talk: None,
            asking: None,
            place: Place::Proxy,
            held: None,
            is_bad: false,
            is_open: false,
            is_over: false,
            has_heard: false,
            is_read: false,
            is_curt: false,
            has_ended: false,
            is_leaving: false,
            waiting: Vec::new(),
            ends: false,
            queued: VecDeque::new(),
            updates: 0,
            spoils_after: None,
        }
    }

    /// So many bytes have left; how many that the peer knows of have with them.
    pub(super) fn note_sent(&mut self, mut bytes: usize) -> usize {
        let mut told = 0;
        while let Some((len, data)) = self.queued.front_mut() {
            if *len > bytes {
                *len -= bytes;
                break;
            }
            bytes -= *len;
            told += *data;
            self.queued.pop_front();
        }
        told
    }

    /// Changes a bit once so many bytes went by.
    pub(super) fn spoil(&mut self, records: &mut [u8], data: usize) {
        let Some(left) = &mut self.spoils_after else {
            return;
        };
        *left = left.saturating_sub(data);
        if *left == 0
            && let Some(last) = records.last_mut()
        {
            *last ^= 1;
            self.spoils_after = None;
        }
    }
}
