//! Descriptors that come from elsewhere or go there, and what was set on them.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    peer::connect_peer,
    world::World,
};
use engines::{Carried, ListenOptions, open_listener};
use nix::sys::socket::{getsockopt, sockopt};
use std::{
    io::{Read, Write},
    net::{TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

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
