//! Decodes header blocks (RFC 7541 §3, §6).
//!
//! Time is of the order of the block's bytes and of those handed out. A field that is inserted with a
//! name of the dynamic table copies that name, which two bytes can ask for: what is copied so is
//! bounded by the blocks' bytes.

use super::table::{Entry, Table};
use super::{HpackError, TABLE_BYTES_DEFAULT, huffman, integer, policy, static_table};
use static_table::STATIC_LEN;

/// Bytes of names that may be copied for each byte of a block. A field of such a name takes two bytes at
/// least, mostly more, and names are hardly ever longer than this.
const COPIED_PER_BYTE: u32 = 64;

/// And so many more, in all blocks of which that is not true.
const COPIED_MORE: u32 = 64 << 10;

/// Decodes the header blocks of one peer.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// Bytes of names that may be copied.
    copies_left: u32,
    /// The largest size that the peer may choose, in bytes.
    allowed: u32,
    /// The size that the next block has to begin with, or a smaller one.
    required: Option<u32>,
}

/// A field as it was decoded; the slices live for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRef<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    /// §6.2.3: it has to be passed on as [`super::Indexing::Never`].
    pub never_indexed: bool,
    /// The first index (1 to 61) that the name has in the static table, however the field was coded:
    /// names can be recognised by [`static_table`]'s constants alone.
    pub index: Option<u8>,
}

/// What the sink of fields wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// The next field.
    On,
    /// No more of this block; the rest of it is decoded for the table's sake.
    Skip,
}

/// A string as it lies in the block.
#[derive(Clone, Copy)]
enum Text<'a> {
    Plain(&'a [u8]),
    Huffman(&'a [u8]),
}

/// Where a literal's name is from.
#[derive(Clone, Copy)]
enum Name<'a> {
    /// The static table; the first index of the name.
    Static(u8),
    Dynamic(Entry),
    Literal(Text<'a>),
}

/// Calls the sink until it wants no more.
struct Sink<'s, F> {
    call: &'s mut F,
    is_open: bool,
}

impl<F: FnMut(FieldRef<'_>) -> Go> Sink<'_, F> {
    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8], id: u8, never_indexed: bool) {
        if self.is_open {
            let index = (1..=STATIC_LEN as u8).contains(&id).then_some(id);
            let field = FieldRef {
                name,
                value,
                never_indexed,
                index,
            };
            self.is_open = (self.call)(field) == Go::On;
        }
    }
}

impl Decoder {
    /// `told`: the SETTINGS_HEADER_TABLE_SIZE of ours, in bytes, at most `TABLE_BYTES_MAX`.
    ///
    /// The peer's table has [`TABLE_BYTES_DEFAULT`] bytes until it says otherwise; one that has not yet
    /// seen a smaller size of ours may use that. Call [`Self::set_max`] when it acknowledged our SETTINGS.
    pub fn new(told: u32) -> Self {
        Self {
            allowed: told.max(TABLE_BYTES_DEFAULT),
            ..Self::with_table(TABLE_BYTES_DEFAULT)
        }
    }

    /// One whose peer has agreed to a table of `max` bytes.
    pub fn with_table(max: u32) -> Self {
        Self {
            table: Table::new(max),
            copies_left: COPIED_MORE,
            allowed: max,
            required: None,
        }
    }

    /// The peer acknowledged a SETTINGS_HEADER_TABLE_SIZE of `told` bytes.
    pub fn set_max(&mut self, told: u32) {
        self.allowed = told;
        if (told as usize) < self.table.max() {
            let lowest = self.required.unwrap_or(told).min(told);
            self.required = Some(lowest);
        }
    }

