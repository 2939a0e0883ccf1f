//! What all sections of fields have in common: their size, and what a field may be.

use super::super::code::Wrong;
use super::super::guard;
use super::super::hpack::{FieldRef, Go};
use super::cookie::Cookies;
use crate::bytes::{any, is_control, lower_token_byte};
use crate::http1::field_rules::{is_trimmed, length};
use crate::kind::Kind;
use crate::{Fields, Length};

/// What is wrong with a section; its stream alone suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The stream is reset.
    Reset(Wrong),
    /// A request is answered with a status.
    Status(u16, &'static str),
}

/// RFC 9113 §8.1.1: malformed messages are stream errors of type PROTOCOL_ERROR.
pub(super) fn bad<T>(detail: &'static str) -> Result<T, Fault> {
    Err(Fault::Reset(Wrong::protocol(detail)))
}

/// Limits of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Names and values, and 32 bytes for each field (RFC 9113 §6.5.2).
    pub(crate) bytes_max: usize,
    pub(crate) fields_max: u32,
    pub(crate) too_large: &'static str,
}

/// Bytes that are counted for a field beside its name and value.
const FIELD_OVERHEAD: usize = 32;

/// Takes the fields of a section.
pub(crate) trait Sink {
    fn field(&mut self, field: FieldRef<'_>) -> Go;
}

/// Measures a section and remembers the first thing that is wrong with it.
#[derive(Debug)]
pub(super) struct Section {
    bounds: Bounds,
    bytes: usize,
    count: u32,
    fault: Option<Fault>,
    has_regular: bool,
    length: Option<u64>,
    cookies: Cookies,
}

impl Section {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            bytes: 0,
            count: 0,
            fault: None,
            has_regular: false,
            length: None,
            cookies: Cookies::default(),
        }
    }

    /// Counts a field; false: nobody wants it any more.
    #[inline]
    pub(super) fn count(&mut self, field: &FieldRef<'_>) -> bool {
        self.bytes += field.name.len() + field.value.len() + FIELD_OVERHEAD;
        self.count += 1;
        if self.bytes > self.bounds.bytes_max {
            self.fail(Fault::Status(431, self.bounds.too_large));
        } else if self.count > self.bounds.fields_max {
            self.fail(Fault::Status(431, guard::TOO_MANY_FIELDS));
        }
        self.fault.is_none()
    }

    /// Takes note of what became of a field. Behind the first fault nothing is handed out: what a block
    /// of few bytes means can be very long.
    #[inline]
    pub(super) fn taken(&mut self, taken: Result<(), Fault>) -> Go {
        match taken {
            Ok(()) => Go::On,
            Err(fault) => {
                self.fail(fault);
                Go::Skip
            }
        }
    }

    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn bytes(&self) -> u32 {
        self.bytes as u32
    }

    /// RFC 9113 §8.3: pseudo fields come first, each once. `seen`: those that came.
    pub(super) fn pseudo(&self, seen: &mut u8, bit: u8) -> Result<(), Fault> {
        if self.has_regular {
            return bad("http2-late-pseudo-field");
        }
        if *seen & bit != 0 {
            return bad("http2-repeated-pseudo-field");
        }
        *seen |= bit;
        Ok(())
    }

    /// Checks a regular field's name and value, and says what kind it is.
    #[inline]
    pub(super) fn regular(&mut self, field: &FieldRef<'_>) -> Result<Kind, Fault> {
        self.has_regular = true;
        // RFC 9113 §8.2.1: tokens in lower case.
        let is_lower = |byte: u8| {
            byte.is_ascii_lowercase() | byte.is_ascii_digit() | (byte == b'-') | (byte == b'_')
        };
        if any(field.name, |byte| !is_lower(byte)) || field.name.is_empty() {
            let is_name = |byte: &u8| lower_token_byte(*byte) == *byte && *byte != 0;
            if field.name.is_empty() || !field.name.iter().all(is_name) {
                return bad("http2-invalid-field-name");
            }
        }
        // RFC 9113 §8.2.1, RFC 9110 §5.5: no control characters, no blanks around the value.
        if any(field.value, is_control) || !is_trimmed(field.value) {
            return bad("http2-invalid-field-value");
        }
        Ok(Kind::of(field.name))
    }

    /// Takes a field that heads of either direction may have.
    #[inline]
    pub(super) fn common(
        &mut self,
        kind: Kind,
        field: &FieldRef<'_>,
        fields: &mut Fields,
    ) -> Result<(), Fault> {
        match kind {
            Kind::Plain if field.name == b"cookie" => {
                self.cookies.add(field, fields);
                Ok(())
            }
            Kind::Plain | Kind::Expect => {
                fields.take_line(field.name, field.value, kind, field.never_indexed);
                Ok(())
            }
            Kind::ContentLength => self.content_length(field.value),
            Kind::Te => {
                // RFC 9113 §8.2.2: nothing but `trailers`.
                if !field.value.eq_ignore_ascii_case(b"trailers") {
                    return bad("http2-te-other-than-trailers");
                }
                fields.take_line(field.name, b"trailers", kind, false);
                Ok(())
            }
            // Taken for content-length or transfer-encoding by some endpoints.
            Kind::Lookalike => bad("ambiguous-field-name"),
            Kind::Host => bad("http2-host-in-answer"),
            // RFC 9113 §8.2.2.
            Kind::Connection | Kind::HopByHop | Kind::TransferEncoding | Kind::Upgrade => {
                bad("http2-connection-specific-field")
            }
            Kind::Invalid => bad("http2-invalid-field-name"),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        let Ok(length) = length(value) else {
            return bad("invalid-content-length");
        };
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => bad("repeated-content-length"),
        }
    }

    pub(super) fn content_length_told(&self) -> Option<u64> {
        self.length
    }

    /// A message's length, as its fields and END_STREAM tell it.
    pub(super) fn body_length(&self, end: bool) -> Length {
        match (self.length, end) {
            (Some(length), _) => Length::Known(length),
            (None, true) => Length::None,
            (None, false) => Length::Unknown,
        }
    }

    /// The first thing that was wrong; joins what belongs together.
    pub(super) fn finish(&self, fields: &mut Fields) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)?;
        self.cookies.join(fields);
        Ok(())
    }
}

/// A section that nobody wants: of a stream that was given up.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Sink for Nothing {
    fn field(&mut self, _field: FieldRef<'_>) -> Go {
        Go::Skip
    }
}
