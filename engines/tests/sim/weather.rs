//! The clock, the seed, and faults that are not of connections.

use crate::rig::{End, Rig, address, text};
use engines::{
    BlockLimits, Buf, Chance, Datagram, Engine, EngineOptions, Event, Faults, ListenOptions, Rng,
    SimNet, SockAddr,
};
use std::time::Duration;

/// Everything that happens when clients talk to an echo in bad weather.
fn trace(seed: u64) -> Vec<String> {
    let mut rng = Rng::seeded(seed);
    let mut rig = Rig::new(seed, 3, Faults::hostile(&mut rng));
    let (_, to) = rig.listen(1, "10.0.0.1:80");
    let clients: Vec<_> = (0..30).map(|n| rig.connect(2 * (n % 2), &to)).collect();
    for client in clients {
        rig.resume(client);
        rig.send(client, &text(rng.below(40_000) as usize));
        rig.finish(client);
    }
    let mut trace = Vec::new();
    for _ in 0..20_000 {
        let mut events = Vec::new();
        let Some(at) = rig.turn(&mut events) else {
            break;
        };
        for event in events {
            trace.push(format!("{:?} {at} {event:?}", rig.passed()));
            echo(&mut rig, at, event);
        }
    }
    trace
}

fn echo(rig: &mut Rig, at: usize, event: Event) {
    let engine = &mut rig.engines[at];
    match event {
        Event::Accepted { sock, .. } => engine.resume(sock),
        Event::Received { sock, data } if at == 1 => engine.send(sock, data.freeze()),
        Event::Finished { sock } if at == 1 => engine.finish(sock),
        Event::Finished { sock } => engine.close(sock),
        Event::AcceptFailed { .. }
        | Event::Closed { .. }
        | Event::Connected { .. }
        | Event::Datagram { .. }
        | Event::Detached { .. }
        | Event::Received { .. }
        | Event::Relayed { .. }
        | Event::Sent { .. }
        | Event::Woken => {}
    }
}

#[test]
fn a_seed_repeats_every_event_and_another_seed_does_not() {
    let first = trace(1);
    assert!(first.len() > 200, "{} events", first.len());
    assert_eq!(first, trace(1));
    assert_ne!(first, trace(2));
}

#[test]
fn hostile_weather_ends_every_connection_and_keeps_nothing() {
    for seed in 0..40 {
        let mut rng = Rng::seeded(seed);
        let mut rig = Rig::new(seed, 2, Faults::hostile(&mut rng));
        let (listener, to) = rig.listen(1, "10.0.0.1:80");
        let clients: Vec<_> = (0..20).map(|_| rig.connect(0, &to)).collect();
        for client in &clients {
            rig.resume(*client);
            rig.send(*client, &text(rng.below(20_000) as usize));
        }
        rig.settle();
        let open = |rig: &Rig, end: &End| rig.told(*end).closed.is_none();
        let servers: Vec<_> = rig.told(listener).accepted.iter().map(|a| a.0).collect();
        for end in clients.iter().chain(&servers).chain([&listener]) {
            if open(&rig, end) {
                rig.close(*end);
            }
        }
        rig.settle();
        assert!(clients.iter().chain(&servers).all(|end| !open(&rig, end)));
        assert_eq!(rig.net.sockets(), 0, "seed {seed}");
        assert!(
            rig.engines
                .iter()
                .all(|engine| engine.blocks().leased() == 0)
        );
    }
}

#[test]
fn one_engine_moves_the_clock_and_several_do_not() {
    let net = SimNet::new(1);
    let mut first = net.engine(&EngineOptions::default());
    let (start, mut events) = (net.now(), Vec::new());
    let deadline = start + Duration::from_secs(3600);
    first.wait(Some(deadline), &mut events).unwrap();
    assert_eq!((first.now(), net.now()), (deadline, deadline));
    let second = net.engine(&EngineOptions::default());
    let later = deadline + Duration::from_secs(1);
    first.wait(Some(later), &mut events).unwrap();
    assert_eq!((first.now(), events.len()), (deadline, 0));
    net.advance_to(later);
    assert_eq!(first.now(), deadline, "time stands between two waits");
    first.wait(Some(later), &mut events).unwrap();
    assert_eq!(first.now(), later);
    assert_eq!(first.wall().0 - second.wall().0, Duration::from_secs(1));
}

#[test]
fn a_ring_makes_an_engine_due() {
    let mut rig = Rig::new(1, 2, Faults::default());
    rig.settle();
    let waker = rig.engines[1].waker();
    waker.wake();
    waker.wake();
    assert!(rig.net.is_due(rig.engines[1].id()) && !rig.net.is_due(rig.engines[0].id()));
    let mut events = Vec::new();
    assert_eq!(rig.turn(&mut events), Some(1));
    assert!(matches!(events[..], [Event::Woken]));
    assert_eq!(
        rig.turn(&mut events),
        None,
        "nothing will ever happen again"
    );
}

