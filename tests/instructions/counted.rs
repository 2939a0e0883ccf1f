//! An engine whose calls are not counted: callgrind is told to look away while one of them runs.

use engines::{
    Blocks, Buf, Carried, ConnectOptions, Datagram, Engine, EngineCounters, Event, ListenOptions,
    SimEngine, Sock, SockAddr, UnixTime, Waker,
};
use std::{io, time::Instant};

/// The functions of [`Counted`], as `--toggle-collect` names them.
pub(crate) const PATTERN: &str = "*counted::Counted as engines::engine::Engine*";

/// The worker's engine.
pub(crate) struct Counted(pub(crate) SimEngine);

impl Engine for Counted {
    fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        self.0.wait(deadline, events)
    }
    fn now(&self) -> Instant {
        self.0.now()
    }
    fn wall(&self) -> UnixTime {
        self.0.wall()
    }
    fn waker(&self) -> Waker {
        self.0.waker()
    }
    fn blocks(&self) -> Blocks {
        self.0.blocks()
    }
    fn counters(&self) -> &EngineCounters {
        self.0.counters()
    }
    fn adopt(&mut self, carried: Carried) -> Sock {
        self.0.adopt(carried)
    }
    fn detach(&mut self, sock: Sock) {
        self.0.detach(sock);
    }
    fn listen(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        self.0.listen(at, options)
    }
    fn bind(&mut self, at: &SockAddr, options: &ListenOptions) -> io::Result<Sock> {
        self.0.bind(at, options)
    }
    fn connect(&mut self, to: &SockAddr, options: &ConnectOptions) -> Sock {
        self.0.connect(to, options)
    }
    fn resume(&mut self, sock: Sock) {
        self.0.resume(sock);
    }
    fn pause(&mut self, sock: Sock) {
        self.0.pause(sock);
    }
    fn send(&mut self, sock: Sock, data: Buf) {
        self.0.send(sock, data);
    }
    fn send_to(&mut self, sock: Sock, datagram: Datagram) {
        self.0.send_to(sock, datagram);
    }
    fn finish(&mut self, sock: Sock) {
        self.0.finish(sock);
    }
    fn close(&mut self, sock: Sock) {
        self.0.close(sock);
    }
    fn abort(&mut self, sock: Sock) {
        self.0.abort(sock);
    }
    fn relay(&mut self, from: Sock, to: Sock) {
        self.0.relay(from, to);
    }
    fn pass(&mut self, from: Sock, to: Sock, bytes: u64) {
        self.0.pass(from, to, bytes);
    }
    fn local(&self, sock: Sock) -> Option<SockAddr> {
        self.0.local(sock)
    }
    fn original_dst(&self, sock: Sock) -> Option<SockAddr> {
        self.0.original_dst(sock)
    }
}
