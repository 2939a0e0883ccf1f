//! Places in a stream at which the kernel ends a receive though more lies behind: TCP's urgent data, and
//! messages on a Unix socket that carry descriptors.

use super::{
    lab::{End, Family, Lab},
    pattern::{assert_same, bytes},
    peer::connect_peer,
    world::World,
};
use engines::{Carried, SockAddr};
use nix::sys::socket::{ControlMessage, MsgFlags, send, sendmsg};
use std::{
    io::{IoSlice, Write},
    net::TcpStream,
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    thread,
};

/// Lengths before and behind a mark.
const LENS: [(usize, usize); 4] = [(10, 10), (1000, 1), (1, 20_000), (20_000, 1000)];

pub(crate) fn bytes_behind_urgent_data_arrive<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    let mut accepted = connect_peer(&mut lab, listener);
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    send_urgent_data(&mut lab, server, &mut accepted);

    let far = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let at = SockAddr::Inet(far.local_addr().expect("has one"));
    let client = lab.connect(1, &at);
    lab.until("a connection", |log| log[client].connected);
    let (mut connected, _) = far.accept().expect("accepts");
    send_urgent_data(&mut lab, client, &mut connected);
    lab.end();
}

/// The urgent byte itself is not part of the stream.
fn send_urgent_data<W: World>(lab: &mut Lab<W>, end: End, peer: &mut TcpStream) {
    let mut sent = begin(lab, end, peer);
    for (before, behind) in LENS {
        let (before, behind) = (bytes(1, before), bytes(2, behind));
        peer.write_all(&before).expect("writes");
        send_urgent(peer);
        peer.write_all(&behind).expect("writes");
        sent.extend([before, behind].concat());
        lab.until("bytes", |log| log[end].received.len() >= sent.len());
        assert_same(&lab.log[end].received, &sent);
    }
}

fn send_urgent(peer: &TcpStream) {
    let sent = send(peer.as_raw_fd(), b"!", MsgFlags::MSG_OOB);
    assert_eq!(sent, Ok(1));
}

pub(crate) fn bulk_goes_on_behind_urgent_data<W: World>() {
    let mut lab = Lab::<W>::new(1);
    let listener = lab.listen(0, Family::V4);
    lab.resume(listener);
    let mut peer = connect_peer(&mut lab, listener);
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    lab.resume(server);
    let (before, behind) = (bytes(1, 1 << 20), bytes(2, 1 << 20));
    let sent = [&before[..], &behind].concat();
    let writer = thread::spawn(move || {
        peer.write_all(&before).expect("writes");
        send_urgent(&peer);
        peer.write_all(&behind).expect("writes");
    });
    lab.until("the end", |log| log[server].finished);
    writer.join().expect("ends");
    assert_same(&lab.log[server].received, &sent);
    lab.end();
}

pub(crate) fn bytes_behind_passed_descriptors_arrive<W: World>() {
    let mut lab = Lab::<W>::new(2);
    let (mut near, far) = UnixStream::pair().expect("a pair");
    let adopted = lab.adopt(
        0,
        Carried::try_from(std::os::fd::OwnedFd::from(far)).unwrap(),
    );
    pass_descriptors(&mut lab, adopted, &mut near);

    let listener = lab.listen(0, Family::Unix);
    lab.resume(listener);
    let SockAddr::Unix(path) = lab.local(listener) else {
        panic!("not a path");
    };
    let mut peer = UnixStream::connect(path).expect("connects");
    lab.until("an accept", |log| !log[listener].accepted.is_empty());
    let server = lab.log[listener].accepted[0].end;
    pass_descriptors(&mut lab, server, &mut peer);

    let at = lab.address(Family::Unix);
    let SockAddr::Unix(path) = &at else {
        panic!("not a path");
    };
    let far = UnixListener::bind(path).expect("binds");
    let client = lab.connect(1, &at);
    lab.until("a connection", |log| log[client].connected);
    let (mut peer, _) = far.accept().expect("accepts");
    pass_descriptors(&mut lab, client, &mut peer);
    lab.end();
}

fn pass_descriptors<W: World>(lab: &mut Lab<W>, end: End, peer: &mut UnixStream) {
    let mut sent = begin(lab, end, peer);
    for (before, behind) in LENS {
        let (before, with, behind) = (bytes(1, before), bytes(2, 100), bytes(3, behind));
        peer.write_all(&before).expect("writes");
        let descriptors = [peer.as_raw_fd()];
        let carried = [ControlMessage::ScmRights(&descriptors)];
        let (data, flags) = ([IoSlice::new(&with)], MsgFlags::empty());
        let passed = sendmsg::<()>(peer.as_raw_fd(), &data, &carried, flags, None);
        assert_eq!(passed, Ok(with.len()));
        peer.write_all(&behind).expect("writes");
        sent.extend([before, with, behind].concat());
        lab.until("bytes", |log| log[end].received.len() >= sent.len());
        assert_same(&lab.log[end].received, &sent);
    }
}

/// Lets the engine receive once, so that it waits to be told of more; returns what was sent.
fn begin<W: World>(lab: &mut Lab<W>, end: End, peer: &mut impl Write) -> Vec<u8> {
    lab.resume(end);
    let first = bytes(0, 10);
    peer.write_all(&first).expect("writes");
    lab.until("bytes", |log| log[end].received.len() == first.len());
    lab.settle();
    first
}
