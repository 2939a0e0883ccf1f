//! Played scenes of encrypted connections.

use crate::{
    secure::{
        certificates::{self, Issued},
        contexts::{asking, serving},
        plan::{client as towards, server as front},
        scripted::{Scripted, settle},
        talk::{Talk, is_alert},
    },
    stage::{Script, Stage},
};
use ringlb::limits::HANDSHAKES_MAX;
use std::{sync::Arc, time::Duration};
use tls::{ClientContext, ClientSettings, ServerContext, ServerSettings, Version};

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// An answer that the end of the connection ends.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\nhalf of it";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn status(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}

/// Clients come with TLS; `more`: fields of the chain.
fn secure_front(more: &str) -> String {
    let own = front(
        &[&certificates::all().a],
        "alpn_protocols: [h2, http/1.1], ",
    );
    format!("{own}\n      {more}")
}

/// Clients have to present a certificate.
fn mutual_front() -> String {
    let trust = certificates::all().trust_yaml();
    let own = front(
        &[&certificates::all().a],
        &format!("validation_context: {trust}, "),
    );
    own.replacen("common_", "require_client_certificate: true, common_", 1)
}

fn asks(stage: &Stage, settings: ClientSettings) -> Arc<ClientContext> {
    ClientContext::new(&stage.provider, settings).unwrap()
}

fn serves(stage: &Stage, issued: &Issued) -> Arc<ServerContext> {
    ServerContext::new(&stage.provider, serving(issued)).unwrap()
}

/// A client whose handshake is over.
fn client(stage: &mut Stage) -> Scripted {
    let context = asks(stage, asking());
    let mut client = Scripted::client(stage, &context, "a.test");
    settle(stage, &mut [&mut client]);
    assert!(client.is_open(), "{:?}", client.fault);
    client
}

/// The endpoint's side of a connection, its handshake over.
fn endpoint(stage: &mut Stage, number: usize) -> Scripted {
    let context = serves(stage, &certificates::all().endpoint);
    let mut endpoint = Scripted::endpoint(stage, number, &context);
    settle(stage, &mut [&mut endpoint]);
    assert!(endpoint.is_open(), "{:?}", endpoint.fault);
    endpoint
}

fn fault(stage: &Stage, detail: &str) -> u64 {
    let faults = stage.stats.tls.faults.lock().unwrap();
    let found = faults.iter().find(|(name, _)| *name == detail);
    found.map_or(0, |(_, count)| *count)
}

#[test]
fn an_answer_without_length_is_whole_only_if_its_end_was_said() {
    for is_cut in [false, true] {
        let mut stage = Stage::new(&Script {
            cluster: &towards(""),
            ..Script::default()
        });
        let client = stage.client();
        stage.send(client, GET);
        stage.settle();
        let mut endpoint = endpoint(&mut stage, 0);
        settle(&mut stage, &mut [&mut endpoint]);
        assert!(endpoint.text().starts_with("GET / "));
        endpoint.say(&mut stage, ENDLESS);
        if is_cut {
            stage.finish(endpoint.sock);
        } else {
            endpoint.finish(&mut stage);
        }
        stage.settle();
        let text = stage.text(client);
        assert!(text.contains("half of it"), "{text}");
        assert_eq!(text.ends_with("0\r\n\r\n"), !is_cut, "{text}");
        assert_eq!(stage.has_ended(client), is_cut);
    }
}

#[test]
fn the_end_of_a_cut_answer_is_not_said_to_its_client() {
    for is_cut in [false, true] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(""),
            manager: "http_protocol_options: {accept_http_10: true}",
            cluster: &towards(""),
            ..Script::default()
        });
        let mut client = client(&mut stage);
        client.say(&mut stage, "GET / HTTP/1.0\r\nhost: h\r\n\r\n");
        stage.settle();
        let mut endpoint = endpoint(&mut stage, 0);
        endpoint.say(&mut stage, ENDLESS);
        if is_cut {
            stage.finish(endpoint.sock);
        } else {
            endpoint.finish(&mut stage);
        }
        settle(&mut stage, &mut [&mut client]);
        assert!(client.text().ends_with("half of it"));
        assert_eq!(client.has_closed(), !is_cut);
        assert!(stage.has_ended(client.sock));
    }
}

