//! Field lines to `Fields`, in the same pass that finds where they end.

use super::bad;
use super::fields::{is_trimmed, trim, trim_start};
use super::resume::Resume;
use super::scan::{Bounds, Line, Section};
use crate::bytes::{any, is_control};
use crate::kind::Kind;
use crate::{Fields, Malformed};

/// Field lines on their way into `Fields`.
pub(super) struct Lines<'f, S> {
    has_start_line: bool,
    into: &'f mut Fields,
    /// Where in the arena of `into` the section begins.
    start: usize,
    /// Is told of each field that is not plain.
    special: S,
    /// The first line that is no field line.
    syntax: Result<(), Malformed>,
    /// The first field that `special` refused.
    told: Result<(), Malformed>,
}

impl<'a, 'f, S> Lines<'f, S>
where
    S: FnMut(Kind, &'a [u8]) -> Result<(), Malformed>,
{
    pub(super) fn new(has_start_line: bool, into: &'f mut Fields, special: S) -> Self {
        Self {
            has_start_line,
            start: into.section_start(),
            into,
            special,
            syntax: Ok(()),
            told: Ok(()),
        }
    }

    /// Reads the section at the front of `input`; its end, once all of it was read.
    pub(super) fn read(
        &mut self,
        scan: &mut Resume,
        input: &'a [u8],
        bounds: Bounds,
    ) -> Result<Option<Section>, Malformed> {
        let section = scan.find_end(input, bounds, |line| self.add(input, line))?;
        if let Some(section) = section {
            self.into.end_section(self.start, section.len);
        }
        Ok(section)
    }

    /// A line that is none goes before a field that was refused.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        self.syntax.and(self.told)
    }

    #[inline(always)]
    fn add(&mut self, input: &'a [u8], line: Line) {
        let is_start_line = line.is_first && self.has_start_line;
        if is_start_line || self.syntax.is_err() {
            return;
        }
        if let Err(why) = self.add_field(input, line) {
            self.syntax = Err(why);
        }
    }

    /// A name, a colon at once, and a value that ends with the line (RFC 9112 §5).
    #[inline(always)]
    fn add_field(&mut self, input: &'a [u8], line: Line) -> Result<(), Malformed> {
        self.into.take_over(self.start, input, line.end + 2);
        let (name_len, kind) = self.into.take_name(self.start + line.start);
        let colon = line.start + name_len;
        if name_len == 0 || input[colon] != b':' {
            return Err(bad("invalid-field-name"));
        }
        let text = &input[colon + 1..line.end];
        // As we write it: nothing but one space is around the value.
        let bare = text.strip_prefix(b" ").filter(|value| is_trimmed(value));
        let value = bare.unwrap_or_else(|| trim(text));
        if line.is_odd && any(value, is_control) {
            return Err(bad("invalid-field-value"));
        }
        if kind == Kind::Plain {
            let skipped = match bare {
                Some(_) => 1,
                None => text.len() - trim_start(text).len(),
            };
            let name = self.start + line.start..self.start + colon;
            let value = name.end + 1 + skipped..name.end + 1 + skipped + value.len();
            self.into.take_field(name, value, bare.is_some());
        } else if self.told.is_ok()
            && let Err(why) = (self.special)(kind, value)
        {
            self.told = Err(why);
        }
        Ok(())
    }
}
