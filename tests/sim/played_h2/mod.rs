//! Played scenes of connections that carry many streams.

mod refusals;
mod tunnels;

use crate::{
    h2::{
        frame,
        scripted::{Scripted, settle},
    },
    stage::{Script, Stage},
};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const HTTP2: &str = "http2_protocol_options: {}";
const ANY: usize = 1000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// HTTP/2 on both sides.
fn stage() -> Stage {
    stage_of(HTTP2)
}

fn stage_of(cluster: &str) -> Stage {
    Stage::new(&Script {
        cluster,
        ..Script::default()
    })
}

/// A client that has asked for so many things, and the endpoint that got them.
fn asked(stage: &mut Stage, requests: usize) -> (Scripted, Scripted, Vec<u32>) {
    let mut client = Scripted::client(stage);
    settle(stage, &mut [&mut client]);
    let streams = (0..requests).map(|_| client.ask("GET", true)).collect();
    settle(stage, &mut [&mut client]);
    let mut endpoint = Scripted::endpoint(stage, 0, ANY);
    settle(stage, &mut [&mut client, &mut endpoint]);
    (client, endpoint, streams)
}

#[test]
fn a_stream_that_is_not_read_holds_up_no_other_of_its_client() {
    let mut stage = stage();
    let (mut client, mut endpoint, streams) = asked(&mut stage, 2);
    client.gives = false;
    let (slow, quick) = (endpoint.asked()[0], endpoint.asked()[1]);
    let mut sent = endpoint.answer(slow, 1 << 20);
    for _ in 0..5 {
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        sent += endpoint.push(slow, (1 << 20) - sent);
    }
    // The client's window, and what the proxy's own lets the endpoint send ahead.
    assert_eq!(client.body(streams[0]), (65_535, false));
    assert!((120 << 10..=192 << 10).contains(&sent), "{sent}");
    assert_eq!(endpoint.answer(quick, 60_000), 60_000);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert_eq!(client.body(streams[1]), (60_000, true));
    client.gives = true;
    for _ in 0..40 {
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        let left = (1 << 20) - sent;
        sent += if left > 0 {
            endpoint.push(slow, left)
        } else {
            0
        };
    }
    assert_eq!(client.body(streams[0]), (1 << 20, true));
}

#[test]
fn a_client_that_stalls_holds_up_no_other_on_a_shared_upstream_connection() {
    let mut stage = stage();
    let (mut stalled, mut endpoint, _) = asked(&mut stage, 3);
    stalled.gives = false;
    let mut honest = Scripted::client(&mut stage);
    honest.ask("GET", true);
    let mut ends = [&mut stalled, &mut honest, &mut endpoint];
    settle(&mut stage, &mut ends);
    assert_eq!(stage.accepted_len(), 1, "they share a connection");
    let held: usize = endpoint.asked()[..3]
        .to_vec()
        .iter()
        .map(|stream| endpoint.answer(*stream, 4 << 20))
        .sum();
    assert!(held <= 3 * (64 << 10), "{held} bytes wait for nobody");
    let last = endpoint.asked()[3];
    assert_eq!(endpoint.answer(last, 60_000), 60_000);
    settle(&mut stage, &mut [&mut stalled, &mut honest, &mut endpoint]);
    assert_eq!(honest.body(1), (60_000, true));
    assert_eq!(stalled.body(1).0, 65_535);
}

#[test]
fn a_request_beyond_a_goaway_is_sent_to_a_new_connection() {
    let mut stage = stage();
    let (mut client, mut first, streams) = asked(&mut stage, 2);
    let (kept, late) = (first.asked()[0], first.asked()[1]);
    first.peer.go_away(kept, frame::NO_ERROR);
    if let Some(books) = first.peer.streams.get_mut(&late) {
        books.sent_reset = true;
    }
    settle(&mut stage, &mut [&mut client, &mut first]);
    assert_eq!(stage.accepted_len(), 2);
    let mut second = Scripted::endpoint(&stage, 1, ANY);
    settle(&mut stage, &mut [&mut client, &mut first, &mut second]);
    assert_eq!(second.asked().len(), 1);
    let again = second.asked()[0];
    second.answer(again, 5);
    first.answer(kept, 7);
    settle(&mut stage, &mut [&mut client, &mut first, &mut second]);
    let mut bodies = [client.body(streams[0]), client.body(streams[1])];
    bodies.sort_unstable();
    assert_eq!(bodies, [(5, true), (7, true)]);
    // What it carried is answered: the connection that goes is closed, and the other one serves.
    client.ask("GET", true);
    settle(&mut stage, &mut [&mut client, &mut first, &mut second]);
    assert!(stage.has_ended(first.sock) && second.asked().len() == 2);
}

