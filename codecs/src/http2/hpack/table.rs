//! The dynamic table (RFC 7541 §2.3.2, §4): an arena of bytes and a ring of entries.
//!
//! Entries lie in the arena in the order they came, each name before its value. Behind them is the tail,
//! where the next one is made, or a string decoded that is not kept. Evicting moves no byte; the front
//! is reclaimed when the tail needs the room. No memory is taken before the first use, and what the
//! entries keep is at most twice the table's size, beside the ring.

use super::TABLE_BYTES_MAX;

/// Bytes that an entry counts beside its name and value (§4.1).
const ENTRY_BYTES: usize = 32;

/// Bytes of an arena beyond twice the table that are kept after a long string.
const ARENA_SLACK: usize = 4 << 10;

/// The arena's and the ring's first size.
const ARENA_MIN: usize = 256;
const RING_MIN: usize = 8;

#[derive(Debug)]
pub(super) struct Table {
    /// All of it is initialised; what is behind `end` is the tail.
    arena: Vec<u8>,
    end: usize,
    /// Position of the arena's first byte: positions count on, whatever is moved, and wrap.
    base: u32,
    ring: Vec<Entry>,
    /// How many entries are live.
    len: u32,
    /// The number of the next one; they count from 1 on, and wrap.
    inserted: u32,
    size: usize,
    max: usize,
}

/// Where an entry's name and value lie.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    position: u32,
    name_len: u32,
    value_len: u32,
    /// What the maker of the entry knows of its name.
    pub(super) name_id: u8,
}

impl Entry {
    fn strings_len(self) -> usize {
        self.name_len as usize + self.value_len as usize
    }
}

impl Table {
    pub(super) fn new(max: u32) -> Self {
        Self {
            arena: Vec::new(),
            end: 0,
            base: 0,
            ring: Vec::new(),
            len: 0,
            inserted: 1,
            size: 0,
            max: max.min(TABLE_BYTES_MAX) as usize,
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The size of the entries (§4.1), in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The size that they may have, in bytes.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Places of the ring.
    pub(super) fn ring_len(&self) -> usize {
        self.ring.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.arena.capacity() + self.ring.capacity() * size_of::<Entry>()
    }

    /// The index of an entry within the dynamic table, 1 for the newest; nothing if it is not live.
    #[inline]
    pub(super) fn index_of(&self, number: u32) -> Option<u32> {
        let age = self.inserted.wrapping_sub(number);
        (age.wrapping_sub(1) < self.len).then_some(age)
    }

    /// The number of the newest entry.
    pub(super) fn newest(&self) -> u32 {
        self.inserted.wrapping_sub(1)
    }

    /// The entry of a number and its index within the dynamic table, if it is live.
    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<(u32, &Entry)> {
        let index = self.index_of(number)?;
        self.get(index).map(|entry| (index, entry))
    }

    /// The entry of an index within the dynamic table, 1 for the newest.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        if index.wrapping_sub(1) >= self.len {
            return None;
        }
        self.ring.get(self.place(self.inserted.wrapping_sub(index)))
    }

    #[inline]
    fn place(&self, number: u32) -> usize {
        number as usize & self.ring.len().wrapping_sub(1)
    }

    /// The entry's name and value.
    #[inline]
    pub(super) fn strings(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let start = self.start(entry);
        let both = &self.arena[start..start + entry.strings_len()];
        both.split_at(entry.name_len as usize)
    }

    /// Where in the arena the entry begins.
    #[inline]
    fn start(&self, entry: &Entry) -> usize {
        entry.position.wrapping_sub(self.base) as usize
    }

    /// Sets the size that the entries may have, at most `TABLE_BYTES_MAX`.
    ///
    /// RFC 7541 §4.3: entries are evicted until they fit.
    pub(super) fn set_max(&mut self, max: u32) {
        self.max = max.min(TABLE_BYTES_MAX) as usize;
        self.evict_to(self.max);
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.get(self.len)
        {
            self.size -= oldest.strings_len() + ENTRY_BYTES;
            self.len -= 1;
        }
    }

    /// Whether an entry of such strings fits into the table at all.
    #[inline]
    pub(super) fn fits(&self, strings_len: usize) -> bool {
        strings_len + ENTRY_BYTES <= self.max
    }

    /// The tail, of at least `len` bytes.
    #[inline]
    pub(super) fn tail(&mut self, len: usize) -> &mut [u8] {
        if self.arena.len() - self.end < len {
            self.make_room(len);
        }
        &mut self.arena[self.end..]
    }

    /// The first `len` bytes of the tail as they were written.
    #[inline]
    pub(super) fn written(&self, len: usize) -> &[u8] {
        &self.arena[self.end..self.end + len]
    }

    /// Copies the name of an entry to the front of the tail, which has room for it.
    pub(super) fn copy_name(&mut self, entry: Entry) {
        let start = self.start(&entry);
        let name = start..start + entry.name_len as usize;
        self.arena.copy_within(name, self.end);
    }

    /// Makes an entry of the strings that the tail begins with.
    ///
    /// RFC 7541 §4.4: older ones are evicted first, and one that is larger than the table leaves it empty.
    pub(super) fn insert(&mut self, name_len: usize, value_len: usize, name_id: u8) {
        let size = name_len + value_len + ENTRY_BYTES;
        if size > self.max {
            return self.evict_to(0);
        }
        self.evict_to(self.max - size);
        if self.len as usize == self.ring.len() {
            self.grow_ring();
        }
        let place = self.place(self.inserted);
        self.ring[place] = Entry {
            position: self.base.wrapping_add(self.end as u32),
            name_len: name_len as u32,
            value_len: value_len as u32,
            name_id,
        };
        self.end += name_len + value_len;
        self.inserted = self.inserted.wrapping_add(1);
        self.len += 1;
        self.size += size;
    }

    /// Live entries move to the front; the arena grows if they, and as much again, do not fit.
    #[cold]
    fn make_room(&mut self, len: usize) {
        let front = self.get(self.len).map_or(self.end, |it| self.start(it));
        self.arena.copy_within(front..self.end, 0);
        self.base = self.base.wrapping_add(front as u32);
        self.end -= front;
        let want = self.end + len;
        // A move has to be worth its bytes, so half of the arena is to be free behind it; but the table
        // never needs more than the old entries and one new.
        let ample = (want * 2).next_power_of_two().max(ARENA_MIN);
        let target = want.max(ample.min((self.max * 2).max(ARENA_MIN)));
        if self.arena.len() < target {
            self.arena.reserve_exact(target - self.arena.len());
            self.arena.resize(target, 0);
        }
    }

    /// Lets go what a long string made the arena grow by.
    pub(super) fn trim(&mut self) {
        let keep = self.max * 2 + ARENA_SLACK;
        if self.arena.capacity() > keep {
            self.make_room(0);
            self.arena.truncate(self.end);
            self.arena.shrink_to_fit();
        }
    }

    #[cold]
    fn grow_ring(&mut self) {
        let mut ring = vec![Entry::default(); (self.ring.len() * 2).max(RING_MIN)];
        let mask = ring.len() - 1;
        for index in 1..=self.len {
            if let Some(entry) = self.get(index) {
                ring[self.inserted.wrapping_sub(index) as usize & mask] = *entry;
            }
        }
        self.ring = ring;
    }

    /// The entries, the newest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let live = (1..=self.len).filter_map(|index| self.get(index));
        live.map(|entry| self.strings(entry))
    }
}
