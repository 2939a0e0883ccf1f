//! Error codes (RFC 9113 §7), and what is wrong with a stream or a connection.

use crate::{Malformed, Reason};

/// An error code; those that we do not know are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub(super) u32);

impl Code {
    pub(super) const NO_ERROR: Self = Self(0x0);
    pub(super) const PROTOCOL_ERROR: Self = Self(0x1);
    pub(super) const INTERNAL_ERROR: Self = Self(0x2);
    pub(super) const FLOW_CONTROL_ERROR: Self = Self(0x3);
    pub(super) const SETTINGS_TIMEOUT: Self = Self(0x4);
    pub(super) const STREAM_CLOSED: Self = Self(0x5);
    pub(super) const FRAME_SIZE_ERROR: Self = Self(0x6);
    pub(super) const REFUSED_STREAM: Self = Self(0x7);
    pub(super) const CANCEL: Self = Self(0x8);
    pub(super) const COMPRESSION_ERROR: Self = Self(0x9);
    pub(super) const ENHANCE_YOUR_CALM: Self = Self(0xb);

    /// What we tell a peer when we give a stream up.
    pub(super) fn of(reason: Reason) -> Self {
        match reason {
            Reason::Cancel | Reason::Timeout => Self::CANCEL,
            Reason::Internal => Self::INTERNAL_ERROR,
            Reason::Overload => Self::ENHANCE_YOUR_CALM,
            Reason::Protocol => Self::PROTOCOL_ERROR,
            Reason::Refused => Self::REFUSED_STREAM,
        }
    }

    /// What a peer means by giving a stream up.
    pub(super) fn reason(self) -> Reason {
        match self {
            Self::NO_ERROR | Self::CANCEL => Reason::Cancel,
            Self::REFUSED_STREAM => Reason::Refused,
            Self::ENHANCE_YOUR_CALM => Reason::Overload,
            Self::SETTINGS_TIMEOUT => Reason::Timeout,
            Self::PROTOCOL_ERROR
            | Self::FLOW_CONTROL_ERROR
            | Self::STREAM_CLOSED
            | Self::FRAME_SIZE_ERROR
            | Self::COMPRESSION_ERROR => Reason::Protocol,
            // RFC 9113 §7: what is not known may be treated as INTERNAL_ERROR.
            _ => Reason::Internal,
        }
    }

    /// The peer's own name for it, for logs.
    pub(super) fn detail(self) -> &'static str {
        const NAMES: [&str; 14] = [
            "http2-reset-no-error",
            "http2-reset-protocol-error",
            "http2-reset-internal-error",
            "http2-reset-flow-control-error",
            "http2-reset-settings-timeout",
            "http2-reset-stream-closed",
            "http2-reset-frame-size-error",
            "http2-reset-refused-stream",
            "http2-reset-cancel",
            "http2-reset-compression-error",
            "http2-reset-connect-error",
            "http2-reset-enhance-your-calm",
            "http2-reset-inadequate-security",
            "http2-reset-http-1-1-required",
        ];
        let name = NAMES.get(self.0 as usize);
        name.copied().unwrap_or("http2-reset-unknown-code")
    }
}

/// Something is wrong: the code that the peer is told, and the detail for ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) code: Code,
    pub(super) detail: &'static str,
}

impl Wrong {
    pub(super) const fn new(code: Code, detail: &'static str) -> Self {
        Self { code, detail }
    }

    pub(super) const fn protocol(detail: &'static str) -> Self {
        Self::new(Code::PROTOCOL_ERROR, detail)
    }

    pub(super) const fn size(detail: &'static str) -> Self {
        Self::new(Code::FRAME_SIZE_ERROR, detail)
    }

    pub(super) const fn flow(detail: &'static str) -> Self {
        Self::new(Code::FLOW_CONTROL_ERROR, detail)
    }

    pub(super) const fn closed(detail: &'static str) -> Self {
        Self::new(Code::STREAM_CLOSED, detail)
    }

    pub(super) const fn calm(detail: &'static str) -> Self {
        Self::new(Code::ENHANCE_YOUR_CALM, detail)
    }

    /// As the caller of a codec sees it: no status tells a peer of HTTP/2.
    pub(super) fn malformed(self) -> Malformed {
        Malformed {
            status: 0,
            detail: self.detail,
        }
    }
}
