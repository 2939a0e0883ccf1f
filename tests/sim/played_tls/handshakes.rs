//! How sessions begin, or do not.

use super::*;
use crate::log::{file, lines, log_to};

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
fn a_handshake_of_a_tunnel_has_its_time_once() {
    let mut stage = Stage::new(&Script {
        chain: &secure_front("transport_socket_connect_timeout: 3s"),
        is_tunnel: true,
        ..Script::default()
    });
    let (context, mut hello) = (asks(&stage, asking()), Vec::new());
    Talk::connect(&context, "a.test", stage.wall(), &mut hello);
    let client = stage.client();
    stage.run(seconds(2));
    // What is sent in answer to the hello is no reason to wait longer.
    stage.send(client, &hello);
    stage.run(Duration::from_millis(900));
    assert!(!stage.bytes(client).is_empty() && !stage.has_ended(client));
    stage.run(Duration::from_millis(200));
    assert!(stage.has_ended(client));
    assert_eq!(stage.stats.listeners[0].handshake_timeouts.get(), 1);
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
fn a_handshake_that_has_failed_is_none_of_too_many() {
    for is_tunnel in [false, true] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(""),
            is_tunnel,
            ..Script::default()
        });
        let refused = stage.client();
        stage.send(refused, GET);
        stage.settle();
        assert_eq!(fault(&stage, "tls_no_hello"), 1);
        for _ in 0..HANDSHAKES_MAX {
            stage.client();
        }
        stage.settle();
        assert_eq!(stage.stats.listeners[0].handshake_overflows.get(), 0);
        stage.client();
        stage.settle();
        assert_eq!(stage.stats.listeners[0].handshake_overflows.get(), 1);
    }
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
fn a_bad_hello_counts_the_same_wherever_it_is_read() {
    let inspected = "filter_chain_match: {server_names: [a.test]}";
    // A message that is no ClientHello, and one of 64 KiB.
    let (bad, long) = ([22, 3, 1, 0, 4, 2, 0, 0, 0], [22, 3, 1, 0, 4, 1, 1, 0, 0]);
    for more in ["", inspected] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(more),
            is_inspecting: !more.is_empty(),
            ..Script::default()
        });
        for (hello, detail) in [(bad, "tls_bad_hello"), (long, "tls_hello_too_long")] {
            let client = stage.client();
            stage.send(client, hello);
            stage.settle();
            assert!(stage.has_ended(client));
            assert_eq!(fault(&stage, detail), 1, "{more} {detail}");
        }
        assert_eq!(stage.stats.listeners[0].handshake_failures.get(), 2);
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

#[test]
fn silent_clients_do_not_hold_a_drain_up() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = Stage::new(&Script {
            listener: &log_to(&path, "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"),
            chain: &secure_front("transport_socket_connect_timeout: 0s"),
            is_tunnel,
            ..Script::default()
        });
        let (context, mut hello) = (asks(&stage, asking()), Vec::new());
        Talk::connect(&context, "a.test", stage.wall(), &mut hello);
        let (mute, halting) = (stage.client(), stage.client());
        stage.send(halting, &hello[..hello.len() / 2]);
        // It says nothing after its handshake, which ends while the worker drains.
        let mut late = Scripted::client(&mut stage, &context, "a.test");
        stage.run(Duration::from_millis(1));
        stage.drain(seconds(60));
        settle(&mut stage, &mut [&mut late]);
        assert!(late.is_open(), "{:?}", late.fault);
        stage.run(LINGER_TIME - Duration::from_millis(100));
        assert!(!stage.has_ended(mute) && !stage.has_ended(halting));
        stage.run(Duration::from_millis(200));
        assert!(stage.has_ended(mute) && stage.has_ended(halting));
        // A tunnel that is open goes on.
        assert_eq!(stage.has_ended(late.sock), !is_tunnel);
        stage.close(late.sock);
        if is_tunnel {
            stage.close(stage.accepted(0));
        }
        stage.settle();
        assert!(stage.is_worker_over());
        let stats = &stage.stats.listeners[0];
        let timeouts = [&stats.handshake_timeouts, &stats.idle_timeouts];
        assert_eq!(timeouts.map(|counter| counter.get()), [0, 0]);
        assert_eq!(fault(&stage, "tls_truncated"), 0);
        stage.end();
        let lines = lines(&path);
        assert_eq!(lines[..2], ["- draining"; 2], "{lines:?}");
    }
}

#[test]
fn a_client_that_ends_and_then_resets_its_handshake_counts_once() {
    for is_tunnel in [false, true] {
        let mut stage = Stage::new(&Script {
            chain: &secure_front(""),
            is_tunnel,
            window: 100,
            ..Script::default()
        });
        let (context, mut hello) = (asks(&stage, asking()), Vec::new());
        Talk::connect(&context, "a.test", stage.wall(), &mut hello);
        // It does not take what it is answered.
        let client = stage.deaf_client();
        stage.send(client, &hello);
        stage.finish(client);
        stage.run(Duration::from_millis(100));
        stage.close(client);
        stage.run(seconds(10));
        assert_eq!(fault(&stage, "tls_truncated"), 1);
        assert_eq!(stage.stats.listeners[0].handshake_failures.get(), 1);
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
    }
}
