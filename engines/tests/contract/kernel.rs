//! What only engines on the kernel have: descriptors, limits of the process, real peers.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    process::{descriptors, without_leak},
    random,
    world::World,
};
use engines::{Carried, ListenOptions, SockAddr, open_listener};
use nix::{
    sys::{
        resource::{Resource, setrlimit},
        socket::{getsockopt, setsockopt, sockopt},
    },
    unistd,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    mem,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Duration,
};

/// How long a real peer waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

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

pub(crate) fn a_dropped_engine_ends_its_connections<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    let mut peer = connect_peer(&mut lab, listener);
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    lab.resume(server);
    lab.settle();
    drop(lab);
    let end = peer.read(&mut [0; 10]);
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    assert!(end.is_ok() || !is_late(end));
}

fn is_late(end: io::Result<usize>) -> bool {
    end.is_err_and(|e| matches!(e.kind(), io::ErrorKind::WouldBlock))
}

fn connect_peer<W: World>(lab: &mut Lab<W>, listener: End) -> TcpStream {
    let at = lab.local(listener).inet().expect("an Internet address");
    let peer = TcpStream::connect(at).expect("connects");
    peer.set_read_timeout(Some(PATIENCE)).expect("takes it");
    peer
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

pub(crate) fn sockets_send_without_delay<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(1, Family::V4);
    let queued = connect_peer(&mut lab, listener);
    let carried = lab.detach(listener);
    let listener = lab.adopt(0, carried);
    lab.resume(listener);
    lab.until("an accept", |log| log[listener].accepted.len() == 1);
    let (client, server) = lab.pair(0, 1);
    let ends = [client, server, lab.log[listener].accepted[0].end];
    for end in ends {
        let fd = lab.detach(end).into_fd().expect("a kernel socket");
        assert!(getsockopt(&fd, sockopt::TcpNoDelay).expect("a TCP socket"));
    }
    drop(queued);
    lab.end();
}

pub(crate) fn the_sends_of_a_turn_leave_in_one_segment<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (client, _) = lab.pair(0, 1);
    for seed in 0..20 {
        lab.send(client, bytes(seed, 100));
    }
    let fd = lab.detach(client).into_fd().expect("a kernel socket");
    assert_eq!(data_segments_out(&fd), 1);
    lab.end();
}

/// `tcpi_data_segs_out` of TCP_INFO.
fn data_segments_out(fd: &OwnedFd) -> u32 {
    const OFFSET: usize = 156;
    let mut info = [0u8; 256];
    let mut len = info.len() as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    let room = info.as_mut_ptr().cast();
    // SAFETY: room for `len` bytes.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, option, room, &raw mut len) };
    assert!(done == 0 && len as usize >= OFFSET + 4, "{len} bytes");
    let mut field = [0; 4];
    field.copy_from_slice(&info[OFFSET..OFFSET + 4]);
    u32::from_ne_bytes(field)
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

pub(crate) fn a_reset_closes_with_its_cause<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    for is_sending in [false, true] {
        let peer = connect_peer(&mut lab, listener);
        lab.until("an accept", |log| !log[listener].accepted.is_empty());
        let server = lab.log.at(listener).accepted.remove(0).end;
        lab.resume(server);
        if is_sending {
            lab.send(server, bytes(1, 16 << 20));
        }
        lab.settle();
        reset(peer);
        lab.until("closed", |log| log[server].is_over());
        // The send may see the broken pipe before the receive tells of the reset.
        let cause = lab.log[server].cause();
        let is_sent = is_sending && cause == io::ErrorKind::BrokenPipe;
        assert!(is_sent || cause == io::ErrorKind::ConnectionReset);
        assert!(!lab.log[server].finished);
    }
    lab.end();
}

pub(crate) fn a_reset_source_of_a_relay_closes_with_its_cause<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    for size in [1000, 4 << 20] {
        let mut peer = connect_peer(&mut lab, listener);
        lab.until("an accept", |log| !log[listener].accepted.is_empty());
        let down = lab.log.at(listener).accepted.remove(0).end;
        let (up, endpoint) = lab.pair(0, 1);
        lab.resume(endpoint);
        lab.relay(down, up);
        let sent = bytes(1, size);
        let writer = thread::spawn(move || peer.write_all(&sent).map(|()| peer));
        lab.until("bytes", |log| log[endpoint].received.len() == size);
        reset(writer.join().expect("ends").expect("writes"));
        lab.until("closed", |log| log[down].is_over());
        assert_eq!(lab.log[down].cause(), io::ErrorKind::ConnectionReset);
        lab.settle();
        assert!(!lab.log[endpoint].finished && !lab.log[up].is_over());
    }
    lab.end();
}

/// Ends a connection by RST.
fn reset(peer: TcpStream) {
    let at_once = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&peer, sockopt::Linger, &at_once).expect("takes it");
    drop(peer);
}

