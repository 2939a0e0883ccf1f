//! What the contract cannot see: how often the kernel is asked, and what idle sockets own.

use super::Reactor;
use crate::{Buf, Carried, Engine, EngineOptions, Event, Kind, Sock};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

/// Long enough for whatever is to happen.
const PATIENCE: Duration = Duration::from_secs(10);

struct Bench {
    reactor: Reactor,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        Self {
            reactor: Reactor::new(&EngineOptions::default()).unwrap(),
            events: Vec::new(),
        }
    }

    /// A socket of the reactor, and its peer.
    fn adopt(&mut self) -> (Sock, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let carried = Carried::from((near.into(), Kind::Stream));
        (self.reactor.adopt(carried), far)
    }

    /// What the next `wait` tells.
    fn wait(&mut self) -> Vec<Event> {
        let until = self.reactor.now() + PATIENCE;
        self.reactor.wait(Some(until), &mut self.events).unwrap();
        assert!(!self.events.is_empty(), "nothing happens");
        self.events.drain(..).collect()
    }

    /// Waits once without time.
    fn look(&mut self) -> Vec<Event> {
        let until = self.reactor.now();
        self.reactor.wait(Some(until), &mut self.events).unwrap();
        self.events.drain(..).collect()
    }
}

#[test]
fn a_socket_is_registered_once_for_all_its_exchanges() {
    let mut bench = Bench::new();
    let (sock, mut peer) = bench.adopt();
    bench.reactor.resume(sock);
    assert!(bench.look().is_empty());
    for _ in 0..100 {
        peer.write_all(b"question").unwrap();
        let told = bench.wait();
        assert!(matches!(&told[..], [Event::Received { data, .. }] if **data == *b"question"));
        bench.reactor.send(sock, Buf::from_static(b"answer"));
        assert!(matches!(bench.wait()[..], [Event::Sent { bytes: 6, .. }]));
        assert_eq!(bench.reactor.counters().rearms, 1);
        peer.read_exact(&mut [0; 6]).unwrap();
    }
    assert_eq!(bench.reactor.blocks().leased(), 0);
}

#[test]
fn pausing_and_resuming_costs_no_call() {
    let mut bench = Bench::new();
    let (sock, mut peer) = bench.adopt();
    bench.reactor.resume(sock);
    assert!(bench.look().is_empty());
    for _ in 0..10 {
        bench.reactor.pause(sock);
        assert!(bench.look().is_empty());
        bench.reactor.resume(sock);
        assert!(bench.look().is_empty());
    }
    assert_eq!(bench.reactor.counters().rearms, 1);
    peer.write_all(b"x").unwrap();
    assert!(matches!(bench.wait()[..], [Event::Received { .. }]));
}

#[test]
fn what_comes_while_a_socket_is_paused_is_told_when_it_resumes() {
    let mut bench = Bench::new();
    let (sock, mut peer) = bench.adopt();
    bench.reactor.resume(sock);
    assert!(bench.look().is_empty());
    bench.reactor.pause(sock);
    peer.write_all(b"meanwhile").unwrap();
    for _ in 0..3 {
        assert!(bench.look().is_empty());
    }
    bench.reactor.resume(sock);
    assert!(matches!(bench.look()[..], [Event::Received { .. }]));
}

#[test]
fn bytes_that_are_there_before_a_socket_resumes_are_read_before_the_kernel_is_asked() {
    let mut bench = Bench::new();
    let (sock, mut peer) = bench.adopt();
    peer.write_all(b"at once").unwrap();
    bench.reactor.resume(sock);
    assert!(matches!(bench.look()[..], [Event::Received { .. }]));
    bench.reactor.close(sock);
    assert!(matches!(
        bench.wait()[..],
        [Event::Closed { cause: None, .. }]
    ));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn bulk_goes_through_a_pipe_and_an_idle_relay_holds_none() {
    const BYTES: usize = 4 << 20;
    let mut bench = Bench::new();
    let ((from, mut source), (to, mut sink)) = (bench.adopt(), bench.adopt());
    bench.reactor.relay(from, to);
    let sent: Vec<u8> = (0..BYTES).map(|i| (i / 7) as u8).collect();
    let expected = sent.clone();
    let sender = thread::spawn(move || {
        source.write_all(&sent).unwrap();
        source
    });
    let receiver = thread::spawn(move || {
        let mut got = vec![0; BYTES];
        sink.read_exact(&mut got).unwrap();
        (got, sink)
    });
    let mut relayed = 0;
    while relayed < BYTES as u64 {
        for event in bench.wait() {
            let Event::Relayed { bytes, .. } = event else {
                panic!("{event:?}");
            };
            relayed += bytes;
        }
    }
    let (got, _sink) = receiver.join().unwrap();
    assert!(got == expected, "bytes changed on their way");
    assert_eq!(bench.reactor.pipes.counts(), (0, 1));
    assert_eq!(bench.reactor.blocks().leased(), 0);
    drop(sender.join().unwrap());
    let told = bench.wait();
    assert!(matches!(told[..], [Event::Finished { sock }] if sock == from));
}

#[test]
fn no_byte_is_lost_when_a_source_is_detached_that_its_target_holds_back() {
    let mut bench = Bench::new();
    let ((from, mut source), (to, mut sink)) = (bench.adopt(), bench.adopt());
    source.set_nonblocking(true).unwrap();
    sink.set_nonblocking(true).unwrap();
    bench.reactor.relay(from, to);
    let bytes: Vec<u8> = (0..8 << 20).map(|i| (i / 7) as u8).collect();
    let (mut sent, mut got, mut stuck) = (0, Vec::new(), 0);
    while stuck < 20 {
        match source.write(&bytes[sent..bytes.len().min(sent + 50_000)]) {
            Ok(more) => (sent, stuck) = (sent + more, 0),
            Err(_) => stuck += 1,
        }
        if got.len() < 1 << 20 {
            read_rest(&mut sink, &mut got);
        }
        bench.look();
    }
    assert!(sent < bytes.len(), "nothing holds the source back");
    assert_eq!(bench.reactor.pipes.counts().0, 1);
    bench.reactor.detach(from);
    let mut told = bench.wait();
    let Some(Event::Detached { mut carried, .. }) = told.pop() else {
        panic!("{told:?}");
    };
    assert_eq!(bench.reactor.pipes.counts().0, 0);
    read_rest(&mut sink, &mut got);
    got.append(&mut carried.unread);
    read_rest(&mut UnixStream::from(carried.into_fd().unwrap()), &mut got);
    assert!(got == bytes[..sent], "{} of {sent} bytes", got.len());
}

/// Reads what a socket that does not block has now.
fn read_rest(from: &mut UnixStream, got: &mut Vec<u8>) {
    let ended = from.read_to_end(got).unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::WouldBlock);
}
