//! Who ends what, and who only breaks off.

use super::*;

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
