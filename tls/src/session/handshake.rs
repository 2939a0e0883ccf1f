//! The handshake: rustls does it, one record at a time, so that it never sees data.

use super::{held::Held, peer::Peer, traffic::Traffic};
use crate::{
    ClientContext, Fault, Now, Offer, ServerContext,
    fault::{Alert, Cause},
    hello::{self, Gather, Gathered},
    limits::HANDSHAKE_BYTES_MAX,
};
use rustls::{
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
};
use std::{net::Ipv4Addr, sync::Arc};

/// A handshake under way.
pub(super) struct Handshake {
    held: Held,
    side: Side,
    /// What the client offers: at a server.
    offer: Option<Box<Offer>>,
    /// The name that a client asks for.
    sni: Option<Box<str>>,
    pub(super) checks_name: bool,
}

enum Side {
    /// A server's that has not seen all of the ClientHello.
    Hello(Arc<ServerContext>, Gather),
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
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
        Self::new(side, None, false)
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
        let mut handshake = Self::new(Side::Client(connection.into()), sni, checks_name);
        handshake.drive(out)?;
        Ok(handshake)
    }

    fn new(side: Side, sni: Option<Box<str>>, checks_name: bool) -> Self {
        Self {
            held: Held::default(),
            side,
            offer: None,
            sni,
            checks_name,
        }
    }

    pub(super) fn offer(&self) -> Option<&Offer> {
        self.offer.as_deref()
    }

    pub(super) fn is_partial(&self) -> bool {
        !self.held.bytes().is_empty()
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
            self.read_hello(out)?;
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
    fn read_hello(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let Side::Hello(context, gather) = &mut self.side else {
            return Ok(());
        };
        let cause = match gather.read(self.held.bytes()) {
            Gathered::Incomplete => return Ok(()),
            Gathered::Message(message) => match hello::read_message(&message) {
                Ok(offer) => {
                    let connection =
                        UnbufferedServerConnection::new(context.config(&offer).clone());
                    let connection = connection.map_err(|error| Fault::of(&error))?;
                    self.offer = Some(offer.into());
                    self.side = Side::Server(connection.into());
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
        loop {
            match self.advance(out) {
                Ok(Wants::Call) => {}
                Ok(Wants::Record) => return self.check_held(),
                Err(fault) => {
                    // Not once more than there is to write: rustls would go on with the bytes it failed at.
                    while self.has_alert() && self.advance(out).is_ok() {}
                    return Err(fault);
                }
            }
        }
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Wants, Fault> {
        let records = self.held.records();
        let (len, wants) = match &mut self.side {
            Side::Hello(..) | Side::Done => return Ok(Wants::Record),
            Side::Server(server) => advance(server.process_tls_records(records), out),
            Side::Client(client) => advance(client.process_tls_records(records), out),
        };
        self.held.discard(len);
        wants
    }

    fn has_alert(&self) -> bool {
        match &self.side {
            Side::Hello(..) | Side::Done => false,
            Side::Server(server) => server.wants_write(),
            Side::Client(client) => client.wants_write(),
        }
    }

    fn check_held(&mut self) -> Result<(), Fault> {
        match self.held.records().len() > HANDSHAKE_BYTES_MAX {
            true => Err(Cause {
                alert: Alert::UNEXPECTED_MESSAGE,
                detail: "tls_handshake_too_long",
                reason: "a handshake message is too long",
            }
            .into()),
            false => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        match &self.side {
            Side::Hello(..) | Side::Done => false,
            Side::Server(server) => !server.is_handshaking(),
            Side::Client(client) => !client.is_handshaking(),
        }
    }

    /// Takes keys and facts out of rustls.
    fn finish(&mut self, now: Now, out: &mut Vec<u8>) -> Result<Traffic, Fault> {
        if !self.held.bytes().is_empty() {
            // RFC 8446 §5.1: no message spans a change of keys.
            out.extend_from_slice(&Alert::UNEXPECTED_MESSAGE.plain_record());
            return Err(Cause::unexpected("a message that goes on behind the handshake").into());
        }
        let sni = self.sni.take().or_else(|| self.offer.take()?.sni);
        let peer = match std::mem::replace(&mut self.side, Side::Done) {
            Side::Hello(..) | Side::Done => return Err(Fault::internal("no handshake is over")),
            Side::Server(server) => Peer::client(*server, sni),
            Side::Client(client) => Peer::server(*client, sni),
        };
        Ok(Traffic::new(peer?, now))
    }
}

fn bad_hello(reason: &'static str) -> Cause {
    let is_long = reason == hello::TOO_LONG;
    Cause {
        detail: if is_long {
            "tls_hello_too_long"
        } else {
            "tls_bad_hello"
        },
        ..Cause::undecodable(reason)
    }
}

/// What rustls is to verify the certificate for, and to send as SNI if it is no address. Without a name an address
/// that nobody has stands for it.
fn server_name(name: Option<&str>) -> Result<ServerName<'static>, Fault> {
    let Some(name) = name else {
        return Ok(ServerName::from(std::net::IpAddr::V4(
            Ipv4Addr::UNSPECIFIED,
        )));
    };
    let named = ServerName::try_from(name.to_owned());
    named.map_err(|_| Fault {
        detail: "tls_bad_name",
        reason: format!("{name:?} is neither a host name nor an address"),
        is_ours: true,
    })
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
