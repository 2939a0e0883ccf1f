//! Encodes header blocks (RFC 7541 §3, §6); `policy` says what is inserted into the table.

use super::lookup::{Ahead, Lookup, is_static};
use super::policy::{self, COOKIE_MIN, Policy};
use super::static_table::{METHOD, PATH, SCHEME, STATUS, find_value};
use super::{TABLE_BYTES_DEFAULT, TABLE_BYTES_MAX, huffman, integer};

/// Encodes the header blocks to one peer.
#[derive(Debug)]
pub struct Encoder {
    table: Lookup,
    /// Our own bound of the table, in bytes.
    own_max: u32,
    sizes: Option<Sizes>,
}

/// Table sizes that the peer has not been told.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    lowest: u32,
    last: u32,
}

/// How a field is to be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// As is best for its name and the length of its value.
    Auto,
    /// Inserted into the dynamic table if it fits (§6.2.1).
    Index,
    /// Not inserted (§6.2.2).
    Without,
    /// As a literal at each hop: for secrets, and for what came so (§6.2.3).
    Never,
}

/// What is done with a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    Insert,
    InsertName,
    Without,
    Never,
}

/// Patterns of the representations, and the bits of the integer behind (§6).
const INDEXED: (u32, u8) = (7, 0x80);
const INSERTED: (u32, u8) = (6, 0x40);
const TABLE_SIZE: (u32, u8) = (5, 0x20);
const NEVER: (u32, u8) = (4, 0x10);
const WITHOUT: (u32, u8) = (4, 0x00);

/// The part of the table that the value of one field may take if nobody asked for it.
const PART_OF_TABLE: usize = 4;

impl Encoder {
    /// `table_max`: the bytes of our own that a table may have, however large the peer allows it to be.
    ///
    /// The peer's limit is [`TABLE_BYTES_DEFAULT`] until [`Self::set_peer_max`].
    pub fn new(table_max: u32) -> Self {
        let is_less = table_max < TABLE_BYTES_DEFAULT;
        Self {
            table: Lookup::new(TABLE_BYTES_DEFAULT),
            own_max: table_max,
            sizes: is_less.then_some(Sizes {
                lowest: table_max,
                last: table_max,
            }),
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE came; the next block begins with what follows from it.
    pub fn set_peer_max(&mut self, peer_max: u32) {
        let last = peer_max.min(self.own_max).min(TABLE_BYTES_MAX);
        let before = self.sizes.map_or(last, |sizes| sizes.lowest);
        let lowest = before.min(last);
        // Nothing to tell if the table stays as it is and was not smaller in between.
        let is_same = last as usize == self.table.max() && lowest == last;
        self.sizes = (!is_same).then_some(Sizes { lowest, last });
    }

    /// Begins a block: table sizes that the peer has to be told (§4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(sizes) = self.sizes.take() else {
            return;
        };
        // RFC 7541 §4.2: the smallest size that there was in between, then the last.
        if sizes.lowest < sizes.last && (sizes.lowest as usize) < self.table.max() {
            self.set_table_size(sizes.lowest, out);
        }
        self.set_table_size(sizes.last, out);
    }

    fn set_table_size(&mut self, size: u32, out: &mut Vec<u8>) {
        self.table.set_max(size);
        integer::put(size, TABLE_SIZE.0, TABLE_SIZE.1, out);
    }

    /// Appends a field; its name is lower-case.
    ///
    /// [`Indexing::Auto`] refers to a field that is in the table whatever put it there.
    pub fn field(&mut self, name: &[u8], value: &[u8], how: Indexing, out: &mut Vec<u8>) {
        let may_refer = matches!(how, Indexing::Auto | Indexing::Index);
        let id = match self.table.ahead(name, value) {
            Some(Ahead::Field(index)) if may_refer => {
                self.table.advance();
                return integer::put(index, INDEXED.0, INDEXED.1, out);
            }
            Some(Ahead::Field(_)) | None => policy::find(name),
            Some(Ahead::Name(id)) => id,
        };
        self.known(id, name, value, how, out);
    }

