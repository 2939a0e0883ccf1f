//! What header compression allocates.

use codecs::http2::hpack::{Decoder, Encoder, FieldRef, Go, Indexing};

/// A request through both sides; one value in it changes each time, and one is not inserted.
fn exchange(encoder: &mut Encoder, decoder: &mut Decoder, block: &mut Vec<u8>, n: u32) -> usize {
    block.clear();
    encoder.begin(block);
    encoder.method(b"GET", block);
    encoder.scheme(b"https", block);
    encoder.authority(b"www.example.com", block);
    encoder.path(b"/things/0123456789?page=2", block);
    let digits = [b'0' + (n % 10) as u8, b'0' + (n / 10 % 10) as u8];
    for (name, value) in [
        (&b"user-agent"[..], &b"tests/1.0"[..]),
        (b"x-turn", &digits),
        (b"x-request-id", b"4d1f2b8c-90ae-4c60-9f0e-51a2c2b8d3f7"),
        (b"cookie", b"session=0123456789abcdef0123456789abcdef"),
    ] {
        encoder.field(name, value, Indexing::Auto, block);
    }
    let mut count = 0;
    let decoded = decoder.decode(block, &mut |_: FieldRef<'_>| {
        count += 1;
        Go::On
    });
    decoded.expect("own blocks are decoded");
    count
}

#[test]
fn a_steady_exchange_allocates_nothing() {
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let mut block = Vec::new();
    let mut run = |turns: u32| {
        (0..turns)
            .map(|n| exchange(&mut encoder, &mut decoder, &mut block, n))
            .sum::<usize>()
    };
    run(1000);
    let mut count = 0;
    let info = allocation_counter::measure(|| count = run(1000));
    assert_eq!(count, 8 * 1000);
    assert_eq!(info.count_total, 0);
}
