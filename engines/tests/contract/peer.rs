//! Peers that are not engines: the kernel's own sockets, which may end by RST.

use super::{
    lab::{End, Family, Lab},
    pattern::bytes,
    world::World,
};
use engines::SockAddr;
use nix::sys::socket::{setsockopt, sockopt};
use std::{
    io::{self, Read, Write},
    mem,
    net::TcpStream,
    thread,
    time::Duration,
};

/// How long a real peer waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn connect_peer<W: World>(lab: &mut Lab<W>, listener: End) -> TcpStream {
    let at = lab.local(listener).inet().expect("an Internet address");
    let peer = TcpStream::connect(at).expect("connects");
    peer.set_read_timeout(Some(PATIENCE)).expect("takes it");
    peer
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

pub(crate) fn a_reset_closes_with_its_cause<W: World>() {
    reset_one_each(Lab::<W>::new(1));
}

pub(crate) fn a_reset_after_a_rest_closes_with_its_cause<W: World>() {
    reset_one_each(Lab::<W>::resting(1));
}

fn reset_one_each<W: World>(mut lab: Lab<W>) {
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

/// Whoever sent it may not take it for unsent, and send it again elsewhere.
pub(crate) fn what_a_peer_got_was_told_before_the_end<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    for _ in 0..5 {
        let mut peer = connect_peer(&mut lab, listener);
        lab.until("an accept", |log| !log[listener].accepted.is_empty());
        let server = lab.log.at(listener).accepted.remove(0).end;
        lab.send(server, bytes(1, 16 << 20));
        lab.settle();
        // What is asked for last is told first by some kernels.
        lab.resume(server);
        lab.settle();
        peer.set_nonblocking(true).expect("takes it");
        let (mut got, mut room) = (0, vec![0; 1 << 16]);
        while let Ok(read @ 1..) = peer.read(&mut room) {
            got += read;
        }
        reset(peer);
        lab.until("closed", |log| log[server].is_over());
        let told = lab.log[server].sent;
        assert!(told >= got, "{got} bytes came, {told} were told");
    }
    lab.end();
}
