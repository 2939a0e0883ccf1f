//! One end of an HTTP/2 connection, without I/O: it keeps the books of both directions and holds the
//! other end to every rule that can be seen from here.

use super::{
    frame::{self, Frame, Reader, Settings},
    hpack::{Decoder, Encoder, Fields},
    stream::{Head, Stream},
};
use engines::Rng;
use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What the other end said.
#[derive(Debug)]
pub(crate) enum Told {
    Data { id: u32, bytes: Vec<u8>, end: bool },
    GoAway { last: u32, code: u32 },
    Head { id: u32, head: Head, end: bool },
    Pong,
    Reset { id: u32, code: u32 },
    Settings,
    Trailers { id: u32, fields: Fields },
    Window,
}

/// A header block under way.
#[derive(Debug)]
struct Block {
    id: u32,
    end: bool,
    bytes: Vec<u8>,
}

/// One end.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) role: Role,
    rng: Rng,
    reader: Reader,
    pub(super) encoder: Encoder,
    decoder: Decoder,
    pub(super) out: Vec<u8>,
    /// What the other end told; `None` before its first SETTINGS.
    pub(crate) theirs: Option<Settings>,
    /// What we told, and the other end has acknowledged.
    acked: Settings,
    /// What we told last.
    pub(crate) ours: Settings,
    unacked: VecDeque<Settings>,
    /// What may be sent on the connection.
    pub(crate) send_window: i64,
    /// What may be received on it.
    pub(super) window: i64,
    /// Received and not given back to the connection's window.
    pub(crate) owed: i64,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The last stream that either end opened.
    last: u32,
    /// The last stream that the other end takes.
    pub(crate) their_last: Option<u32>,
    /// The last stream that we take.
    pub(crate) our_last: Option<u32>,
    pings: VecDeque<[u8; 8]>,
    pub(crate) pings_got: u32,
    block: Option<Block>,
    /// The connection's and each stream's window at the other end are at most so large.
    pub(crate) windows_max: (i64, i64),
    /// Cuts header blocks and pads frames.
    odd: bool,
}

impl Peer {
    pub(crate) fn new(role: Role, ours: &Settings, odd: bool, rng: &mut Rng) -> Self {
        let mut peer = Self {
            role,
            rng: rng.fork(),
            reader: match role {
                Role::Client => Reader::default(),
                Role::Server => Reader::of_server(),
            },
            encoder: Encoder::new(!odd),
            decoder: Decoder::new(),
            out: Vec::new(),
            theirs: None,
            acked: Settings::default(),
            ours: Settings::default(),
            unacked: VecDeque::new(),
            send_window: frame::WINDOW_DEFAULT,
            window: frame::WINDOW_DEFAULT,
            owed: 0,
            streams: BTreeMap::new(),
            last: 0,
            their_last: None,
            our_last: None,
            pings: VecDeque::new(),
            pings_got: 0,
            block: None,
            windows_max: (frame::WINDOW_MAX, frame::WINDOW_MAX),
            odd,
        };
        if role == Role::Client {
            peer.out.extend_from_slice(frame::PREFACE);
        }
        peer.tell_settings(ours.clone());
        peer
    }

    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    // What is sent.

    pub(crate) fn tell_settings(&mut self, settings: Settings) {
        let payload = settings.write(&self.ours);
        frame::write(&mut self.out, frame::SETTINGS, 0, 0, &payload);
        self.unacked.push_back(settings.clone());
        self.ours = settings;
    }

    /// What streams' windows are at first. A larger one may be used as soon as it is told, a smaller one
    /// holds when it is acknowledged.
    fn first_window(&self) -> i64 {
        let unacked = self.unacked.iter().map(|told| told.window);
        unacked.fold(self.acked.window, i64::max)
    }

    /// Opens a stream. `None`: no more are allowed.
    pub(crate) fn open(&mut self, fields: &Fields, end: bool) -> Option<u32> {
        if !self.may_open() {
            return None;
        }
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = id;
        let mut stream = self.blank_stream();
        stream.is_head_request = fields.contains(&(":method".into(), "HEAD".into()));
        self.streams.insert(id, stream);
        self.head(id, fields, end);
        Some(id)
    }

    pub(crate) fn may_open(&self) -> bool {
        let max = self.theirs.as_ref().map_or(1, |theirs| theirs.streams);
        self.their_last.is_none() && self.open_streams() < max
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.values().filter(|s| !s.is_over()).count()
    }

