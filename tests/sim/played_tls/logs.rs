//! What is told of sessions that do not come about.

use super::*;
use crate::log::{file, lines, log_to};
use std::fs;

const CONNECTION: &str = "%CONNECTION_ID% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DURATION% \
     %REQUESTED_SERVER_NAME% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON% \
     %DOWNSTREAM_TLS_VERSION%";

#[test]
fn a_listener_logs_each_connection_when_it_ends() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = Stage::new(&Script {
            listener: &log_to(&path, CONNECTION),
            chain: &format!(
                "{}\n      transport_socket_connect_timeout: 3s",
                mutual_front()
            ),
            is_tunnel,
            ..Script::default()
        });
        // Mute, until the time is over; halting, likewise; refused; not TLS; gone; gone within the handshake; served.
        let context = asks(&stage, asking());
        let (mute, halting) = (
            stage.client(),
            Scripted::client(&mut stage, &context, "b.test"),
        );
        stage.run(seconds(4));
        assert!(stage.has_ended(mute) && stage.has_ended(halting.sock));
        let mut refused = Scripted::client(&mut stage, &context, "a.test");
        settle(&mut stage, &mut [&mut refused]);
        stage.close(refused.sock);
        let plain = stage.client();
        stage.send(plain, GET);
        stage.settle();
        stage.close(plain);
        let silent = stage.client();
        stage.settle();
        stage.finish(silent);
        stage.settle();
        let halting = stage.client();
        stage.send(halting, [22, 3, 1]);
        stage.finish(halting);
        stage.settle();
        assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
        let mutual = asks(
            &stage,
            ClientSettings {
                identity: Some(certificates::all().client.identity()),
                ..asking()
            },
        );
        let mut served = Scripted::client(&mut stage, &mutual, "a.test");
        settle(&mut stage, &mut [&mut served]);
        assert!(served.is_open());
        served.finish(&mut stage);
        stage.settle();
        if is_tunnel {
            stage.finish(stage.accepted(0));
        }
        stage.settle();
        stage.end();
        let lines = lines(&path);
        let gone = if is_tunnel { "- DC - - -" } else { "- - - - -" };
        let expected = [
            "b.test DPE tls_handshake_timeout tls_handshake_timeout:_the_handshake_took_too_long -",
            "- DPE tls_handshake_timeout tls_handshake_timeout:_the_handshake_took_too_long -",
            "a.test DPE tls_certificate_required tls_certificate_required:_peer_sent_no_certificates -",
            "- DPE tls_no_hello tls_no_hello:_what_came_is_not_TLS -",
            gone,
            "- DPE tls_truncated tls_truncated:_the_connection_ended_during_the_handshake -",
            "a.test - - - TLSv1.3",
        ];
        assert_eq!(lines.len(), expected.len(), "{lines:#?}");
        for ((number, line), end) in lines.iter().enumerate().zip(expected) {
            let begin = format!("{number} 10.0.0.2 ");
            assert!(line.starts_with(&begin) && line.ends_with(end), "{line}");
        }
    }
}

/// A client that resets its connection within the answer, which is the `number`th connection to an endpoint.
fn leave_within_an_answer(stage: &mut Stage, number: usize) {
    let client = stage.deaf_client();
    stage.send(client, GET);
    stage.settle();
    let endpoint = stage.accepted(number);
    stage.send(endpoint, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    stage.settle();
    // What it has not read makes this a reset.
    stage.close(client);
    stage.settle();
    assert_eq!(stage.stats.listeners[0].requests_active.get(), 0);
}

#[test]
fn requests_of_a_client_that_is_gone_tell_whose_they_were() {
    let (path, conns) = (file(), file());
    let format = "%CONNECTION_ID% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT% %RESPONSE_FLAGS%";
    let mut stage = Stage::new(&Script {
        manager: &log_to(&path, format),
        listener: &log_to(&conns, "%CONNECTION_ID%"),
        ..Script::default()
    });
    for number in 0..2 {
        leave_within_an_answer(&mut stage, number);
    }
    stage.end();
    let lines = lines(&path);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (number, line) in lines.iter().enumerate() {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[..2], [&number.to_string(), "10.0.0.2"], "{line}");
        assert!(words[2] != "-" && words[3] == "DC", "{line}");
    }
    fs::remove_file(conns).unwrap();
}

#[test]
fn a_request_is_logged_before_its_connection() {
    let path = file();
    let mut stage = Stage::new(&Script {
        manager: &log_to(&path, "request"),
        listener: &log_to(&path, "connection"),
        ..Script::default()
    });
    leave_within_an_answer(&mut stage, 0);
    stage.end();
    assert_eq!(lines(&path), ["request", "connection"]);
}

#[test]
fn a_tunnel_tells_of_the_endpoint_tried_last() {
    let path = file();
    let format = "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%";
    let mut stage = Stage::new(&Script {
        manager: &format!(
            "max_connect_attempts: 2\n          {}",
            log_to(&path, format)
        ),
        cluster: &towards(""),
        endpoints: 2,
        is_tunnel: true,
        ..Script::default()
    });
    // The second try serves it, and its session breaks when it is established, or never comes about.
    for (number, has_served, is_broken) in [(0, true, false), (2, true, true), (4, false, false)] {
        let client = stage.client();
        stage.settle();
        let stranger = serves(&stage, &certificates::all().stranger);
        let mut refused = Scripted::endpoint(&stage, number, &stranger);
        settle(&mut stage, &mut [&mut refused]);
        if has_served {
            let mut served = endpoint(&mut stage, number + 1);
            match is_broken {
                true => stage.send(served.sock, GET),
                false => served.finish(&mut stage),
            }
        } else {
            stage.close(stage.accepted(number + 1));
        }
        stage.finish(client);
        stage.settle();
    }
    stage.end();
    let lines = lines(&path);
    assert_eq!(lines[0], "- - -");
    assert!(
        lines[1].starts_with("UPE tls_unexpected_message tls_unexpected_message:_"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("UF tls_truncated tls_truncated:_"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);
}

#[test]
fn why_no_tls_with_an_endpoint_came_about_is_logged_and_answered() {
    let path = file();
    let format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%";
    let mut stage = Stage::new(&Script {
        manager: &log_to(&path, format),
        cluster: &towards(""),
        ..Script::default()
    });
    let client = stage.client();
    stage.send(client, GET);
    stage.settle();
    let stranger = serves(&stage, &certificates::all().stranger);
    let mut endpoint = Scripted::endpoint(&stage, 0, &stranger);
    settle(&mut stage, &mut [&mut endpoint]);
    let told = "tls_unknown_ca: invalid peer certificate: UnknownIssuer";
    let answer = stage.text(client);
    assert_eq!(status(&answer), "503");
    assert!(
        answer.contains(&format!("transport failure reason: {told}")),
        "{answer}"
    );
    // The next try ends otherwise, and nothing of the first is told.
    stage.send(client, GET);
    stage.settle();
    let cut = stage.accepted(1);
    stage.close(cut);
    stage.settle();
    stage.end();
    let told = [
        told,
        "tls_truncated: the connection ended during the handshake",
    ];
    let expected = told.map(|reason| {
        let reason = reason.replace(' ', "_");
        format!(
            "503 UF upstream_reset_before_response_started{{connection_failure|{reason}}} {reason}"
        )
    });
    assert_eq!(lines(&path), expected);
}
