//! An endpoint on `sim` whose every answer, and the time it takes, is scripted.

use crate::streams::Streams;
use codecs::{Reason, StreamId};
use engines::{
    Buf, Engine, EngineOptions, Event, ListenOptions, SimEngine, SimNet, Sock, SockAddr,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// When an answer is repeated.
const REPEATED: Duration = Duration::from_micros(10);

/// A request that arrived.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its number, from 0, over all connections.
    pub(crate) number: usize,
    /// Since requests started.
    pub(crate) at: Duration,
    /// Head, in lower case.
    pub(crate) head: String,
    /// Body without framing.
    pub(crate) body: Vec<u8>,
    /// Requests on the same connection that wait for their answers.
    pub(crate) ahead: usize,
}

/// What a request gets.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// After its arrival; not before the answers ahead of it.
    pub(crate) delay: Duration,
    pub(crate) bytes: Vec<u8>,
    /// The connection is closed behind it.
    pub(crate) closes: bool,
    /// Of HTTP/2: the stream, whether it is reset instead, whether the connection takes no more, and a
    /// trailer.
    pub(crate) stream: Option<StreamId>,
    pub(crate) reset: Option<Reason>,
    pub(crate) drains: bool,
    pub(crate) trailers: Option<(String, String)>,
}

impl Answer {
    /// 200 with that body.
    pub(crate) fn of(delay: Duration, body: &[u8]) -> Self {
        Self::with("", delay, body)
    }

    /// 200 with more header lines.
    pub(crate) fn with(lines: &str, delay: Duration, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n",
            body.len()
        );
        Self::raw(delay, [head.as_bytes(), body].concat())
    }

    pub(crate) fn raw(delay: Duration, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            delay,
            bytes: bytes.into(),
            closes: false,
            stream: None,
            reset: None,
            drains: false,
            trailers: None,
        }
    }

    pub(crate) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

/// Decides what each request gets; none: nothing, ever.
pub(crate) type Script = Box<dyn FnMut(&Request) -> Option<Answer>>;

#[derive(Default)]
pub(crate) struct Peer {
    input: Vec<u8>,
    pub(crate) streams: Streams,
    /// When the last answer leaves, and how many have not.
    last: Option<Instant>,
    pub(crate) waiting: usize,
}

/// All connections of the endpoint.
pub(crate) struct Endpoint {
    pub(crate) engine: SimEngine,
    /// What is sent comes back; no HTTP.
    pub(crate) echoes: bool,
    /// Each request is a stream.
    pub(crate) speaks_http2: bool,
    /// It answers a head without waiting for the body, and reads no more.
    pub(crate) is_hasty: bool,
    /// It sends each answer once more, a moment later.
    pub(crate) repeats: bool,
    pub(crate) start: Instant,
    pub(crate) accepted: usize,
    pub(crate) script: Script,
    pub(crate) number: usize,
    pub(crate) peers: BTreeMap<Sock, Peer>,
    /// Answers by time and order.
    pub(crate) due: BTreeMap<(Instant, usize), (Sock, Answer)>,
    pub(crate) queued: usize,
    events: Vec<Event>,
}

impl Endpoint {
    pub(crate) fn new(net: &SimNet, at: &SockAddr, script: Script) -> Self {
        let mut engine = net.engine(&EngineOptions::default());
        let listener = engine.listen(at, &ListenOptions::default()).unwrap();
        engine.resume(listener);
        Self {
            start: engine.now(),
            engine,
            echoes: false,
            speaks_http2: false,
            is_hasty: false,
            repeats: false,
            accepted: 0,
            script,
            number: 0,
            peers: BTreeMap::new(),
            due: BTreeMap::new(),
            queued: 0,
            events: Vec::new(),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn turn(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        self.engine.wait(self.deadline(), &mut events).unwrap();
        for event in events.drain(..) {
            self.on_event(event);
        }
        self.events = events;
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= self.engine.now()
        {
            let (sock, answer) = entry.remove();
            let Some(peer) = self.peers.get_mut(&sock) else {
                continue;
            };
            peer.waiting -= 1;
            match answer.stream {
                Some(id) => self.answer_stream(sock, id, &answer),
                None => self.engine.send(sock, Buf::from(answer.bytes)),
            }
            if answer.closes {
                self.engine.finish(sock);
            }
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Accepted { sock, .. } => {
                self.accepted += 1;
                self.peers.insert(sock, Peer::default());
                self.engine.resume(sock);
            }
            Event::Received { sock, data } if self.speaks_http2 => {
                if self.peers.contains_key(&sock) {
                    self.read_streams(sock, &data);
                }
            }
            Event::Received { sock, data } => {
                if let Some(peer) = self.peers.get_mut(&sock) {
                    peer.input.extend_from_slice(&data);
                    self.read(sock);
                }
            }
            Event::Finished { sock } => self.engine.close(sock),
            Event::Closed { sock, .. } => {
                self.peers.remove(&sock);
            }
            Event::Sent { .. } => {}
            Event::AcceptFailed { .. }
            | Event::Connected { .. }
            | Event::Datagram { .. }
            | Event::Detached { .. }
            | Event::Relayed { .. }
            | Event::Woken => panic!("{event:?}"),
        }
    }

    fn read(&mut self, sock: Sock) {
        while let Some(peer) = self.peers.get_mut(&sock) {
            let taken = match self.is_hasty {
                true if peer.waiting > 0 || peer.last.is_some() => return,
                true => find(&peer.input, b"\r\n\r\n").map(|_| (String::new(), Vec::new())),
                false => take(&mut peer.input, self.echoes),
            };
            let Some((head, body)) = taken else {
                return;
            };
            let now = self.engine.now();
            let request = Request {
                number: self.number,
                at: now.saturating_duration_since(self.start),
                head,
                body,
                ahead: peer.waiting,
            };
            self.number += 1;
            let Some(answer) = (self.script)(&request) else {
                continue;
            };
            let at = (now + answer.delay).max(peer.last.unwrap_or(now));
            peer.last = Some(at);
            peer.waiting += 1;
            if self.repeats {
                peer.waiting += 1;
                let later = at + REPEATED;
                self.due
                    .insert((later, self.queued + 1), (sock, answer.clone()));
            }
            self.due.insert((at, self.queued), (sock, answer));
            self.queued += 2;
        }
    }
}

/// Takes a whole request off the front.
fn take(input: &mut Vec<u8>, echoes: bool) -> Option<(String, Vec<u8>)> {
    if echoes {
        let all = std::mem::take(input);
        return (!all.is_empty()).then(|| (String::new(), all));
    }
    let head_len = find(input, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&input[..head_len]).to_lowercase();
    let rest = &input[head_len..];
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let (used, body) = if head.contains("transfer-encoding: chunked") {
        chunked(rest)?
    } else {
        let len = length.map_or(0, |length| length.parse().unwrap());
        (len, rest.get(..len)?.to_vec())
    };
    input.drain(..head_len + used);
    Some((head, body))
}

fn chunked(mut rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (all, mut body) = (rest.len(), Vec::new());
    loop {
        let line = find(rest, b"\r\n")?;
        let len = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        body.extend_from_slice(rest.get(line + 2..line + 2 + len)?);
        rest = rest.get(line + 2 + len + 2..)?;
        if len == 0 {
            return Some((all - rest.len(), body));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
