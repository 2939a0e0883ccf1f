//! The TLS of one connection.

use crate::{ClientContext, Facts, Fault, Now, Offer, ServerContext};
use std::{ops::Range, sync::Arc};

/// The TLS of one connection, either side.
pub struct Session(Box<()>);

/// What one call of [`Session::receive`] did.
#[derive(Debug)]
pub struct Step {
    /// Bytes of the input that are used up; all of it unless `what` tells something.
    pub used: usize,
    /// What they were.
    pub what: What,
}

/// What received bytes mean.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing for the caller; all input was used.
    Nothing,
    /// The handshake is over: [`Session::facts`] tells of it, data may be sent. Once, and before any data.
    Established,
    /// Data, decrypted where it lay: a range of the input, within `used`.
    Data(Range<usize>),
    /// Data of a record that came in parts.
    Joined(Vec<u8>),
    /// The peer sends no more (`close_notify`). Once; what follows is dropped.
    Closed,
}

impl Session {
    /// The server's side.
    pub fn accept(context: &Arc<ServerContext>) -> Self {
        let _ = context;
        todo!()
    }

    /// The client's side; writes the ClientHello. `name`: sent as SNI if it is a DNS name, and what the server's
    /// certificate has to be for, if it is verified and `check_name` is set.
    pub fn connect(
        context: &Arc<ClientContext>,
        name: Option<&str>,
        check_name: bool,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<Self, Fault> {
        let _ = (context, name, check_name, now, out);
        todo!()
    }

    /// Takes what the peer sent. Call again with the rest until all is used. What has to be sent because of it is
    /// written to `out`, also before a fault is told.
    ///
    /// # Errors
    /// The session has failed; it takes and gives nothing from then on.
    pub fn receive(
        &mut self,
        now: Now,
        input: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Fault> {
        let _ = (now, input, out);
        todo!()
    }

    /// Bytes that [`Self::seal`] makes of so much data if it is called next. Not before [`What::Established`].
    pub fn sealed_len(&self, now: Now, data: usize) -> usize {
        let _ = (now, data);
        todo!()
    }

    /// Encrypts data, given in pieces that follow one another, into `out`, which is [`Self::sealed_len`] bytes long.
    ///
    /// # Errors
    /// The keys are used up (TLS 1.2 only: RFC 8446 §5.5 has no remedy there).
    pub fn seal(&mut self, now: Now, data: &[&[u8]], out: &mut [u8]) -> Result<(), Fault> {
        let _ = (now, data, out);
        todo!()
    }

    /// Tells the peer that no more is sent (`close_notify`). Later calls write nothing.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }

    /// Data can be sent.
    pub fn is_established(&self) -> bool {
        todo!()
    }

    /// Part of a record or of a handshake message waits for its end.
    pub fn is_partial(&self) -> bool {
        todo!()
    }

    /// The peer has sent something, or we have.
    pub fn has_begun(&self) -> bool {
        todo!()
    }

    /// What the handshake has agreed on, once it is over.
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        todo!()
    }

    /// What the client offers: a server's session from its ClientHello on, until the handshake is over.
    pub fn offer(&self) -> Option<&Offer> {
        todo!()
    }
}
