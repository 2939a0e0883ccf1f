//! Drives decoder and encoder over any bytes, for the fuzz target and the property tests.
//!
//! What must hold: no input panics, memory is bounded, and what was decoded is the same after it was
//! encoded anew.

use super::{Decoder, Encoder, FieldRef, Go, HpackError, Indexing};

/// A name, a value and whether it is never indexed.
pub type Owned = (Vec<u8>, Vec<u8>, bool);

/// Bytes of fields of one block beyond which the rest is skipped.
const FIELD_BYTES_MAX: usize = 64 << 10;

/// The fields of one block.
pub fn fields(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Owned>, HpackError> {
    let mut fields = Vec::new();
    let mut bytes = 0;
    decoder.decode(block, &mut |field: FieldRef<'_>| {
        bytes += field.name.len() + field.value.len();
        if bytes > FIELD_BYTES_MAX {
            return Go::Skip;
        }
        fields.push((
            field.name.to_vec(),
            field.value.to_vec(),
            field.never_indexed,
        ));
        Go::On
    })?;
    Ok(fields)
}

/// One block of `fields`.
pub fn block(encoder: &mut Encoder, fields: &[Owned]) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value, is_never) in fields {
        let how = match is_never {
            true => Indexing::Never,
            false => Indexing::Auto,
        };
        encoder.field(name, value, how, &mut block);
    }
    block
}

/// The fuzz target: blocks, each behind a byte that is its length.
pub fn fuzz_hpack(mut bytes: &[u8]) {
    const TABLE: u32 = 512;
    let mut decoder = Decoder::with_table(TABLE);
    let mut encoder = Encoder::new(TABLE);
    let mut far_end = Decoder::new(TABLE);
    while let Some((len, rest)) = bytes.split_first() {
        let (block_in, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        bytes = rest;
        let Ok(decoded) = fields(&mut decoder, block_in) else {
            return;
        };
        assert!(decoder.size() <= TABLE as usize);
        assert!(decoder.memory_bytes() <= 2 * TABLE as usize + (8 << 10));
        assert!(encoder.memory_bytes() <= 2 * TABLE as usize + (8 << 10));
        let written = block(&mut encoder, &decoded);
        let again = fields(&mut far_end, &written).expect("own blocks are decoded");
        assert_eq!(again.len(), decoded.len());
        for (again, decoded) in again.iter().zip(&decoded) {
            assert_eq!((&again.0, &again.1), (&decoded.0, &decoded.1));
            assert!(again.2 || !decoded.2, "never indexed stays so");
        }
        assert!(encoder.entries().eq(far_end.entries()));
    }
}