#[test]
fn an_endpoint_that_allows_one_stream_gets_more_connections() {
    let mut stage = stage();
    let (mut client, mut first, _) = asked(&mut stage, 1);
    first.peer.tell_settings(frame::Settings {
        streams: 1,
        ..first.peer.ours.clone()
    });
    settle(&mut stage, &mut [&mut client, &mut first]);
    for _ in 0..2 {
        client.ask("GET", true);
        settle(&mut stage, &mut [&mut client, &mut first]);
    }
    // What one connection may carry is known of the others.
    assert_eq!((first.asked().len(), stage.accepted_len()), (1, 3));
    let mut second = Scripted::endpoint(&stage, 1, 1);
    settle(&mut stage, &mut [&mut client, &mut first, &mut second]);
    assert_eq!(second.asked().len(), 1);
    let stream = first.asked()[0];
    first.answer(stream, 1);
    settle(&mut stage, &mut [&mut client, &mut first, &mut second]);
    assert_eq!(client.body(1), (1, true));
}

#[test]
fn a_draining_worker_tells_twice_and_answers_what_it_has() {
    let mut stage = stage();
    let (mut client, mut endpoint, _) = asked(&mut stage, 1);
    stage.drain(seconds(30));
    client.is_mute = true;
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert_eq!(client.farewells(), [(frame::ID_MAX, frame::NO_ERROR)]);
    client.is_mute = false;
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    // The answer to the probe was lost with the silence: the time that was given ends by itself, or
    // with the last stream.
    let stream = endpoint.asked()[0];
    endpoint.answer(stream, 9);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert_eq!(client.body(1), (9, true));
}

#[test]
fn a_draining_worker_takes_what_was_under_way_and_ends() {
    let mut stage = stage();
    let (mut client, mut endpoint, _) = asked(&mut stage, 1);
    stage.drain(seconds(30));
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    let none = frame::NO_ERROR;
    assert_eq!(client.farewells(), [(frame::ID_MAX, none), (1, none)]);
    let stream = endpoint.asked()[0];
    endpoint.answer(stream, 9);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert_eq!(client.body(1), (9, true));
    assert!(stage.has_ended(client.sock));
    stage.close(client.sock);
    stage.run(seconds(3));
    assert!(stage.is_worker_over());
}

#[test]
fn a_rapid_reset_ends_its_connection_and_no_other() {
    let mut stage = stage();
    let mut rude = Scripted::client(&mut stage);
    let mut honest = Scripted::client(&mut stage);
    settle(&mut stage, &mut [&mut rude, &mut honest]);
    for _ in 0..1500 {
        let stream = rude.ask("GET", true);
        rude.peer.reset(stream, frame::CANCEL);
    }
    honest.ask("GET", true);
    settle(&mut stage, &mut [&mut rude, &mut honest]);
    let codes: Vec<u32> = rude.farewells().iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [frame::ENHANCE_YOUR_CALM]);
    assert!(stage.has_ended(rude.sock) && !stage.has_ended(honest.sock));
    let mut endpoint = Scripted::endpoint(&stage, 0, ANY);
    settle(&mut stage, &mut [&mut honest, &mut endpoint]);
    let stream = *endpoint.asked().last().unwrap();
    endpoint.answer(stream, 3);
    settle(&mut stage, &mut [&mut honest, &mut endpoint]);
    assert_eq!(honest.body(1), (3, true));
}

