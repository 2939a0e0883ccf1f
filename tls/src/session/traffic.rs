//! Data, and the few messages that may come after the handshake.

use super::{
    Step, What,
    messages::{Message, Messages},
    peer::{Later, Peer},
};
use crate::{
    Facts, Fault, Now,
    fault::{Alert, Cause},
    limits::{EMPTY_RECORDS_MAX, KEY_UPDATES_MAX, MESSAGE_BYTES, TICKETS_MAX},
    record::{Opener, Place, Record, Refused, Sealer, kind},
};
use std::sync::Arc;

/// `HandshakeType`, RFC 8446 §4, RFC 5246 §7.4.
mod message {
    pub(super) const HELLO_REQUEST: u8 = 0;
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const NEW_SESSION_TICKET: u8 = 4;
    pub(super) const KEY_UPDATE: u8 = 24;
}

/// A session whose handshake is over.
pub(crate) struct Traffic {
    opener: Opener,
    sealer: Sealer,
    later: Later,
    messages: Messages,
    pub(super) facts: Arc<Facts>,
    /// Records without data since the last with some.
    empty_records: u32,
    key_updates: u32,
    tickets: u32,
    /// Bytes of data, of both directions, since messages were counted anew.
    bytes: u64,
    was_canceled: bool,
    is_closed: bool,
    has_closed: bool,
}

/// Why nothing more can be received.
enum Trouble {
    Cause(Cause),
    /// The peer sent an alert: it gets none.
    Alerted(Alert),
    Internal(String),
}

impl From<Cause> for Trouble {
    fn from(cause: Cause) -> Self {
        Self::Cause(cause)
    }
}

impl Traffic {
    pub(crate) fn new(peer: Peer, now: Now) -> Self {
        Self {
            opener: Opener::new(peer.opens),
            sealer: Sealer::new(peer.seals, peer.records_max, now),
            later: peer.later,
            messages: Messages::default(),
            facts: peer.facts,
            empty_records: 0,
            key_updates: 0,
            tickets: 0,
            bytes: 0,
            was_canceled: false,
            is_closed: false,
            has_closed: false,
        }
    }

    pub(super) fn is_partial(&self) -> bool {
        self.opener.is_partial() || self.messages.is_partial()
    }

    #[cfg(feature = "simulation")]
    pub(super) fn held_bytes(&self) -> usize {
        self.opener.held_bytes() + self.messages.held_bytes()
    }

    /// The peer has said that it sends no more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The peer was told that no more is sent.
    pub(super) fn is_ended(&self) -> bool {
        self.has_closed
    }

