//! What goes wrong.

use std::fmt;

/// Why a session has to end. What is still to be sent, an alert, was written before it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In the form of a response code detail, e.g. `tls_unknown_ca`; those in [`crate::limits::LIMITS`]
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