    fn blank_stream(&self) -> Stream {
        let theirs = self.theirs.clone().unwrap_or_default();
        Stream::new(theirs.window)
    }

    /// Writes a header block: a head or trailers.
    pub(crate) fn head(&mut self, id: u32, fields: &Fields, end: bool) {
        let mut block = self.encoder.encode(fields, &mut self.rng);
        let mut flags = if end { frame::END_STREAM } else { 0 };
        let mut first = Vec::new();
        let padding = if self.odd && self.rng.chance(1, 8) {
            flags |= frame::PADDED;
            let len = self.rng.below(20) as u8;
            first.push(len);
            usize::from(len)
        } else {
            0
        };
        if self.odd && self.role == Role::Client && self.rng.chance(1, 8) {
            flags |= frame::WITH_PRIORITY;
            first.extend_from_slice(&[0, 0, 0, 0, self.rng.below(256) as u8]);
        }
        let is_cut = self.odd && self.rng.chance(1, 5) && block.len() > 1;
        let cut = match is_cut {
            true => 1 + self.rng.index(block.len() - 1),
            false => block.len(),
        };
        let mut rest = block.split_off(cut);
        first.extend(block);
        first.extend(std::iter::repeat_n(0, padding));
        flags |= if rest.is_empty() {
            frame::END_HEADERS
        } else {
            0
        };
        frame::write(&mut self.out, frame::HEADERS, flags, id, &first);
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(1 + rest.len() / 2));
            let flags = if later.is_empty() {
                frame::END_HEADERS
            } else {
                0
            };
            frame::write(&mut self.out, frame::CONTINUATION, flags, id, &rest);
            rest = later;
        }
        self.sent_end(id, end);
    }

    fn sent_end(&mut self, id: u32, end: bool) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sent_end |= end;
        }
    }

    /// Bytes that one DATA frame may carry now.
    pub(crate) fn room(&self, id: u32) -> usize {
        let stream = self.streams.get(&id).map_or(0, |s| s.send_window);
        let frame = self.theirs.as_ref().map_or(16_384, |theirs| theirs.frame);
        stream.min(self.send_window).max(0).min(frame as i64) as usize
    }

    /// Sends a part of a body, at most as long as `room` says.
    pub(crate) fn data(&mut self, id: u32, bytes: &[u8], end: bool) {
        let room = self.room(id);
        assert!(bytes.len() <= room, "{} of {room} bytes", bytes.len());
        let mut flags = if end { frame::END_STREAM } else { 0 };
        let mut payload = Vec::new();
        let spare = room - bytes.len();
        if self.odd && spare > 0 && !bytes.is_empty() && self.rng.chance(1, 8) {
            flags |= frame::PADDED;
            payload.push(self.rng.below(spare.min(100) as u64) as u8);
        }
        let padding = payload.first().copied().unwrap_or(0);
        payload.extend_from_slice(bytes);
        payload.extend(std::iter::repeat_n(0, padding.into()));
        frame::write(&mut self.out, frame::DATA, flags, id, &payload);
        self.send_window -= payload.len() as i64;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.send_window -= payload.len() as i64;
        }
        self.sent_end(id, end);
    }

    pub(crate) fn reset(&mut self, id: u32, code: u32) {
        frame::write(&mut self.out, frame::RST_STREAM, 0, id, &code.to_be_bytes());
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.sent_reset = true;
        }
    }

    pub(crate) fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        frame::write(&mut self.out, frame::GOAWAY, 0, 0, &payload);
        if self.role == Role::Server {
            self.our_last = Some(last);
        }
    }

    /// Something is sent past these books: the other end may name any stream.
    pub(crate) fn misbehave(&mut self) {
        self.last = frame::ID_MAX;
    }

    pub(crate) fn ping(&mut self) {
        let payload = self.rng.next_u64().to_be_bytes();
        frame::write(&mut self.out, frame::PING, 0, 0, &payload);
        self.pings.push_back(payload);
    }

    /// Gives so much back to the connection's window.
    pub(crate) fn give_conn(&mut self, len: i64) {
        let len = len.min(self.owed);
        if len > 0 {
            self.owed -= len;
            self.widen_conn(len);
        }
    }

    /// Makes the connection's window larger than it was.
    pub(crate) fn widen_conn(&mut self, len: i64) {
        let number = (len as u32).to_be_bytes();
        frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, 0, &number);
        self.window += len;
    }

    /// Gives so much back to a stream's window.
    pub(crate) fn give(&mut self, id: u32, len: i64) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let len = len.min(stream.owed);
        if len > 0 && !stream.got_end && !stream.sent_reset && !stream.got_reset {
            stream.owed -= len;
            stream.balance += len;
            let number = (len as u32).to_be_bytes();
            frame::write(&mut self.out, frame::WINDOW_UPDATE, 0, id, &number);
        }
    }

    // What is received.

    /// Takes bytes.
    ///
    /// # Errors
    /// The rule that the other end broke.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Told>, String> {
        self.reader.push(bytes);
        let mut told = Vec::new();
        let unacked = self.unacked.iter().map(|one| one.frame);
        let max = unacked.chain([self.acked.frame]).max().unwrap_or(0);
        while let Some(frame) = self.reader.next(max)? {
            let len = frame.payload.len();
            let (kind, flags, id) = (frame.kind, frame.flags, frame.id);
            let what = || format!("kind {kind}, flags {flags:#x}, stream {id}, {len} bytes");
            let one = self.take(frame);
            told.extend(one.map_err(|why| format!("{why}: {}", what()))?);
        }
        Ok(told)
    }

    /// What the other end has not given back of the connection's window, above what it may keep back
    /// while it holds nothing: it tells what it has let go of by halves.
    pub(crate) fn lost_credit(&self) -> Option<i64> {
        let max = self.windows_max.0;
        let least = max - max / 2;
        (self.send_window <= least).then_some(max - self.send_window)
    }

    /// All that we told or asked for is acknowledged.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unacked.is_empty() && self.pings.is_empty()
    }

    fn take(&mut self, frame: Frame) -> Result<Option<Told>, String> {
        if self.theirs.is_none() && (frame.kind != frame::SETTINGS || frame.has(frame::ACK)) {
            return Err("no SETTINGS first".into());
        }
        if self.block.is_some() != (frame.kind == frame::CONTINUATION) {
            return Err("a header block is not in one piece".into());
        }
        match frame.kind {
            frame::DATA => self.on_data(frame),
            frame::HEADERS | frame::CONTINUATION => self.on_block(frame),
            frame::RST_STREAM => self.on_reset(&frame),
            frame::SETTINGS => self.on_settings(&frame),
            frame::PING => self.on_ping(&frame),
            frame::GOAWAY => self.on_go_away(&frame),
            frame::WINDOW_UPDATE => self.on_window(&frame),
            _ => Err("nobody sends that".into()),
        }
    }

    fn on_settings(&mut self, frame: &Frame) -> Result<Option<Told>, String> {
        if frame.id != 0 {
            return Err("settings of a stream".into());
        }
        if frame.has(frame::ACK) {
            let now = self.unacked.pop_front().ok_or("an ack of nothing")?;
            if now.table != self.acked.table {
                self.decoder.allow(now.table);
            }
            self.acked = now;
            return Ok(None);
        }
        let before = self.theirs.clone().unwrap_or_default();
        let mut now = before.clone();
        now.read(&frame.payload)?;
        if self.role == Role::Server && self.theirs.is_none() && now.push {
            return Err("a proxy wants no pushes".into());
        }
        if now.table != before.table {
            self.encoder.allow(now.table);
        }
        let by = now.window - before.window;
        self.streams.values_mut().for_each(|s| s.send_window += by);
        self.theirs = Some(now);
        frame::write(&mut self.out, frame::SETTINGS, frame::ACK, 0, &[]);
        Ok(Some(Told::Settings))
    }

    fn on_ping(&mut self, frame: &Frame) -> Result<Option<Told>, String> {
        if frame.id != 0 || frame.payload.len() != 8 {
            return Err("not a ping".into());
        }
        if !frame.has(frame::ACK) {
            self.pings_got += 1;
            frame::write(&mut self.out, frame::PING, frame::ACK, 0, &frame.payload);
            return Ok(None);
        }
        let sent = self.pings.pop_front().ok_or("an answer to no ping")?;
        if sent != frame.payload.as_slice() {
            return Err("an answer to another ping".into());
        }
        Ok(Some(Told::Pong))
    }

    fn on_go_away(&mut self, frame: &Frame) -> Result<Option<Told>, String> {
        let (last, code) = (frame.number(0)? & frame::ID_MAX, frame.number(4)?);
        if frame.id != 0 {
            return Err("a GOAWAY of a stream".into());
        }
        if self.their_last.is_some_and(|before| last > before) {
            return Err("a later GOAWAY takes more".into());
        }
        if self.role == Role::Client && last != frame::ID_MAX && last > self.last {
            return Err("the last stream was never opened".into());
        }
        self.their_last = Some(last);
        Ok(Some(Told::GoAway { last, code }))
    }

    fn on_window(&mut self, frame: &Frame) -> Result<Option<Told>, String> {
        let by = i64::from(frame.number(0)? & frame::ID_MAX);
        if by == 0 {
            return Err("a window opens by nothing".into());
        }
        if frame.id == 0 {
            self.send_window += by;
            if self.send_window > self.windows_max.0 {
                return Err(format!("a connection's window of {}", self.send_window));
            }
            return Ok(Some(Told::Window));
        }
        let max = self.windows_max.1;
        let stream = self.known(frame.id)?;
        stream.send_window += by;
        if stream.send_window > max && !stream.sent_reset {
            return Err(format!("a stream's window of {}", stream.send_window));
        }
        Ok(Some(Told::Window))
    }

    /// A stream that is not idle.
    fn known(&mut self, id: u32) -> Result<&mut Stream, String> {
        self.streams.get_mut(&id).ok_or("an idle stream".into())
    }

    fn on_reset(&mut self, frame: &Frame) -> Result<Option<Told>, String> {
        let code = frame.number(0)?;
        let stream = self.known(frame.id)?;
        if std::mem::replace(&mut stream.got_reset, true) {
            return Err("reset twice".into());
        }
        let is_news = !stream.sent_reset;
        Ok(is_news.then_some(Told::Reset { id: frame.id, code }))
    }

    fn on_data(&mut self, mut frame: Frame) -> Result<Option<Told>, String> {
        let (id, len) = (frame.id, frame.payload.len() as i64);
        self.window -= len;
        self.owed += len;
        if self.window < 0 {
            return Err(format!(
                "{} bytes above the connection's window",
                -self.window
            ));
        }
        frame.strip()?;
        let end = frame.has(frame::END_STREAM);
        let first_window = self.first_window();
        let stream = self.known(id)?;
        stream.on_data(first_window, len, frame.payload.len() as u64, end)?;
        let is_news = !stream.sent_reset;
        let bytes = frame.payload;
        Ok(is_news.then_some(Told::Data { id, bytes, end }))
    }

    fn on_block(&mut self, mut frame: Frame) -> Result<Option<Told>, String> {
        frame.strip()?;
        let block = match self.block.take() {
            None => Block {
                id: frame.id,
                end: frame.has(frame::END_STREAM),
                bytes: frame.payload,
            },
            Some(mut block) if block.id == frame.id => {
                block.bytes.extend(frame.payload);
                block
            }
            Some(_) => return Err("a header block of two streams".into()),
        };
        if frame.flags & frame::END_HEADERS == 0 {
            self.block = Some(block);
            return Ok(None);
        }
        let fields = self.decoder.decode(&block.bytes)?;
        self.on_fields(block.id, fields, block.end)
    }

    fn on_fields(&mut self, id: u32, fields: Fields, end: bool) -> Result<Option<Told>, String> {
        if self.role == Role::Server && !self.streams.contains_key(&id) {
            return self.on_request(id, fields, end).map(Some);
        }
        let role = self.role;
        let stream = self.known(id)?;
        let is_news = !stream.sent_reset;
        let told = if stream.got_head || role == Role::Server {
            stream.on_trailers(&fields, end)?;
            Told::Trailers { id, fields }
        } else {
            let head = Head::answer(fields)?;
            stream.on_answer(&head, end)?;
            Told::Head { id, head, end }
        };
        Ok(is_news.then_some(told))
    }

    fn on_request(&mut self, id: u32, fields: Fields, end: bool) -> Result<Told, String> {
        if id.is_multiple_of(2) || id <= self.last {
            return Err(format!("stream {id} after {}", self.last));
        }
        self.last = id;
        let head = Head::request(fields)?;
        let mut stream = self.blank_stream();
        stream.on_request(&head, end)?;
        // What comes behind our GOAWAY is not looked at.
        stream.sent_reset = self.our_last.is_some_and(|last| id > last);
        self.streams.insert(id, stream);
        // As with windows: more may be used as soon as it is told.
        let unacked = self.unacked.iter().map(|told| told.streams);
        let max = unacked.fold(self.acked.streams, usize::max);
        if self.open_streams() > max {
            return Err(format!("{} streams of {max}", self.open_streams()));
        }
        Ok(Told::Head { id, head, end })
    }
}
