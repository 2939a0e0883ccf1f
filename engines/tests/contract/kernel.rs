//! What only engines on the kernel have to stand: the limits of the process, full queues, being
//! dropped.

use super::{
    lab::{End, Family, Lab},
    pattern::bytes,
    process::{allow_descriptors, descriptors, without_leak},
    random,
    world::World,
};
use engines::{Buf, Datagram, ListenOptions};
use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd,
};
use std::{fs::File, io, thread};

pub(crate) fn closed_sockets_leave_no_descriptor<W: World>() {
    without_leak(|| {
        let mut lab = Lab::<W>::new(2);
        let listener = lab.listen(1, Family::V4);
        lab.resume(listener);
        lab.pair_by(0, listener);
        for _ in 0..5 {
            let before = descriptors();
            let (client, server) = lab.pair_by(0, listener);
            lab.resume(server);
            lab.send(client, bytes(1, 8 << 20));
            lab.until("bytes", |log| !log[server].received.is_empty());
            lab.close(client);
            lab.until("closed", |log| log[client].is_over());
            assert_eq!(descriptors(), before + 1);
            lab.close(server);
            lab.until("closed", |log| log[server].is_over());
            assert_eq!(descriptors(), before);
        }
        lab.end();
    });
}

pub(crate) fn a_dropped_engine_leaves_no_descriptor<W: World>() {
    without_leak(|| {
        let mut lab = Lab::<W>::new(3);
        let listener = lab.listen(1, Family::V4);
        lab.bind(1, Family::V4);
        lab.resume(listener);
        for _ in 0..3 {
            let (client, down) = lab.pair_by(0, listener);
            let (up, endpoint) = lab.pair(1, 2);
            lab.relay(down, up);
            lab.relay(up, down);
            lab.send(client, bytes(1, 2 << 20));
            lab.resume(endpoint);
            lab.until("bytes", |log| log[endpoint].received.len() > 1 << 20);
        }
    });
}

/// More than the events of many waits. Descriptors are left for the test and the engine's own.
const MANY: usize = 10_000;

pub(crate) fn a_dropped_engine_leaves_no_descriptor_of_many_sockets<W: World>() {
    allow_descriptors();
    without_leak(|| {
        let mut lab = Lab::<W>::new(1);
        let (most, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("has a limit");
        let many = MANY.min(usize::try_from(most).expect("fits") - descriptors() - 50);
        for _ in 0..many {
            let end = lab.bind(0, Family::V4);
            lab.resume(end);
        }
        lab.settle();
    });
}

pub(crate) fn running_out_of_descriptors_backs_off_and_recovers<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    let to = lab.local(listener);
    let clients: Vec<_> = (0..3).map(|_| lab.connect(0, &to)).collect();
    lab.until("connected", |log| {
        clients.iter().all(|client| log[*client].connected)
    });
    let limit = descriptors() as u64 + 10;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).expect("may lower it");
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    lab.resume(listener);
    lab.until("a failed accept", |log| {
        log[listener].accept_failures.len() >= 2
    });
    let cause = lab.log[listener].accept_failures[0].raw_os_error();
    assert_eq!(cause, Some(libc::EMFILE));
    assert!(lab.engine(1).counters().accept_failures >= 2);
    assert!(lab.log[listener].accepted.is_empty());
    hoard.clear();
    lab.until("all accepted", |log| log[listener].accepted.len() == 3);
    let server = lab.log[listener].accepted[0].end;
    lab.send(server, bytes(1, 10));
    clients.iter().for_each(|client| lab.resume(*client));
    lab.until("bytes", |log| {
        clients.iter().any(|client| log[*client].receives == 1)
    });
    lab.end();
}

pub(crate) fn connecting_without_descriptors_closes_with_the_cause<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    let to = lab.local(listener);
    let limit = descriptors() as u64 + 10;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).expect("may lower it");
    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    let client = lab.connect(0, &to);
    lab.until("closed", |log| log[client].is_over());
    assert!(lab.log[client].has_failed());
    let at = lab.address(Family::V4);
    assert!(
        lab.engine(0)
            .listen(&at, &ListenOptions::default())
            .is_err()
    );
    hoard.clear();
    let client = lab.connect(0, &to);
    lab.until("connected", |log| log[client].connected);
    lab.end();
}

pub(crate) fn a_full_unix_queue_closes_with_the_cause<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let options = ListenOptions {
        backlog: 2,
        ..ListenOptions::default()
    };
    for family in [Family::Unix, Family::Abstract] {
        let listener = lab.listen_with(1, family, &options);
        let to = lab.local(listener);
        let clients: Vec<_> = (0..10).map(|_| lab.connect(0, &to)).collect();
        lab.until("connected or closed", |log| {
            let is_told = |client: &End| log[*client].connected || log[*client].is_over();
            clients.iter().all(is_told)
        });
        let (queued, refused): (Vec<End>, _) = clients
            .iter()
            .partition(|client| lab.log[**client].connected);
        assert!(!queued.is_empty() && !refused.is_empty());
        for client in refused {
            assert_eq!(lab.log[client].cause(), io::ErrorKind::WouldBlock);
        }
        lab.resume(listener);
        lab.until("all accepted", |log| {
            log[listener].accepted.len() == queued.len()
        });
        let server = lab.log[listener].accepted[0].end;
        lab.resume(server);
        lab.send(queued[0], bytes(1, 2 << 20));
        lab.until("bytes", |log| log[server].received.len() == 2 << 20);
    }
    lab.end();
}

pub(crate) fn a_ring_ends_a_wait_without_deadline<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let waker = lab.engine(0).waker();
    let ringer = thread::spawn(move || waker.wake());
    let mut events = Vec::new();
    lab.engine(0).wait(None, &mut events).expect("waits");
    ringer.join().expect("rings");
    assert!(matches!(events[..], [engines::Event::Woken]), "{events:?}");
}

pub(crate) fn an_impossible_datagram_is_dropped_and_counted<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let (a, b) = (lab.bind(0, Family::V4), lab.bind(0, Family::V4));
    lab.resume(b);
    for len in [70_000, 10] {
        let (peer, local, data) = (lab.local(b), None, Buf::from(bytes(1, len)));
        lab.engine(0)
            .send_to(a.sock, Datagram { peer, local, data });
    }
    lab.until("a datagram", |log| log[b].datagrams.len() == 1);
    assert_eq!(lab.log[b].datagrams[0].data.len(), 10);
    assert_eq!(lab.engine(0).counters().datagrams_dropped, 1);
    assert!(!lab.log[a].is_over());
    lab.end();
}

pub(crate) fn random_calls_leave_no_descriptor<W: World>() {
    without_leak(|| random::run_seeds::<W>(101..=102));
}

/// For `uring`: its rings are charged to the limit of locked memory.
pub(crate) fn a_small_memory_limit_suffices<W: World>() {
    setrlimit(Resource::RLIMIT_MEMLOCK, 512 << 10, 512 << 10).expect("may lower it");
    if unistd::getuid().is_root() {
        // Root may lock memory at will, and what others lock under the same name counts as well.
        let nobody = unistd::Uid::from_raw(200_000 + std::process::id());
        unistd::setresuid(nobody, nobody, nobody).expect("may become nobody");
    }
    let mut lab = Lab::<W>::new(2);
    let (client, server) = lab.pair(0, 1);
    lab.resume(server);
    for round in 1..=2000 {
        lab.send(client, bytes(1, 100));
        lab.until("bytes", |log| log[server].received.len() == round * 100);
    }
    lab.end();
}
