//! One end of a connection, and what has to be true of it.

use super::contexts::{Contexts, Plan};
use crate::{
    Fault, Now, Session, Step, Suite, What,
    limits::{HANDSHAKE_BYTES_MAX, HELLO_BYTES_MAX},
    record::{HEADER_BYTES, kind},
};

const NOW: Now = Now::from_secs(1_800_000_000);
const NAME: &str = "localhost";

/// Bytes of a record with its header, at most.
const RECORD_BYTES: usize = HEADER_BYTES + (1 << 14) + 2048;

/// Of TLS 1.3: level, code and type in a record with a tag of 16 bytes. Nothing else of a handshake is as short.
const SEALED_ALERT_BYTES: usize = 2 + 1 + 16;

/// `ContentType`, RFC 5246 §6.2.1.
const CHANGE_CIPHER_SPEC: u8 = 20;

pub(super) struct End {
    session: Session,
    is_server: bool,
    /// What is to be sent.
    out: Vec<u8>,
    /// All that was.
    written: Vec<u8>,
    /// Data of either direction.
    sent: Vec<u8>,
    got: Vec<u8>,
    fault: Option<Fault>,
    is_established: bool,
    is_closed: bool,
}

/// What an end has made of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    fault: Option<Fault>,
    written: Vec<u8>,
    got: Vec<u8>,
}

impl End {
    pub(super) fn server(contexts: &Contexts) -> Self {
        Self::new(Session::accept(&contexts.server), true, Vec::new())
    }

    pub(super) fn client(contexts: &Contexts) -> Self {
        let mut out = Vec::new();
        let session = Session::connect(&contexts.client, Some(NAME), true, NOW, &mut out);
        Self::new(session.expect("a name"), false, out)
    }