    pub(crate) fn receive(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Step, Fault> {
        self.open(input, out).map_err(|trouble| match trouble {
            Trouble::Cause(cause) => {
                self.alert(cause.alert, out);
                cause.into()
            }
            Trouble::Alerted(alert) => Fault::alerted(alert),
            Trouble::Internal(reason) => {
                self.alert(Alert::INTERNAL_ERROR, out);
                Fault::internal(reason)
            }
        })
    }

    fn open(&mut self, input: &mut [u8], out: &mut Vec<u8>) -> Result<Step, Trouble> {
        let mut used = 0;
        while used < input.len() && !self.is_closed {
            let start = used;
            let (len, record) = self.opener.next(&mut input[start..])?;
            used += len;
            let Some(record) = record else { break };
            if let Some(what) = self.take(record, start, input, out)? {
                let used = if self.is_closed { input.len() } else { used };
                return Ok(Step { used, what });
            }
        }
        Ok(Step {
            used: input.len(),
            what: What::Nothing,
        })
    }

    /// What a record that was found at `start` means to the caller.
    fn take(
        &mut self,
        record: Record,
        start: usize,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<What>, Trouble> {
        let kind = record.kind;
        if kind != kind::HANDSHAKE && self.messages.is_partial() {
            return Err(Cause::unexpected("a record within a handshake message").into());
        }
        let (what, bytes) = match &record.place {
            Place::Input(range) => {
                let range = start + range.start..start + range.end;
                (Some(What::Data(range.clone())), &input[range])
            }
            Place::Joined(bytes) => (None, &bytes[..]),
        };
        match kind {
            kind::DATA => {
                if self.count(bytes.len())? {
                    return Ok(None);
                }
                Ok(what.or_else(|| record.place.joined().map(What::Joined)))
            }
            kind::HANDSHAKE => self.on_handshake(bytes, out).map(|()| None),
            kind::ALERT => self.on_alert(bytes),
            _ => Err(Cause::unexpected("a record of a type that has no place here").into()),
        }
    }

    /// Counts a record of data; true if it is empty.
    fn count(&mut self, len: usize) -> Result<bool, Cause> {
        if len == 0 {
            self.empty_records += 1;
            return match self.empty_records > EMPTY_RECORDS_MAX {
                true => Err(Cause {
                    detail: "tls_empty_records",
                    ..Cause::unexpected("too many records without data")
                }),
                false => Ok(true),
            };
        }
        self.empty_records = 0;
        self.pay(len);
        Ok(false)
    }

    /// Data pays for the messages between it.
    fn pay(&mut self, len: usize) {
        self.bytes += len as u64;
        if self.bytes >= MESSAGE_BYTES {
            (self.bytes, self.key_updates, self.tickets) = (0, 0, 0);
        }
    }

    fn on_alert(&mut self, bytes: &[u8]) -> Result<Option<What>, Trouble> {
        let [_, code] = *bytes else {
            return Err(Cause::undecodable("an alert that is not two bytes long").into());
        };
        match Alert(code) {
            Alert::CLOSE_NOTIFY => {
                self.is_closed = true;
                Ok(Some(What::Closed))
            }
            Alert::USER_CANCELED if !self.was_canceled => {
                self.was_canceled = true;
                Ok(None)
            }
            alert => Err(Trouble::Alerted(alert)),
        }
    }

    fn on_handshake(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), Trouble> {
        if record.is_empty() {
            return Err(Cause::unexpected("a handshake record without a message").into());
        }
        let (bytes, mut at) = (self.messages.push(record), 0);
        while let Some(message) = Messages::next(&bytes, at)? {
            at = message.body.end;
            self.on_message(&message, &bytes[message.body.clone()], out)?;
        }
        self.messages.keep(bytes, at);
        Ok(())
    }

    fn on_message(
        &mut self,
        message: &Message,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Trouble> {
        match (message.kind, &mut self.later) {
            (message::KEY_UPDATE, Later::Server(_) | Later::Client(_)) => {
                self.on_key_update(body, message.is_last)
            }
            (message::NEW_SESSION_TICKET, Later::Client(kernel)) => {
                self.tickets += 1;
                if self.tickets > TICKETS_MAX {
                    return Err(Cause {
                        detail: "tls_tickets",
                        ..Cause::unexpected("too many session tickets")
                    }
                    .into());
                }
                let taken = kernel.handle_new_session_ticket(body);
                taken.map_err(|_| Cause::undecodable("a session ticket that cannot be read").into())
            }
            (message::HELLO_REQUEST, Later::Nothing { is_server: false })
            | (message::CLIENT_HELLO, Later::Nothing { is_server: true }) => {
                self.alert(Alert::NO_RENEGOTIATION, out);
                Err(Cause {
                    alert: Alert::UNEXPECTED_MESSAGE,
                    detail: "tls_renegotiation",
                    reason: "the peer wants to renegotiate",
                }
                .into())
            }
            _ => Err(Cause::unexpected("a handshake message that has no place here").into()),
        }
    }

    /// RFC 8446 §4.6.3. A request is answered before the next data, and however many there are by one message.
    fn on_key_update(&mut self, body: &[u8], is_last: bool) -> Result<(), Trouble> {
        if !is_last {
            return Err(Cause::unexpected("a message that goes on behind a KeyUpdate").into());
        }
        self.key_updates += 1;
        if self.key_updates > KEY_UPDATES_MAX {
            return Err(Cause {
                detail: "tls_key_updates",
                ..Cause::unexpected("too many KeyUpdate messages")
            }
            .into());
        }
        match body {
            [0] => {}
            [1] => self.sealer.ask_update(),
            _ => return Err(Cause::undecodable("a KeyUpdate that is neither 0 nor 1").into()),
        }
        self.opener.set_keys(
            self.later
                .next_opens(self.facts.suite)
                .map_err(Trouble::Internal)?,
        );
        Ok(())
    }

    pub(crate) fn ask_update(&mut self) {
        self.sealer.ask_update();
    }

    pub(crate) fn sealed_len(&self, now: Now, data: usize) -> usize {
        self.sealer.sealed_len(now, data)
    }

    pub(crate) fn seal(&mut self, now: Now, data: &[&[u8]], out: &mut [u8]) -> Result<(), Fault> {
        if self.has_closed {
            return Err(Fault::internal("data behind close_notify"));
        }
        let later = &mut self.later;
        let sealed = self
            .sealer
            .seal(now, data, out, || later.next_seals(self.facts.suite));
        sealed.map_err(|refused| match refused {
            Refused::UsedUp => Fault {
                detail: "tls_keys_used_up",
                reason: "the keys have encrypted as many records as they may".into(),
                is_ours: true,
            },
            Refused::Failed(reason) => Fault::internal(reason),
        })?;
        self.pay(data.iter().map(|piece| piece.len()).sum());
        Ok(())
    }

    pub(super) fn is_nearly_used_up(&self) -> bool {
        self.sealer.is_nearly_used_up()
    }

    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if !self.has_closed {
            self.alert(Alert::CLOSE_NOTIFY, out);
            self.has_closed = true;
        }
    }

    /// Appends a record of any kind.
    pub(crate) fn write(&mut self, kind: u8, contents: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if self.sealer.write(kind, contents, out).is_err() {
            out.truncate(start);
        }
    }

    /// Changes the keys of what is sent, and asks the peer to do so.
    pub(crate) fn update_keys(&mut self, out: &mut Vec<u8>) {
        if let Later::Nothing { .. } = self.later {
            return;
        }
        self.write(kind::HANDSHAKE, &[message::KEY_UPDATE, 0, 0, 1, 1], out);
        if let Ok(keys) = self.later.next_seals(self.facts.suite) {
            self.sealer.set_keys(keys);
        }
    }

    /// Writes an alert; none follows close_notify.
    pub(super) fn alert(&mut self, alert: Alert, out: &mut Vec<u8>) {
        if !self.has_closed {
            self.write(kind::ALERT, &alert.bytes(), out);
        }
    }
}