#[test]
fn an_endpoint_that_answers_no_ping_is_left_and_its_request_sent_to_a_new_connection() {
    let mut stage =
        stage_of("http2_protocol_options: {connection_keepalive: {interval: 2s, timeout: 1s}}");
    let (mut client, mut first, _) = asked(&mut stage, 1);
    let stream = first.asked()[0];
    first.answer(stream, 1);
    settle(&mut stage, &mut [&mut client, &mut first]);
    let again = client.ask("GET", true);
    settle(&mut stage, &mut [&mut client, &mut first]);
    assert_eq!((first.asked().len(), stage.accepted_len()), (2, 1));
    first.is_mute = true;
    stage.run(seconds(4));
    assert_eq!(stage.stats.clusters[0].keepalive_timeouts.get(), 1);
    assert!(stage.has_ended(first.sock));
    let mut second = Scripted::endpoint(&stage, 1, ANY);
    settle(&mut stage, &mut [&mut client, &mut second]);
    let stream = second.asked()[0];
    second.answer(stream, 4);
    settle(&mut stage, &mut [&mut client, &mut second]);
    assert_eq!(client.body(again), (4, true));
}

#[test]
fn requests_of_an_endpoint_that_dies_are_sent_again_only_where_that_is_safe() {
    let mut stage = stage();
    let (mut client, mut first, _) = asked(&mut stage, 10);
    let post = client.ask("POST", true);
    settle(&mut stage, &mut [&mut client, &mut first]);
    assert_eq!(first.asked().len(), 11);
    // It has answered before: that it dies now says nothing about the requests.
    let answered = first.asked()[0];
    first.answer(answered, 2);
    settle(&mut stage, &mut [&mut client, &mut first]);
    stage.close(first.sock);
    settle(&mut stage, &mut [&mut client]);
    assert_eq!(client.status(post), Some(503));
    let mut second = Scripted::endpoint(&stage, 1, ANY);
    settle(&mut stage, &mut [&mut client, &mut second]);
    assert_eq!(second.asked().len(), 9);
    for stream in second.asked() {
        second.answer(stream, 2);
    }
    settle(&mut stage, &mut [&mut client, &mut second]);
    for stream in (1..20).step_by(2) {
        assert_eq!(client.body(stream), (2, true), "{stream}");
    }
}

#[test]
fn a_request_that_an_endpoint_took_and_reset_is_not_sent_again() {
    const INTERNAL_ERROR: u32 = 2;
    let mut stage = stage();
    let (mut client, mut endpoint, _) = asked(&mut stage, 1);
    let post = client.ask("POST", true);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    let taken = endpoint.asked()[1];
    endpoint.peer.reset(taken, INTERNAL_ERROR);
    settle(&mut stage, &mut [&mut endpoint, &mut client]);
    settle(&mut stage, &mut [&mut endpoint, &mut client]);
    assert_eq!(client.status(post), Some(503));
    assert_eq!((endpoint.asked().len(), stage.accepted_len()), (2, 1));
}

#[test]
fn a_client_that_finishes_with_a_shut_window_is_not_waited_for() {
    let mut stage = Stage::new(&Script {
        cluster: HTTP2,
        manager: "stream_idle_timeout: 0s",
        route: ", timeout: 0s",
        ..Script::default()
    });
    let (mut client, mut endpoint, _) = asked(&mut stage, 1);
    client.gives = false;
    let stream = endpoint.asked()[0];
    endpoint.answer(stream, 100_000);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert_eq!(client.body(1), (65_535, false));
    stage.finish(client.sock);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert!(stage.has_ended(client.sock));
    let active = stage.stats.listeners[0].requests_active.get();
    assert_eq!(active, 0);
}

#[test]
fn a_deaf_http1_client_holds_up_no_http2_client_on_a_shared_connection() {
    let mut stage = Stage::new(&Script {
        cluster: HTTP2,
        window: 8 << 10,
        ..Script::default()
    });
    let deaf = stage.deaf_client();
    stage.send(deaf, GET);
    stage.settle();
    let mut endpoint = Scripted::endpoint(&stage, 0, ANY);
    let mut honest = Scripted::client(&mut stage);
    honest.ask("GET", true);
    settle(&mut stage, &mut [&mut honest, &mut endpoint]);
    let asked = endpoint.asked();
    let mut sent = endpoint.answer(asked[0], 8 << 20);
    stage.run(seconds(1));
    endpoint.answer(asked[1], 50_000);
    for _ in 0..20 {
        settle(&mut stage, &mut [&mut honest, &mut endpoint]);
        sent += endpoint.push(asked[0], (8 << 20) - sent);
    }
    assert_eq!(honest.body(1), (50_000, true));
    // Its stream's window, its connection's limit and what had left.
    assert!(sent < 1 << 20, "{sent} bytes wait for nobody");
}
