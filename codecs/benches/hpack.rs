//! Time of header compression in steady state, beside another implementation.

use codecs::http2::hpack::{Decoder, Encoder, FieldRef, Go, Indexing};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// A request of twelve fields: static, in the dynamic table, and literals that are not inserted.
const REQUEST: [(&str, &str); 12] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "shop.example.com"),
    (":path", "/api/v2/items/48213?fields=name,price"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0",
    ),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-for", "203.0.113.77"),
    ("x-request-id", "4d1f2b8c-90ae-4c60-9f0e-51a2c2b8d3f7"),
    ("referer", "https://shop.example.com/items"),
];

const ANSWER: [(&str, &str); 8] = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "1824"),
    ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
    ("cache-control", "private, max-age=0"),
    ("vary", "accept-encoding"),
    ("server", "envoy"),
    ("x-envoy-upstream-service-time", "12"),
];

fn fields(shape: &str) -> &'static [(&'static str, &'static str)] {
    match shape {
        "request" => &REQUEST,
        _ => &ANSWER,
    }
}

fn encode(encoder: &mut Encoder, fields: &[(&str, &str)], block: &mut Vec<u8>) {
    block.clear();
    encoder.begin(block);
    for (name, value) in fields {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        match name {
            [b':', b's', b't', ..] => encoder.status(200, block),
            [b':', b'm', ..] => encoder.method(value, block),
            [b':', b's', ..] => encoder.scheme(value, block),
            [b':', b'a', ..] => encoder.authority(value, block),
            [b':', b'p', ..] => encoder.path(value, block),
            name => encoder.field(name, value, Indexing::Auto, block),
        }
    }
}

/// Both sides after a block of other values where they change each time, and the block that is measured.
fn warm(fields: &[(&str, &str)]) -> (Encoder, Decoder, Vec<u8>) {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let mut block = Vec::new();
    let changing = [
        "x-forwarded-for",
        "x-request-id",
        "x-envoy-upstream-service-time",
    ];
    let earlier: Vec<_> = fields
        .iter()
        .map(|(name, value)| match changing.contains(name) {
            true => (*name, "other"),
            false => (*name, *value),
        })
        .collect();
    for fields in [&earlier, fields] {
        encode(&mut encoder, fields, &mut block);
        decode(&mut decoder, &block);
    }
    encode(&mut encoder, fields, &mut block);
    (encoder, decoder, block)
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> usize {
    let mut bytes = 0;
    let decoded = decoder.decode(block, &mut |field: FieldRef<'_>| {
        bytes += black_box(field.name).len() + black_box(field.value).len();
        Go::On
    });
    decoded.expect("a good block");
    bytes
}

#[divan::bench(args = ["request", "answer"])]
fn encode_ours(bencher: Bencher<'_, '_>, shape: &str) {
    let (mut encoder, _, mut block) = warm(fields(shape));
    bencher.bench_local(|| {
        encode(&mut encoder, black_box(fields(shape)), &mut block);
        block.len()
    });
}

#[divan::bench(args = ["request", "answer"])]
fn decode_ours(bencher: Bencher<'_, '_>, shape: &str) {
    let (_, mut decoder, block) = warm(fields(shape));
    bencher.bench_local(|| decode(&mut decoder, black_box(&block)));
}

#[divan::bench(args = ["request", "answer"])]
fn encode_fluke(bencher: Bencher<'_, '_>, shape: &str) {
    let mut encoder = fluke_hpack::Encoder::new();
    let mut block = Vec::new();
    bencher.bench_local(|| {
        block.clear();
        let pairs = black_box(fields(shape)).iter();
        let pairs = pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        encoder.encode_into(pairs, &mut block).expect("memory");
        block.len()
    });
}

#[divan::bench(args = ["request", "answer"])]
fn decode_fluke(bencher: Bencher<'_, '_>, shape: &str) {
    let mut encoder = fluke_hpack::Encoder::new();
    let mut decoder = fluke_hpack::Decoder::new();
    let mut block = Vec::new();
    for _ in 0..2 {
        let pairs = fields(shape).iter();
        block = encoder.encode(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        decoder.decode(&block).expect("a good block");
    }
    bencher.bench_local(|| {
        let mut bytes = 0;
        let decoded = decoder.decode_with_cb(black_box(&block), |name, value| {
            bytes += black_box(&name).len() + black_box(&value).len();
        });
        decoded.expect("a good block");
        bytes
    });
}

/// Literals alone: what Huffman coding costs.
#[divan::bench(args = ["text", "uuid", "bytes"])]
fn huffman_both_ways(bencher: Bencher<'_, '_>, shape: &str) {
    let value: Vec<u8> = match shape {
        "text" => b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".into(),
        "uuid" => b"4d1f2b8c-90ae-4c60-9f0e-51a2c2b8d3f7".into(),
        _ => (0..36).map(|n| n * 7).collect(),
    };
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let mut block = Vec::new();
    bencher.bench_local(|| {
        block.clear();
        encoder.field(b":path", black_box(&value), Indexing::Without, &mut block);
        decode(&mut decoder, &block)
    });
}
