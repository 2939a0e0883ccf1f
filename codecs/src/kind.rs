//! What a field's name means to those who frame messages.

/// Told once when a field is added, so that no encoder has to look at names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connection,
    ContentLength,
    Expect,
    /// `Keep-Alive`, `Proxy-Connection`.
    HopByHop,
    Host,
    /// Not a name at all: no token.
    Invalid,
    /// A name that some endpoints take for a framing field (`_` for `-`, as in CGI).
    Lookalike,
    Plain,
    Te,
    TransferEncoding,
    Upgrade,
}

impl Kind {
    /// The kind of a lower-case name that is a token.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        match name.len() {
            2 if name == b"te" => Self::Te,
            4 if name == b"host" => Self::Host,
            6 if name == b"expect" => Self::Expect,
            7 if name == b"upgrade" => Self::Upgrade,
            10 if name == b"connection" => Self::Connection,
            10 if name == b"keep-alive" => Self::HopByHop,
            14 if name == b"content-length" => Self::ContentLength,
            14 if name == b"content_length" => Self::Lookalike,
            16 if name == b"proxy-connection" => Self::HopByHop,
            17 if name == b"transfer-encoding" => Self::TransferEncoding,
            17 if name == b"transfer_encoding" => Self::Lookalike,
            _ => Self::Plain,
        }
    }

    /// Whether an encoder of HTTP/1 passes the field on; it writes the others itself, or never.
    pub(crate) fn is_passed(self) -> bool {
        match self {
            Self::Expect | Self::Plain => true,
            Self::Connection
            | Self::ContentLength
            | Self::HopByHop
            | Self::Host
            | Self::Invalid
            | Self::Lookalike
            | Self::Te
            | Self::TransferEncoding
            | Self::Upgrade => false,
        }
    }
}
