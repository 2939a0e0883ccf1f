//! The handshake: rustls does it, one record at a time, so that it never sees data.

use super::name::server_name;
use super::{held::Held, peer::Peer, presented, traffic::Traffic};
use crate::{
    ClientContext, Fault, Now, Offer, ServerContext,
    fault::{Alert, Cause},
    hello::{self, Gather, Gathered},
    limits::{EARLY_DATA_RECORDS_MAX, HANDSHAKE_BYTES_MAX},
};
use rustls::{
    CommonState, HandshakeKind,
    client::UnbufferedClientConnection,
    pki_types::{CertificateDer, ServerName},
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
};
use std::{mem, sync::Arc};

/// `ProtocolVersion` of the oldest version that there is here.
const TLS12: u16 = 0x0303;

/// Calls of rustls for one record: one for each that it has to write, and one when all are sent. A flight is a chain
/// of certificates in records of 16 KiB, and few other messages.
const CALLS_MAX: usize = 64;

/// A handshake under way.
pub(super) struct Handshake {
    held: Held,
    side: Side,
    /// What the client offers: at a server.
    offer: Option<Box<Offer>>,
    /// The name that a client asks for.
    sni: Option<Box<str>>,
    /// A client has presented its certificate.
    has_presented: bool,
    /// Bytes of records that were tried since a message was taken: at a server, of a client that sends early data.
    tried: usize,
}

enum Side {
    /// A server's that has not seen all of the ClientHello.
    Hello(Arc<ServerContext>, Gather),
    Server(Arc<ServerContext>, Box<UnbufferedServerConnection>),
    Client(Arc<ClientContext>, Box<UnbufferedClientConnection>),
    /// It is over.
    Done,
}

/// What rustls wants.
enum Wants {
    /// To be called again.
    Call,
    /// Another record.
    Record,
}

impl Handshake {
    pub(super) fn accept(context: &Arc<ServerContext>) -> Self {
        let side = Side::Hello(context.clone(), Gather::default());
        Self::new(side, None)
    }

    /// Writes the ClientHello.
    pub(super) fn connect(
        context: &Arc<ClientContext>,
        name: Option<&str>,
        checks_name: bool,
        out: &mut Vec<u8>,
    ) -> Result<Self, Fault> {
        let name = server_name(name)?;
        let sni = match &name {
            ServerName::DnsName(name) => Some(name.as_ref().into()),
            ServerName::IpAddress(_) | _ => None,
        };
        let config = context.config(checks_name).clone();
        let connection = UnbufferedClientConnection::new(config, name);
        let connection = connection.map_err(|error| Fault::of(&error))?;
        let side = Side::Client(context.clone(), connection.into());
        let mut handshake = Self::new(side, sni);
        handshake.drive(out)?;
        Ok(handshake)
    }

    fn new(side: Side, sni: Option<Box<str>>) -> Self {
        Self {
            held: Held::default(),
            side,
            offer: None,
            sni,
            has_presented: false,
            tried: 0,
        }
    }

    pub(super) fn offer(&self) -> Option<&Offer> {
        self.offer.as_deref()
    }

    /// The name that the client asks for, as far as it is known.
    pub(super) fn server_name(&self) -> Option<&str> {
        let offered = self.offer().and_then(|offer| offer.sni.as_deref());
        offered.or(self.sni.as_deref())
    }

    pub(super) fn is_partial(&self) -> bool {
        !self.held.bytes().is_empty()
    }

    #[cfg(feature = "simulation")]
    pub(super) fn held_bytes(&self) -> usize {
        let gathered = match &self.side {
            Side::Hello(_, gather) => gather.held_bytes(),
            Side::Server(..) | Side::Client(..) | Side::Done => 0,
        };
        self.held.held_bytes() + gathered
    }

    /// Takes records until the handshake is over; returns how many bytes they were.
    pub(super) fn receive(
        &mut self,
        now: Now,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Option<Traffic>), Fault> {
        let mut used = 0;
        while used < input.len() {
            let (len, is_whole) = self.held.fill(&input[used..]);
            used += len;
            self.read_hello(now, out)?;
            if is_whole {
                self.drive(out)?;
            }
            if self.is_over() {
                return Ok((used, Some(self.finish(now, out)?)));
            }
        }
        Ok((used, None))
    }

