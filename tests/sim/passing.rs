//! Played scenes of long answers, whose bodies the engine passes on.

use crate::stage::{Script, Stage};
use engines::Sock;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LEN: usize = 600_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn body() -> String {
    let line = |at: usize| format!("{:09}\n", at * 10);
    (0..LEN / 10).map(line).collect()
}

fn long() -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {LEN}\r\n\r\n{}", body())
}

/// A client that has asked, and the endpoint's connection that the request came to.
fn asked(stage: &mut Stage, client: Sock) -> Sock {
    let known = stage.accepted_len();
    stage.send(client, GET);
    stage.settle();
    stage.accepted(known)
}

fn passes(stage: &Stage) -> u64 {
    stage.stats.listeners[0].passes.get()
}

#[test]
fn a_long_answer_passes_and_both_connections_go_on() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    for round in 1..=3 {
        stage.send(endpoint, long());
        stage.run(seconds(1));
        let text = stage.text(client);
        assert!(text.ends_with(&body()), "{} bytes", text.len());
        assert_eq!(passes(&stage), round);
        stage.send(client, GET);
        stage.settle();
        stage.send(endpoint, OK);
        stage.settle();
        assert!(stage.text(client).ends_with("\r\n\r\nok"));
        stage.send(client, GET);
        stage.settle();
    }
    assert_eq!(stage.accepted_len(), 1);
    let sent = stage.stats.listeners[0].sent_bytes.get();
    assert_eq!(sent, 3 * (LEN as u64 + 2));
}

#[test]
fn pipelined_requests_wait_for_what_passes() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    stage.send(client, GET.repeat(3));
    stage.settle();
    let endpoint = stage.accepted(0);
    for answer in [long(), OK.to_owned(), long()] {
        stage.send(endpoint, &answer);
        stage.run(seconds(1));
        let (_, sent) = answer.split_once("\r\n\r\n").unwrap();
        assert!(stage.text(client).ends_with(sent));
    }
    assert_eq!((passes(&stage), stage.accepted_len()), (2, 1));
}

#[test]
fn an_answer_without_length_passes_to_its_end() {
    let mut stage = Stage::new(&Script {
        manager: "http_protocol_options: {accept_http_10: true}",
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, "GET / HTTP/1.0\r\nhost: h\r\n\r\n");
    stage.settle();
    let endpoint = stage.accepted(0);
    stage.send(endpoint, "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &body());
    stage.settle();
    assert!(!stage.has_ended(client));
    stage.send(endpoint, body());
    stage.finish(endpoint);
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body().repeat(2)));
    assert!(stage.has_ended(client) && stage.has_ended(endpoint));
    let stats = &stage.stats.listeners[0];
    assert_eq!(
        (passes(&stage), stats.sent_bytes.get()),
        (1, 2 * LEN as u64)
    );
}

#[test]
fn what_comes_behind_a_long_answer_reaches_no_other_request() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    stage.send(client, GET);
    stage.settle();
    stage.send(
        endpoint,
        long() + "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    );
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body()));
    assert!(stage.has_ended(endpoint));
    stage.send(stage.accepted(1), OK);
    stage.settle();
    assert!(stage.text(client).ends_with("\r\n\r\nok"));
    assert_eq!(passes(&stage), 1);
}

#[test]
fn an_endpoint_that_dies_while_its_answer_passes_cuts_it() {
    for closes in [true, false] {
        let mut stage = Stage::new(&Script::default());
        let client = stage.client();
        let endpoint = asked(&mut stage, client);
        stage.send(endpoint, &long()[..LEN / 2]);
        stage.run(seconds(1));
        assert_eq!(passes(&stage), 1);
        assert!(!stage.has_ended(client));
        if closes {
            stage.close(endpoint);
        } else {
            stage.finish(endpoint);
        }
        stage.run(seconds(1));
        assert!(stage.has_ended(client));
        let (_, got) = stage.text(client).split_once("\r\n\r\n").map(own).unwrap();
        assert_eq!(got, body()[..got.len()]);
        let stats = &stage.stats.listeners[0];
        assert_eq!(stats.sent_bytes.get(), got.len() as u64);
        let over = (stats.requests_active.get(), stats.connections_active.get());
        assert_eq!(over, (0, 0));
    }
}