    /// Appends `:status`.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
        if status == 200 {
            return out.push(INDEXED.1 | STATUS);
        }
        let digits = [status / 100 % 10, status / 10 % 10, status % 10];
        let digits = digits.map(|digit| b'0' + digit as u8);
        self.known(STATUS, b":status", &digits, Indexing::Auto, out);
    }

    /// Appends `:method`.
    pub fn method(&mut self, value: &[u8], out: &mut Vec<u8>) {
        self.known(METHOD, b":method", value, Indexing::Auto, out);
    }

    /// Appends `:scheme`.
    pub fn scheme(&mut self, value: &[u8], out: &mut Vec<u8>) {
        self.known(SCHEME, b":scheme", value, Indexing::Auto, out);
    }

    /// Appends `:authority`.
    pub fn authority(&mut self, value: &[u8], out: &mut Vec<u8>) {
        self.field(b":authority", value, Indexing::Auto, out);
    }

    /// Appends `:path`.
    pub fn path(&mut self, value: &[u8], out: &mut Vec<u8>) {
        self.known(PATH, b":path", value, Indexing::Auto, out);
    }

    /// Bytes of memory that the table and its index keep.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes()
    }

    /// The dynamic table's fields, the newest first.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.entries()
    }

    /// The size of the dynamic table's fields (§4.1), in bytes.
    pub fn size(&self) -> usize {
        self.table.size()
    }

    /// `id`: what `policy::find` tells of `name`.
    fn known(&mut self, id: u8, name: &[u8], value: &[u8], how: Indexing, out: &mut Vec<u8>) {
        if how != Indexing::Never
            && is_static(id)
            && let Some(index) = find_value(id, value)
        {
            return out.push(INDEXED.1 | index);
        }
        match self.plan(id, name, value, how) {
            Plan::Insert => self.insert_or_refer(id, name, value, out),
            Plan::InsertName => self.refer_to_name(id, name, value, out),
            Plan::Without => self.literal(WITHOUT, id, name, value, out),
            Plan::Never => self.literal(NEVER, id, name, value, out),
        }
    }

    #[inline]
    fn plan(&self, id: u8, name: &[u8], value: &[u8], how: Indexing) -> Plan {
        let is_small = value.len() <= self.table.max() / PART_OF_TABLE;
        let fits = self.table.fits(name.len() + value.len());
        match (how, policy::of(id)) {
            (Indexing::Never, _) => Plan::Never,
            (Indexing::Auto, Policy::Never) => Plan::Never,
            (Indexing::Auto, Policy::Cookie) if value.len() < COOKIE_MIN => Plan::Never,
            (Indexing::Auto, Policy::Index) if is_small && fits => Plan::Insert,
            (Indexing::Auto, Policy::Name) if is_small && fits => Plan::InsertName,
            (Indexing::Index, _) if fits => Plan::Insert,
            (Indexing::Auto | Indexing::Index | Indexing::Without, _) => Plan::Without,
        }
    }

    /// A field that is in the table, or is put there.
    fn insert_or_refer(&mut self, id: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self.table.find_field(id, name, value) {
            Some(index) => integer::put(index, INDEXED.0, INDEXED.1, out),
            None => {
                self.literal(INSERTED, id, name, value, out);
                self.table.insert_field(id, name, value);
            }
        }
    }

    /// A field of which only the name will come again.
    fn refer_to_name(&mut self, id: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self.table.find_name(id, name) {
            Some(index) => {
                integer::put(index, WITHOUT.0, WITHOUT.1, out);
                put_text(value, out);
            }
            None => {
                out.push(INSERTED.1);
                put_text(name, out);
                put_text(value, out);
                self.table.insert(id, name, value);
            }
        }
    }

    fn literal(
        &mut self,
        (prefix_bits, pattern): (u32, u8),
        id: u8,
        name: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        match self.table.find_name(id, name) {
            Some(index) => integer::put(index, prefix_bits, pattern, out),
            None => {
                out.push(pattern);
                put_text(name, out);
            }
        }
        put_text(value, out);
    }
}

