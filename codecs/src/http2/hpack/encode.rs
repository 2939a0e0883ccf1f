//! Encodes header blocks (RFC 7541 §3, §6); `policy` says what is inserted into the table.

use super::index::{Index, SLOTS_PER_ENTRY, hash};
use super::policy::{self, COOKIE_MIN, Policy};
use super::static_table::{AUTHORITY, METHOD, PATH, SCHEME, STATIC_LEN, STATUS, find_value};
use super::table::{Entry, Table};
use super::{TABLE_BYTES_DEFAULT, huffman, integer};

/// Encodes the header blocks to one peer.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    index: Index,
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
            table: Table::new(TABLE_BYTES_DEFAULT),
            index: Index::default(),
            own_max: table_max,
            sizes: is_less.then_some(Sizes {
                lowest: table_max,
                last: table_max,
            }),
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE came; the next block begins with what follows from it.
    pub fn set_peer_max(&mut self, peer_max: u32) {
        let last = peer_max.min(self.own_max).min(super::TABLE_BYTES_MAX);
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
    pub fn field(&mut self, name: &[u8], value: &[u8], how: Indexing, out: &mut Vec<u8>) {
        self.known(policy::find(name), name, value, how, out);
    }

    /// Appends `:status`.
    pub fn status(&mut self, status: u16, out: &mut Vec<u8>) {
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
        self.known(AUTHORITY, b":authority", value, Indexing::Auto, out);
    }

    /// Appends `:path`.
    pub fn path(&mut self, value: &[u8], out: &mut Vec<u8>) {
        self.known(PATH, b":path", value, Indexing::Auto, out);
    }

    /// Bytes of memory that the table and its index keep.
    pub fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.index.memory_bytes()
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
    #[inline]
    fn known(&mut self, id: u8, name: &[u8], value: &[u8], how: Indexing, out: &mut Vec<u8>) {
        let plan = self.plan(id, name, value, how);
        if plan != Plan::Never
            && is_static(id)
            && let Some(index) = find_value(id, value)
        {
            return out.push(INDEXED.1 | index);
        }
        match plan {
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
        let hash = field_hash(id, name, value);
        let found = self.index.find(hash, |number| {
            let entry = self.table.find(number);
            entry.is_some_and(|entry| self.is_field(entry, id, name, value))
        });
        match found.and_then(|number| self.table.index_of(number)) {
            Some(index) => integer::put(STATIC_LEN + index, INDEXED.0, INDEXED.1, out),
            None => {
                self.literal(INSERTED, id, name, value, out);
                self.insert(id, name, value);
                self.index.insert(hash, self.table.newest());
            }
        }
    }

    /// A field of which only the name will come again.
    fn refer_to_name(&mut self, id: u8, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self.name_index(id, name) {
            Some(index) => {
                integer::put(index, WITHOUT.0, WITHOUT.1, out);
                put_text(value, out);
            }
            None => {
                out.push(INSERTED.1);
                put_text(name, out);
                put_text(value, out);
                self.insert(id, name, value);
            }
        }
    }

    fn literal(
        &self,
        (prefix_bits, pattern): (u32, u8),
        id: u8,
        name: &[u8],
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        match self.name_index(id, name) {
            Some(index) => integer::put(index, prefix_bits, pattern, out),
            None => {
                out.push(pattern);
                put_text(name, out);
            }
        }
        put_text(value, out);
    }

    /// The index of an entry of that name.
    #[inline]
    fn name_index(&self, id: u8, name: &[u8]) -> Option<u32> {
        if is_static(id) {
            return Some(u32::from(id));
        }
        let number = self.index.find(name_hash(id, name), |number| {
            let entry = self.table.find(number);
            entry.is_some_and(|entry| self.is_name(entry, id, name))
        })?;
        self.table.index_of(number).map(|index| STATIC_LEN + index)
    }

    #[inline]
    fn is_name(&self, entry: &Entry, id: u8, name: &[u8]) -> bool {
        entry.name_id == id && (id != 0 || self.table.strings(entry).0 == name)
    }

    #[inline]
    fn is_field(&self, entry: &Entry, id: u8, name: &[u8], value: &[u8]) -> bool {
        self.is_name(entry, id, name) && self.table.strings(entry).1 == value
    }

    /// Puts a field that fits into the table, and its name into the index.
    fn insert(&mut self, id: u8, name: &[u8], value: &[u8]) {
        let tail = self.table.tail(name.len() + value.len());
        tail[..name.len()].copy_from_slice(name);
        tail[name.len()..name.len() + value.len()].copy_from_slice(value);
        self.table.insert(name.len(), value.len(), id);
        if self.index.len() < self.table.ring_len() * SLOTS_PER_ENTRY {
            self.grow_index();
        }
        if !is_static(id) {
            self.index.insert(name_hash(id, name), self.table.newest());
        }
    }

    #[cold]
    fn grow_index(&mut self) {
        let mut index = Index::with_slots(self.table.ring_len() * SLOTS_PER_ENTRY);
        for age in (1..=self.table.len()).rev() {
            if let Some(entry) = self.table.get(age) {
                let number = self.table.next_number().wrapping_sub(age);
                let (name, value) = self.table.strings(entry);
                index.insert(field_hash(entry.name_id, name, value), number);
                if !is_static(entry.name_id) {
                    index.insert(name_hash(entry.name_id, name), number);
                }
            }
        }
        self.index = index;
    }
}

#[inline]
fn is_static(id: u8) -> bool {
    (1..=STATIC_LEN as u8).contains(&id)
}

/// What stands for a name within hashes: its number if it has one.
#[inline]
fn name_hash(id: u8, name: &[u8]) -> u32 {
    match id {
        0 => hash(name, 0),
        id => hash(&[id], 1),
    }
}

#[inline]
fn field_hash(id: u8, name: &[u8], value: &[u8]) -> u32 {
    let seed = match id {
        0 => u64::from(hash(name, 0)) << 8,
        id => u64::from(id),
    };
    hash(value, seed ^ 1 << 40)
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
