//! Connections: how they begin, flow and end.

use crate::rig::{Rig, address, text};
use engines::{Chance, Faults, ListenOptions};
use std::{io::ErrorKind, time::Duration};

#[test]
fn the_end_comes_behind_all_bytes_however_they_travel() {
    for seed in 0..8 {
        let faults = Faults {
            latency: (Duration::ZERO, Duration::from_millis(3)),
            jitter: Duration::from_millis(5),
            window: 1000,
            cut_receives: Chance::of(1, 2),
            cut_sends: Chance::of(1, 2),
            reorder: true,
            ..Faults::default()
        };
        let mut rig = Rig::new(seed, 2, faults);
        let (client, server) = rig.pair();
        for (from, to, len) in [(client, server, 30_000), (server, client, 20_001)] {
            rig.resume(to);
            rig.send(from, &text(len));
            rig.finish(from);
        }
        rig.settle();
        assert_eq!(rig.told(server).received, text(30_000));
        assert_eq!(rig.told(client).received, text(20_001));
        assert_eq!(rig.told(client).sent, 30_000);
        assert!(rig.told(client).finished && rig.told(server).finished);
        assert_eq!(rig.told(client).closed, None);
    }
}

#[test]
fn one_direction_flows_on_when_the_other_has_ended() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (client, server) = rig.pair();
    rig.resume(client);
    rig.resume(server);
    rig.finish(client);
    rig.until(|rig| rig.told(server).finished);
    for _ in 0..3 {
        rig.send(server, b"still here ");
        rig.settle();
    }
    rig.close(server);
    rig.settle();
    assert_eq!(rig.told(client).received, b"still here ".repeat(3));
    assert!(rig.told(client).finished);
    rig.close(client);
    rig.settle();
    assert_eq!(rig.net.sockets(), 0);
}

#[test]
fn a_peer_that_does_not_read_stalls_its_sender() {
    let window = 10_000;
    let mut rig = Rig::new(
        1,
        2,
        Faults {
            window,
            ..Faults::default()
        },
    );
    let (client, server) = rig.pair();
    rig.send(client, &text(50_000));
    rig.settle();
    assert_eq!(rig.told(client).sent, window);
    rig.resume(server);
    rig.settle();
    assert_eq!(rig.told(server).received, text(50_000));
    assert_eq!(rig.told(client).sent, 50_000);
}

#[test]
fn closing_with_unread_bytes_resets_the_peer_and_may_eat_the_answer() {
    for (eaten_answers, answer) in [(Chance::NEVER, 1000), (Chance::ALWAYS, 0)] {
        let mut rig = Rig::new(
            1,
            2,
            Faults {
                eaten_answers,
                ..Faults::default()
            },
        );
        let (client, server) = rig.pair();
        rig.send(client, &text(100));
        rig.settle();
        rig.send(server, &text(1000));
        rig.settle();
        rig.close(server);
        rig.settle();
        assert_eq!(rig.told(client).closed, None, "shown on a paused socket");
        rig.resume(client);
        rig.settle();
        assert_eq!(rig.told(client).received.len(), answer);
        assert_eq!(
            rig.told(client).closed,
            Some(Some(ErrorKind::ConnectionReset))
        );
    }
}

#[test]
fn a_reset_shows_early_where_the_network_wants_it() {
    let mut rig = Rig::new(
        1,
        2,
        Faults {
            early_errors: Chance::ALWAYS,
            ..Faults::default()
        },
    );
    let (client, server) = rig.pair();
    rig.send(client, b"unread");
    rig.settle();
    rig.close(server);
    rig.settle();
    assert_eq!(
        rig.told(client).closed,
        Some(Some(ErrorKind::ConnectionReset))
    );
}

#[test]
fn bytes_for_a_closed_socket_are_answered_with_a_reset() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (client, server) = rig.pair();
    rig.close(server);
    rig.settle();
    assert_eq!(rig.told(server).closed, Some(None));
    rig.send(client, b"anybody?");
    rig.settle();
    assert_eq!(rig.told(client).sent, 8, "the first are taken");
    rig.send(client, b"anybody?");
    rig.settle();
    // It has the end behind it, so it is a broken pipe rather than a reset.
    assert_eq!(rig.told(client).closed, Some(Some(ErrorKind::BrokenPipe)));
    assert_eq!(rig.net.sockets(), 0);
}

#[test]
fn a_refusal_a_missing_path_and_silence_each_have_their_cause() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (listener, stale) = rig.listen(1, "/run/stale.sock");
    rig.close(listener);
    rig.settle();
    let causes = [
        ("10.0.0.1:80", ErrorKind::ConnectionRefused),
        ("/run/stale.sock", ErrorKind::ConnectionRefused),
        ("/run/missing.sock", ErrorKind::NotFound),
        ("", ErrorKind::InvalidInput),
    ];
    assert_eq!(stale, address("/run/stale.sock"));
    for (to, cause) in causes {
        let client = rig.connect(0, &address(to));
        rig.settle();
        assert_eq!(rig.told(client).closed, Some(Some(cause)), "{to}");
        assert!(!rig.told(client).connected);
    }
    let (_, to) = rig.listen(1, "10.0.0.1:0");
    rig.net.set_faults(Faults {
        lost_connects: Chance::ALWAYS,
        ..Faults::default()
    });
    let (client, before) = (rig.connect(0, &to), rig.passed());
    rig.settle();
    assert_eq!(rig.told(client).closed, Some(Some(ErrorKind::TimedOut)));
    assert_eq!((rig.passed() - before).as_secs(), 127);
}