fn own((head, rest): (&str, &str)) -> (String, String) {
    (head.to_owned(), rest.to_owned())
}

#[test]
fn a_client_that_leaves_ends_what_passes() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n";
    stage.send(endpoint, head.to_owned() + &body());
    stage.settle();
    stage.close(client);
    stage.send(endpoint, body());
    stage.run(seconds(1));
    assert!(stage.has_ended(endpoint));
    let stats = &stage.stats.listeners[0];
    assert_eq!((stats.requests_active.get(), stats.resets.get()), (0, 1));
    assert!(stats.sent_bytes.get() >= LEN as u64, "progress is counted");
}

#[test]
fn a_client_that_takes_nothing_stops_what_passes_and_is_cut_when_idle() {
    let mut stage = Stage::new(&Script {
        manager: "stream_idle_timeout: 5s",
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(client, GET);
    stage.settle();
    let endpoint = stage.accepted(0);
    stage.send(endpoint, long());
    stage.run(seconds(4));
    assert_eq!(passes(&stage), 1);
    assert!(stage.unsent(endpoint) > 0, "nothing held it back");
    stage.run(seconds(4));
    assert!(stage.has_ended(endpoint));
    assert_eq!(stage.stats.listeners[0].stream_idle_timeouts.get(), 1);
}

#[test]
fn progress_of_what_passes_keeps_its_stream_from_being_idle() {
    let mut stage = Stage::new(&Script {
        manager: "stream_idle_timeout: 3s",
        route: ", timeout: 0s",
        ..Script::default()
    });
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    let answer = long();
    let (first, rest) = answer.split_at(LEN / 2);
    stage.send(endpoint, first);
    for part in rest.as_bytes().chunks(LEN / 20) {
        stage.run(seconds(2));
        stage.send(endpoint, part);
    }
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body()));
    assert_eq!(passes(&stage), 1);
}

#[test]
fn short_patience_keeps_an_answer_here() {
    let mut stage = Stage::new(&Script {
        manager: "stream_idle_timeout: 1s",
        ..Script::default()
    });
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    stage.send(endpoint, long());
    stage.settle();
    assert!(stage.text(client).ends_with(&body()));
    assert_eq!(passes(&stage), 0);
}

#[test]
fn a_routes_timeout_cuts_what_passes() {
    let mut stage = Stage::new(&Script {
        route: ", timeout: 3s",
        ..Script::default()
    });
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    stage.send(endpoint, &long()[..LEN / 2]);
    stage.run(seconds(4));
    assert!(stage.has_ended(client) && stage.has_ended(endpoint));
    let counted = (passes(&stage), stage.stats.clusters[0].timeouts.get());
    assert_eq!(counted, (1, 1));
}

#[test]
fn a_worker_that_drains_ends_after_what_passes() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    let endpoint = asked(&mut stage, client);
    stage.send(endpoint, &long()[..LEN / 2]);
    stage.settle();
    stage.drain(seconds(60));
    stage.run(seconds(1));
    assert!(!stage.is_worker_over() && !stage.has_ended(client));
    stage.send(endpoint, &long()[LEN / 2..]);
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body()));
    stage.close(client);
    stage.run(seconds(3));
    assert!(stage.is_worker_over());
}

#[test]
fn filters_that_look_at_heads_only_let_it_pass() {
    let fault = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
    let filter = format!(
        "{{name: f, typed_config: {{\"@type\": {fault}, delay: {{fixed_delay: 0.1s, percentage: {{numerator: 100}}}}}}}},"
    );
    let mut stage = Stage::new(&Script {
        filters: &filter,
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.run(seconds(1));
    stage.send(stage.accepted(0), long());
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body()));
    assert_eq!(passes(&stage), 1);
}
