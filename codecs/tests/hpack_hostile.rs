//! Hostile blocks and the error that each is refused with; table sizes at their limits.

use codecs::http2::hpack::fuzz::fields;
use codecs::http2::hpack::{Decoder, Encoder, FieldRef, Go, HpackError, Indexing};

#[test]
fn hostile_blocks_are_refused_with_their_error() {
    let long = [b"\x00\x7f\xff\xff\xff\xff\x07".as_slice(), &[0; 100]].concat();
    for (block, want) in [
        (&b"\x80"[..], HpackError::ZeroIndex),
        (b"\xbe", HpackError::UnknownIndex),
        (b"\x7e\x01a", HpackError::UnknownIndex),
        (b"\x0f\x2f\x01a", HpackError::UnknownIndex),
        (b"\x40\x01a\x01b\xbf", HpackError::UnknownIndex),
        (b"\xff\xff\xff\xff\xff\x07", HpackError::LargeInteger),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            HpackError::LargeInteger,
        ),
        (b"\xff\x80\x80\x80\x80\x80\x00", HpackError::LargeInteger),
        (b"\xff", HpackError::Truncated),
        (b"\xff\x80", HpackError::Truncated),
        (b"\x40", HpackError::Truncated),
        (b"\x00\x02a", HpackError::Truncated),
        (b"\x00\x01a", HpackError::Truncated),
        (b"\x04\x05abcd", HpackError::Truncated),
        (b"\x04\x7f\x80\x80\x04", HpackError::Truncated),
        (&long, HpackError::LargeInteger),
        (b"\x04\x81\xff", HpackError::LongPadding),
        (b"\x04\x83\x64\x0e\xfe", HpackError::WrongPadding),
        (b"\x04\x84\xff\xff\xff\xff", HpackError::EndOfString),
        (b"\x00\x81\xff\x01a", HpackError::LongPadding),
        (b"\x44\x84\xff\xff\xff\xff", HpackError::EndOfString),
        (b"\x3f\xe2\x1f", HpackError::LargeTable),
        (b"\x20\x20\x3f\xe1\x1f\x3f\xe2\x1f", HpackError::LargeTable),
        (b"\x82\x20", HpackError::LateTableSize),
        (b"\x20\x82\x3f\xe1\x1f", HpackError::LateTableSize),
    ] {
        let refused = fields(&mut Decoder::new(4096), block).unwrap_err();
        assert_eq!(refused, want, "{}", block.escape_ascii());
        assert!(refused.detail().starts_with("hpack-"));
    }
}

#[test]
fn a_smaller_table_has_to_be_told_by_the_next_block() {
    let lowered = || {
        let mut decoder = Decoder::new(4096);
        fields(&mut decoder, b"\x40\x01a\x01b").unwrap();
        decoder.set_max(100);
        decoder.set_max(4096);
        decoder
    };
    for (block, want) in [
        (&b"\xbe"[..], Err(HpackError::MissingTableSize)),
        (b"\x3f\x46\x82", Err(HpackError::MissingTableSize)),
        (b"\x3f\xe1\x1f\x82", Err(HpackError::MissingTableSize)),
        (b"\x3f\x45\xbe", Ok(1)),
        (b"\x3f\x45\x3f\xe1\x1f\xbe", Ok(1)),
        (b"\x20\x3f\xe1\x1f\x82", Ok(1)),
        (b"\x20\x3f\xe1\x1f\xbe", Err(HpackError::UnknownIndex)),
    ] {
        let count = fields(&mut lowered(), block).map(|fields| fields.len());
        assert_eq!(count, want, "{}", block.escape_ascii());
    }
    let mut decoder = lowered();
    assert_eq!(fields(&mut decoder, b"\x20").unwrap().len(), 0);
    assert_eq!(fields(&mut decoder, b"\x82").unwrap().len(), 1);
}

#[test]
fn a_table_that_was_not_yet_agreed_upon_may_be_used_at_its_default() {
    let mut decoder = Decoder::new(0);
    assert_eq!(
        fields(&mut decoder, b"\x40\x01a\x01b\xbe").unwrap().len(),
        2
    );
    decoder.set_max(0);
    assert_eq!(
        fields(&mut decoder, b"\xbe"),
        Err(HpackError::MissingTableSize)
    );

    let mut decoder = Decoder::new(1 << 16);
    assert_eq!(
        fields(&mut decoder, b"\x3f\xe1\xff\x03\x82").unwrap().len(),
        1
    );
    assert_eq!(
        fields(&mut decoder, b"\x3f\xe2\xff\x03"),
        Err(HpackError::LargeTable)
    );
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::with_table(64);
    fields(&mut decoder, b"\x40\x01a\x01b").unwrap();
    assert_eq!(decoder.size(), 34);
    let large = [b"\x40\x01a\x20".as_slice(), &[b'x'; 32]].concat();
    let decoded = fields(&mut decoder, &large).unwrap();
    assert_eq!(decoded, [(b"a".to_vec(), vec![b'x'; 32], false)]);
    assert_eq!((decoder.size(), decoder.entries().count()), (0, 0));
}