#[test]
fn a_full_backlog_makes_clients_wait_and_try_again() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let options = ListenOptions {
        backlog: 2,
        ..ListenOptions::default()
    };
    let (listener, to) = rig.listen_with(1, "10.0.0.1:0", &options).unwrap();
    rig.pause(listener);
    let clients: Vec<_> = (0..4).map(|_| rig.connect(0, &to)).collect();
    let connected = |rig: &Rig| clients.iter().filter(|c| rig.told(**c).connected).count();
    rig.until(|rig| connected(rig) == 2);
    rig.net.advance_to(rig.net.now() + Duration::from_secs(20));
    rig.resume(listener);
    rig.settle();
    assert_eq!((connected(&rig), rig.told(listener).accepted.len()), (4, 4));
    // The fifth request comes 31 seconds behind the first.
    assert_eq!(rig.passed().as_secs(), 31);
}

#[test]
fn a_failed_accept_is_told_and_tried_again() {
    let faults = Faults {
        accept_failures: Chance::of(1, 2),
        ..Faults::default()
    };
    let mut rig = Rig::new(2, 2, faults);
    let (listener, to) = rig.listen(1, "10.0.0.1:0");
    (0..20).for_each(|_| {
        rig.connect(0, &to);
    });
    rig.settle();
    let told = rig.told(listener);
    assert_eq!(told.accepted.len(), 20);
    assert!(told.accept_failures > 0);
    let rests = Duration::from_millis(50) * told.accept_failures as u32;
    assert!(rig.passed() >= rests, "no rest behind a failure");
}

#[test]
fn a_group_of_listeners_shares_its_connections() {
    let mut rig = Rig::new(1, 3, Faults::default());
    let options = ListenOptions {
        reuse_port: true,
        ..ListenOptions::default()
    };
    let (first, to) = rig.listen_with(1, "10.0.0.1:0", &options).unwrap();
    let text = to.to_string();
    let (second, _) = rig.listen_with(2, &text, &options).unwrap();
    (0..100).for_each(|_| {
        rig.connect(0, &to);
    });
    rig.settle();
    let shares = [first, second].map(|end| rig.told(end).accepted.len());
    assert_eq!(shares.iter().sum::<usize>(), 100);
    assert!(shares.iter().all(|share| *share > 25), "{shares:?}");
    let alone = rig.listen_with(1, &text, &ListenOptions::default());
    assert_eq!(alone.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[test]
fn addresses_are_as_on_a_host_of_both_families() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (listener, any) = rig.listen(1, "[::]:0");
    let port = any.inet().unwrap().port();
    for (to, shown, source) in [
        ("10.1.2.3", "[::ffff:10.1.2.3]", "[::ffff:10.1.2.3]"),
        ("127.0.0.9", "[::ffff:127.0.0.9]", "[::ffff:127.0.0.1]"),
        ("[2001:db8::5]", "[2001:db8::5]", "[2001:db8::5]"),
    ] {
        let client = rig.connect(0, &address(&format!("{to}:{port}")));
        rig.until(|rig| rig.told(client).connected);
        rig.settle();
        let (_, peer, local) = rig.told(listener).accepted.last().unwrap().clone();
        assert_eq!(local, address(&format!("{shown}:{port}")));
        let from = peer.inet().unwrap();
        assert_eq!(peer, address(&format!("{source}:{}", from.port())));
    }
    let taken = rig.listen_with(1, &format!("10.1.2.3:{port}"), &ListenOptions::default());
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse);
    let mut ports: Vec<_> = rig
        .told(listener)
        .accepted
        .iter()
        .map(|a| a.1.clone())
        .collect();
    ports.dedup();
    assert_eq!(ports.len(), 3, "a port of one's own");
}

#[test]
fn sockets_of_an_engine_that_goes_are_closed() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (client, _) = rig.pair();
    let (_, to) = rig.listen(1, "10.0.0.1:0");
    rig.resume(client);
    rig.engines.pop();
    rig.settle();
    assert!(rig.told(client).finished);
    let late = rig.connect(0, &to);
    rig.settle();
    assert_eq!(
        rig.told(late).closed,
        Some(Some(ErrorKind::ConnectionRefused))
    );
}

#[test]
fn a_network_that_resets_ends_both_sides() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let (client, server) = rig.pair();
    rig.resume(server);
    rig.net.set_faults(Faults {
        resets: Chance::ALWAYS,
        ..Faults::default()
    });
    rig.send(client, b"lost");
    rig.settle();
    for end in [client, server] {
        assert_eq!(rig.told(end).closed, Some(Some(ErrorKind::ConnectionReset)));
    }
    assert_eq!(rig.net.sockets(), 0);
}
