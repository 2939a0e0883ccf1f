//! Header compression (HPACK, RFC 7541).
//!
//! Both sides of a connection keep the same dynamic table by the order of the blocks: a block has to be
//! decoded, and encoded, once, whole and in the order of its frames. After an error a [`Decoder`] knows
//! no longer what its peer means, and the connection has to end with COMPRESSION_ERROR.

mod decode;
mod encode;
mod equal;
#[doc(hidden)]
pub mod fuzz;
mod huffman;
mod huffman_table;
mod index;
mod integer;
mod lookup;
mod policy;
pub mod static_table;
mod table;

pub use decode::{Decoder, FieldRef, Go};
pub use encode::{Encoder, Indexing};

/// Bytes of a dynamic table until SETTINGS_HEADER_TABLE_SIZE says otherwise (RFC 9113 §6.5.2).
pub const TABLE_BYTES_DEFAULT: u32 = 4096;

/// The largest table that is kept, in bytes; tell no peer more.
pub const TABLE_BYTES_MAX: u32 = 16 << 20;

/// Why a block cannot be decoded; all of them end the connection (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HpackError {
    /// Names of the dynamic table were copied to more bytes than blocks of such lengths have a use for.
    CostlyNames,
    /// §5.2: a string holds the code of EOS.
    EndOfString,
    /// §5.1: an integer above 2^31, or of more than five bytes behind its prefix.
    LargeInteger,
    /// §4.2, §6.3: a table size above the one that was told.
    LargeTable,
    /// §6.3: a table size behind a field.
    LateTableSize,
    /// §5.2: more than seven bits of padding behind a string.
    LongPadding,
    /// §4.2: no table size though a smaller one was told.
    MissingTableSize,
    /// §5.1, §5.2: the block ends within an integer or a string.
    Truncated,
    /// §2.3.3, §6.1: an index beyond the tables.
    UnknownIndex,
    /// §5.2: padding that is not of ones.
    WrongPadding,
    /// §6.1: index 0.
    ZeroIndex,
}

impl HpackError {
    /// The error in kebab-case, for counters, logs and `%RESPONSE_CODE_DETAILS%`.
    pub fn detail(self) -> &'static str {
        match self {
            Self::CostlyNames => "hpack-costly-names",
            Self::EndOfString => "hpack-end-of-string",
            Self::LargeInteger => "hpack-large-integer",
            Self::LargeTable => "hpack-large-table",
            Self::LateTableSize => "hpack-late-table-size",
            Self::LongPadding => "hpack-long-padding",
            Self::MissingTableSize => "hpack-missing-table-size",
            Self::Truncated => "hpack-truncated",
            Self::UnknownIndex => "hpack-unknown-index",
            Self::WrongPadding => "hpack-wrong-padding",
            Self::ZeroIndex => "hpack-zero-index",
        }
    }
}