    /// Makes the connection when all of the ClientHello is there.
    fn read_hello(&mut self, now: Now, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Side::Hello(context, gather) = &mut self.side else {
            return Ok(());
        };
        let cause = match gather.read(self.held.bytes()) {
            Gathered::Incomplete => return Ok(()),
            Gathered::Message(message) => match hello::read_message(&message) {
                Ok(offer) if offer.version_max < TLS12 => {
                    self.offer = Some(offer.into());
                    Cause {
                        alert: Alert::PROTOCOL_VERSION,
                        detail: "tls_no_shared_version",
                        reason: "TLS 1.1 or older is offered",
                    }
                }
                Ok(offer) if offer.sni.is_none() && context.requires_sni() => Cause {
                    alert: Alert::UNRECOGNIZED_NAME,
                    detail: "tls_sni_required",
                    reason: "a name has to be asked for",
                },
                Ok(offer) if context.lacks_staple(&offer, now) => {
                    out.extend_from_slice(&Alert::INTERNAL_ERROR.plain_record());
                    self.offer = Some(offer.into());
                    return Err(Fault {
                        detail: "tls_no_staple",
                        reason: "the OCSP response of the certificate is outdated".into(),
                        is_ours: true,
                    });
                }
                Ok(offer) => {
                    let connection =
                        UnbufferedServerConnection::new(context.config(&offer).clone());
                    let connection = connection.map_err(|error| Fault::of(&error))?;
                    self.offer = Some(offer.into());
                    self.side = Side::Server(context.clone(), connection.into());
                    return Ok(());
                }
                Err(reason) => bad_hello(reason),
            },
            Gathered::Malformed(reason) => bad_hello(reason),
            Gathered::Plain => Cause {
                alert: Alert::UNEXPECTED_MESSAGE,
                detail: "tls_no_hello",
                reason: "what came is not TLS",
            },
        };
        out.extend_from_slice(&cause.alert.plain_record());
        Err(cause.into())
    }

    /// Lets rustls take the records that are whole, and writes what it has to say.
    fn drive(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut calls = 0;
        loop {
            calls += 1;
            debug_assert!(calls <= CALLS_MAX, "rustls is asked without end");
            match self.advance(out) {
                Ok(Wants::Call) => {}
                Ok(Wants::Record) => return self.check_held(),
                Err(fault) => {
                    let fault = self.explain(fault);
                    // Not once more than there is to write: rustls would go on with the bytes it failed at.
                    while self.has_alert() && self.advance(out).is_ok() {}
                    return Err(fault);
                }
            }
        }
    }

