//! Tunnels: HTTP/1's upgrade as an extended CONNECT (RFC 8441), and where there is none.

mod http2_support;

use codecs::http2::Options;
use codecs::{Frame, Life, Limits, Reason, StreamId};
use http2_support::wire::*;
use http2_support::{Side, Told, answer, exchange, limits, open, pair, request};

#[test]
fn a_websocket_is_http_1s_upgrade_on_both_sides() {
    let offers = limits(Options {
        allow_connect: true,
        ..Options::default()
    });
    let (mut client, mut server) = pair(&offers);
    let id = open(&mut client);
    let mut head = request(
        "GET",
        "/chat",
        &[("sec-websocket-key", "x"), ("sec-websocket-version", "13")],
    );
    head.set_upgrade(b"websocket");
    client.head(id, &head, false);
    let (_, told) = exchange(&mut client, &mut server);
    let [Told::Head(_, head, false)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(
        (&*head.method, &*head.upgrade, &*head.path),
        ("GET", "websocket", "/chat")
    );
    assert_eq!(
        head.fields,
        [("sec-websocket-version".to_owned(), "13".to_owned())]
    );
    let mut head = answer(101, &[]);
    head.set_upgrade(b"websocket");
    server.head(id, &head, false);
    server.data(id, b"down", false);
    client.data(id, b"up", false);
    let (at_client, at_server) = exchange(&mut client, &mut server);
    assert!(
        matches!(&at_client[..], [Told::Head(_, head, false), Told::Data(..)]
        if head.status == 101 && head.upgrade == "websocket")
    );
    assert_eq!(at_server, [Told::Data(id, b"up".to_vec(), false)]);
    // Each direction ends by itself.
    server.data(id, b"", true);
    client.data(id, b"more", false);
    let (at_client, at_server) = exchange(&mut client, &mut server);
    assert_eq!(at_client, [Told::Data(id, vec![], true)]);
    assert_eq!(at_server, [Told::Data(id, b"more".to_vec(), false)]);
}

/// A client's stream that was answered as that, to its end; then the server wants no more of it.
fn left_after_its_end(head: &codecs::Head, status: u16) -> Vec<Told> {
    let offers = limits(Options {
        allow_connect: true,
        ..Options::default()
    });
    let (mut client, mut server) = pair(&offers);
    let id = open(&mut client);
    client.head(id, head, false);
    exchange(&mut client, &mut server);
    let block = block(&[(":status", &status.to_string())]);
    client.take(&frame(HEADERS, END_HEADERS, 1, &block));
    client.take(&frame(DATA, END_STREAM, 1, b""));
    client.take(&rst(1, 0))
}

#[test]
fn a_reset_without_error_ends_a_tunnel_and_not_a_whole_answer() {
    let post = request("POST", "/", &[]);
    assert_eq!(left_after_its_end(&post, 413), []);
    let mut chat = request("GET", "/chat", &[]);
    chat.set_upgrade(b"websocket");
    let detail = "http2-reset-no-error";
    assert_eq!(
        left_after_its_end(&chat, 200),
        [Told::Reset(1, Reason::Cancel, detail)]
    );
    assert_eq!(left_after_its_end(&chat, 403), []);
}

/// A client that asks for another protocol before it knows whether it can be had.
fn asks_early(upgrade: &[u8]) -> (Side, u64) {
    let mut client = Side::client(&Limits::default());
    client.written();
    let id = open(&mut client);
    let mut head = request("GET", "/chat", &[]);
    head.set_upgrade(upgrade);
    client.head(id, &head, false);
    assert_eq!(client.written(), b"");
    (client, id)
}

#[test]
fn a_websocket_is_refused_where_it_was_not_offered() {
    let detail = "extended-connect-unsupported";
    let unsupported = |id, reason| [Told::Reset(id, reason, detail)];
    let (mut client, _) = pair(&Limits::default());
    let id = open(&mut client);
    let mut head = request("GET", "/chat", &[]);
    head.set_upgrade(b"websocket");
    client.head(id, &head, false);
    assert_eq!(client.written(), b"");
    assert_eq!(client.take(b""), unsupported(id, Reason::Protocol));
    // It is told once it is known, and to be tried again where it would be taken now.
    for (settings, reason) in [
        (settings(&[]), Reason::Protocol),
        (settings(&[(8, 1)]), Reason::Refused),
    ] {
        let (mut client, id) = asks_early(b"websocket");
        assert_eq!(client.take(b""), []);
        assert_eq!(client.take(&settings), unsupported(id, reason));
        assert_eq!(client.take(b""), []);
    }
    let (mut client, id) = asks_early(b"other");
    assert_eq!(client.take(b""), unsupported(id, Reason::Protocol));
    let (mut client, id) = asks_early(b"websocket");
    let told = client.codec.eof();
    assert!(
        matches!(told, Ok(Some(Frame::Reset { id: at, .. })) if at == StreamId(id)),
        "{told:?}"
    );
    assert!(matches!(client.codec.eof(), Ok(None)));
}

#[test]
fn no_success_but_101_opens_a_tunnel() {
    let offers = limits(Options {
        allow_connect: true,
        ..Options::default()
    });
    for (status, end, told_here) in [(200, false, true), (200, true, false), (204, true, false)] {
        let (mut client, mut server) = pair(&offers);
        let id = open(&mut client);
        let mut head = request("GET", "/chat", &[]);
        head.set_upgrade(b"websocket");
        client.head(id, &head, false);
        exchange(&mut client, &mut server);
        server.head(id, &answer(status, &[("content-length", "5")]), end);
        // What else there is of the answer goes nowhere and harms nothing.
        assert_eq!(server.codec.room(StreamId(id)), 0);
        server.trailers(id, &[("x", "1")]);
        server.data(id, b"", true);
        let detail = "extended-connect-not-accepted";
        let reset = Told::Reset(id, Reason::Internal, detail);
        let want: Vec<_> = told_here.then_some(reset).into_iter().collect();
        assert_eq!(server.take(b""), want);
        let (told, _) = exchange(&mut client, &mut server);
        assert!(
            matches!(&told[..], [Told::Head(_, head, true), ..] if head.status == 502),
            "{told:?}"
        );
        assert_eq!(server.codec.life(), Life::Open { streams: 0 });
        // The connection goes on.
        let id = open(&mut client);
        client.head(id, &request("GET", "/", &[]), true);
        let (_, told) = exchange(&mut client, &mut server);
        assert!(matches!(told[..], [Told::Head(..)]), "{told:?}");
    }
}

#[test]
fn a_server_does_not_switch_protocols_unasked() {
    let (mut client, mut server) = pair(&Limits::default());
    let id = open(&mut client);
    client.head(id, &request("GET", "/", &[]), true);
    exchange(&mut client, &mut server);
    server.head(id, &answer(101, &[]), false);
    let seen = frames(&server.written());
    assert!(
        matches!(&seen[..], [reset] if (reset.kind, reset.number()) == (RST_STREAM, 2)),
        "{seen:?}"
    );
    let detail = "http2-switching-protocols";
    let reset = Told::Reset(id, Reason::Internal, detail);
    assert_eq!(server.take(b""), [reset]);
}
