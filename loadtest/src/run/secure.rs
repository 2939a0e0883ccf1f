//! The TLS of a lane's connections: what each begins with, and whose session belongs to which socket.

use crate::{
    secure::Secure,
    workload::{Protocol, Sessions, Workload},
};
use engines::{SlotKey, Sock};
use std::{fmt, sync::Arc};
use tls::{ClientContext, ClientSettings, Fault, Now, Provider, Session, SettingsError};

/// How a target is spoken to over TLS.
#[derive(Clone)]
pub struct Tls {
    settings: ClientSettings,
    /// The server's name, and that it has to be the certificate's.
    name: Box<str>,
}

/// Tickets that a context keeps of one server, as rustls does.
const TICKETS: usize = 8;
/// Connections that share a context where sessions are resumed: two tickets each, so that one that a server
/// gives twice pushes nobody's out.
const SHARING: usize = TICKETS / 2;

impl Tls {
    /// TLS with these settings; protocols and sessions are the workload's.
    ///
    /// # Errors
    /// A setting that cannot be used, by its name.
    pub fn new(settings: ClientSettings, name: &str) -> Result<Self, SettingsError> {
        ClientContext::new(&Provider::system(), settings.clone())?;
        let name = name.into();
        Ok(Self { settings, name })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.name)
    }
}

impl Protocol {
    /// Its name in ALPN (RFC 7301), where it has one.
    fn alpn(self) -> Option<&'static [u8]> {
        match self {
            Self::Echo => None,
            Self::Http1 => Some(b"http/1.1"),
            Self::Http2 | Self::Grpc => Some(b"h2"),
        }
    }

    /// It can be spoken where this was agreed on. HTTP/1.1 needs no agreement, HTTP/2 does (RFC 9113 §3.2).
    fn goes_with(self, agreed: Option<&[u8]>) -> bool {
        match agreed {
            Some(agreed) => self.alpn() == Some(agreed),
            None => !matches!(self, Self::Http2 | Self::Grpc),
        }
    }
}

/// What a lane needs for TLS.
pub(super) struct Guard {
    /// Each for `sharing` places.
    contexts: Vec<Arc<ClientContext>>,
    sharing: usize,
    name: Box<str>,
    protocol: Protocol,
    /// By the socket's index.
    sessions: Vec<Option<(Sock, Secure)>>,
}

impl Guard {
    /// For so many places.
    ///
    /// # Errors
    /// A setting that cannot be used.
    pub(super) fn new(tls: &Tls, workload: &Workload, places: usize) -> Result<Self, String> {
        let (sharing, sessions_max) = match workload.sessions {
            Sessions::Full => (places, 0),
            Sessions::Resumed => (SHARING, TICKETS),
        };
        let alpn = workload.protocol.alpn();
        let settings = ClientSettings {
            alpn: alpn.into_iter().map(<[u8]>::to_vec).collect(),
            sessions_max,
            ..tls.settings.clone()
        };
        let provider = Provider::system();
        let context = |_| ClientContext::new(&provider, settings.clone());
        let contexts = (0..places.div_ceil(sharing.max(1))).map(context);
        let contexts = contexts.collect::<Result<_, _>>();
        Ok(Self {
            contexts: contexts.map_err(|error| error.to_string())?,
            sharing: sharing.max(1),
            name: tls.name.clone(),
            protocol: workload.protocol,
            sessions: Vec::new(),
        })
    }

    /// Begins a session on the socket of a place; its first bytes are added to `out`.
    pub(super) fn begin(
        &mut self,
        sock: Sock,
        place: u32,
        now: Now,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let context = &self.contexts[place as usize / self.sharing];
        let session = Session::connect(context, Some(&self.name), true, now, out)?;
        let at = sock.index() as usize;
        if self.sessions.len() <= at {
            self.sessions.resize_with(at + 1, || None);
        }
        self.sessions[at] = Some((sock, Secure::new(session)));
        Ok(())
    }

    pub(super) fn find(&mut self, sock: Sock) -> Option<&mut Secure> {
        let found = self.sessions.get_mut(sock.index() as usize)?.as_mut()?;
        (found.0 == sock).then_some(&mut found.1)
    }

    pub(super) fn forget(&mut self, sock: Sock) {
        if self.find(sock).is_some() {
            self.sessions[sock.index() as usize] = None;
        }
    }

    /// Whether the workload's protocol can be spoken now that the handshake is over.
    ///
    /// # Errors
    /// What was agreed on instead.
    pub(super) fn check_protocol(&self, agreed: Option<&[u8]>) -> Result<(), String> {
        if self.protocol.goes_with(agreed) {
            return Ok(());
        }
        let name = self.protocol.name();
        Err(match agreed {
            Some(agreed) => format!("{} was agreed on, not {name}", agreed.escape_ascii()),
            None => format!("the target does not agree to {name} (ALPN)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_has_to_be_agreed_on_and_http1_may_be() {
        for (protocol, agreed, goes) in [
            (Protocol::Http1, None, true),
            (Protocol::Http1, Some("http/1.1"), true),
            (Protocol::Http1, Some("h2"), false),
            (Protocol::Http2, Some("h2"), true),
            (Protocol::Http2, None, false),
            (Protocol::Grpc, Some("http/1.1"), false),
            (Protocol::Grpc, Some("h2"), true),
            (Protocol::Echo, None, true),
        ] {
            let agreed = agreed.map(str::as_bytes);
            assert_eq!(protocol.goes_with(agreed), goes, "{protocol:?} {agreed:?}");
        }
    }
}
