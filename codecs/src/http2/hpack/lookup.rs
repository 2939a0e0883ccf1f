//! The encoder's dynamic table, and how its entries are found.

use super::equal::same;
use super::index::{Index, SLOTS_PER_ENTRY, hash};
use super::static_table::STATIC_LEN;
use super::table::{Entry, Table};

/// All indices it tells are those of the wire: the static table's come first. A name's `id` is what
/// `policy::find` tells of it.
#[derive(Debug)]
pub(super) struct Lookup {
    table: Table,
    index: Index,
    /// The number of the entry behind the last one that was referred to: blocks tend to have the same
    /// fields in the same order, so it is looked at first.
    ahead: u32,
}

/// What the entry that is looked at first has in common with a field.
pub(super) enum Ahead {
    /// Name and value; its index.
    Field(u32),
    /// The name; its id.
    Name(u8),
}

impl Lookup {
    pub(super) fn new(max: u32) -> Self {
        Self {
            table: Table::new(max),
            index: Index::default(),
            ahead: 0,
        }
    }

    pub(super) fn max(&self) -> usize {
        self.table.max()
    }

    pub(super) fn set_max(&mut self, max: u32) {
        self.table.set_max(max);
    }

    pub(super) fn size(&self) -> usize {
        self.table.size()
    }

    #[inline]
    pub(super) fn fits(&self, strings_len: usize) -> bool {
        self.table.fits(strings_len)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.table.entries()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.table.memory_bytes() + self.index.memory_bytes()
    }

    /// Looks at one entry only.
    #[inline]
    pub(super) fn ahead(&self, name: &[u8], value: &[u8]) -> Option<Ahead> {
        let (index, entry) = self.table.find(self.ahead)?;
        let (its_name, its_value) = self.table.strings(entry);
        if !same(its_name, name) {
            return None;
        }
        Some(if same(its_value, value) {
            Ahead::Field(STATIC_LEN + index)
        } else {
            Ahead::Name(entry.name_id)
        })
    }

    /// The field of `ahead` is referred to.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.ahead = self.ahead.wrapping_add(1);
    }

    /// The index of an entry that is this field.
    pub(super) fn find_field(&mut self, id: u8, name: &[u8], value: &[u8]) -> Option<u32> {
        let number = self.index.find(field_hash(id, name, value), |number| {
            let found = self.table.find(number);
            found.is_some_and(|(_, entry)| {
                self.is_name(entry, id, name) && same(self.table.strings(entry).1, value)
            })
        })?;
        self.refer(number)
    }

    /// The index of an entry of that name.
    #[inline]
    pub(super) fn find_name(&mut self, id: u8, name: &[u8]) -> Option<u32> {
        if is_static(id) {
            return Some(u32::from(id));
        }
        let is = |number| {
            let found = self.table.find(number);
            found.is_some_and(|(_, entry)| self.is_name(entry, id, name))
        };
        let number = match is(self.ahead) {
            true => self.ahead,
            false => self.index.find(name_hash(id, name), is)?,
        };
        self.refer(number)
    }

    #[inline]
    fn refer(&mut self, number: u32) -> Option<u32> {
        self.ahead = number.wrapping_add(1);
        let index = self.table.index_of(number)?;
        Some(STATIC_LEN + index)
    }

    #[inline]
    fn is_name(&self, entry: &Entry, id: u8, name: &[u8]) -> bool {
        entry.name_id == id && (id != 0 || same(self.table.strings(entry).0, name))
    }

    /// Inserts a field that fits, to be found again.
    pub(super) fn insert_field(&mut self, id: u8, name: &[u8], value: &[u8]) {
        self.insert(id, name, value);
        let hash = field_hash(id, name, value);
        self.index.insert(hash, self.table.newest());
    }

    /// Inserts a field that fits, of which the name is to be found again.
    pub(super) fn insert(&mut self, id: u8, name: &[u8], value: &[u8]) {
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
                let number = self.table.newest().wrapping_sub(age - 1);
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

/// Whether the static table has the name.
#[inline]
pub(super) fn is_static(id: u8) -> bool {
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
