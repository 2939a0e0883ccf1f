//! What the engines told, by socket, checked for what no socket may ever tell.

use super::lab::End;
use engines::{BufMut, Carried, Datagram, Event, Sock, SockAddr};
use std::{collections::BTreeMap, io, ops::Index};

/// Everything that one socket told, and what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) accept_failures: Vec<io::Error>,
    pub(crate) accepted: Vec<Connection>,
    /// What a detached socket left as.
    pub(crate) carried: Option<Carried>,
    pub(crate) closed: Option<Option<io::Error>>,
    pub(crate) connected: bool,
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) detached: bool,
    pub(crate) events: usize,
    pub(crate) finished: bool,
    /// Leases kept, where `hold` was asked for; never of the reserve.
    pub(crate) held: Vec<BufMut>,
    pub(crate) received: Vec<u8>,
    pub(crate) receives: usize,
    pub(crate) relayed: u64,
    pub(crate) sent: usize,
    pub(crate) sents: usize,
    pub(crate) asked: Asked,
}

/// The calls that bound what may still be told.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) close: bool,
    pub(crate) hold: bool,
    /// Bytes still to be told of a pass.
    pub(crate) pass: Option<u64>,
    pub(crate) relay: bool,
    pub(crate) resume: bool,
    pub(crate) sent_bytes: usize,
}

/// An accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) end: End,
    pub(crate) peer: SockAddr,
    pub(crate) local: SockAddr,
}

impl Seen {
    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() || self.detached
    }

    pub(crate) fn is_sending(&self) -> bool {
        self.sent < self.asked.sent_bytes
    }

    /// Closed with a cause, of its own accord.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.closed, Some(Some(_)))
    }

    /// Closed by the caller.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.closed, Some(None))
    }

    /// What a failed socket told.
    pub(crate) fn cause(&self) -> io::ErrorKind {
        let cause = self.closed.as_ref().and_then(Option::as_ref);
        cause.expect("the socket failed").kind()
    }

    fn note(&mut self, at: usize, event: Event) {
        self.events += 1;
        match event {
            Event::AcceptFailed { cause, .. } => self.accept_failures.push(cause),
            Event::Accepted {
                sock, peer, local, ..
            } => {
                assert!(self.asked.resume, "a paused listener accepted");
                let end = End { at, sock };
                self.accepted.push(Connection { end, peer, local });
            }
            Event::Closed { cause, .. } => self.closed = Some(cause),
            Event::Connected { .. } => {
                assert!(!self.connected, "connected twice");
                self.connected = true;
            }
            Event::Datagram { datagram, .. } => self.datagrams.push(datagram),
            Event::Detached { carried, .. } => {
                assert_eq!(self.sent, self.asked.sent_bytes, "left before its sends");
                (self.detached, self.carried) = (true, Some(carried));
            }
            Event::Finished { .. } => {
                assert!(!self.finished, "finished twice");
                (self.finished, self.asked.pass) = (true, None);
            }
            Event::Received { data, .. } => self.on_received(data),
            Event::Relayed { bytes, .. } => {
                assert!(bytes > 0, "relayed nothing");
                self.relayed += bytes;
                let Some(left) = &mut self.asked.pass else {
                    return assert!(self.asked.relay, "relayed unasked");
                };
                assert!(bytes <= *left, "passed more than asked for");
                *left -= bytes;
                if *left == 0 {
                    self.asked.pass = None;
                }
            }
            Event::Sent { bytes, .. } => {
                (self.sent, self.sents) = (self.sent + bytes, self.sents + 1);
                let asked = self.asked.sent_bytes;
                assert!(bytes > 0 && self.sent <= asked, "sent more than queued");
            }
            Event::Woken => {}
        }
    }

    fn on_received(&mut self, data: BufMut) {
        assert!(!data.is_empty(), "received nothing");
        assert!(
            self.asked.resume,
            "a socket that was never resumed received"
        );
        assert!(!self.asked.relay, "received after relay");
        assert!(self.asked.pass.is_none(), "received while passing");
        assert!(!self.finished, "received after the end");
        self.received.extend_from_slice(&data);
        self.receives += 1;
        if self.asked.hold && !data.is_reserve() {
            self.held.push(data);
        }
    }
}

/// What all sockets of all engines told.
#[derive(Debug, Default)]
pub(crate) struct Log {
    seen: BTreeMap<End, Seen>,
    woken: BTreeMap<usize, usize>,
    nothing: Seen,
}

impl Log {
    pub(crate) fn note(&mut self, at: usize, event: Event) {
        let Some(sock) = sock_of(&event) else {
            *self.woken.entry(at).or_default() += 1;
            return;
        };
        let end = End { at, sock };
        if let Event::Accepted { sock, .. } = &event {
            let accepted = self.at(End { at, sock: *sock });
            assert_eq!(accepted.events, 0, "{sock:?} was known before");
        }
        let seen = self.at(end);
        assert!(!seen.is_over(), "{end:?} told {event:?} after its end");
        let silent = seen.asked.close && !matches!(event, Event::Closed { .. });
        assert!(!silent, "{end:?} told {event:?} after close");
        seen.note(at, event);
    }

    pub(crate) fn at(&mut self, end: End) -> &mut Seen {
        self.seen.entry(end).or_default()
    }

    /// How often the engine's waker ended a wait.
    pub(crate) fn woken(&self, at: usize) -> usize {
        self.woken.get(&at).copied().unwrap_or(0)
    }

    /// Gives back all leases that were kept.
    pub(crate) fn release_all(&mut self) {
        self.seen.values_mut().for_each(|seen| seen.held.clear());
    }

    /// The sockets that have not ended.
    pub(crate) fn open(&self) -> Vec<End> {
        let open = self.seen.iter().filter(|(_, seen)| !seen.is_over());
        open.map(|(end, _)| *end).collect()
    }
}

impl Index<End> for Log {
    type Output = Seen;

    fn index(&self, end: End) -> &Seen {
        self.seen.get(&end).unwrap_or(&self.nothing)
    }
}

fn sock_of(event: &Event) -> Option<Sock> {
    match event {
        Event::AcceptFailed { listener: sock, .. }
        | Event::Accepted { listener: sock, .. }
        | Event::Closed { sock, .. }
        | Event::Connected { sock }
        | Event::Datagram { sock, .. }
        | Event::Detached { sock, .. }
        | Event::Finished { sock }
        | Event::Received { sock, .. }
        | Event::Relayed { from: sock, .. }
        | Event::Sent { sock, .. } => Some(*sock),
        Event::Woken => None,
    }
}
