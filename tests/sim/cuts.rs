//! Played scenes of what is cut: peers without TLS see a reset behind what was whole, and never an end.

use crate::{
    secure::{
        certificates,
        contexts::{asking, serving},
        plan::{client as towards, server as front},
        scripted::{Scripted, settle},
    },
    stage::{Script, Stage},
};
use std::time::Duration;
use tls::{ClientContext, ServerContext};

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\r\nhalf of it";
const OLD_GET: &str = "GET / HTTP/1.0\r\nhost: h\r\n\r\n";
const OLD_TOO: &str = "http_protocol_options: {accept_http_10: true}";
const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";
const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_answer_without_length_ends_as_its_endpoint_ends() {
    for ends_by in ["fin", "close", "reset"] {
        let mut stage = Stage::new(&Script {
            manager: OLD_TOO,
            ..Script::default()
        });
        let client = stage.client();
        stage.send(client, OLD_GET);
        stage.settle();
        let endpoint = stage.accepted(0);
        stage.send(endpoint, ANSWER);
        stage.settle();
        match ends_by {
            "fin" => stage.finish(endpoint),
            "close" => stage.close(endpoint),
            _ => stage.abort(endpoint),
        }
        stage.run(seconds(1));
        assert!(stage.text(client).ends_with("half of it"));
        assert!(stage.has_ended(client));
        assert_eq!(stage.was_reset(client), ends_by == "reset", "{ends_by}");
    }
}

#[test]
fn a_slow_client_gets_what_was_whole_before_the_reset() {
    let mut stage = Stage::new(&Script {
        manager: OLD_TOO,
        window: 4 << 10,
        ..Script::default()
    });
    let client = stage.deaf_client();
    stage.send(client, OLD_GET);
    stage.settle();
    let endpoint = stage.accepted(0);
    // A length that a client of HTTP/1.0 is not told, as chunks are no length.
    let body = "b".repeat(20_000);
    let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n{body}\r\n");
    stage.send(endpoint, answer);
    stage.run(seconds(1));
    stage.abort(endpoint);
    stage.run(seconds(1));
    stage.hear(client);
    stage.run(seconds(1));
    assert!(stage.text(client).ends_with(&body));
    assert!(stage.was_reset(client));
}

#[test]
fn what_an_idle_or_ended_worker_leaves_unfinished_is_reset() {
    for drains in [true, false] {
        let mut stage = Stage::new(&Script {
            manager: OLD_TOO,
            route: ", idle_timeout: 5s, timeout: 0s",
            ..Script::default()
        });
        let [begun, asked] = [(); 2].map(|()| stage.client());
        stage.send(begun, OLD_GET);
        stage.settle();
        stage.send(stage.accepted(0), ANSWER);
        stage.send(asked, OLD_GET);
        stage.settle();
        if drains {
            stage.drain(seconds(1));
        }
        stage.run(seconds(6));
        assert!(stage.text(begun).ends_with("half of it"));
        assert!(stage.was_reset(begun));
        // Nothing of its answer was sent that could pass for all.
        assert!(stage.has_ended(asked) && !stage.was_reset(asked));
    }
}

#[test]
fn an_upgrade_that_is_cut_is_reset_on_its_other_side() {
    for is_client_first in [true, false] {
        for is_cut in [true, false] {
            let mut stage = Stage::new(&Script {
                manager: "upgrade_configs: [{upgrade_type: own}]",
                ..Script::default()
            });
            let client = stage.client();
            stage.send(client, UPGRADE);
            stage.settle();
            let endpoint = stage.accepted(0);
            stage.send(endpoint, UPGRADED);
            stage.settle();
            let (first, second) = match is_client_first {
                true => (client, endpoint),
                false => (endpoint, client),
            };
            stage.send(first, "some");
            stage.settle();
            if is_cut {
                stage.abort(first);
            } else {
                stage.finish(first);
            }
            stage.run(seconds(1));
            assert!(stage.text(second).ends_with("some"));
            assert!(stage.has_ended(second));
            assert_eq!(stage.was_reset(second), is_cut);
        }
    }
}

#[test]
fn a_tunnel_that_is_cut_is_reset_on_its_other_side() {
    for is_client_first in [true, false] {
        for how in ["cut", "drained", "idle", "ended"] {
            let mut stage = Stage::new(&Script {
                manager: "idle_timeout: 5s",
                is_tunnel: true,
                ..Script::default()
            });
            let client = stage.client();
            stage.send(client, "first");
            stage.settle();
            let endpoint = stage.accepted(0);
            let (first, second) = match is_client_first {
                true => (client, endpoint),
                false => (endpoint, client),
            };
            stage.send(first, "some");
            stage.settle();
            match how {
                "cut" => stage.abort(first),
                "drained" => stage.drain(Duration::ZERO),
                "ended" => {
                    stage.finish(first);
                    stage.finish(second);
                }
                _ => {}
            }
            stage.run(seconds(6));
            assert!(stage.text(second).ends_with("some"));
            assert!(stage.has_ended(second), "{how}");
            assert_eq!(stage.was_reset(second), how != "ended", "{how}");
        }
    }
}