#[test]
fn a_request_that_was_cut_is_not_complete_for_its_endpoint() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        ..Script::default()
    });
    let mut client = client(&mut stage);
    let head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    client.say(&mut stage, head);
    stage.settle();
    stage.finish(client.sock);
    stage.settle();
    let endpoint = stage.accepted(0);
    let text = stage.text(endpoint);
    assert!(
        text.contains("half") && !text.contains("0\r\n\r\n"),
        "{text}"
    );
    assert!(stage.has_ended(endpoint));
}

#[test]
fn a_handshake_that_takes_too_long_is_given_up() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front("transport_socket_connect_timeout: 3s"),
        ..Script::default()
    });
    let context = asks(&stage, asking());
    let mut hello = Vec::new();
    Talk::connect(&context, "a.test", stage.wall(), &mut hello);
    let (mute, halting, mut quick) = (stage.client(), stage.client(), client(&mut stage));
    stage.send(halting, &hello[..hello.len() / 2]);
    stage.run(seconds(2));
    assert!(!stage.has_ended(mute) && !stage.has_ended(halting));
    stage.run(seconds(2));
    assert!(stage.has_ended(mute) && stage.has_ended(halting));
    assert_eq!(stage.stats.listeners[0].handshake_timeouts.get(), 2);
    settle(&mut stage, &mut [&mut quick]);
    assert!(!stage.has_ended(quick.sock));
    assert_eq!(stage.stats.listeners[0].connections_active.get(), 1);
}

#[test]
fn the_oldest_handshake_gives_way_when_there_are_too_many() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        ..Script::default()
    });
    let mut open = client(&mut stage);
    let first = stage.client();
    stage.settle();
    let second = stage.client();
    stage.settle();
    for _ in 2..HANDSHAKES_MAX {
        stage.client();
    }
    stage.settle();
    assert!(!stage.has_ended(first), "the limit is not passed yet");
    let last = stage.client();
    stage.settle();
    let ended = [first, second, last, open.sock].map(|sock| stage.has_ended(sock));
    assert_eq!(ended, [true, false, false, false]);
    assert_eq!(stage.stats.listeners[0].handshake_overflows.get(), 1);
    open.say(&mut stage, GET);
    stage.settle();
    stage.send(stage.accepted(0), OK);
    settle(&mut stage, &mut [&mut open]);
    assert_eq!(status(&open.text()), "200");
}

#[test]
fn a_hello_may_come_byte_by_byte() {
    let inspected = "filter_chain_match: {server_names: [a.test]}";
    for more in ["", inspected] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(more),
            is_inspecting: !more.is_empty(),
            ..Script::default()
        });
        let (context, mut hello) = (asks(&stage, asking()), Vec::new());
        let talk = Talk::connect(&context, "a.test", stage.wall(), &mut hello);
        let sock = stage.client();
        for byte in hello {
            stage.send(sock, [byte]);
            stage.run(Duration::from_millis(1));
        }
        let mut client = Scripted::new(sock, talk);
        settle(&mut stage, &mut [&mut client]);
        assert!(client.is_open(), "{:?}", client.fault);
        client.say(&mut stage, GET);
        stage.settle();
        stage.send(stage.accepted(0), OK);
        settle(&mut stage, &mut [&mut client]);
        assert_eq!(status(&client.text()), "200");
    }
}

