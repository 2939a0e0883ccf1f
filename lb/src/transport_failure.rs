//! Why the TLS of a connection failed, as access logs and answers tell people.

use crate::{limits, stream::Flags};
use std::{fmt, rc::Rc};
use tls::Fault;

/// Why a transport socket failed: a detail such as `tls_unknown_ca`, and the same in words, for example what rustls said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportFailure(Rc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    detail: &'static str,
    text: Box<str>,
    is_ours: bool,
}

impl TransportFailure {
    /// A handshake was given up after `transport_socket_connect_timeout`.
    pub(crate) fn timeout() -> Self {
        Self::new("tls_handshake_timeout", "the handshake took too long")
    }

    /// A handshake was given up because there were too many ([`limits::HANDSHAKES_MAX`]).
    pub(crate) fn overflow() -> Self {
        Self::new(
            "tls_handshake_overflow",
            "too many handshakes are under way",
        )
    }

    /// `reason`: at most [`limits::TRANSPORT_FAILURE_BYTES_MAX`] bytes of it are told. It may be a peer's words in part:
    /// control characters are told as `?`.
    pub(crate) fn new(detail: &'static str, reason: &str) -> Self {
        Self::made(detail, reason, false)
    }

    fn made(detail: &'static str, reason: &str, is_ours: bool) -> Self {
        let end = reason.floor_char_boundary(limits::TRANSPORT_FAILURE_BYTES_MAX);
        let mut text = format!("{detail}: ");
        let letters = reason[..end].chars();
        text.extend(letters.map(|letter| if letter.is_control() { '?' } else { letter }));
        Self(Rc::new(Inner {
            detail,
            text: text.into(),
            is_ours,
        }))
    }

    /// What response code details are in short, one of `tls::DETAILS` for a fault of a session.
    pub(crate) fn detail(&self) -> &'static str {
        self.0.detail
    }

    /// The flag of the client's connection: the client is not blamed for a fault of ours.
    pub(crate) fn flag(&self) -> Flags {
        match self.0.is_ours {
            true => Flags::LOCAL_RESET,
            false => Flags::DOWNSTREAM_PROTOCOL,
        }
    }

    /// The detail and the reason, without a blank, as Envoy's access logs have it.
    pub(crate) fn in_one_word(&self) -> String {
        self.0.text.replace(' ', "_")
    }
}

impl From<&Fault> for TransportFailure {
    fn from(fault: &Fault) -> Self {
        Self::made(fault.detail, &fault.reason, fault.is_ours)
    }
}

impl fmt::Display for TransportFailure {
    /// The detail and the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_bounded_and_cannot_break_a_line() {
        let failure = TransportFailure::new("tls_x", "a\r\nb \u{7f}c");
        assert_eq!(failure.to_string(), "tls_x: a??b ?c");
        assert_eq!(failure.in_one_word(), "tls_x:_a??b_?c");
        assert_eq!(failure.detail(), "tls_x");
        let long = TransportFailure::new("tls_x", &"ä".repeat(1000));
        let max = "tls_x: ".len() + limits::TRANSPORT_FAILURE_BYTES_MAX;
        assert_eq!(long.to_string().len(), max);
        let odd = TransportFailure::new("tls_x", &format!("a{}", "ä".repeat(1000)));
        assert_eq!(odd.to_string().len(), max - 1);
    }

    #[test]
    fn a_client_is_not_blamed_for_a_fault_of_ours() {
        for (is_ours, flag) in [(true, "LR"), (false, "DPE")] {
            let fault = Fault {
                detail: "tls_keys_used_up",
                reason: String::new(),
                is_ours,
            };
            let flag_of = TransportFailure::from(&fault).flag();
            assert_eq!(flag_of.names().collect::<Vec<_>>(), [flag]);
        }
    }
}