    fn new(session: Session, is_server: bool, out: Vec<u8>) -> Self {
        Self {
            session,
            is_server,
            out,
            written: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            fault: None,
            is_established: false,
            is_closed: false,
        }
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    pub(super) fn suite(&self) -> Option<Suite> {
        self.session.facts().map(|facts| facts.suite)
    }

    /// What it has to send; some data too, once it can.
    pub(super) fn say(&mut self) -> Vec<u8> {
        if self.session.is_established() && self.sent.is_empty() {
            self.sent = (0..600_u32).map(|at| at as u8).collect();
            let start = self.out.len();
            let len = self.session.sealed_len(NOW, self.sent.len());
            self.out.resize(start + len, 0);
            let sealed = self
                .session
                .seal(NOW, &[&self.sent], &mut self.out[start..]);
            assert_eq!(sealed, Ok(()));
        }
        self.written.extend_from_slice(&self.out);
        std::mem::take(&mut self.out)
    }

    /// Gives it bytes, `step` at a time.
    pub(super) fn take(&mut self, bytes: &[u8], step: usize) {
        for piece in bytes.chunks(step) {
            let mut piece = piece.to_vec();
            let mut at = 0;
            while at < piece.len() && self.fault.is_none() {
                at += self.receive(&mut piece[at..]);
                self.check_held();
            }
            if self.fault.is_some() {
                self.check_silence(&mut piece);
            }
        }
    }

    /// Bytes that one call has used.
    fn receive(&mut self, input: &mut [u8]) -> usize {
        let start = self.out.len();
        let received = self.session.receive(NOW, input, &mut self.out);
        let alerts = alerts(&self.out[start..]);
        let Step { used, what } = match received {
            Ok(step) => step,
            Err(fault) => {
                assert!(alerts <= 1, "{alerts} alerts for one fault");
                assert!(self.session.has_failed() && !self.session.is_established());
                assert!(!self.is_closed, "a fault behind close_notify");
                self.fault = Some(fault);
                return input.len();
            }
        };
        assert_eq!(alerts, 0, "an alert without a fault");
        let is_used = (1..=input.len()).contains(&used);
        assert!(is_used, "no progress, or too much");
        let data = match what {
            What::Nothing => {
                assert_eq!(used, input.len(), "more is wanted, and there is some");
                return used;
            }
            What::Established => {
                assert!(!self.is_established && self.session.is_established());
                self.is_established = true;
                return used;
            }
            What::Closed => {
                assert!(self.is_established && !self.is_closed);
                self.is_closed = true;
                return used;
            }
            What::Data(range) => &input[..used][range],
            What::Joined(ref bytes) => bytes,
        };
        assert!(self.is_established && !self.is_closed && !data.is_empty());
        self.got.extend_from_slice(data);
        used
    }

    /// No more memory than the limits say, twice as much where a buffer has grown.
    fn check_held(&self) {
        let is_hello = self.is_server && !self.is_established && self.session.offer().is_none();
        let held_max = match is_hello {
            // What waits, and what was gathered out of it.
            true => 2 * (HELLO_BYTES_MAX + RECORD_BYTES) + 2 * HELLO_BYTES_MAX,
            false => 2 * (HANDSHAKE_BYTES_MAX + RECORD_BYTES),
        };
        let held = self.session.held_bytes();
        assert!(held <= held_max, "{held} bytes are held");
    }

    /// Nothing goes in or comes out once it has failed.
    fn check_silence(&mut self, input: &mut [u8]) {
        let len = self.out.len();
        let received = self.session.receive(NOW, input, &mut self.out);
        assert_eq!(received.err().as_ref(), self.fault.as_ref());
        assert_eq!(self.session.on_eof().err().as_ref(), self.fault.as_ref());
        assert_eq!(self.session.sealed_len(NOW, 100), 0);
        assert!(self.session.seal(NOW, &[b"data"], &mut []).is_err());
        self.session.close(&mut self.out);
        assert_eq!(self.out.len(), len, "something is said behind the fault");
        assert_eq!(self.session.held_bytes(), 0);
    }

    /// What it has agreed on is what the plan says, whatever has happened on the way.
    pub(super) fn check(&self, plan: &Plan) {
        assert!(self.is_established || self.got.is_empty());
        let Some(facts) = self.session.facts() else {
            assert!(!self.is_established);
            let end = self.session.on_eof();
            return assert!(end.is_err(), "half a handshake is taken for one");
        };
        assert_eq!(facts.version, plan.version);
        assert_eq!(facts.alpn.as_deref(), Some(&b"h2"[..]));
        assert_eq!(facts.sni.as_deref(), Some(NAME));
        assert_eq!(facts.is_resumed, plan.is_resumed);
        let has_peer = !self.is_server || plan.is_mutual;
        assert_eq!(facts.peer.is_some(), has_peer);
        assert_eq!(facts.is_validated, has_peer);
    }

    /// No data but what the peer has sent.
    pub(super) fn check_data(&self, peer: &Self) {
        assert!(peer.sent.starts_with(&self.got), "data that was not sent");
    }

    /// The peer has sent all, and says so.
    pub(super) fn end(&mut self, peer: &mut Self) {
        assert_eq!(self.got, peer.sent, "not all has come");
        assert!(!self.session.is_partial() && self.session.on_eof().is_err());
        let mut last = Vec::new();
        peer.session.close(&mut last);
        self.take(&last, usize::MAX);
        assert!(self.is_closed && self.session.on_eof().is_ok());
    }

    /// All that can be seen of it.
    pub(super) fn told(mut self) -> Told {
        self.written.append(&mut self.out);
        Told {
            fault: self.fault,
            written: self.written,
            got: self.got,
        }
    }
}

/// Alerts among records that a session has written.
fn alerts(mut records: &[u8]) -> usize {
    let mut alerts = 0;
    while let Some(([kind, version, _, high, low], rest)) = records.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let is_record = (CHANGE_CIPHER_SPEC..=kind::DATA).contains(kind) && *version == 3;
        assert!(is_record && len <= rest.len(), "what is sent is no record");
        let is_sealed = *kind == kind::DATA && len == SEALED_ALERT_BYTES;
        alerts += usize::from(*kind == kind::ALERT || is_sealed);
        records = &rest[len..];
    }
    assert!(records.is_empty(), "part of a record is sent");
    alerts
}
