//! Heads and trailers without end, or larger than what they were sent as.

use super::{Scene, head};
use crate::support::{
    h2::{CONTINUATION, END, END_HEADERS, HEADERS, frame},
    until,
};
use engines::EngineKind;

on_each_engine!(
    heads_without_an_end,
    heads_of_many_small_pieces,
    references_that_grow_when_decompressed,
    a_head_that_is_too_large_is_answered,
    a_head_with_too_many_fields_is_answered,
    trailers_that_are_too_large,
);

fn heads_without_an_end(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.take_id();
    let block = head(&mut attacker, "/");
    attacker.send(HEADERS, END, id, &block);
    // A literal without a name in the table, its value of 16 000 bytes still to come.
    let piece = [&[0, 1, b'a', 0x7f, 0x81, 0x7c][..], &[b'x'; 16_000]].concat();
    scene.flood("http2-head-block-too-long", attacker, move |_| {
        frame(CONTINUATION, 0, id, &piece)
    });
}

fn heads_of_many_small_pieces(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.take_id();
    let block = head(&mut attacker, "/");
    attacker.send(HEADERS, END, id, &block);
    scene.flood("http2-continuation-flood", attacker, move |_| {
        frame(CONTINUATION, 0, id, &[0x40])
    });
}

fn references_that_grow_when_decompressed(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let value = "y".repeat(3900);
    let id = attacker.request("GET", "/", &[("x-bomb", &value)], true);
    assert_eq!(attacker.reply(id).status, 200);
    // Each byte stands for the 3900 of the newest entry of the table.
    for _ in 0..200 {
        let id = attacker.take_id();
        let mut block = head(&mut attacker, "/");
        block.extend_from_slice(&[0xbe; 15_000]);
        if !attacker.try_send(&frame(HEADERS, END_HEADERS | END, id, &block)) {
            break;
        }
    }
    let told = [
        "http2-head-too-large",
        "http2-too-many-fields",
        "http2-head-block-too-long",
    ];
    until("the bombs are refused", || {
        told.iter().any(|limit| scene.proxy.http2_limit(limit) > 0)
    });
    drop(attacker);
    let limit = told
        .into_iter()
        .find(|limit| scene.proxy.http2_limit(limit) > 0);
    scene.check(limit.unwrap());
}

fn a_head_that_is_too_large_is_answered(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let value = "z".repeat(3000);
    let id = attacker.request("GET", "/", &[("x-long", &value)], true);
    assert_eq!(attacker.reply(id).status, 200);
    // Each byte stands for the newest entry of the table.
    let id = attacker.take_id();
    let mut block = head(&mut attacker, "/");
    block.extend_from_slice(&[0xbe; 30]);
    attacker.send(HEADERS, END_HEADERS | END, id, &block);
    assert_eq!(attacker.reply(id).status, 431);
    assert_eq!(attacker.get("/next").status, 200);
    drop(attacker);
    scene.check("http2-head-too-large");
}

fn a_head_with_too_many_fields_is_answered(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.request("GET", "/", &[("x-a", "1"); 101], true);
    assert_eq!(attacker.reply(id).status, 431);
    assert_eq!(attacker.get("/next").status, 200);
    drop(attacker);
    scene.check("http2-too-many-fields");
}

fn trailers_that_are_too_large(engine: EngineKind) {
    let scene = Scene::new(engine);
    let mut attacker = scene.attacker();
    let id = attacker.request("POST", "/", &[], false);
    let value = "t".repeat(9000);
    let block = attacker.block(&[("x-trailer", &value)]);
    attacker.send(HEADERS, END_HEADERS | END, id, &block);
    assert!(attacker.reply(id).reset.is_some());
    assert_eq!(attacker.get("/next").status, 200);
    drop(attacker);
    scene.check("http2-trailers-too-large");
}
