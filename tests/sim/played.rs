//! Played scenes: each sets the one situation that its name tells of.

use crate::stage::{Script, Stage};
use ringlb::cluster::Breaker;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn status(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn an_answer_that_closes_reaches_a_slow_reader_whole() {
    let mut stage = Stage::new(&Script {
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(
        client,
        "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    );
    stage.settle();
    let body = "b".repeat(50_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n{body}");
    let endpoint = stage.accepted(0);
    stage.send(endpoint, answer);
    stage.run(seconds(10));
    stage.hear(client);
    stage.run(seconds(1));
    let text = stage.text(client);
    assert!(text.ends_with(&body), "{} bytes", text.len());
    assert!(stage.has_ended(client));
}

#[test]
fn a_peer_that_takes_nothing_of_a_last_answer_is_cut_at_last() {
    let mut stage = Stage::new(&Script {
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(
        client,
        "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
    );
    stage.settle();
    let body = "b".repeat(50_000);
    let endpoint = stage.accepted(0);
    stage.send(
        endpoint,
        format!("HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n{body}"),
    );
    stage.run(seconds(60));
    assert_eq!(stage.stats.listeners[0].flush_timeouts.get(), 1);
    assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
}

#[test]
fn a_waiting_request_is_under_the_routes_timeout() {
    let mut stage = Stage::new(&Script {
        route: ", timeout: 3s",
        cluster: "circuit_breakers: {thresholds: [{max_connections: 1}]}",
        ..Script::default()
    });
    let (first, second) = (stage.client(), stage.client());
    stage.send(
        first,
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n",
    );
    stage.settle();
    stage.send(second, GET);
    stage.run(seconds(4));
    assert_eq!(status(&stage.text(second)), "504");
}

#[test]
fn a_routes_idle_timeout_holds_from_the_request_on() {
    let mut stage = Stage::new(&Script {
        route: ", timeout: 0s, idle_timeout: 2s",
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.run(seconds(3));
    assert_eq!(status(&stage.text(client)), "504");
}

#[test]
fn a_route_without_idle_timeout_waits() {
    let mut stage = Stage::new(&Script {
        manager: "stream_idle_timeout: 2s",
        route: ", timeout: 0s, idle_timeout: 0s",
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.run(seconds(30));
    let endpoint = stage.accepted(0);
    stage.send(endpoint, OK);
    stage.settle();
    assert_eq!(status(&stage.text(client)), "200");
}

#[test]
fn a_try_on_a_fresh_connection_does_not_wait_for_idle_ones_to_grow_old() {
    let mut stage = Stage::new(&Script {
        route: ", timeout: 0s",
        cluster: "circuit_breakers: {thresholds: [{max_connections: 1}]}",
        ..Script::default()
    });
    let (first, second) = (stage.client(), stage.client());
    // The first connection is always allowed; the second takes the credit that came back.
    assert!(stage.breakers.acquire(Breaker::Connections));
    stage.send(first, GET);
    stage.settle();
    stage.breakers.release(Breaker::Connections);
    stage.send(second, GET);
    stage.settle();
    let (without, with) = (stage.accepted(0), stage.accepted(1));
    stage.send(with, OK);
    stage.settle();
    stage.send(without, OK);
    stage.settle();
    // The one used last turns out dead, the other is idle and takes all that is allowed.
    stage.send(first, GET);
    stage.settle();
    stage.close(without);
    stage.settle();
    let fresh = stage.accepted(2);
    stage.send(fresh, OK);
    stage.settle();
    assert!(stage.text(first).ends_with("ok"));
}

#[test]
fn a_drip_of_an_unwanted_request_ends_in_time() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    stage.send(
        client,
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n",
    );
    stage.settle();
    let endpoint = stage.accepted(0);
    stage.send(endpoint, "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n");
    stage.settle();
    assert_eq!(status(&stage.text(client)), "403");
    for _ in 0..15 {
        stage.send(client, "x");
        stage.run(seconds(1));
    }
    assert!(stage.has_ended(client));
}

#[test]
fn an_early_answer_is_whole_for_a_client_that_reads_only_when_it_has_written() {
    let mut stage = Stage::new(&Script {
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(
        client,
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 200000\r\n\r\n",
    );
    stage.settle();
    let endpoint = stage.accepted(0);
    let body = "b".repeat(133_000);
    stage.send(
        endpoint,
        format!("HTTP/1.1 200 OK\r\ncontent-length: 133000\r\n\r\n{body}"),
    );
    stage.send(client, "x".repeat(200_000));
    stage.run(seconds(5));
    assert_eq!(stage.unsent(client), 0);
    stage.hear(client);
    stage.run(seconds(5));
    let text = stage.text(client);
    assert!(text.ends_with(&body), "{} bytes", text.len());
}

#[test]
fn a_client_that_leaves_its_unwanted_upload_is_no_malformed_request() {
    let mut stage = Stage::new(&Script::default());
    let client = stage.client();
    stage.send(
        client,
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n",
    );
    stage.settle();
    let endpoint = stage.accepted(0);
    stage.send(endpoint, "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n");
    stage.settle();
    stage.finish(client);
    stage.settle();
    assert_eq!(stage.stats.listeners[0].malformed.get(), 0);
    assert!(stage.has_ended(client));
}

#[test]
fn a_draining_worker_answers_what_is_under_way_and_ends() {
    let mut stage = Stage::new(&Script::default());
    let (busy, idle) = (stage.client(), stage.client());
    stage.send(busy, GET);
    stage.settle();
    stage.drain(seconds(30));
    stage.settle();
    assert!(stage.has_ended(idle) && !stage.has_ended(busy));
    let endpoint = stage.accepted(0);
    stage.send(endpoint, OK);
    stage.settle();
    let text = stage.text(busy);
    assert!(
        text.contains("connection: close") && text.ends_with("ok"),
        "{text}"
    );
    stage.close(busy);
    stage.close(idle);
    stage.settle();
    assert!(stage.is_worker_over());
}

#[test]
fn a_request_id_is_replaced_where_the_peer_is_the_client() {
    for (manager, kept) in [
        ("use_remote_address: false", true),
        ("use_remote_address: true", false),
        (
            "use_remote_address: true\n          preserve_external_request_id: true",
            true,
        ),
    ] {
        let mut stage = Stage::new(&Script {
            manager,
            ..Script::default()
        });
        let client = stage.client();
        stage.send(
            client,
            "GET / HTTP/1.1\r\nhost: h\r\nx-request-id: theirs\r\n\r\n",
        );
        stage.settle();
        let text = stage.text(stage.accepted(0));
        assert_eq!(text.contains("x-request-id: theirs\r\n"), kept, "{text}");
        assert_eq!(text.matches("x-request-id").count(), 1, "{text}");
    }
}

#[test]
fn an_own_answer_that_cannot_have_a_body_has_none() {
    const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
    for status in [204, 304] {
        let filters = format!(
            "{{name: fault, typed_config: {{\"@type\": {FAULT}, abort: {{http_status: {status}, percentage: {{numerator: 100}}}}}}}},"
        );
        let mut stage = Stage::new(&Script {
            filters: &filters,
            ..Script::default()
        });
        let client = stage.client();
        for _ in 0..2 {
            stage.send(client, GET);
            stage.settle();
            let text = stage.text(client);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
            assert!(text.ends_with("\r\n\r\n"), "{text}");
            assert!(!text.contains("content-length"), "{text}");
        }
    }
}

#[test]
fn a_client_that_reads_nothing_keeps_few_upstream_connections() {
    let mut stage = Stage::new(&Script {
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(client, GET.repeat(600));
    let body = "b".repeat(300);
    let mut answered = 0;
    for _ in 0..600 {
        stage.settle();
        let asked = (0..stage.accepted_len()).find_map(|number| {
            let sock = stage.accepted(number);
            let is_asked = stage.text(sock).ends_with("\r\n\r\n");
            is_asked.then_some(sock)
        });
        let Some(endpoint) = asked else { break };
        stage.send(
            endpoint,
            format!("HTTP/1.1 200 OK\r\ncontent-length: 300\r\n\r\n{body}"),
        );
        answered += 1;
    }
    // As much is answered as may be unsent.
    assert!((200..600).contains(&answered), "{answered}");
    assert!(
        stage.accepted_len() <= 3,
        "{} connections",
        stage.accepted_len()
    );
    stage.hear(client);
    stage.run(seconds(1));
    assert_eq!(stage.text(client).matches("200 OK").count(), answered);
}

#[test]
fn answers_without_body_wait_for_room_as_well() {
    const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
    let filters = format!(
        "{{name: fault, typed_config: {{\"@type\": {FAULT}, abort: {{http_status: 204, percentage: {{numerator: 100}}}}}}}},"
    );
    let mut stage = Stage::new(&Script {
        filters: &filters,
        window: 8 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(client, GET.repeat(20_000));
    stage.run(seconds(20));
    assert!(stage.unsent(client) > 300_000, "all was read");
    stage.hear(client);
    stage.run(seconds(20));
    assert_eq!(stage.text(client).matches("HTTP/1.1 204").count(), 20_000);
}
