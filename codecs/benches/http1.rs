//! Time of each step of a proxied exchange; see `instructions.rs` for figures without noise.

#[expect(dead_code, reason = "each bench uses its part")]
mod exchange;

use divan::Bencher;
use exchange::Exchange;

fn main() {
    divan::main();
}

#[divan::bench(args = ["small", "browser", "chunked"])]
fn exchange_whole(bencher: Bencher<'_, '_>, shape: &str) {
    let mut exchange = Exchange::new(shape);
    bencher.bench_local(|| exchange.run());
}

#[divan::bench(args = ["small", "browser"])]
fn decode_request(bencher: Bencher<'_, '_>, shape: &str) {
    bencher
        .with_inputs(|| ready(shape))
        .bench_local_refs(Exchange::decode_request);
}

#[divan::bench(args = ["small", "browser"])]
fn encode_request(bencher: Bencher<'_, '_>, shape: &str) {
    let inputs = || {
        let mut exchange = ready(shape);
        (exchange.decode_request(), exchange)
    };
    bencher
        .with_inputs(inputs)
        .bench_local_refs(|(head, exchange)| exchange.encode_request(head));
}

#[divan::bench(args = ["small", "browser", "chunked"])]
fn decode_answer(bencher: Bencher<'_, '_>, shape: &str) {
    let inputs = || {
        let mut exchange = ready(shape);
        let head = exchange.decode_request();
        exchange.encode_request(&head);
        exchange
    };
    bencher
        .with_inputs(inputs)
        .bench_local_refs(Exchange::decode_answer);
}

#[divan::bench(args = ["small", "browser", "chunked"])]
fn encode_answer(bencher: Bencher<'_, '_>, shape: &str) {
    bencher
        .with_inputs(|| answered(shape))
        .bench_local_refs(|(head, exchange)| exchange.encode_answer(head));
}

#[divan::bench(args = ["small", "chunked"])]
fn pass_body(bencher: Bencher<'_, '_>, shape: &str) {
    let inputs = || {
        let (head, mut exchange) = answered(shape);
        exchange.encode_answer(&head);
        exchange
    };
    bencher
        .with_inputs(inputs)
        .bench_local_refs(Exchange::pass_body);
}

/// An exchange whose memory is warm.
fn ready(shape: &str) -> Exchange {
    let mut exchange = Exchange::new(shape);
    exchange.run();
    exchange
}

/// One whose answer's head was decoded.
fn answered(shape: &str) -> (Box<codecs::Head>, Exchange) {
    let mut exchange = ready(shape);
    let head = exchange.decode_request();
    exchange.encode_request(&head);
    (exchange.decode_answer(), exchange)
}
