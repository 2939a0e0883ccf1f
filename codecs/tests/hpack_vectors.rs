//! The examples of RFC 7541 appendix C, both ways, with the dynamic table after each step.

use codecs::http2::hpack::fuzz::{Owned, fields};
use codecs::http2::hpack::{Decoder, Encoder, Indexing};

/// One block: its bytes in hex, its fields, the table afterwards (newest first) and the table's size.
struct Example {
    hex: &'static str,
    fields: Pairs,
    table: Pairs,
    size: usize,
}

/// Of each block: its fields, the table afterwards, and the size of that.
type Meanings = [(Pairs, Pairs, usize); 3];
type Pairs = &'static [(&'static str, &'static str)];

const DATE_21: &str = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22: &str = "Mon, 21 Oct 2013 20:13:22 GMT";
const COOKIE: &str = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

const REQUESTS: Meanings = [
    (
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ],
        &[(":authority", "www.example.com")],
        57,
    ),
    (
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        &[
            ("cache-control", "no-cache"),
            (":authority", "www.example.com"),
        ],
        110,
    ),
    (
        &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
        &[
            ("custom-key", "custom-value"),
            ("cache-control", "no-cache"),
            (":authority", "www.example.com"),
        ],
        164,
    ),
];

const ANSWERS: Meanings = [
    (
        &[
            (":status", "302"),
            ("cache-control", "private"),
            ("date", DATE_21),
            ("location", "https://www.example.com"),
        ],
        &[
            ("location", "https://www.example.com"),
            ("date", DATE_21),
            ("cache-control", "private"),
            (":status", "302"),
        ],
        222,
    ),
    (
        &[
            (":status", "307"),
            ("cache-control", "private"),
            ("date", DATE_21),
            ("location", "https://www.example.com"),
        ],
        &[
            (":status", "307"),
            ("location", "https://www.example.com"),
            ("date", DATE_21),
            ("cache-control", "private"),
        ],
        222,
    ),
    (
        &[
            (":status", "200"),
            ("cache-control", "private"),
            ("date", DATE_22),
            ("location", "https://www.example.com"),
            ("content-encoding", "gzip"),
            ("set-cookie", COOKIE),
        ],
        &[
            ("set-cookie", COOKIE),
            ("content-encoding", "gzip"),
            ("date", DATE_22),
        ],
        215,
    ),
];

/// The examples of one section: their bytes beside what they mean.
fn section(hex: [&'static str; 3], meanings: Meanings) -> Vec<Example> {
    let both = hex.into_iter().zip(meanings);
    both.map(|(hex, (fields, table, size))| Example {
        hex,
        fields,
        table,
        size,
    })
    .collect()
}

fn c3() -> Vec<Example> {
    let hex = [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
    ];
    section(hex, REQUESTS)
}

fn c4() -> Vec<Example> {
    let hex = [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
    ];
    section(hex, REQUESTS)
}

fn c5() -> Vec<Example> {
    let hex = [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54\
         6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f\
         3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076\
         657273696f6e3d31",
    ];
    section(hex, ANSWERS)
}

fn c6() -> Vec<Example> {
    let hex = [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f\
         0b97c8e9ae82ae43d3",
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335df\
         dfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
    ];
    section(hex, ANSWERS)
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(str::from_utf8(two).expect("text"), 16).expect("hex"))
        .collect()
}

fn owned(fields: &[(&str, &str)]) -> Vec<Owned> {
    let each = fields.iter();
    each.map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into(), false))
        .collect()
}

fn assert_table<'a>(
    entries: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    size: usize,
    want: &Example,
) {
    let wanted = want.table.iter();
    let wanted: Vec<_> = wanted
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    assert_eq!(entries.collect::<Vec<_>>(), wanted);
    assert_eq!(size, want.size);
}

#[test]
fn single_fields_are_decoded_as_in_appendix_c2() {
    for (hex, name, value, is_never, size) in [
        (
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            "custom-key",
            "custom-header",
            false,
            55,
        ),
        (
            "040c2f73616d706c652f70617468",
            ":path",
            "/sample/path",
            false,
            0,
        ),
        (
            "100870617373776f726406736563726574",
            "password",
            "secret",
            true,
            0,
        ),
        ("82", ":method", "GET", false, 0),
    ] {
        let mut decoder = Decoder::new(4096);
        let field = (
            name.as_bytes().to_vec(),
            value.as_bytes().to_vec(),
            is_never,
        );
        assert_eq!(fields(&mut decoder, &bytes(hex)), Ok(vec![field]));
        assert_eq!(decoder.size(), size);
    }
}

#[test]
fn blocks_are_decoded_as_in_appendices_c3_to_c6() {
    for (examples, max) in [(c3(), 4096), (c4(), 4096), (c5(), 256), (c6(), 256)] {
        let mut decoder = Decoder::with_table(max);
        for example in &examples {
            let decoded = fields(&mut decoder, &bytes(example.hex)).unwrap();
            assert_eq!(decoded, owned(example.fields));
            assert_table(decoder.entries(), decoder.size(), example);
        }
    }
}

/// What the encoder writes; literals are Huffman-coded only where that is shorter, so that `plain` may
/// stand for what the example codes without any gain.
fn assert_encoded(encoder: &mut Encoder, example: &Example, plain: &[(&str, &str)]) {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in example.fields {
        encoder.field(
            name.as_bytes(),
            value.as_bytes(),
            Indexing::Index,
            &mut block,
        );
    }
    let want = plain
        .iter()
        .fold(example.hex.to_string(), |hex, (coded, plain)| {
            hex.replace(coded, plain)
        });
    assert_eq!(block, bytes(&want));
    assert_table(encoder.entries(), encoder.size(), example);
}

#[test]
fn requests_are_encoded_as_in_appendix_c4() {
    let mut encoder = Encoder::new(4096);
    for example in &c4() {
        assert_encoded(&mut encoder, example, &[]);
    }
}

#[test]
fn answers_are_encoded_as_in_appendix_c6() {
    let mut encoder = Encoder::new(256);
    let mut update = Vec::new();
    encoder.begin(&mut update);
    // A table of 256 bytes is told first: the example takes it as given.
    assert_eq!(update, b"\x3f\xe1\x01");
    for example in &c6() {
        // "307" takes three bytes either way.
        assert_encoded(&mut encoder, example, &[("4883640eff", "4803333037")]);
    }
}