/// Appends a string, coded if that is shorter (§5.2).
fn put_text(text: &[u8], out: &mut Vec<u8>) {
    let coded_len = huffman::encoded_len(text);
    if coded_len < text.len() {
        integer::put(coded_len as u32, 7, 0x80, out);
        huffman::encode(text, coded_len, out);
    } else {
        integer::put(text.len() as u32, 7, 0x00, out);
        out.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first byte of a field that is sent for the second time, and how many entries there are.
    fn second(name: &str, value: &[u8], how: Indexing) -> (u8, usize) {
        let mut encoder = Encoder::new(4096);
        let mut out = Vec::new();
        encoder.field(name.as_bytes(), value, how, &mut out);
        out.clear();
        encoder.field(name.as_bytes(), value, how, &mut out);
        (out[0], encoder.entries().count())
    }

    #[test]
    fn fields_are_coded_as_their_names_and_lengths_ask_for() {
        let [short, long, large] = [19, 20, 1025].map(|len| vec![b'x'; len]);
        for (name, value, want) in [
            (":method", &b"GET"[..], (0x82, 0)),
            (":status", b"404", (0x8d, 0)),
            (":status", b"418", (0xbe, 1)),
            ("accept-encoding", b"gzip, deflate", (0x90, 0)),
            ("accept", b"", (0x93, 0)),
            ("x-custom", b"1", (0xbe, 1)),
            ("x-custom", &large, (0x00, 0)),
            (":path", b"/a", (0x04, 0)),
            ("etag", b"\"1\"", (0x0f, 0)),
            ("x-request-id", b"1", (0x0f, 1)),
            ("authorization", b"Basic YTpi", (0x1f, 0)),
            ("proxy-authorization", b"Basic YTpi", (0x1f, 0)),
            ("cookie", &short, (0x1f, 0)),
            ("cookie", &long, (0x0f, 0)),
            ("set-cookie", &short, (0x1f, 0)),
            ("set-cookie", &long, (0x0f, 0)),
        ] {
            assert_eq!(second(name, value, Indexing::Auto), want, "{name}");
        }
    }

    #[test]
    fn the_caller_has_the_last_word() {
        let large = vec![b'x'; 4096];
        for (how, value, want) in [
            (Indexing::Index, &b"1"[..], (0xbe, 1)),
            (Indexing::Index, &large, (0x0f, 0)),
            (Indexing::Without, b"1", (0x0f, 0)),
            (Indexing::Never, b"1", (0x1f, 0)),
        ] {
            assert_eq!(second("etag", value, how), want, "{how:?}");
        }
        assert_eq!(second(":method", b"GET", Indexing::Never), (0x12, 0));
    }

    #[test]
    fn a_changing_value_is_sent_with_the_name_that_is_in_the_table() {
        let mut encoder = Encoder::new(4096);
        let mut out = Vec::new();
        for value in [b"1", b"2", b"3"] {
            out.clear();
            encoder.field(b"x-request-id", value, Indexing::Auto, &mut out);
        }
        assert_eq!(out, b"\x0f\x2f\x013");
        assert_eq!(encoder.entries().count(), 1);
    }

    #[test]
    fn a_table_of_no_size_is_not_used() {
        let mut encoder = Encoder::new(0);
        let mut out = Vec::new();
        encoder.begin(&mut out);
        for _ in 0..2 {
            encoder.authority(b"a", &mut out);
            encoder.field(b"b", b"", Indexing::Index, &mut out);
        }
        assert_eq!(out, b"\x20\x01\x01a\x00\x01b\x00\x01\x01a\x00\x01b\x00");
        assert_eq!(encoder.memory_bytes(), 0);
    }
}
