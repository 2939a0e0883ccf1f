//! What few connections have, and idle ones never: it takes memory only while it is there.

use super::{Conn, ConnKey, client_cert::ClientCertText};
use crate::transport_failure::TransportFailure;
use engines::Buf;
use std::time::Instant;
use tls::Fault;

/// Lies apart from its connection.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Input that could not be decoded yet: part of a head, or what follows a held request.
    /// In memory of its own; what was decoded of it is not moved away before more is added.
    inbox: Buf,
    /// Among many streams: when the first part of a head came whose end has not.
    head_since: Option<Instant>,
    /// A keep-alive probe is not answered yet.
    awaits_pong: bool,
    /// The peer has finished without saying so in TLS: what has no other end is cut short.
    is_cut: bool,
    /// What only the end of our direction could end was not sent whole.
    is_broken_off: bool,
    /// Why TLS failed.
    failure: Option<TransportFailure>,
    /// The same, found while sending: neither counted nor told yet.
    fault: Option<Box<Fault>>,
    /// Downstream: when it was accepted, if its listener logs its connections.
    opened: Option<Instant>,
    /// Downstream: what endpoints are told of its client.
    client_cert: Option<Box<ClientCertText>>,
    /// Upstream: everybody was told that it is lost.
    is_lost: bool,
    /// Downstream: upstream connections whose answers are complete but not yet out, see `pool`.
    resting: Vec<ConnKey>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let is_owed = self.awaits_pong || self.head_since.is_some();
        let is_kept = self.client_cert.is_some() || self.opened.is_some();
        let has_failed = self.failure.is_some() || self.fault.is_some();
        let is_ended = self.is_cut || self.is_broken_off;
        let is_noted = is_ended || has_failed || self.is_lost || is_kept;
        !is_noted && self.inbox.is_empty() && self.resting.is_empty() && !is_owed
    }
}

impl Conn {
    /// Input waits to be decoded.
    pub(super) fn has_inbox(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| !r.inbox.is_empty())
    }

    /// Keeps more input behind what waits.
    pub(super) fn append_inbox(&mut self, more: &[u8]) {
        let mut inbox = self.take_inbox().into_vec();
        inbox.extend_from_slice(more);
        self.put_inbox(Buf::from(inbox));
    }

    /// Keeps input where none waits; what lies in a receive block is copied.
    pub(super) fn put_inbox(&mut self, input: Buf) {
        debug_assert!(!self.has_inbox(), "input is kept in order");
        if !input.is_empty() {
            let is_own = !input.is_leased();
            let input = if is_own { input } else { Buf::copy_of(&input) };
            self.rare.get_or_insert_default().inbox = input;
        }
    }

    pub(super) fn take_inbox(&mut self) -> Buf {
        self.take(|rare| &mut rare.inbox)
    }

    pub(super) fn has_resting(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| !r.resting.is_empty())
    }

    pub(crate) fn add_resting(&mut self, key: ConnKey) {
        self.rare.get_or_insert_default().resting.push(key);
    }

    pub(crate) fn take_resting(&mut self) -> Vec<ConnKey> {
        self.take(|rare| &mut rare.resting)
    }

    fn take<T: Default>(&mut self, part: impl FnOnce(&mut Rare) -> &mut T) -> T {
        let Some(rare) = &mut self.rare else {
            return T::default();
        };
        let taken = std::mem::take(part(rare));
        if rare.is_empty() {
            self.rare = None;
        }
        taken
    }

    /// The peer has finished without saying so in TLS.
    pub(super) fn is_cut(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| r.is_cut)
    }

    /// The peer has finished without saying so in TLS.
    pub(super) fn note_cut(&mut self) {
        self.rare.get_or_insert_default().is_cut = true;
    }

    /// What only the end of our direction could end was not sent whole.
    pub(super) fn is_broken_off(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| r.is_broken_off)
    }

    /// What only the end of our direction could end will never be whole.
    pub(super) fn note_broken_off(&mut self) {
        self.rare.get_or_insert_default().is_broken_off = true;
    }

    /// What is sent on it now will never be whole.
    pub(crate) fn break_off(&mut self) {
        if self.codec.ends_by_close() {
            self.note_broken_off();
        }
    }

    /// Why TLS failed.
    pub(crate) fn failure(&self) -> Option<&TransportFailure> {
        self.rare.as_ref()?.failure.as_ref()
    }

    /// TLS has failed, and this is why.
    pub(super) fn note_failure(&mut self, why: TransportFailure) {
        self.rare.get_or_insert_default().failure = Some(why);
    }

    /// Sending has come upon a fault of TLS.
    pub(super) fn keep_fault(&mut self, fault: Fault) {
        self.rare.get_or_insert_default().fault = Some(fault.into());
    }

    pub(super) fn take_fault(&mut self) -> Option<Box<Fault>> {
        self.take(|rare| &mut rare.fault)
    }

    /// What endpoints are told of its client, if it was rendered and kept.
    pub(super) fn kept_client_cert(&self) -> Option<&ClientCertText> {
        self.rare.as_ref()?.client_cert.as_deref()
    }

    pub(super) fn keep_client_cert(&mut self, text: ClientCertText) {
        self.rare.get_or_insert_default().client_cert = Some(Box::new(text));
    }

    /// When it was accepted, if it is to be logged.
    pub(crate) fn opened(&self) -> Option<Instant> {
        self.rare.as_ref()?.opened
    }

    /// It is to be logged when it ends; it was accepted at that time.
    pub(super) fn note_opened(&mut self, at: Instant) {
        self.rare.get_or_insert_default().opened = Some(at);
    }

    /// Everybody was told that it is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.rare.as_ref().is_some_and(|r| r.is_lost)
    }

    /// Everybody is told that it is lost, though its socket is open.
    pub(super) fn note_lost(&mut self) {
        self.rare.get_or_insert_default().is_lost = true;
    }

    /// Since when a head is incomplete, on a connection with many streams.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.rare.as_ref()?.head_since
    }

    /// Notes whether a head is incomplete now.
    pub(super) fn note_head(&mut self, now: Instant) {
        let is_in_head = self.has_inbox() || self.codec.is_in_head();
        if is_in_head {
            self.rare
                .get_or_insert_default()
                .head_since
                .get_or_insert(now);
        } else {
            self.take(|rare| &mut rare.head_since);
        }
    }

    /// Notes whether a keep-alive probe is under way; returns what was noted before.
    pub(super) fn await_pong(&mut self, awaits: bool) -> bool {
        if !awaits && self.rare.is_none() {
            return false;
        }
        let rare = self.rare.get_or_insert_default();
        let before = std::mem::replace(&mut rare.awaits_pong, awaits);
        if rare.is_empty() {
            self.rare = None;
        }
        before
    }
}
