//! How TLS begins: with a hello in any form, with one of an old version, or with what is none.

use crate::support::{
    Client,
    tls::{Offer, offering},
    tls_scene::Scene,
    until,
};
use engines::EngineKind;
use rustls::{ClientConnection, pki_types::ServerName};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

on_each_engine!(
    old_versions_are_refused,
    what_is_no_hello_is_refused,
    hellos_in_pieces_are_understood,
    a_reset_within_a_handshake_is_counted,
);

/// A ClientHello of this version, without extensions.
fn old_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let message = [&[1, 0, 0, body.len() as u8], &body[..]].concat();
    [&[22, 3, 1, 0, message.len() as u8], &message[..]].concat()
}

fn old_versions_are_refused(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    for listener in ["tls", "tcp"] {
        for minor in 0..=2 {
            let mut client = Client::new(scene.proxy.at(listener));
            client.send(old_hello(minor));
            // An alert: fatal, protocol_version; SSL 3.0 to TLS 1.1, that is.
            let alert = client.rest();
            assert_eq!(alert.first(), Some(&21), "{listener} {minor}: {alert:?}");
            assert_eq!(alert[5], 2, "{alert:?}");
        }
    }
    assert_eq!(
        scene
            .proxy
            .metric("ringlb_listener_handshake_failures_total"),
        6
    );
    scene.check();
}

fn what_is_no_hello_is_refused(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let huge = {
        // Records of a hello that says it has 16 MB.
        let mut bytes = vec![22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff, 3, 3];
        bytes.resize(5 + 0x4000, 0);
        let more = [&[22, 3, 1, 0x40, 0][..], &[0; 0x4000]].concat();
        [bytes, more.repeat(8)].concat()
    };
    let too_long = [&[22, 3, 1, 0xff, 0xff][..], &[1; 0xffff]].concat();
    let empty = [22, 3, 1, 0, 0].repeat(5000);
    let http = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n".to_vec();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let garbage: Vec<u8> = (0..4000u32).map(|i| (i * i % 249) as u8).collect();
    let alert = vec![21, 3, 1, 0, 2, 2, 0];
    let data = vec![23, 3, 3, 0, 4, 1, 2, 3, 4];
    let sslv2 = [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[9; 37]].concat();
    let mut failures = 0;
    for listener in ["tls", "tcp"] {
        for (what, bytes) in [
            ("huge", &huge),
            ("too long", &too_long),
            ("empty", &empty),
            ("http", &http),
            ("http2", &http2),
            ("garbage", &garbage),
            ("alert", &alert),
            ("data", &data),
            ("sslv2", &sslv2),
        ] {
            let mut client = Client::new(scene.proxy.at(listener));
            let _ = client.try_send(bytes);
            let said = client.rest();
            assert!(
                said.is_empty() || said[0] == 21,
                "{listener} {what}: {said:?}"
            );
            assert!(said.len() <= 7, "{listener} {what}: {said:?}");
            failures += 1;
            let counted = || {
                scene
                    .proxy
                    .metric("ringlb_listener_handshake_failures_total")
            };
            until(&format!("{listener} {what} is counted"), || {
                counted() >= failures
            });
            assert_eq!(counted(), failures, "{listener} {what}");
        }
        // Who leaves within a handshake is not waited for.
        let mut client = Client::new(scene.proxy.at(listener));
        client.send([22, 3, 1]);
        client.finish();
        let _ = client.rest();
        failures += 1;
        // Who only looks whether anybody is there is no failure.
        let client = Client::new(scene.proxy.at(listener));
        client.finish();
        drop(client);
        Client::new(scene.proxy.at(listener)).reset();
    }
    until("those who only looked are gone", || {
        scene.proxy.metric("ringlb_listener_connections_active") == 1
    });
    assert_eq!(
        scene
            .proxy
            .metric("ringlb_listener_handshake_failures_total"),
        failures
    );
    let lingered = scene.proxy.metric("ringlb_listener_linger_timeouts_total");
    assert_eq!(lingered, 0);
    scene.check();
}

/// A client, and its ClientHello.
fn hello() -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("any.test").unwrap();
    let mut tls = ClientConnection::new(offering(&Offer::default()), name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    (tls, hello)
}

/// A handshake whose ClientHello is sent in another form.
fn hello_as(to: SocketAddr, form: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Client {
    let (tls, hello) = hello();
    let mut client = Client::new(to);
    for part in form(&hello) {
        client.send(part);
    }
    client.go_on(tls).unwrap();
    client
}

fn hellos_in_pieces_are_understood(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let at = scene.proxy.at("tls");
    let bytes = |hello: &[u8]| hello.iter().map(|byte| vec![*byte]).collect::<Vec<_>>();
    let record = |data: &[u8]| [&[22, 3, 1, 0, data.len() as u8], data].concat();
    // The first two bytes of the message in a record of their own, then one at a time.
    let records = |hello: &[u8]| vec![hello[5..].chunks(1).flat_map(record).collect()];
    let both = |hello: &[u8]| {
        let all: Vec<u8> = hello[5..].chunks(3).flat_map(record).collect();
        all.iter().map(|byte| vec![*byte]).collect()
    };
    for mut client in [
        hello_as(at, bytes),
        hello_as(at, records),
        hello_as(at, both),
        hello_as(scene.proxy.at("tcp"), bytes),
        hello_as(scene.proxy.at("tcp"), both),
    ] {
        assert_eq!(client.get("/pieces").status, 200);
    }
    scene.check();
}

fn a_reset_within_a_handshake_is_counted(engine: EngineKind) {
    let scene = Scene::new(engine, &[]);
    let mut client = TcpStream::connect(scene.proxy.at("tls")).unwrap();
    client.write_all(&hello().1).unwrap();
    client.read_exact(&mut [0]).unwrap();
    // What it has not read makes this a reset.
    drop(client);
    let counted = |name| scene.proxy.metric(name) == 1;
    until("it is a failed handshake", || {
        counted("ringlb_listener_handshake_failures_total")
    });
    let faults = "ringlb_tls_faults_total{detail=\"tls_truncated\"}";
    assert_eq!(scene.proxy.labelled(faults), 1);
    scene.check();
}
