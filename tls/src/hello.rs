//! What a client offers, read from the first bytes of its connection without answering them
//! (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2): for the choice of a filter chain, and of a certificate.

mod message;
mod name;
mod records;

pub(crate) use message::read as read_message;
use records::TOO_LONG;
pub(crate) use records::{Gather, Gathered};

/// What a ClientHello says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `server_name` (RFC 6066 §3), in lower case, without a final dot; none if it is an address.
    pub sni: Option<Box<str>>,
    /// `application_layer_protocol_negotiation` (RFC 7301), in the client's order; GREASE left out.
    pub alpn: Vec<Box<[u8]>>,
    /// Highest version offered: 0x0303, 0x0304 …; GREASE left out.
    pub version_max: u16,
    /// Cipher suites in the client's order; GREASE left out.
    pub suites: Vec<u16>,
    /// `supported_groups`.
    pub groups: Vec<u16>,
    /// `signature_algorithms`.
    pub schemes: Vec<u16>,
    /// `early_data` (RFC 8446 §4.2.10): data follows that is sealed with keys of an earlier session.
    pub has_early_data: bool,
}

/// How far the first bytes of a connection are understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// All that came may be the beginning of a ClientHello.
    Incomplete,
    /// What the client offers.
    Offer(Box<Offer>),
    /// The connection does not begin with a TLS handshake record.
    Plain,
    /// It does, but what follows is no ClientHello, or one longer than [`crate::limits::HELLO_BYTES_MAX`].
    Malformed {
        /// One of [`crate::DETAILS`].
        detail: &'static str,
        /// The same in words.
        reason: &'static str,
    },
}

impl Hello {
    fn malformed(reason: &'static str) -> Self {
        let detail = detail(reason);
        Self::Malformed { detail, reason }
    }
}

/// What the reason that a hello is malformed counts as.
pub(crate) fn detail(reason: &'static str) -> &'static str {
    match reason {
        TOO_LONG => "tls_hello_too_long",
        _ => "tls_bad_hello",
    }
}

/// Reads the first bytes of a connection as they come; the ClientHello may be split over records.
#[derive(Debug, Default)]
pub struct Reader(Gather);

impl Reader {
    /// Reads all that came so far; what was understood before is not read again.
    pub fn read(&mut self, bytes: &[u8]) -> Hello {
        match self.0.read(bytes) {
            Gathered::Incomplete => Hello::Incomplete,
            Gathered::Plain => Hello::Plain,
            Gathered::Malformed(reason) => Hello::malformed(reason),
            Gathered::Message(message) => match message::read(&message) {
                Ok(offer) => Hello::Offer(offer.into()),
                Err(reason) => Hello::malformed(reason),
            },
        }
    }
}

/// Reads the first bytes of a connection, all that came so far.
pub fn read(bytes: &[u8]) -> Hello {
    Reader::default().read(bytes)
}