pub(crate) fn descriptors_of_any_kind_are_adopted<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let (mut near, far) = UnixStream::pair().expect("a pair");
    let stream = adopt(&mut lab, far.into());
    lab.resume(stream);
    near.write_all(&bytes(1, 1000)).expect("writes");
    lab.until("bytes", |log| log[stream].received.len() == 1000);
    lab.send(stream, bytes(2, 1000));
    lab.until("sent", |log| log[stream].sent == 1000);
    let mut answer = vec![0; 1000];
    near.read_exact(&mut answer).expect("reads");
    assert_same(&answer, &bytes(2, 1000));

    let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    let to = udp.local_addr().expect("has one");
    let socket = adopt(&mut lab, udp.into());
    lab.resume(socket);
    let peer = UdpSocket::bind("127.0.0.1:0").expect("binds");
    peer.send_to(b"hello", to).expect("sends");
    lab.until("a datagram", |log| log[socket].datagrams.len() == 1);
    assert_eq!(lab.log[socket].datagrams[0].local, Some(to.ip()));

    for blocks in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.set_nonblocking(!blocks).expect("takes it");
        let listener = adopt(&mut lab, listener.into());
        lab.resume(listener);
        let peers: Vec<_> = (0..100).map(|_| connect_peer(&mut lab, listener)).collect();
        lab.until("all accepted", |log| {
            log[listener].accepted.len() == peers.len()
        });
    }
    lab.end();
}

fn adopt<W: World>(lab: &mut Lab<W>, fd: OwnedFd) -> End {
    lab.adopt(0, Carried::try_from(fd).expect("a socket"))
}

pub(crate) fn a_listener_shared_by_two_engines_outlives_either<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let at = lab.address(Family::V4);
    let (first, local) = open_listener(&at, &ListenOptions::default()).expect("listens");
    let second = first.try_clone().expect("has a descriptor");
    let (first, second) = (lab.adopt(1, first), lab.adopt(2, second));
    lab.resume(first);
    lab.resume(second);
    let accepted = |lab: &Lab<W>| lab.log[first].accepted.len() + lab.log[second].accepted.len();
    for _ in 0..50 {
        lab.connect(0, &local);
    }
    while accepted(&lab) < 50 {
        lab.round(true);
    }
    lab.close(first);
    lab.until("closed", |log| log[first].is_over());
    for _ in 0..50 {
        lab.connect(0, &local);
    }
    while accepted(&lab) < 100 {
        lab.round(true);
    }
    assert!(lab.log[second].accepted.len() >= 50);
    lab.end();
}

pub(crate) fn listeners_share_a_port_where_asked<W: World>() {
    let mut lab = Lab::<W>::new(3);
    let options = ListenOptions {
        reuse_port: true,
        ..ListenOptions::default()
    };
    let first = lab.listen_with(1, Family::V4, &options);
    let at = lab.local(first);
    assert!(
        lab.engine(2)
            .listen(&at, &ListenOptions::default())
            .is_err()
    );
    let sock = lab.engine(2).listen(&at, &options).expect("shares");
    let second = End { at: 2, sock };
    lab.resume(first);
    lab.resume(second);
    let clients: Vec<_> = (0..64).map(|_| lab.connect(0, &at)).collect();
    lab.until("all accepted", |log| {
        log[first].accepted.len() + log[second].accepted.len() == clients.len()
    });
    let share = lab.log[second].accepted.len();
    assert!(share > 0 && share < clients.len(), "one of them got all");
    lab.end();
}

pub(crate) fn an_abrupt_peer_among_the_accepted_harms_nobody<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    let peers: Vec<_> = (0..20).map(|_| connect_peer(&mut lab, listener)).collect();
    peers.into_iter().for_each(reset);
    lab.resume(listener);
    lab.settle();
    let kept = connect_peer(&mut lab, listener);
    let at = SockAddr::Inet(kept.local_addr().expect("has one"));
    lab.until("an accept", |log| {
        log[listener].accepted.iter().any(|new| new.peer == at)
    });
    for new in mem::take(&mut lab.log.at(listener).accepted) {
        lab.resume(new.end);
    }
    lab.settle();
    lab.end();
}

pub(crate) fn random_calls_leave_no_descriptor<W: World>() {
    without_leak(|| random::run_seeds::<W>(101..=102));
}

/// For `uring`: its rings are charged to the limit of locked memory.
pub(crate) fn a_small_memory_limit_suffices<W: World>() {
    setrlimit(Resource::RLIMIT_MEMLOCK, 512 << 10, 512 << 10).expect("may lower it");
    if unistd::getuid().is_root() {
        // Root may lock memory at will.
        let nobody = unistd::Uid::from_raw(165_534);
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