    /// Decodes one whole header block and calls `sink` for each field in order.
    ///
    /// After an error the decoder cannot be used further. The sink has to bound what it keeps: an index
    /// of one byte can mean a field as large as the table.
    pub fn decode(
        &mut self,
        mut block: &[u8],
        sink: &mut impl FnMut(FieldRef<'_>) -> Go,
    ) -> Result<(), HpackError> {
        let mut sink = Sink {
            call: sink,
            is_open: true,
        };
        let bytes = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let more = bytes.saturating_mul(COPIED_PER_BYTE);
        self.copies_left = self.copies_left.min(COPIED_MORE).saturating_add(more);
        self.table_sizes(&mut block)?;
        while let Some(first) = block.first() {
            match first {
                0x80.. => self.indexed(&mut block, &mut sink)?,
                0x40..0x80 => self.inserted(&mut block, &mut sink)?,
                // RFC 7541 §4.2: a change of the size is told at the beginning of a block.
                0x20..0x40 => return Err(HpackError::LateTableSize),
                0x00..0x20 => self.passed(&mut block, &mut sink)?,
            }
        }
        self.table.trim();
        Ok(())
    }

    /// Bytes of memory that the table keeps.
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

    /// The size updates that a block begins with (§6.3).
    #[inline]
    fn table_sizes(&mut self, block: &mut &[u8]) -> Result<(), HpackError> {
        while let Some(0x20..0x40) = block.first() {
            let size = integer::take(block, 5)?;
            // RFC 7541 §6.3: above the limit that we told.
            if size > self.allowed {
                return Err(HpackError::LargeTable);
            }
            self.table.set_max(size);
            self.required = self.required.filter(|required| size > *required);
        }
        // RFC 7541 §4.2: the smallest size of ours in between has to be told.
        if self.required.is_some() && !block.is_empty() {
            return Err(HpackError::MissingTableSize);
        }
        Ok(())
    }

    /// §6.1: a field that is in a table.
    #[inline]
    fn indexed<F: FnMut(FieldRef<'_>) -> Go>(
        &self,
        block: &mut &[u8],
        sink: &mut Sink<'_, F>,
    ) -> Result<(), HpackError> {
        let index = integer::take(block, 7)?;
        if let Some((name, value)) = static_table::entry(index) {
            sink.field(name, value, static_table::first_of(index), false);
            return Ok(());
        }
        let entry = self.dynamic(index)?;
        let (name, value) = self.table.strings(&entry);
        sink.field(name, value, entry.name_id, false);
        Ok(())
    }

    #[inline]
    fn dynamic(&self, index: u32) -> Result<Entry, HpackError> {
        let Some(within) = index.checked_sub(STATIC_LEN) else {
            // RFC 7541 §6.1: index 0 is not used.
            return Err(HpackError::ZeroIndex);
        };
        // RFC 7541 §2.3.3: an index beyond both tables.
        let found = self.table.get(within).copied();
        found.ok_or(HpackError::UnknownIndex)
    }

    /// The name of a literal field, whose index has a prefix of `prefix_bits`.
    #[inline]
    fn name<'a>(&self, block: &mut &'a [u8], prefix_bits: u32) -> Result<Name<'a>, HpackError> {
        match integer::take(block, prefix_bits)? {
            0 => Ok(Name::Literal(take_text(block)?)),
            index @ 1..=STATIC_LEN => Ok(Name::Static(static_table::first_of(index))),
            index => Ok(Name::Dynamic(self.dynamic(index)?)),
        }
    }

    /// §6.2.2, §6.2.3: a literal field that is not inserted.
    fn passed<F: FnMut(FieldRef<'_>) -> Go>(
        &mut self,
        block: &mut &[u8],
        sink: &mut Sink<'_, F>,
    ) -> Result<(), HpackError> {
        let never_indexed = block.first().is_some_and(|first| first & 0x10 != 0);
        let name = self.name(block, 4)?;
        let value = take_text(block)?;
        let name_room = match name {
            Name::Literal(text) => text.room(),
            Name::Static(_) | Name::Dynamic(_) => 0,
        };
        let tail = self.table.tail(name_room + value.room());
        let name_len = match name {
            Name::Literal(text) => text.decode(tail)?,
            Name::Static(_) | Name::Dynamic(_) => 0,
        };
        let value_len = value.decode(&mut tail[name_len..])?;
        let (name_made, value_made) = self.table.written(name_len + value_len).split_at(name_len);
        let value = value.bytes(value_made);
        let (name, id) = match name {
            Name::Static(id) => (static_table::name(id), id),
            Name::Dynamic(entry) => (self.table.strings(&entry).0, entry.name_id),
            Name::Literal(text) => {
                let name = text.bytes(name_made);
                (name, policy::find(name))
            }
        };
        sink.field(name, value, id, never_indexed);
        Ok(())
    }

    /// §6.2.1: a literal field that is inserted.
    fn inserted<F: FnMut(FieldRef<'_>) -> Go>(
        &mut self,
        block: &mut &[u8],
        sink: &mut Sink<'_, F>,
    ) -> Result<(), HpackError> {
        let name = self.name(block, 6)?;
        let value = take_text(block)?;
        let name_room = match name {
            Name::Static(id) => static_table::name(id).len(),
            Name::Dynamic(entry) => self.table.strings(&entry).0.len(),
            Name::Literal(text) => text.copy_room(),
        };
        let tail = self.table.tail(name_room + value.copy_room());
        let (name_len, id) = match name {
            Name::Static(id) => (Text::Plain(static_table::name(id)).copy(tail)?, id),
            Name::Dynamic(entry) => {
                let left = self.copies_left.checked_sub(name_room as u32);
                self.copies_left = left.ok_or(HpackError::CostlyNames)?;
                self.table.copy_name(entry);
                (name_room, entry.name_id)
            }
            Name::Literal(text) => {
                let len = text.copy(tail)?;
                (len, policy::find(&tail[..len]))
            }
        };
        let tail = self.table.tail(0);
        let value_len = value.copy(&mut tail[name_len..])?;
        let (name, value) = self.table.written(name_len + value_len).split_at(name_len);
        sink.field(name, value, id, false);
        self.table.insert(name_len, value_len, id);
        Ok(())
    }
}

impl<'a> Text<'a> {
    /// Room that `decode` needs.
    #[inline]
    fn room(self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Huffman(coded) => huffman::decoded_len_max(coded.len()),
        }
    }

    /// Decodes into `room` if it has to be decoded; tells the bytes that were written.
    #[inline]
    fn decode(self, room: &mut [u8]) -> Result<usize, HpackError> {
        match self {
            Self::Plain(_) => Ok(0),
            Self::Huffman(coded) => huffman::decode(coded, room),
        }
    }

    /// The string; `made` is what `decode` wrote.
    #[inline]
    fn bytes(self, made: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Huffman(_) => made,
        }
    }

    /// Room that `copy` needs.
    #[inline]
    fn copy_room(self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Huffman(coded) => huffman::decoded_len_max(coded.len()),
        }
    }

    /// Writes the string to the front of `room`; tells its length.
    #[inline]
    fn copy(self, room: &mut [u8]) -> Result<usize, HpackError> {
        match self {
            Self::Plain(bytes) => {
                room[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Self::Huffman(coded) => huffman::decode(coded, room),
        }
    }
}

/// §5.2: takes a string off the front of the block.
#[inline]
fn take_text<'a>(block: &mut &'a [u8]) -> Result<Text<'a>, HpackError> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::take(block, 7)? as usize;
    // RFC 7541 §5.2: a string that the block ends within.
    let (bytes, rest) = block.split_at_checked(len).ok_or(HpackError::Truncated)?;
    *block = rest;
    Ok(if is_coded {
        Text::Huffman(bytes)
    } else {
        Text::Plain(bytes)
    })
}
