//! Properties of header compression over generated input, beside another implementation.

use codecs::http2::hpack::fuzz::{Owned, block, fields, fuzz_hpack};
use codecs::http2::hpack::{Decoder, Encoder, HpackError};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A step of a connection.
#[derive(Clone, Debug)]
enum Step {
    Block(Vec<Owned>),
    PeerMax(u32),
}

/// Few names and few values, so that entries are found again, and any others.
fn field() -> impl Strategy<Value = Owned> {
    let names = vec![
        ":authority",
        ":method",
        ":path",
        ":scheme",
        ":status",
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "set-cookie",
        "user-agent",
        "x-request-id",
        "traceparent",
        "x-custom",
        "x-other",
        "",
    ];
    let values = vec![
        "",
        "/",
        "GET",
        "POST",
        "PUT",
        "https",
        "200",
        "302",
        "418",
        "gzip, deflate",
        "example.com",
        "text/html; charset=utf-8",
        "0",
        "1234567",
        "Mon, 21 Oct 2013 20:13:21 GMT",
    ];
    let name = prop_oneof![
        8 => select(names).prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
    ];
    let value = prop_oneof![
        8 => select(values).prop_map(|value| value.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..200),
        1 => "[a-z0-9]{0,3000}".prop_map(String::into_bytes),
    ];
    (name, value, prop::bool::weighted(0.1))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = select(vec![0, 1, 31, 33, 64, 100, 256, 1000, 4096, 10_000, 65_536]);
    let step = prop_oneof![
        6 => vec(field(), 0..12).prop_map(Step::Block),
        1 => sizes.prop_map(Step::PeerMax),
    ];
    vec(step, 1..20)
}

/// Pieces that, strung together, are nearly a block.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        &b"\x82"[..], b"\xbe", b"\xbf", b"\xc0", b"\x88", b"\x80", b"\xff\x00", b"\x40\x01a\x01b", b"\x7e\x01c",
        b"\x7f\x00\x01d", b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", b"\x04\x83\x64\x0e\xff",
        b"\x10\x86\xa8\xeb\x10\x64\x9c\xbf\x00", b"\x1f\x2f\x01e", b"\x20", b"\x3f\xe1\x03", b"\x3f\x45", b"\xff",
        b"\x40\x60aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00",
        b"\x00\x00\x00", b"\x81\xff", b"\x05", b"\x1c",
    ]);
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Behind a byte that is its length, cut to what that can say.
fn framed(mut block: Vec<u8>) -> Vec<u8> {
    block.truncate(255);
    block.insert(0, block.len() as u8);
    block
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_taken_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        fuzz_hpack(&bytes);
    }

    #[test]
    fn near_blocks_are_taken_without_panic(blocks in vec(pieces(), 1..6)) {
        let bytes: Vec<_> = blocks.into_iter().map(framed).collect();
        fuzz_hpack(&bytes.concat());
    }

    #[test]
    fn fields_survive_the_round_trip_while_the_table_is_resized(own in select(vec![0, 100, 4096, 20_000]), steps in steps()) {
        let mut encoder = Encoder::new(own);
        let mut decoder = Decoder::new(4096);
        for step in steps {
            match step {
                Step::Block(sent) => {
                    let coded = block(&mut encoder, &sent);
                    let came = fields(&mut decoder, &coded).unwrap();
                    prop_assert_eq!(came.len(), sent.len());
                    for (came, sent) in came.iter().zip(&sent) {
                        prop_assert_eq!((&came.0, &came.1), (&sent.0, &sent.1));
                        prop_assert!(came.2 || !sent.2);
                    }
                    prop_assert!(encoder.entries().eq(decoder.entries()));
                    prop_assert_eq!(encoder.size(), decoder.size());
                }
                Step::PeerMax(max) => {
                    decoder.set_max(max);
                    encoder.set_peer_max(max);
                }
            }
        }
    }

    #[test]
    fn another_decoder_reads_the_same(lists in vec(vec(field(), 1..12), 1..8)) {
        let mut encoder = Encoder::new(4096);
        let mut other = fluke_hpack::Decoder::new();
        for sent in lists {
            let came = other.decode(&block(&mut encoder, &sent)).unwrap();
            let sent: Vec<_> = sent.into_iter().map(|(name, value, _)| (name, value)).collect();
            prop_assert_eq!(came, sent);
        }
    }

    #[test]
    fn another_encoder_is_read_the_same(lists in vec(vec(field(), 0..12), 1..8)) {
        let mut other = fluke_hpack::Encoder::new();
        let mut decoder = Decoder::new(4096);
        for sent in lists {
            let coded = other.encode(sent.iter().map(|(name, value, _)| (&name[..], &value[..])));
            let came = fields(&mut decoder, &coded).unwrap();
            prop_assert_eq!(came.len(), sent.len());
            for (came, sent) in came.iter().zip(&sent) {
                prop_assert_eq!((&came.0, &came.1), (&sent.0, &sent.1));
            }
        }
    }

    #[test]
    fn another_decoder_accepts_the_same(pieces in pieces()) {
        let ours = fields(&mut Decoder::new(4096), &pieces);
        let theirs = fluke_hpack::Decoder::new().decode(&pieces);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => {
                let ours: Vec<_> = ours.into_iter().map(|(name, value, _)| (name, value)).collect();
                prop_assert_eq!(ours, theirs);
            }
            // They take a size anywhere but at the end; we take it at the beginning (RFC 7541 §4.2).
            (Err(HpackError::LateTableSize), _) | (Err(_), Err(_)) => (),
            (Ok(ours), Err(why)) => {
                prop_assert!(ours.is_empty());
                prop_assert_eq!(why, fluke_hpack::decoder::DecoderError::SizeUpdateAtEnd);
            }
            (Err(why), Ok(_)) => prop_assert!(false, "{why:?}"),
        }
    }
}

#[test]
fn the_corpus_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/hpack");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        fuzz_hpack(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 12, "{count} files");
}
