//! The TLS of one connection.

mod handshake;
mod held;
mod messages;
mod name;
mod peer;
mod presented;
mod traffic;

use crate::{ClientContext, Facts, Fault, Now, Offer, ServerContext, time};
use handshake::Handshake;
pub use name::is_name;
pub(crate) use peer::{Later, Peer};
pub(crate) use presented::note as note_presented;
use std::{fmt, ops::Range, sync::Arc};
pub(crate) use traffic::Traffic;

/// The TLS of one connection, either side.
pub struct Session {
    state: State,
}

enum State {
    Handshake(Box<Handshake>),
    Traffic(Box<Traffic>),
    Failed(Box<Failed>),
}

/// What is still known of a session that has failed.
struct Failed {
    fault: Fault,
    server_name: Option<Box<str>>,
    facts: Option<Arc<Facts>>,
}

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
        let state = State::Handshake(Handshake::accept(context).into());
        Self { state }
    }

    /// The client's side; writes the ClientHello. `name`: sent as SNI if it is a DNS name, and what the server's
    /// certificate has to be for, if it is verified and `check_name` is set.
    ///
    /// # Errors
    /// `name` is neither a host name nor an address, or the random source fails.
    pub fn connect(
        context: &Arc<ClientContext>,
        name: Option<&str>,
        check_name: bool,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<Self, Fault> {
        time::pass(now);
        let handshake = Handshake::connect(context, name, check_name, out)?;
        let state = State::Handshake(handshake.into());
        Ok(Self { state })
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
        let step = match &mut self.state {
            State::Handshake(handshake) => {
                time::pass(now);
                match handshake.receive(now, input, out) {
                    Ok((used, None)) => Ok(Step {
                        used,
                        what: What::Nothing,
                    }),
                    Ok((used, Some(traffic))) => {
                        self.state = State::Traffic(traffic.into());
                        Ok(Step {
                            used,
                            what: What::Established,
                        })
                    }
                    Err(fault) => Err(fault),
                }
            }
            State::Traffic(traffic) => {
                time::pass(now);
                traffic.receive(input, out)
            }
            State::Failed(failed) => return Err(failed.fault.clone()),
        };
        step.inspect_err(|fault| {
            let failed = Failed {
                fault: fault.clone(),
                server_name: self.server_name().map(Into::into),
                facts: self.facts().cloned(),
            };
            self.state = State::Failed(failed.into());
        })
    }

    /// Bytes that [`Self::seal`] makes of so much data if it is called next. Not before [`What::Established`]; 0
    /// after a fault.
    pub fn sealed_len(&self, now: Now, data: usize) -> usize {
        self.traffic()
            .map_or(0, |traffic| traffic.sealed_len(now, data))
    }

    /// Encrypts data, given in pieces that follow one another, into `out`, which is [`Self::sealed_len`] bytes long.
    ///
    /// # Errors
    /// The keys are used up (TLS 1.2 only, which cannot change them; see [`Self::is_nearly_used_up`]), the session has failed, or it has
    /// sent `close_notify`. What `out` holds then must not be sent; [`Self::close`] still can be.
    pub fn seal(&mut self, now: Now, data: &[&[u8]], out: &mut [u8]) -> Result<(), Fault> {
        match &mut self.state {
            State::Handshake(_) => Err(Fault::internal("data before the handshake is over")),
            State::Traffic(traffic) => traffic.seal(now, data, out),
            State::Failed(failed) => Err(failed.fault.clone()),
        }
    }

    /// The keys of what is sent will soon be used up, so that the connection is better given up for another: from 7/8
    /// of their limit on. In TLS 1.2 the keys of AES-GCM may be used for 2^24 records, which are 256 GiB of data in
    /// records of 16 KiB; those of ChaCha20-Poly1305 have no limit. Never in TLS 1.3, which changes keys.
    pub fn is_nearly_used_up(&self) -> bool {
        self.traffic().is_some_and(Traffic::is_nearly_used_up)
    }

    /// Tells the peer that no more is sent (`close_notify`). Later calls write nothing, nor does one before the
    /// handshake is over.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let State::Traffic(traffic) = &mut self.state {
            traffic.close(out);
        }
    }

    /// The transport has ended.
    ///
    /// # Errors
    /// The peer has not said before that it sends no more: what came may be cut short (RFC 8446 §6.1).
    pub fn on_eof(&self) -> Result<(), Fault> {
        let reason = match &self.state {
            State::Handshake(_) => "the connection ended during the handshake",
            State::Traffic(traffic) if traffic.is_closed() => return Ok(()),
            State::Traffic(_) => "the connection ended without close_notify",
            State::Failed(failed) => return Err(failed.fault.clone()),
        };
        Err(Fault {
            detail: "tls_truncated",
            reason: reason.into(),
            is_ours: false,
        })
    }

    /// We have told the peer that no more is sent.
    pub fn is_ended(&self) -> bool {
        self.traffic().is_some_and(Traffic::is_ended)
    }

    /// A fault was told, and nothing can be sent any more.
    pub fn has_failed(&self) -> bool {
        match &self.state {
            State::Failed(_) => true,
            State::Handshake(_) | State::Traffic(_) => false,
        }
    }

    /// Data can be sent.
    pub fn is_established(&self) -> bool {
        self.traffic().is_some()
    }

    /// Part of a record or of a handshake message waits for its end.
    pub fn is_partial(&self) -> bool {
        match &self.state {
            State::Handshake(handshake) => handshake.is_partial(),
            State::Traffic(traffic) => traffic.is_partial(),
            State::Failed(_) => false,
        }
    }

    /// What the handshake has agreed on, once it is over: also of a session that has failed since.
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        match &self.state {
            State::Handshake(_) => None,
            State::Traffic(traffic) => Some(&traffic.facts),
            State::Failed(failed) => failed.facts.as_ref(),
        }
    }

    /// The name that the client asks for (SNI), as far as it is known: also of a session that has failed.
    pub fn server_name(&self) -> Option<&str> {
        match &self.state {
            State::Handshake(handshake) => handshake.server_name(),
            State::Traffic(traffic) => traffic.facts.sni.as_deref(),
            State::Failed(failed) => failed.server_name.as_deref(),
        }
    }

    /// What the client offers: a server's session from its ClientHello on, until the handshake is over.
    pub fn offer(&self) -> Option<&Offer> {
        match &self.state {
            State::Handshake(handshake) => handshake.offer(),
            State::Traffic(_) | State::Failed(_) => None,
        }
    }

    /// Memory for what was received and waits.
    #[cfg(feature = "simulation")]
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Handshake(handshake) => handshake.held_bytes(),
            State::Traffic(traffic) => traffic.held_bytes(),
            State::Failed(_) => 0,
        }
    }

    pub(crate) fn traffic_mut(&mut self) -> Option<&mut Traffic> {
        match &mut self.state {
            State::Traffic(traffic) => Some(traffic),
            State::Handshake(_) | State::Failed(_) => None,
        }
    }

    fn traffic(&self) -> Option<&Traffic> {
        match &self.state {
            State::Traffic(traffic) => Some(traffic),
            State::Handshake(_) | State::Failed(_) => None,
        }
    }
}

impl fmt::Debug for Session {
    /// Which state it is in; never a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Handshake(_) => "Session(handshake)",
            State::Traffic(_) => "Session(traffic)",
            State::Failed(_) => "Session(failed)",
        })
    }
}
