//! Fields of heads and trailers: one arena of bytes and an index.
//!
//! A field lies in the arena as the line that HTTP/1 writes, `name: value` and CRLF: a section that
//! came in is copied at once, and neighbours go out in one copy.

use crate::bytes::{any, is_control, lower_token_byte};
use crate::kind::Kind;
use std::ops::Range;

/// Fields in the order they came; names are lower-case.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    index: Vec<Field>,
}

/// Where a field is, and what was found out when it was added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Span,
    value: Span,
    pub(crate) kind: Kind,
    /// The arena has it as the line that is written.
    is_line: bool,
    /// It came as one that no hop may put into a table (RFC 7541 §6.2.3).
    pub(crate) never_indexed: bool,
}

/// Bytes of a line around its name and value.
const SEPARATOR: &[u8] = b": ";
const END: &[u8] = b"\r\n";

impl Field {
    /// Where its line is, if it is one.
    fn line(self) -> Span {
        let start = self.name.start;
        Span {
            start,
            len: self.value.end() - start + END.len() as u32,
        }
    }
}

/// A piece of the arena.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn of(range: Range<usize>) -> Self {
        Self {
            start: short(range.start),
            len: short(range.len()),
        }
    }

    fn end(self) -> u32 {
        self.start + self.len
    }
}

impl Fields {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a field at the end; the name is lower-cased.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        let field = self.store_line(name, value);
        self.index.push(field);
    }

    /// Replaces every field of that (lower-case) name by one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let Some(first) = self.position(name) else {
            return self.append(name, value);
        };
        self.index[first] = self.store_line(name, value);
        let behind = &self.index[first + 1..];
        if behind.iter().any(|field| self.is(field, name)) {
            let mut kept = 0;
            self.retain(|other, _| other != name || std::mem::replace(&mut kept, 1) == 0);
        }
    }

    /// The value of the first field of that (lower-case) name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(name).map(|at| self.at(self.index[at].value))
    }

    /// The values of all fields of that (lower-case) name.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let named = self.index.iter().filter(|field| self.is(field, name));
        named.map(|field| self.at(field.value))
    }

    /// Removes all fields of that (lower-case) name; true if there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        // Mostly there is none, which is told by lengths.
        let is_there = self.position(name).is_some();
        if is_there {
            self.retain(|other, _| other != name);
        }
        is_there
    }

    /// Keeps the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.index
            .retain(|field| keep(slice(bytes, field.name), slice(bytes, field.value)));
    }

    /// Names in order.
    #[inline]
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.index.iter().map(|field| self.at(field.name))
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.index
            .iter()
            .map(|field| (self.at(field.name), self.at(field.value)))
    }

    /// Removes all fields; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    /// Bytes of memory the fields keep.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Field>()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.index.iter().position(|field| self.is(field, name))
    }

    fn is(&self, field: &Field, name: &[u8]) -> bool {
        field.name.len as usize == name.len() && self.at(field.name) == name
    }

    /// Puts bytes into the arena that are no field.
    pub(crate) fn store(&mut self, value: &[u8]) -> Span {
        let start = short(self.bytes.len());
        self.bytes.extend_from_slice(value);
        let len = short(value.len());
        Span { start, len }
    }

    pub(crate) fn at(&self, span: Span) -> &[u8] {
        slice(&self.bytes, span)
    }

    fn store_line(&mut self, name: &[u8], value: &[u8]) -> Field {
        let around = SEPARATOR.len() + END.len();
        self.bytes.reserve(name.len() + value.len() + around);
        let name = self.store(name);
        let kind = self.lower_name(name);
        self.bytes.extend_from_slice(SEPARATOR);
        let is_line = !any(value, is_control);
        let value = self.store(value);
        self.bytes.extend_from_slice(END);
        Field {
            name,
            value,
            kind,
            is_line,
            never_indexed: false,
        }
    }

    fn lower_name(&mut self, name: Span) -> Kind {
        let is_lower =
            |byte: u8| byte.is_ascii_lowercase() | byte.is_ascii_digit() | (byte == b'-');
        let (start, len) = (name.start as usize, name.len as usize);
        // Names that we add ourselves are lower-case: they are judged in a few instructions.
        let is_token =
            !any(self.at(name), |byte| !is_lower(byte)) || self.lower_token(start) == len;
        if is_token && len > 0 {
            return Kind::of(self.at(name));
        }
        self.bytes[start..].make_ascii_lowercase();
        Kind::Invalid
    }

    /// Lower-cases the token that begins at `start`; its length.
    #[inline(always)]
    fn lower_token(&mut self, start: usize) -> usize {
        let mut len = 0;
        for byte in &mut self.bytes[start..] {
            let lower = lower_token_byte(*byte);
            if lower == 0 {
                break;
            }
            *byte = lower;
            len += 1;
        }
        len
    }
}