#[test]
fn who_is_refused_is_told_why_before_the_connection_ends() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut stage = Stage::new(&Script {
            chain: &mutual_front(),
            ..Script::default()
        });
        let settings = ClientSettings {
            versions: (Version::Tls12, version),
            ..asking()
        };
        let context = asks(&stage, settings);
        let mut client = Scripted::client(&mut stage, &context, "a.test");
        settle(&mut stage, &mut [&mut client]);
        if client.is_open() {
            client.say(&mut stage, GET);
        }
        settle(&mut stage, &mut [&mut client]);
        assert!(client.fault.as_ref().is_some_and(is_alert), "{version:?}");
        assert!(stage.has_ended(client.sock));
        assert_eq!(stage.accepted_len(), 0);
        assert_eq!(stage.stats.listeners[0].handshake_failures.get(), 1);
    }
}

#[test]
fn who_speaks_no_tls_gets_an_alert_and_nothing_plain() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.settle();
    // A fatal alert, unexpected_message.
    assert_eq!(stage.bytes(client), [21, 3, 3, 0, 2, 2, 10]);
    assert!(stage.has_ended(client));
    assert_eq!(fault(&stage, "tls_no_hello"), 1);
}

#[test]
fn a_request_is_answered_behind_its_clients_end() {
    for says_end in [true, false] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(""),
            cluster: &towards(""),
            ..Script::default()
        });
        let mut client = client(&mut stage);
        client.say(&mut stage, GET);
        if says_end {
            client.say_end(&mut stage);
        }
        stage.finish(client.sock);
        stage.settle();
        let mut endpoint = endpoint(&mut stage, 0);
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        assert!(endpoint.text().starts_with("GET / "));
        assert!(!stage.has_ended(client.sock));
        endpoint.say(&mut stage, OK);
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        assert!(client.text().ends_with("\r\n\r\nok"));
        assert!(client.has_closed() && stage.has_ended(client.sock));
        assert!(!stage.has_ended(endpoint.sock), "it is good for more");
    }
}

#[test]
fn an_endpoint_may_end_its_answer_while_the_request_goes_on() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        cluster: &towards(""),
        ..Script::default()
    });
    let mut client = client(&mut stage);
    let head = "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n";
    client.say(&mut stage, format!("{head}four"));
    stage.settle();
    let mut endpoint = endpoint(&mut stage, 0);
    endpoint.say(&mut stage, ENDLESS);
    endpoint.finish(&mut stage);
    settle(&mut stage, &mut [&mut client, &mut endpoint]);
    assert!(client.text().ends_with("half of it\r\n0\r\n\r\n"));
    assert!(stage.has_ended(endpoint.sock));
    client.say(&mut stage, " more");
    settle(&mut stage, &mut [&mut client]);
    assert!(client.fault.is_none(), "{:?}", client.fault);
}

#[test]
fn both_ends_of_a_tunnel_end_one_after_the_other() {
    for is_client_first in [true, false] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(""),
            cluster: &towards(""),
            is_tunnel: true,
            ..Script::default()
        });
        let mut client = client(&mut stage);
        stage.settle();
        let mut endpoint = endpoint(&mut stage, 0);
        let (mut first, mut second) = match is_client_first {
            true => (&mut client, &mut endpoint),
            false => (&mut endpoint, &mut client),
        };
        first.say(&mut stage, "one");
        first.finish(&mut stage);
        settle(&mut stage, &mut [&mut first, &mut second]);
        assert_eq!(second.text(), "one");
        assert!(second.has_closed() && stage.has_ended(second.sock));
        assert!(!first.has_closed() && !stage.has_ended(first.sock));
        second.say(&mut stage, "two");
        second.finish(&mut stage);
        settle(&mut stage, &mut [&mut first, &mut second]);
        assert_eq!(first.text(), "two");
        assert!(first.has_closed() && stage.has_ended(first.sock));
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
    }
}

