//! Trailers (RFC 9113 §8.1, RFC 9110 §6.5).

use super::super::hpack::{FieldRef, Go};
use super::section::{Bounds, Fault, Section, Sink, bad};
use crate::Fields;
use crate::http1::field_rules::{keeps_trailer, refuses_trailer};
use crate::kind::Kind;

/// A trailer section on its way into fields.
#[derive(Debug)]
pub(crate) struct Trailers<'a> {
    fields: &'a mut Fields,
    section: Section,
}

impl Sink for Trailers<'_> {
    fn field(&mut self, field: FieldRef<'_>) -> Go {
        if !self.section.count(&field) {
            return Go::Skip;
        }
        let taken = self.take(&field);
        self.section.taken(taken)
    }
}

impl<'a> Trailers<'a> {
    pub(crate) fn new(fields: &'a mut Fields, bounds: Bounds) -> Self {
        Self {
            fields,
            section: Section::new(bounds),
        }
    }

    fn take(&mut self, field: &FieldRef<'_>) -> Result<(), Fault> {
        // RFC 9113 §8.1: no pseudo fields.
        if field.name.first() == Some(&b':') {
            return bad("http2-pseudo-field-in-trailers");
        }
        match self.section.regular(field)? {
            kind if refuses_trailer(kind) => bad("forbidden-trailer"),
            Kind::Plain if keeps_trailer(field.name) => {
                let never_indexed = field.never_indexed;
                self.fields
                    .take_line(field.name, field.value, Kind::Plain, never_indexed);
                Ok(())
            }
            Kind::Plain | Kind::Expect | Kind::Te => Ok(()),
            // RFC 9113 §8.2.2.
            Kind::Connection
            | Kind::ContentLength
            | Kind::HopByHop
            | Kind::Host
            | Kind::Invalid
            | Kind::Lookalike
            | Kind::TransferEncoding
            | Kind::Upgrade => bad("http2-connection-specific-field"),
        }
    }

    pub(crate) fn finish(self) -> Result<(), Fault> {
        self.section.finish(self.fields)
    }
}