#[test]
fn what_ended_before_a_cut_stays_ended() {
    let mut stage = Stage::new(&Script {
        is_tunnel: true,
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, "all");
    stage.finish(client);
    stage.settle();
    let endpoint = stage.accepted(0);
    stage.abort(client);
    stage.run(seconds(1));
    assert_eq!(stage.text(endpoint), "all");
    assert!(stage.has_ended(endpoint) && !stage.was_reset(endpoint));
}

/// What a TLS peer does to break off, and what of it is good.
const BREAKS: [(&str, &str); 3] = [
    ("fin", "some"),
    ("reset", "some"),
    // In one piece with good data in front.
    ("spoiled", "somegood"),
];

fn break_off(stage: &mut Stage, end: &mut Scripted, how: &str) {
    match how {
        "fin" => stage.finish(end.sock),
        "reset" => stage.abort(end.sock),
        _ => {
            let mut records = end.talk.seal(stage.wall(), b"good");
            let mut bad = end.talk.seal(stage.wall(), b"evil");
            if let Some(last) = bad.last_mut() {
                *last ^= 1;
            }
            records.append(&mut bad);
            stage.send(end.sock, records);
        }
    }
}

#[test]
fn a_plain_endpoint_sees_that_its_clients_tls_was_cut() {
    for (how, want) in BREAKS {
        let own = front(&[&certificates::all().a], "");
        let mut stage = Stage::new(&Script {
            chain: &own,
            is_tunnel: true,
            ..Script::default()
        });
        let context = ClientContext::new(&stage.provider, asking()).unwrap();
        let mut client = Scripted::client(&mut stage, &context, "a.test");
        settle(&mut stage, &mut [&mut client]);
        client.say(&mut stage, "some");
        stage.settle();
        let endpoint = stage.accepted(0);
        break_off(&mut stage, &mut client, how);
        stage.run(seconds(1));
        assert_eq!(stage.text(endpoint), want, "{how}");
        assert!(stage.was_reset(endpoint), "{how}");
        assert_eq!(stage.stats.clusters[0].connections_active.get(), 0);
    }
}

#[test]
fn a_plain_client_sees_that_its_endpoints_tls_was_cut() {
    for (how, want) in BREAKS {
        let mut stage = Stage::new(&Script {
            cluster: &towards(""),
            is_tunnel: true,
            ..Script::default()
        });
        let client = stage.client();
        stage.settle();
        let context =
            ServerContext::new(&stage.provider, serving(&certificates::all().endpoint)).unwrap();
        let mut endpoint = Scripted::endpoint(&stage, 0, &context);
        settle(&mut stage, &mut [&mut endpoint]);
        endpoint.say(&mut stage, "some");
        stage.settle();
        break_off(&mut stage, &mut endpoint, how);
        stage.run(seconds(1));
        assert_eq!(stage.text(client), want, "{how}");
        assert!(stage.was_reset(client), "{how}");
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
    }
}

/// A client that takes nothing holds a cut tunnel for a time only.
#[test]
fn a_cut_tunnel_waits_for_its_client_so_long() {
    for hears in [true, false] {
        let mut stage = Stage::new(&Script {
            cluster: &towards(""),
            is_tunnel: true,
            window: 4 << 10,
            ..Script::default()
        });
        let client = stage.deaf_client();
        stage.settle();
        let context =
            ServerContext::new(&stage.provider, serving(&certificates::all().endpoint)).unwrap();
        let mut endpoint = Scripted::endpoint(&stage, 0, &context);
        settle(&mut stage, &mut [&mut endpoint]);
        let data = "b".repeat(20_000);
        endpoint.say(&mut stage, &data);
        stage.finish(endpoint.sock);
        stage.run(seconds(20));
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 1);
        if hears {
            stage.hear(client);
        }
        stage.run(seconds(20));
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
        let timeouts = stage.stats.listeners[0].flush_timeouts.get();
        assert_eq!(timeouts, u64::from(!hears));
        stage.hear(client);
        stage.run(seconds(1));
        assert_eq!(stage.text(client) == data, hears);
        assert!(stage.was_reset(client));
    }
}
