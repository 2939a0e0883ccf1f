//! One end of a connection with TLS, without I/O.

use std::sync::Arc;
use tls::{ClientContext, Facts, Fault, Now, ServerContext, Session, What, fuzz};

/// `ContentType`, RFC 8446 §5.1: what a connection may begin with.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// What the other end said.
#[derive(Debug)]
pub(crate) enum Said {
    /// The handshake is over.
    Established,
    Data(Vec<u8>),
    /// It sends no more.
    Closed,
    Failed(Fault),
    /// What came first is no record of TLS.
    Plain,
}

/// One end.
pub(crate) struct Talk {
    pub(crate) session: Session,
    has_begun: bool,
}

impl Talk {
    pub(crate) fn accept(context: &Arc<ServerContext>) -> Self {
        Self {
            session: Session::accept(context),
            has_begun: false,
        }
    }

    pub(crate) fn connect(
        context: &Arc<ClientContext>,
        name: &str,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Self {
        Self {
            session: Session::connect(context, Some(name), true, now, out).unwrap(),
            has_begun: false,
        }
    }

    pub(crate) fn receive(&mut self, now: Now, bytes: &[u8], out: &mut Vec<u8>) -> Vec<Said> {
        let mut said = Vec::new();
        if !std::mem::replace(&mut self.has_begun, true) && !matches!(bytes[0], ALERT | HANDSHAKE) {
            said.push(Said::Plain);
        }
        let mut input = bytes.to_vec();
        let mut rest = &mut input[..];
        while !rest.is_empty() {
            let step = match self.session.receive(now, rest, out) {
                Ok(step) => step,
                Err(fault) => {
                    said.push(Said::Failed(fault));
                    break;
                }
            };
            said.extend(match step.what {
                What::Nothing => None,
                What::Established => Some(Said::Established),
                What::Data(at) => Some(Said::Data(rest[at].to_vec())),
                What::Joined(bytes) => Some(Said::Data(bytes)),
                What::Closed => Some(Said::Closed),
            });
            rest = &mut rest[step.used..];
        }
        said
    }

    /// Encrypts data; empty if the session has failed or ended.
    pub(crate) fn seal(&mut self, now: Now, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0; self.session.sealed_len(now, data.len())];
        match self.session.seal(now, &[data], &mut out) {
            Ok(()) => out,
            Err(_) => Vec::new(),
        }
    }

    /// Changes keys, and asks the other end to do so.
    pub(crate) fn update_keys(&mut self, out: &mut Vec<u8>) {
        if self.session.is_established() {
            fuzz::update_keys(&mut self.session, out);
        }
    }

    pub(crate) fn facts(&self) -> Option<&Arc<Facts>> {
        self.session.facts()
    }
}

/// The other end has told that it gives the session up.
pub(crate) fn is_alert(fault: &Fault) -> bool {
    fault.reason.starts_with("received fatal alert")
}
