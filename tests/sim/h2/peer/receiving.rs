//! What one end is told, and every rule that can be seen from there.

use super::{Block, Peer, Role, Told};
use crate::h2::{
    frame::{self, Frame},
    hpack::Fields,
    stream::{Head, Stream},
};

impl Peer {
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