#[test]
fn a_name_outlives_its_entry_that_is_evicted_for_it() {
    let mut decoder = Decoder::with_table(64);
    fields(&mut decoder, b"\x40\x04name\x05first").unwrap();
    for value in [&b"second"[..], b"third", b"fourth"] {
        let block = [b"\x7e".as_slice(), &[value.len() as u8], value].concat();
        let decoded = fields(&mut decoder, &block).unwrap();
        assert_eq!(decoded, [(b"name".to_vec(), value.to_vec(), false)]);
        assert!(decoder.entries().eq([(&b"name"[..], value)]));
    }
}

#[test]
fn a_skipped_block_still_fills_the_table() {
    let mut decoder = Decoder::new(4096);
    let mut count = 0;
    let mut sink = |_: FieldRef<'_>| {
        count += 1;
        Go::Skip
    };
    decoder
        .decode(b"\x82\x40\x01a\x01b\x40\x01c\x01d", &mut sink)
        .unwrap();
    assert_eq!(count, 1);
    assert_eq!(decoder.entries().next(), Some((&b"c"[..], &b"d"[..])));
}

#[test]
fn names_of_the_static_table_are_told_however_they_are_coded() {
    let mut decoder = Decoder::new(4096);
    let block = b"\x83\x44\x01x\xbe\x00\x05:path\x01y\x10\x0ccontent-typf\x01z\x0f\x0d\x015\x40\x06cookie\x01c\xbe\x00\x0cx-request-id\x01r";
    let mut seen = Vec::new();
    let mut sink = |field: FieldRef<'_>| {
        seen.push(field.index);
        Go::On
    };
    decoder.decode(block, &mut sink).unwrap();
    let want = [
        Some(2),
        Some(4),
        Some(4),
        Some(4),
        None,
        Some(28),
        Some(32),
        Some(32),
        None,
    ];
    assert_eq!(seen, want);
}

#[test]
fn memory_is_taken_late_and_bounded() {
    let mut decoder = Decoder::new(4096);
    let mut encoder = Encoder::new(4096);
    assert_eq!((decoder.memory_bytes(), encoder.memory_bytes()), (0, 0));
    let mut block = Vec::new();
    for n in 0..20_000_u32 {
        block.clear();
        encoder.begin(&mut block);
        let value = n.to_string().repeat(1 + n as usize % 150);
        encoder.field(b"a", value.as_bytes(), Indexing::Auto, &mut block);
        encoder.field(value.as_bytes(), b"", Indexing::Index, &mut block);
        fields(&mut decoder, &block).unwrap();
        assert!(
            decoder.memory_bytes() <= 16 << 10,
            "{}",
            decoder.memory_bytes()
        );
        assert!(
            encoder.memory_bytes() <= 16 << 10,
            "{}",
            encoder.memory_bytes()
        );
        assert!(encoder.entries().eq(decoder.entries()));
    }
    let long = [b"\x44\x7f\xa1\x8c\x06".as_slice(), &[b'x'; 100_000]].concat();
    assert_eq!(
        fields(&mut decoder, &long).unwrap().len(),
        0,
        "skipped as too long"
    );
    assert!(decoder.memory_bytes() <= 16 << 10);
}

#[test]
fn table_sizes_are_told_the_smallest_first() {
    for (own, peers, want) in [
        (4096, &[][..], &b""[..]),
        (4096, &[4096], b""),
        (4096, &[65536], b""),
        (65536, &[65536], b"\x3f\xe1\xff\x03"),
        (65536, &[8192, 65536], b"\x3f\xe1\xff\x03"),
        (4096, &[100], b"\x3f\x45"),
        (4096, &[100, 4096], b"\x3f\x45\x3f\xe1\x1f"),
        (4096, &[0, 100, 31], b"\x20\x3f\x00"),
        (100, &[], b"\x3f\x45"),
        (0, &[4096], b"\x20"),
    ] {
        let mut encoder = Encoder::new(own);
        peers.iter().for_each(|max| encoder.set_peer_max(*max));
        let mut block = Vec::new();
        encoder.begin(&mut block);
        assert_eq!(block, want, "{own} {peers:?}");
        encoder.begin(&mut block);
        assert_eq!(block, want, "told once");
    }
}
