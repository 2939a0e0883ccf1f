//! WebSocket over every chain of protocols, with half-closes.

use super::{ANY, HTTP2};
use crate::{
    h2::scripted::{Scripted, settle},
    stage::{Script, Stage},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha1::{Digest, Sha1};

const UPGRADES: &str = "upgrade_configs: [{upgrade_type: websocket}]
          http2_protocol_options: {allow_connect: true}";
const H1_ASK: &str =
    "GET / HTTP/1.1\r\nhost: h\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
const H2_ASK: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "h"),
    (":path", "/"),
];

/// What proves that a WebSocket's key was understood (RFC 6455 §4.2.2).
fn accept(key: &str) -> String {
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64_STANDARD.encode(Sha1::digest(format!("{key}{guid}")))
}

/// One end of a tunnel, in either protocol.
enum Mouth {
    Http1(engines::Sock),
    Http2(Box<Scripted>, u32),
}

impl Mouth {
    fn settle(&mut self, stage: &mut Stage) {
        match self {
            Self::Http1(_) => stage.settle(),
            Self::Http2(end, _) => settle(stage, &mut [end]),
        }
    }

    fn say(&mut self, stage: &mut Stage, end: bool) {
        match self {
            Self::Http1(sock) => {
                stage.send(*sock, "bbbb");
                if end {
                    stage.finish(*sock);
                }
            }
            Self::Http2(peer, stream) => peer.peer.data(*stream, b"bbbb", end),
        }
        self.settle(stage);
    }

    /// What was heard so far, and whether the other side has ended.
    fn heard(&mut self, stage: &mut Stage) -> (usize, bool) {
        self.settle(stage);
        match self {
            Self::Http1(sock) => (
                stage.text(*sock).matches('b').count(),
                stage.has_ended(*sock),
            ),
            Self::Http2(end, stream) => {
                let heard = end.body(*stream);
                end.told.clear();
                heard
            }
        }
    }
}

fn tunnel(stage: &mut Stage, down: bool, up: bool) -> (Mouth, Mouth) {
    let mut client = if down {
        let mut client = Scripted::client(stage);
        settle(stage, &mut [&mut client]);
        let stream = client.ask_for(H2_ASK, false);
        settle(stage, &mut [&mut client]);
        Mouth::Http2(Box::new(client), stream)
    } else {
        let client = stage.client();
        stage.send(client, H1_ASK);
        stage.settle();
        Mouth::Http1(client)
    };
    let endpoint = if up {
        let mut endpoint = Scripted::endpoint(stage, 0, ANY);
        settle(stage, &mut [&mut endpoint]);
        let stream = endpoint.asked()[0];
        let head = crate::h2::fields(&[(":status", "200")]);
        endpoint.peer.head(stream, &head, false);
        settle(stage, &mut [&mut endpoint]);
        endpoint.told.clear();
        Mouth::Http2(Box::new(endpoint), stream)
    } else {
        let sock = stage.accepted(0);
        let head = stage.text(sock);
        assert!(head.contains("upgrade: websocket"), "{head}");
        let key = head.split("sec-websocket-key: ").nth(1).unwrap();
        let accept = accept(key.split('\r').next().unwrap());
        stage.send(sock, format!("HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"));
        Mouth::Http1(sock)
    };
    client.settle(stage);
    match &mut client {
        Mouth::Http1(sock) => assert!(stage.text(*sock).starts_with("HTTP/1.1 101")),
        Mouth::Http2(end, stream) => {
            assert_eq!(end.status(*stream), Some(200));
            end.told.clear();
        }
    }
    (client, endpoint)
}

#[test]
fn tunnels_pass_both_ways_and_each_way_ends_by_itself() {
    for (down, up) in [(false, false), (false, true), (true, false), (true, true)] {
        for client_first in [false, true] {
            let mut stage = Stage::new(&Script {
                manager: UPGRADES,
                cluster: if up { HTTP2 } else { "" },
                ..Script::default()
            });
            let name = format!("{down} {up} {client_first}");
            let (client, endpoint) = tunnel(&mut stage, down, up);
            let (mut one, mut other) = match client_first {
                true => (client, endpoint),
                false => (endpoint, client),
            };
            one.say(&mut stage, false);
            assert_eq!(other.heard(&mut stage), (4, false), "{name}");
            one.say(&mut stage, true);
            assert_eq!(other.heard(&mut stage), (4, true), "{name}");
            other.say(&mut stage, false);
            assert_eq!(one.heard(&mut stage), (4, false), "{name}");
            other.say(&mut stage, true);
            assert_eq!(one.heard(&mut stage), (4, true), "{name}");
            let active = stage.stats.listeners[0].upgrades_active.get();
            assert_eq!(active, 0, "{name}");
        }
    }
}