/// A section that comes in: its bytes are taken over first, then fields are made of its lines. Places
/// in it count from where in the arena it begins.
impl Fields {
    /// Where the next section will begin.
    pub(crate) fn section_start(&self) -> usize {
        self.bytes.len()
    }

    /// Takes `section` over, at least up to `end`.
    #[inline(always)]
    pub(crate) fn take_over(&mut self, start: usize, section: &[u8], end: usize) {
        let has = self.bytes.len() - start;
        if has < end {
            let end = (end + TAKEN_AHEAD).min(section.len());
            self.bytes.extend_from_slice(&section[has..end]);
        }
    }

    /// Gives back what is behind the end of the section.
    pub(crate) fn end_section(&mut self, start: usize, len: usize) {
        self.bytes.truncate(start + len);
    }

    /// Lower-cases the name that begins there: its length, 0 without one, and its kind.
    #[inline(always)]
    pub(crate) fn take_name(&mut self, at: usize) -> (usize, Kind) {
        let len = self.lower_token(at);
        (len, Kind::of(&self.bytes[at..at + len]))
    }

    /// Makes a plain field of a name and a value without control characters. `is_line`: its line is
    /// as we write it.
    #[inline(always)]
    pub(crate) fn take_field(&mut self, name: Range<usize>, value: Range<usize>, is_line: bool) {
        self.index.push(Field {
            name: Span::of(name),
            value: Span::of(value),
            kind: Kind::Plain,
            is_line,
            never_indexed: false,
        });
    }
}

/// Fields that come in one by one, checked: names are lower-case, values without control characters.
impl Fields {
    /// Adds a field at the end.
    #[inline]
    pub(crate) fn take_line(&mut self, name: &[u8], value: &[u8], kind: Kind, never_indexed: bool) {
        let around = SEPARATOR.len() + END.len();
        self.bytes.reserve(name.len() + value.len() + around);
        let name = self.store(name);
        self.bytes.extend_from_slice(SEPARATOR);
        let value = self.store(value);
        self.bytes.extend_from_slice(END);
        self.index.push(Field {
            name,
            value,
            kind,
            is_line: true,
            never_indexed,
        });
    }

    /// Adds to the value of the last field, if that has this name and nothing lies behind it.
    pub(crate) fn extend_last(
        &mut self,
        name: &[u8],
        separator: &[u8],
        value: &[u8],
        never_indexed: bool,
    ) -> bool {
        let len = short(self.bytes.len());
        let Some(last) = self.index.last_mut() else {
            return false;
        };
        let is_last = last.is_line && last.line().end() == len;
        if !is_last || slice(&self.bytes, last.name) != name {
            return false;
        }
        last.value.len += short(separator.len() + value.len());
        last.never_indexed |= never_indexed;
        self.bytes.truncate(self.bytes.len() - END.len());
        for piece in [separator, value, END] {
            self.bytes.extend_from_slice(piece);
        }
        true
    }

