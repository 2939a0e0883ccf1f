//! Answers that come in (RFC 9113 §8.3.2).

use super::super::hpack::{FieldRef, Go};
use super::section::{Bounds, Fault, Section, Sink, bad};
use crate::{Head, Version};

/// An answer's section on its way into a head.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    head: &'a mut Head,
    section: Section,
    seen: u8,
}

impl Sink for Answer<'_> {
    #[inline]
    fn field(&mut self, field: FieldRef<'_>) -> Go {
        if !self.section.count(&field) {
            return Go::Skip;
        }
        let taken = match field.name {
            b":status" => self.status(field.value),
            [b':', ..] => bad("http2-unknown-pseudo-field"),
            _ => self.regular(field),
        };
        self.section.taken(taken)
    }
}

impl<'a> Answer<'a> {
    pub(crate) fn new(head: &'a mut Head, bounds: Bounds) -> Self {
        Self {
            head,
            section: Section::new(bounds),
            seen: 0,
        }
    }

    fn status(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.section.pseudo(&mut self.seen, 1)?;
        let [
            hundreds @ b'1'..=b'9',
            tens @ b'0'..=b'9',
            ones @ b'0'..=b'9',
        ] = value
        else {
            return bad("http2-invalid-status");
        };
        let digit = |byte: &u8| u16::from(byte - b'0');
        self.head.status = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
        Ok(())
    }

    #[inline]
    fn regular(&mut self, field: FieldRef<'_>) -> Result<(), Fault> {
        let kind = self.section.regular(&field)?;
        self.section.common(kind, &field, &mut self.head.fields)
    }

    /// The length that content-length tells, and the bytes of the head.
    pub(crate) fn finish(self, end: bool) -> Result<(Option<u64>, u32), Fault> {
        self.section.finish(&mut self.head.fields)?;
        if self.seen == 0 {
            return bad("http2-missing-pseudo-field");
        }
        // RFC 9113 §8.6: there is no switching of protocols. §8.1: a 1xx head is not the last.
        match self.head.status {
            101 => return bad("http2-switching-protocols"),
            100..200 if end => return bad("http2-interim-answer-ends"),
            _ => {}
        }
        self.head.version = Version::Http2;
        self.head.length = self.section.body_length(end);
        Ok((self.section.content_length_told(), self.section.bytes()))
    }
}
