//! Exchanges between our own two sides.

mod http2_support;

use codecs::http2::Options;
use codecs::{Life, Limits, Reason, StreamId};
use http2_support::wire::*;
use http2_support::{Side, Told, answer, exchange, limits, open, pair, request};

#[test]
fn a_request_and_its_answer_arrive() {
    let (mut client, mut server) = pair(&Limits::default());
    for id in [1, 3, 5] {
        assert_eq!(open(&mut client), id);
        client.head(id, &request("GET", "/a?b", &[("x-one", "1")]), true);
        let (_, told) = exchange(&mut client, &mut server);
        let [Told::Head(at, head, true)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(*at, id);
        assert_eq!(
            (&*head.method, &*head.path, &*head.authority, &*head.scheme),
            ("GET", "/a?b", "example.com", "http")
        );
        assert_eq!(head.fields, [("x-one".to_owned(), "1".to_owned())]);
        server.head(id, &answer(200, &[("server", "a")]), false);
        assert_eq!(server.data(id, b"hello", true), 5);
        let (told, _) = exchange(&mut client, &mut server);
        let [Told::Head(_, head, false), Told::Data(_, body, true)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((head.status, &body[..]), (200, &b"hello"[..]));
        assert_eq!(server.codec.life(), Life::Open { streams: 0 });
        assert_eq!(client.codec.life(), Life::Open { streams: 100 });
    }
}

#[test]
fn one_request_goes_out_before_the_endpoint_has_said_how_many_it_takes() {
    let told = [
        (settings(&[(3, 10)]), 9),
        (settings(&[(3, 1)]), 0),
        (settings(&[(4, 100), (3, 0)]), 0),
        (settings(&[]), 99),
    ];
    for (settings, left) in told {
        let mut client = Side::client(&Limits::default());
        client.written();
        assert_eq!(client.codec.life(), Life::Open { streams: 1 });
        let id = open(&mut client);
        assert_eq!((id, client.codec.open()), (1, None));
        client.head(id, &request("GET", "/", &[]), true);
        assert_eq!(frames(&client.written())[0].kind, HEADERS);
        // Nothing is known before all of the frame came.
        let (first, last) = settings.split_at(settings.len() - 1);
        client.take(first);
        assert_eq!(client.codec.life(), Life::Open { streams: 0 });
        client.take(last);
        assert_eq!(client.codec.life(), Life::Open { streams: left });
    }
}

#[test]
fn bodies_of_any_size_pass_through_small_windows_both_ways() {
    for window in [1, 2, 100, 65_535, 1 << 20] {
        let (mut client, mut server) = pair(&limits(Options {
            stream_window: window,
            ..Options::default()
        }));
        let body: Vec<u8> = (0..(window as usize * 3).min(300_000))
            .map(|n| n as u8)
            .collect();
        let id = open(&mut client);
        client.head(id, &request("POST", "/", &[]), false);
        let told = send(&mut client, &mut server, id, &body);
        assert_eq!(told, body, "up through {window}");
        server.head(id, &answer(200, &[]), false);
        let told = send(&mut server, &mut client, id, &body);
        assert_eq!(told, body, "down through {window}");
        assert_eq!(client.codec.life(), Life::Open { streams: 100 });
    }
}

/// Sends a body as windows allow; what came of it.
fn send(from: &mut Side, to: &mut Side, id: u64, body: &[u8]) -> Vec<u8> {
    let (mut sent, mut came) = (0, Vec::new());
    let mut is_whole = false;
    while !is_whole {
        sent += from.data(id, &body[sent..], true);
        let (_, told) = exchange(from, to);
        assert!(!told.is_empty(), "stuck at {sent} of {}", body.len());
        for told in told {
            if let Told::Data(_, piece, end) = told {
                came.extend_from_slice(&piece);
                is_whole |= end;
            }
        }
    }
    came
}

#[test]
fn a_shut_window_wakes_its_streams_when_it_opens_beginning_behind_the_last() {
    const ALL: usize = 65_535;
    let (mut client, mut server) = pair(&limits(Options {
        connection_window: ALL as u32,
        stream_window: 1 << 20,
        ..Options::default()
    }));
    server.releases = false;
    let ids = [1, 3, 5];
    for id in ids {
        assert_eq!(open(&mut client), id);
        client.head(id, &request("POST", "/", &[]), false);
    }
    fill(&mut client, 1);
    exchange(&mut client, &mut server);
    // Each is woken in turn, and takes all there is.
    for want in [3, 5, 1, 3, 5] {
        server.codec.release(StreamId(1), ALL, &mut server.out);
        let update = server.written();
        let told = client.take_one(&update);
        assert_eq!(told, [Told::Window(want)]);
        fill(&mut client, want);
        assert_eq!(client.take(b""), []);
        exchange(&mut client, &mut server);
    }
    // Who takes nothing leaves it to the next.
    server.codec.release(StreamId(1), ALL, &mut server.out);
    let (told, _) = exchange(&mut client, &mut server);
    assert_eq!(told, [1, 3, 5].map(Told::Window));
}

#[test]
fn endless_bodies_share_a_connections_window_however_late_they_are_served() {
    const ALL: usize = 65_535;
    for step in [1, 100, 1000, 40_000, ALL] {
        let (mut client, mut server) = pair(&limits(Options {
            connection_window: ALL as u32,
            stream_window: 1 << 30,
            ..Options::default()
        }));
        let ids = [1, 3, 5];
        for id in ids {
            assert_eq!(open(&mut client), id);
            client.head(id, &request("POST", "/", &[]), false);
        }
        exchange(&mut client, &mut server);
        let mut sent = [0_usize; 3];
        let mut queue: Vec<u64> = ids.to_vec();
        for _ in 0..600 {
            // Who was woken is served in that order, and takes what there is.
            for id in queue.drain(..) {
                let before = client.out.len();
                fill(&mut client, id);
                sent[id as usize / 2] += client.out.len() - before;
            }
            client.written();
            client.wait(10_000);
            for told in client.take(&window_update(0, step as u32)) {
                let Told::Window(id) = told else {
                    panic!("{told:?}");
                };
                queue.push(id);
            }
            assert!(!queue.is_empty(), "nobody is woken");
        }
        // The first window is the first stream's.
        let all = sent.iter().sum::<usize>() - ALL;
        let least = sent.iter().min().map_or(0, |least| least * 4);
        assert!(least >= all, "{sent:?} by {step}");
    }
}

fn fill(side: &mut Side, id: u64) {
    while side.codec.room(StreamId(id)) > 0 {
        side.data(id, &[0; 65_535], false);
    }
}

#[test]
fn trailers_and_interim_answers_pass() {
    let (mut client, mut server) = pair(&Limits::default());
    let id = open(&mut client);
    client.head(id, &request("POST", "/", &[("te", "trailers")]), false);
    client.data(id, b"x", false);
    client.trailers(id, &[("grpc-status", "0"), ("content-length", "1")]);
    let (_, told) = exchange(&mut client, &mut server);
    let fields = vec![("grpc-status".to_owned(), "0".to_owned())];
    assert_eq!(told.last(), Some(&Told::Trailers(id, fields.clone())));
    server.head(id, &answer(103, &[]), false);
    server.head(id, &answer(200, &[]), false);
    server.trailers(id, &[("grpc-status", "0")]);
    let (told, _) = exchange(&mut client, &mut server);
    assert!(
        matches!(&told[..], [Told::Head(_, one, false), Told::Head(_, two, false), _]
        if one.status == 103 && two.status == 200)
    );
    assert_eq!(told.last(), Some(&Told::Trailers(id, fields)));
}

#[test]
fn an_early_answer_is_whole_and_the_rest_of_its_request_is_let_pass() {
    let (mut client, mut server) = pair(&Limits::default());
    let id = open(&mut client);
    client.head(id, &request("POST", "/", &[]), false);
    exchange(&mut client, &mut server);
    client.data(id, &[0; 1000], false);
    let late = client.written();
    server.head(id, &answer(413, &[]), true);
    let (told, _) = exchange(&mut client, &mut server);
    let [Told::Head(_, head, true)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(head.status, 413);
    assert_eq!(server.take(&late), []);
    assert_eq!(server.refused, None);
}

#[test]
fn a_drain_lets_go_of_what_is_under_way_in_two_steps() {
    let (mut client, mut server) = pair(&Limits::default());
    let id = open(&mut client);
    client.head(id, &request("GET", "/", &[]), true);
    exchange(&mut client, &mut server);
    // Opened before the client knows.
    let late = open(&mut client);
    client.head(late, &request("GET", "/", &[]), true);
    server.codec.drain(&mut server.out);
    assert_eq!(server.codec.life(), Life::Draining);
    let (told, _) = exchange(&mut client, &mut server);
    assert_eq!(told, [Told::GoAway, Told::GoAway]);
    assert!(client.codec.open().is_none());
    for id in [id, late] {
        assert_eq!(server.codec.life(), Life::Draining);
        server.head(id, &answer(200, &[]), true);
        let (told, _) = exchange(&mut client, &mut server);
        assert!(matches!(told[..], [Told::Head(..)]));
    }
    assert_eq!(server.codec.life(), Life::Closed);
    assert_eq!(client.codec.life(), Life::Closed);
}

#[test]
fn resets_and_probes_pass() {
    let (mut client, mut server) = pair(&Limits::default());
    let id = open(&mut client);
    client.head(id, &request("GET", "/", &[]), true);
    exchange(&mut client, &mut server);
    server.reset(id, Reason::Refused);
    let (told, _) = exchange(&mut client, &mut server);
    let detail = "http2-reset-refused-stream";
    assert_eq!(told, [Told::Reset(id, Reason::Refused, detail)]);
    assert!(client.codec.ping(&mut client.out));
    assert_eq!(exchange(&mut client, &mut server).0, [Told::Pong]);
}