#[test]
fn an_endpoint_whose_handshake_fails_is_no_endpoint() {
    let mut stage = Stage::new(&Script {
        cluster: &towards(""),
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.settle();
    let context = serves(&stage, &certificates::all().expired);
    let mut expired = Scripted::endpoint(&stage, 0, &context);
    settle(&mut stage, &mut [&mut expired]);
    assert!(!expired.is_open());
    assert!(expired.fault.as_ref().is_some_and(is_alert));
    assert!(stage.has_ended(expired.sock));
    assert_eq!(status(&stage.text(client)), "503");
    assert_eq!(fault(&stage, "tls_certificate_expired"), 1);
    assert_eq!(stage.stats.clusters[0].handshake_failures.get(), 1);
}

#[test]
fn a_request_goes_to_another_endpoint_when_a_handshake_fails() {
    let mut stage = Stage::new(&Script {
        cluster: &towards(""),
        route: ", retry_policy: {retry_on: connect-failure, num_retries: 1}",
        endpoints: 2,
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.settle();
    let context = serves(&stage, &certificates::all().stranger);
    let mut stranger = Scripted::endpoint(&stage, 0, &context);
    settle(&mut stage, &mut [&mut stranger]);
    assert!(stranger.text().is_empty());
    let mut endpoint = endpoint(&mut stage, 1);
    settle(&mut stage, &mut [&mut endpoint]);
    assert!(endpoint.text().starts_with("GET / "));
    endpoint.say(&mut stage, OK);
    stage.settle();
    assert_eq!(status(&stage.text(client)), "200");
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        ..Script::default()
    });
    let mut first = client(&mut stage);
    let settings = ServerSettings {
        alpn: vec![b"http/1.1".to_vec()],
        ..serving(&certificates::all().b)
    };
    let context = ServerContext::new(&stage.provider, settings).unwrap();
    let chain = stage.snapshot.listeners[0].chains.get(0);
    chain.tls.as_ref().unwrap().context.put(context);
    let context = asks(&stage, asking());
    let mut second = Scripted::client(&mut stage, &context, "b.test");
    let mut third = Scripted::client(&mut stage, &context, "a.test");
    settle(&mut stage, &mut [&mut first, &mut second, &mut third]);
    assert!(second.is_open(), "{:?}", second.fault);
    assert!(!third.is_open() && third.fault.is_some());
    for (number, client) in [&mut first, &mut second].into_iter().enumerate() {
        client.say(&mut stage, GET);
        stage.settle();
        assert_eq!(stage.accepted_len(), 1, "request {number}");
        stage.send(stage.accepted(0), OK);
        settle(&mut stage, &mut [client]);
        assert_eq!(status(&client.text()), "200");
    }
}

#[test]
fn a_draining_worker_ends_what_is_encrypted_properly() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front(""),
        cluster: &towards(""),
        ..Script::default()
    });
    let (mut idle, mut busy) = (client(&mut stage), client(&mut stage));
    let context = asks(&stage, asking());
    busy.say(&mut stage, GET);
    stage.settle();
    let mut endpoint = endpoint(&mut stage, 0);
    // Its hello is said, and not yet heard.
    let mut late = Scripted::client(&mut stage, &context, "a.test");
    stage.run(Duration::from_millis(1));
    stage.drain(seconds(60));
    settle(&mut stage, &mut [&mut idle, &mut late, &mut endpoint]);
    assert!(idle.has_closed() && stage.has_ended(idle.sock));
    assert!(late.is_open(), "{:?}", late.fault);
    endpoint.say(&mut stage, OK);
    settle(&mut stage, &mut [&mut busy, &mut endpoint]);
    assert_eq!(status(&busy.text()), "200");
    assert!(busy.has_closed() && stage.has_ended(busy.sock));
    late.say(&mut stage, GET);
    stage.settle();
    let mut endpoint = self::endpoint(&mut stage, 1);
    endpoint.say(&mut stage, OK);
    settle(&mut stage, &mut [&mut late, &mut endpoint]);
    assert_eq!(status(&late.text()), "200");
    assert!(late.has_closed());
    for end in [&idle, &busy, &late] {
        stage.close(end.sock);
    }
    stage.run(seconds(3));
    assert!(stage.is_worker_over());
}
