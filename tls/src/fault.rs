//! What goes wrong.

mod alert;
mod detail;
mod details;
mod text;

pub(crate) use alert::Alert;
pub use details::DETAILS;
use std::fmt;

/// Why a session has to end. What is still to be sent, an alert, was written before it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In the form of a response code detail, e.g. `tls_unknown_ca`, one of [`DETAILS`]; those in [`crate::limits::LIMITS`]
    /// are limits that fired.
    pub detail: &'static str,
    /// The same for people, e.g. what rustls said.
    pub reason: String,
    /// Ours rather than the peer's.
    pub is_ours: bool,
}

/// A setting cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The field of [`crate::ServerSettings`], [`crate::ClientSettings`] or their parts, e.g. `identities[0].key`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What the peer did wrong, and what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) alert: Alert,
    pub(crate) detail: &'static str,
    pub(crate) reason: &'static str,
}

impl Fault {
    /// One of ours.
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        Self {
            detail: "tls_internal",
            reason: reason.into(),
            is_ours: true,
        }
    }

    /// What rustls says of a handshake.
    pub(crate) fn of(error: &rustls::Error) -> Self {
        let detail = detail::of(error);
        Self {
            detail,
            reason: text::of(error),
            is_ours: detail == "tls_internal",
        }
    }

    /// The peer has sent an alert after the handshake.
    pub(crate) fn alerted(alert: Alert) -> Self {
        Self {
            detail: alert.detail(),
            reason: format!("received fatal alert: {}", alert.name()),
            is_ours: false,
        }
    }
}

impl Cause {
    pub(crate) const fn unexpected(reason: &'static str) -> Self {
        Self {
            alert: Alert::UNEXPECTED_MESSAGE,
            detail: "tls_unexpected_message",
            reason,
        }
    }

    pub(crate) const fn undecodable(reason: &'static str) -> Self {
        Self {
            alert: Alert::DECODE_ERROR,
            detail: "tls_bad_message",
            reason,
        }
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self {
            detail: cause.detail,
            reason: cause.reason.into(),
            is_ours: false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.detail, self.reason)
    }
}

impl SettingsError {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// The same for a field within `part`.
    pub(crate) fn within(mut self, part: &str) -> Self {
        self.field = format!("{part}.{}", self.field);
        self
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}