    /// What rustls does not tell apart, or tells by what it came upon first.
    fn explain(&self, fault: Fault) -> Fault {
        let (Side::Server(context, _), Some(offer)) = (&self.side, self.offer()) else {
            return fault;
        };
        let early_data_max = context.config(offer).max_early_data_size as usize;
        let told = match fault.detail {
            "tls_bad_record" if offer.has_early_data && self.tried > early_data_max => {
                Some(("tls_early_data_too_long", "early data without end"))
            }
            // Groups and signatures are chosen before a suite that they are needed for.
            "tls_incompatible" | "tls_no_shared_group" | "tls_no_shared_signature"
                if !context.has_suite_of(offer) =>
            {
                Some(("tls_no_shared_cipher", "no cipher suite in common"))
            }
            _ => None,
        };
        match told {
            Some((detail, reason)) => Fault {
                detail,
                reason: reason.into(),
                ..fault
            },
            None => fault,
        }
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Wants, Fault> {
        if self.offer().is_some_and(|offer| offer.has_early_data) {
            self.tried = self.tried.saturating_add(self.held.payload_len());
        }
        let records = self.held.records();
        let (len, wants) = match &mut self.side {
            Side::Hello(..) | Side::Done => return Ok(Wants::Record),
            Side::Server(_, server) => advance(server.process_tls_records(records), out),
            Side::Client(_, client) => {
                let advanced = advance(client.process_tls_records(records), out);
                self.has_presented |= presented::take();
                advanced
            }
        };
        self.held.discard(len);
        if len > 0 {
            self.tried = 0;
        }
        wants
    }

    fn has_alert(&self) -> bool {
        match &self.side {
            Side::Hello(..) | Side::Done => false,
            Side::Server(_, server) => server.wants_write(),
            Side::Client(_, client) => client.wants_write(),
        }
    }

    fn check_held(&mut self) -> Result<(), Fault> {
        let has_early_data = self.offer().is_some_and(|offer| offer.has_early_data);
        let is_long = self.held.records().len() > HANDSHAKE_BYTES_MAX;
        // rustls holds what it passes over as if it were part of a message.
        let is_much = has_early_data && self.held.count() > EARLY_DATA_RECORDS_MAX;
        let (detail, reason) = match has_early_data {
            _ if !is_long && !is_much => return Ok(()),
            true => ("tls_early_data_too_long", "early data without end"),
            false => ("tls_handshake_too_long", "a handshake message is too long"),
        };
        // The peer is not told: only rustls has the keys for an alert.
        Err(Fault {
            detail,
            reason: reason.into(),
            is_ours: false,
        })
    }

    fn is_over(&self) -> bool {
        match &self.side {
            Side::Hello(..) | Side::Done => false,
            Side::Server(_, server) => !server.is_handshaking(),
            Side::Client(_, client) => !client.is_handshaking(),
        }
    }

    /// Takes keys and facts out of rustls.
    fn finish(&mut self, now: Now, out: &mut Vec<u8>) -> Result<Traffic, Fault> {
        let (peer, checked) = match mem::replace(&mut self.side, Side::Done) {
            Side::Hello(..) | Side::Done => return Err(Fault::internal("no handshake is over")),
            Side::Server(context, server) => {
                let offer = self.offer.take().unwrap_or_default();
                let checked = recheck(&server, |chain| context.recheck(chain, now));
                let local = context.local(&offer);
                let is_validated = presented(&server, |chain| context.validates(chain, now));
                let peer = Peer::client(*server, offer.sni, local, is_validated)?;
                (peer, checked)
            }
            Side::Client(context, client) => {
                let checked = recheck(&client, |chain| context.recheck(chain, now));
                let local = context.identity().filter(|_| self.has_presented);
                let local = local.map(|identity| identity.certificate().clone());
                let is_validated = presented(&client, |chain| context.validates(chain, now));
                let peer = Peer::server(*client, self.sni.take(), local, is_validated)?;
                (peer, checked)
            }
        };
        let mut traffic = Traffic::new(peer, now);
        if !self.held.bytes().is_empty() {
            // RFC 8446 §5.1: no message spans a change of keys.
            let cause = Cause::unexpected("a message that goes on behind the handshake");
            traffic.alert(cause.alert, out);
            return Err(cause.into());
        }
        match checked {
            Ok(()) => Ok(traffic),
            Err(error) => {
                traffic.alert(Alert::of(&error), out);
                Err(Fault::of(&error))
            }
        }
    }
}

/// A session that was resumed began when the peer was believed: it may not be any more.
fn recheck(
    connection: &CommonState,
    check: impl FnOnce(&[CertificateDer<'static>]) -> Result<(), rustls::Error>,
) -> Result<(), rustls::Error> {
    let is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let chain = connection.peer_certificates().filter(|_| is_resumed);
    chain.map_or(Ok(()), check)
}

/// What holds of the peer's chain; false if it presented none.
fn presented(
    connection: &CommonState,
    holds: impl FnOnce(&[CertificateDer<'static>]) -> bool,
) -> bool {
    connection.peer_certificates().is_some_and(holds)
}

fn bad_hello(reason: &'static str) -> Cause {
    Cause {
        detail: hello::detail(reason),
        ..Cause::undecodable(reason)
    }
}

/// Does what rustls asks for; returns how many bytes it has done with.
fn advance<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    out: &mut Vec<u8>,
) -> (usize, Result<Wants, Fault>) {
    let wants = match status.state {
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let start = out.len();
            let mut encoded = data.encode(&mut []);
            if let Err(EncodeError::InsufficientSize(size)) = &encoded {
                out.resize(start + size.required_size, 0);
                encoded = data.encode(&mut out[start..]);
            }
            #[cfg(feature = "sm")]
            crate::sm::flight::mend(&mut out[start..]);
            encoded
                .map(|_| Wants::Call)
                .map_err(|error| Fault::internal(error.to_string()))
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Wants::Call)
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
            Ok(Wants::Record)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Err(Fault {
            detail: "tls_closed",
            reason: "received close_notify during the handshake".into(),
            is_ours: false,
        }),
        Ok(state) => Err(Fault::internal(format!("rustls has come to {state:?}"))),
        Err(error) => Err(Fault::of(&error)),
    };
    (status.discard, wants)
}
