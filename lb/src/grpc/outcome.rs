//! What became of a gRPC request, in one byte of its record.

use super::{STATUSES, Status};

/// The `grpc-status` that ended a request, if it is gRPC and came to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(u8);

impl Default for Outcome {
    fn default() -> Self {
        Self::FOREIGN
    }
}

impl Outcome {
    /// The request is not gRPC.
    pub const FOREIGN: Self = Self(255);
    /// It is, and no status has come.
    pub const OPEN: Self = Self(254);
    /// What came as status is no number, or too large a one.
    pub const ODD: Self = Self(253);

    /// How many counters tell outcomes apart: one a status, one for others, one for none.
    pub const SLOTS: usize = STATUSES + 2;

    /// A status that the proxy gives itself.
    pub fn of(status: Status) -> Self {
        Self(status.min(Self::ODD.0))
    }

    /// What the field of an answer's head or trailers says; absent: nothing yet.
    pub fn of_field(field: Option<&[u8]>) -> Self {
        let Some(text) = field else { return Self::OPEN };
        if text.is_empty() {
            return Self::ODD;
        }
        let digit = |number: u8, byte: &u8| {
            let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
            number.checked_mul(10)?.checked_add(digit)
        };
        text.iter().try_fold(0, digit).map_or(Self::ODD, Self::of)
    }

    /// The request is gRPC.
    pub fn is_grpc(self) -> bool {
        self != Self::FOREIGN
    }

    /// The status, if one came that is a number below 253.
    pub fn status(self) -> Option<Status> {
        (self.0 < Self::ODD.0).then_some(self.0)
    }

    /// Which counter it belongs to; none if the request is not gRPC.
    pub fn slot(self) -> Option<usize> {
        match self {
            Self::FOREIGN => None,
            Self::OPEN => Some(STATUSES + 1),
            Self(status) => Some(usize::from(status).min(STATUSES)),
        }
    }

    /// The label of a counter: the status, `other` or `none`.
    pub fn label(slot: usize) -> String {
        match slot {
            STATUSES => "other".to_owned(),
            slot if slot > STATUSES => "none".to_owned(),
            slot => slot.to_string(),
        }
    }
}

/// Names of the statuses: as in logs for people, and as in `google/rpc/code.proto`.
const NAMES: [(&str, &str); STATUSES] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// The name of a status in camel case (`DeadlineExceeded`); none beyond the specification's.
pub fn camel_name(status: Status) -> Option<&'static str> {
    NAMES.get(usize::from(status)).map(|(camel, _)| *camel)
}

/// The name of a status in capitals (`DEADLINE_EXCEEDED`); none beyond the specification's.
pub fn snake_name(status: Status) -> Option<&'static str> {
    NAMES.get(usize::from(status)).map(|(_, snake)| *snake)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_status_or_something_odd() {
        for (field, status, label) in [
            (Some("0"), Some(0), "0"),
            (Some("16"), Some(16), "16"),
            (Some("017"), Some(17), "other"),
            (Some("252"), Some(252), "other"),
            (Some("253"), None, "other"),
            (Some("254"), None, "other"),
            (Some("255"), None, "other"),
            (Some("256"), None, "other"),
            (Some("4294967296"), None, "other"),
            (Some("-1"), None, "other"),
            (Some("OK"), None, "other"),
            (Some(""), None, "other"),
            (None, None, "none"),
        ] {
            let outcome = Outcome::of_field(field.map(str::as_bytes));
            assert!(outcome.is_grpc());
            assert_eq!(outcome.status(), status, "{field:?}");
            let slot = outcome.slot().unwrap();
            assert!(slot < Outcome::SLOTS);
            assert_eq!(Outcome::label(slot), label, "{field:?}");
        }
        assert_eq!(Outcome::default().slot(), None);
    }

    #[test]
    fn every_status_has_its_names() {
        for (status, camel, snake) in [
            (0, "OK", "OK"),
            (1, "Canceled", "CANCELLED"),
            (4, "DeadlineExceeded", "DEADLINE_EXCEEDED"),
            (16, "Unauthenticated", "UNAUTHENTICATED"),
        ] {
            assert_eq!(camel_name(status), Some(camel));
            assert_eq!(snake_name(status), Some(snake));
        }
        assert_eq!((camel_name(17), snake_name(17)), (None, None));
    }
}