#[test]
fn leases_that_come_home_make_their_engine_due() {
    let blocks = BlockLimits {
        socket_max: 2,
        ..BlockLimits::default()
    };
    let mut rig = Rig::with(1, 2, Faults::default(), &EngineOptions::from(blocks));
    let (client, server) = rig.pair();
    rig.held = Some(Vec::new());
    rig.resume(server);
    rig.send(client, &text(100_000));
    rig.settle();
    let pinned = rig.told(server).received.len();
    assert!(pinned > 0 && pinned < 100_000);
    rig.held = None;
    assert!(rig.net.is_due(rig.engines[1].id()));
    rig.settle();
    assert_eq!(rig.told(server).received, text(100_000));
}

#[test]
fn a_drought_delays_receiving_and_spares_the_reserve() {
    let faults = Faults {
        droughts: Chance::ALWAYS,
        drought_max: Duration::from_millis(100),
        ..Faults::default()
    };
    let mut rig = Rig::new(1, 2, faults);
    let (client, server) = rig.pair();
    rig.resume(server);
    rig.send(client, &text(100_000));
    rig.settle();
    assert_eq!(rig.told(server).received, text(100_000));
    let counters = rig.engines[1].counters();
    assert!(counters.reserve_receives > 0 && counters.blocks_exhausted > 0);
    assert!(rig.passed() > Duration::from_millis(10), "it took no time");
}

#[test]
fn what_was_under_way_may_arrive_behind_a_pause() {
    let mut seen = [false; 2];
    for seed in 0..20 {
        let faults = Faults {
            late_receives: Chance::of(1, 2),
            ..Faults::default()
        };
        let mut rig = Rig::new(seed, 2, faults);
        let (client, server) = rig.pair();
        rig.resume(server);
        rig.settle();
        rig.send(client, &text(60_000));
        rig.until(|rig| rig.told(client).sent == 60_000);
        rig.net.advance_to(rig.net.now() + Duration::from_secs(1));
        rig.pause(server);
        rig.settle();
        let late = rig.told(server).received.len();
        assert!(late <= 3 * 4096, "{late} bytes");
        seen[usize::from(late > 0)] = true;
        rig.resume(server);
        rig.settle();
        assert_eq!(rig.told(server).received, text(60_000));
    }
    assert_eq!(seen, [true; 2]);
}

fn bind(rig: &mut Rig, at: usize, to: &str) -> (End, SockAddr) {
    let sock = rig.engines[at]
        .bind(&address(to), &ListenOptions::default())
        .unwrap();
    rig.engines[at].resume(sock);
    let local = rig.engines[at].local(sock).unwrap();
    ((at, sock), local)
}

#[test]
fn datagrams_get_lost_and_doubled() {
    for (lost_datagrams, doubled_datagrams, arrive) in [
        (Chance::NEVER, Chance::NEVER, 100..=100),
        (Chance::ALWAYS, Chance::NEVER, 0..=0),
        (Chance::NEVER, Chance::ALWAYS, 200..=200),
        (Chance::of(1, 4), Chance::of(1, 4), 70..=130),
    ] {
        let faults = Faults {
            lost_datagrams,
            doubled_datagrams,
            ..Faults::default()
        };
        let mut rig = Rig::new(1, 2, faults);
        let ((_, sock), from) = bind(&mut rig, 0, "10.0.0.1:0");
        let (server, peer) = bind(&mut rig, 1, "0.0.0.0:53");
        let peer = address(&format!("10.0.0.7:{}", peer.inet().unwrap().port()));
        for n in 0..100u8 {
            let datagram = Datagram {
                peer: peer.clone(),
                local: None,
                data: Buf::copy_of(&[n]),
            };
            rig.engines[0].send_to(sock, datagram);
        }
        rig.settle();
        let told = &rig.told(server).datagrams;
        assert!(arrive.contains(&told.len()), "{} arrived", told.len());
        let as_sent = |d: &Datagram| d.peer == from && d.local == Some(peer.inet().unwrap().ip());
        assert!(told.iter().all(as_sent));
    }
}

#[test]
fn a_datagram_too_long_or_of_another_family_is_dropped_and_counted() {
    let mut rig = Rig::new(1, 2, Faults::default());
    let ((_, sock), _) = bind(&mut rig, 0, "10.0.0.1:0");
    let (server, peer) = bind(&mut rig, 1, "10.0.0.2:0");
    for (peer, len) in [(peer, 70_000), (address("[::1]:53"), 1)] {
        let (local, data) = (None, Buf::from(text(len)));
        rig.engines[0].send_to(sock, Datagram { peer, local, data });
    }
    rig.settle();
    assert!(rig.told(server).datagrams.is_empty());
    assert_eq!(rig.engines[0].counters().datagrams_dropped, 2);
}

#[test]
fn a_lonely_engine_without_deadline_sleeps_until_it_is_rung() {
    let mut engine = SimNet::new(1).engine(&EngineOptions::default());
    let waker = engine.waker();
    let ringer = std::thread::spawn(move || waker.wake());
    let mut events = Vec::new();
    engine.wait(None, &mut events).unwrap();
    assert!(matches!(events[..], [Event::Woken]));
    ringer.join().unwrap();
}