    /// Makes one field of all those of a name, where the first was.
    pub(crate) fn join(&mut self, name: &[u8], separator: &[u8]) {
        let Some(first) = self.position(name) else {
            return;
        };
        let mut value: Vec<u8> = Vec::new();
        let mut never_indexed = false;
        for field in self.index.iter().filter(|field| self.is(field, name)) {
            if !value.is_empty() {
                value.extend_from_slice(separator);
            }
            value.extend_from_slice(self.at(field.value));
            never_indexed |= field.never_indexed;
        }
        self.set(name, &value);
        self.index[first].never_indexed = never_indexed;
    }

    pub(crate) fn name(&self, field: &Field) -> &[u8] {
        self.at(field.name)
    }

    /// The fields in order, with what is known of them.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Field, &[u8], &[u8])> {
        self.index
            .iter()
            .map(|field| (field, self.at(field.name), self.at(field.value)))
    }
}

impl Field {
    /// Its value has no control characters.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_line
    }
}

/// What of a section is taken over at once.
const TAKEN_AHEAD: usize = 512;

/// Lines that go out.
impl Fields {
    /// Writes the fields that are wanted; control characters in values become spaces.
    pub(crate) fn write(&self, out: &mut Vec<u8>, is_wanted: impl Fn(&Field) -> bool) {
        let mut run = Span::default();
        for field in &self.index {
            if !is_wanted(field) {
                continue;
            }
            let line = field.line();
            if field.is_line && line.start == run.end() {
                run.len += line.len;
                continue;
            }
            out.extend_from_slice(self.at(run));
            run = match field.is_line {
                true => line,
                false => {
                    self.write_odd(field, out);
                    Span::default()
                }
            };
        }
        out.extend_from_slice(self.at(run));
    }

    fn write_odd(&self, field: &Field, out: &mut Vec<u8>) {
        out.extend_from_slice(self.at(field.name));
        out.extend_from_slice(SEPARATOR);
        write_text(self.at(field.value), out);
        out.extend_from_slice(END);
    }
}

/// Writes a value; control characters become spaces.
pub(crate) fn write_text(value: &[u8], out: &mut Vec<u8>) {
    match any(value, is_control) {
        false => out.extend_from_slice(value),
        true => out.extend(value.iter().map(|byte| match is_control(*byte) {
            true => b' ',
            false => *byte,
        })),
    }
}

/// Heads are far shorter than what 32 bits can count.
fn short(len: usize) -> u32 {
    debug_assert!(u32::try_from(len).is_ok(), "{len} bytes");
    len as u32
}

fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..span.end() as usize]
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_order_and_set_replaces_all_of_a_name() {
        let mut fields = Fields::default();
        for (name, value) in [("A", "1"), ("b", "2"), ("a", "3")] {
            fields.append(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(fields.all(b"a").collect::<Vec<_>>(), [b"1", b"3"]);
        fields.set(b"a", b"4");
        fields.set(b"c", b"5");
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [(&b"a"[..], &b"4"[..]), (b"b", b"2"), (b"c", b"5")]);
        assert!(fields.remove(b"b") && !fields.remove(b"b"));
    }

    #[test]
    fn fields_are_written_as_lines_however_they_came() {
        let mut fields = Fields::default();
        let section = b"Host: a\r\nX-One: 1\r\nX-Two:2\r\n\r\nbody";
        let start = fields.section_start();
        fields.take_over(start, section, 9);
        for (at, value, is_line) in [(9, 16..17, true), (19, 25..26, false)] {
            let (len, kind) = fields.take_name(at);
            assert_eq!((len, kind), (5, Kind::Plain));
            fields.take_field(at..at + len, value, is_line);
        }
        fields.end_section(start, 30);
        fields.append(b"X-Three", b"3\r\n4");
        fields.append(b"x-four", b"");
        fields.append(b"no token", b"5");
        fields.append(b"Connection", b"x");
        fields.set(b"x-one", b"one");
        let mut out = Vec::new();
        fields.write(&mut out, |field| field.kind.is_passed());
        let want = "x-one: one\r\nx-two: 2\r\nx-three: 3  4\r\nx-four: \r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
