//! What still comes for streams that one side has ended: let pass, to a limit.

mod http2_support;

use codecs::http2::Options;
use codecs::{Limits, Reason};
use http2_support::wire::*;
use http2_support::{Side, Told, request};

/// A client that knows its server's settings, which allow so many streams.
fn client(streams_max: u32) -> Side {
    let mut client = Side::client(&Limits {
        http2: Options {
            streams_max,
            ..Options::default()
        },
        ..Limits::default()
    });
    client.take(&settings(&[(4, 65_535)]));
    client.written();
    client
}

#[test]
fn a_client_that_cancels_many_streams_is_prepared_for_what_is_under_way() {
    let mut client = client(1000);
    for _ in 0..20 {
        let ids: Vec<u64> = (0..500)
            .filter_map(|_| Some(client.codec.open()?.0))
            .collect();
        assert_eq!(ids.len(), 500);
        for id in &ids {
            client.head(*id, &request("GET", "/", &[]), true);
            client.reset(*id, Reason::Cancel);
        }
        // All are answered before the server knows; one answer names what all others take of the table.
        for id in ids {
            let mut block = b"\x88\x40\x03x-a\x011".to_vec();
            if id > 1 {
                block = b"\x88\xbe".to_vec();
            }
            let id = id as u32;
            let answer = [
                frame(HEADERS, END_HEADERS, id, &block),
                frame(DATA, 0, id, &[0; 1000]),
                window_update(id, 1),
                frame(DATA, END_STREAM, id, &[0; 1000]),
                rst(id, 0),
            ];
            assert_eq!(client.take(&answer.concat()), []);
        }
    }
    assert_eq!(client.refused, None);
    // The table was kept, and the connection's window given back.
    let id = client.codec.open().map_or(0, |id| id.0);
    client.head(id, &request("GET", "/", &[]), true);
    let told = client.take(&frame(HEADERS, WHOLE, id as u32, b"\x88\xbe"));
    assert!(
        matches!(&told[..], [Told::Head(_, head, true)] if head.fields.len() == 1),
        "{told:?}"
    );
    let updates = frames(&client.written());
    let back = updates.iter().filter(|frame| frame.kind == WINDOW_UPDATE);
    let back: u32 = back.map(Seen::number).sum();
    assert!(back > 19_000_000, "{back}");
}

#[test]
fn frames_of_a_clients_ended_streams_are_limited() {
    let mut client = client(10);
    let id = client.codec.open().map_or(0, |id| id.0);
    client.head(id, &request("GET", "/", &[]), true);
    client.reset(id, Reason::Cancel);
    // 10 000, and 100 for the stream.
    (0..10_000).for_each(|_| drop(client.take(&frame(DATA, 0, 1, b"x"))));
    assert_eq!(client.refused, None);
    (0..101).for_each(|_| drop(client.take(&rst(1, 0))));
    let detail = client.refused.as_ref().map(|why| why.detail);
    assert_eq!(detail, Some("http2-late-frames"));
    let seen = frames(&client.written());
    let last = seen.last().map(|frame| (frame.kind, frame.number()));
    assert_eq!(last, Some((GOAWAY, 0xb)));
}

#[test]
fn an_honest_client_may_have_many_streams_reset_at_once() {
    let wide = Limits {
        http2: Options {
            streams_max: 600,
            ..Options::default()
        },
        ..Limits::default()
    };
    let mut server = Side::server(&wide);
    server.take(&[PREFACE, &settings(&[])[..]].concat());
    (0..600).for_each(|n| drop(server.take(&post(2 * n + 1))));
    (0..600_u32).for_each(|n| server.reset(2 * u64::from(n) + 1, Reason::Overload));
    for n in 0..600 {
        let trailers = frame(HEADERS, WHOLE, 2 * n + 1, &block(&[("x", "1")]));
        let late = [frame(DATA, 0, 2 * n + 1, &[0; 100]), trailers].concat();
        assert_eq!(server.take(&late), []);
    }
    assert_eq!(server.refused, None);
}
