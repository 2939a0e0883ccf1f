//! Header blocks to frames: requests, answers, trailers, and those that nobody wants.

use super::super::code::{Code, Wrong};
use super::super::frame::{END_STREAM, HEADER, Header};
use super::super::guard;
use super::super::head::{Bounds, Fault, Nothing, Request, Sink, Trailers};
use super::super::hpack::HpackError;
use super::super::streams::{Flags, Stream};
use super::output::finish_block;
use super::{Connection, Role, stream_id};
use crate::{Frame, Head, Heads, Malformed};

/// Heads of all streams of a connection together may have so many times the bytes of the largest. A
/// few bytes of a block can mean a whole head, and streams whose windows are shut keep theirs.
const HEADS_MAX: u32 = 8;

/// What a header block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Answer,
    Nobody,
    Request,
    Trailers,
}

impl Connection {
    /// RFC 9113 §5.1.1: who opens a stream takes ids of its own, and larger ones than before.
    pub(super) fn check_opening(&self, id: u32) -> Result<(), Wrong> {
        match self.role {
            Role::Client if self.is_idle(id) => Err(Wrong::protocol("http2-answer-of-idle-stream")),
            Role::Server if id.is_multiple_of(2) => Err(Wrong::protocol("http2-even-stream-id")),
            Role::Client | Role::Server => Ok(()),
        }
    }

    /// A whole header block. It is decoded whatever becomes of it: the table is one for all streams.
    pub(super) fn on_section(
        &mut self,
        header: Header,
        depends_on_itself: bool,
        block: &[u8],
        heads: &mut Heads,
    ) -> Result<Option<Frame>, Wrong> {
        let id = header.id;
        let end = header.is_set(END_STREAM);
        let target = match self.target(id, end)? {
            // RFC 9113 §5.3.1.
            Ok(_) if depends_on_itself => Err(Wrong::protocol("http2-depends-on-itself")),
            other => other,
        };
        match target {
            Ok(Target::Answer) => self.on_answer(id, end, block, heads),
            Ok(Target::Nobody) => {
                self.read(block, &mut Nothing)?;
                if end {
                    self.tombs.forget(id);
                }
                Ok(None)
            }
            Ok(Target::Request) => self.on_request(id, end, block, heads),
            Ok(Target::Trailers) => self.on_trailers(id, block, heads),
            Err(wrong) => {
                self.read(block, &mut Nothing)?;
                self.on_fault(id, end, Fault::Reset(wrong)).map(Some)
            }
        }
    }

    /// Whom a block is for: an error of the connection, of its stream, or none.
    fn target(&mut self, id: u32, end: bool) -> Result<Result<Target, Wrong>, Wrong> {
        if self.role == Role::Server && id > self.last_peer {
            self.last_peer = id;
            return Ok(self.request_target(id));
        }
        let Some(stream) = self.streams.find(id) else {
            return match self.role {
                // RFC 9113 §5.1: who reset a stream is prepared for what was under way.
                Role::Client => self.guard.on_late().map(|()| Ok(Target::Nobody)),
                Role::Server if self.tombs.has(id) || self.going.is_beyond(id) => {
                    Ok(Ok(Target::Nobody))
                }
                // RFC 9113 §5.1: closed; §5.1.1: ids must not fall.
                Role::Server => Err(Wrong::closed("http2-headers-of-closed-stream")),
            };
        };
        Ok(match stream {
            // RFC 9113 §5.1: half-closed (remote).
            _ if stream.is(Flags::REMOTE_END) => Err(Wrong::closed("http2-headers-after-end")),
            _ if !stream.is(Flags::HEAD_CAME) => Ok(Target::Answer),
            // RFC 9113 §8.5: only DATA on the streams of tunnels.
            _ if stream.is(Flags::IS_TUNNEL) => Err(Wrong::protocol("http2-headers-in-tunnel")),
            // RFC 9113 §8.1: trailers are the end.
            _ if !end => Err(Wrong::protocol("http2-trailers-without-end")),
            _ if stream.body_left.is_some_and(|left| left > 0) => {
                Err(Wrong::protocol("http2-body-shorter-than-content-length"))
            }
            _ => Ok(Target::Trailers),
        })
    }

    fn request_target(&self, id: u32) -> Result<Target, Wrong> {
        if self.going.is_beyond(id) {
            return Ok(Target::Nobody);
        }
        // RFC 9113 §5.1.2.
        match self.streams.len() >= self.limits.options.streams_max as usize {
            true => Err(Wrong::new(Code::REFUSED_STREAM, guard::TOO_MANY_STREAMS)),
            false => Ok(Target::Request),
        }
    }

    /// RFC 9113 §4.3: a block that cannot be decoded ends the connection.
    pub(super) fn read(&mut self, block: &[u8], sink: &mut impl Sink) -> Result<(), Wrong> {
        let read = self.decoder.decode(block, &mut |field| sink.field(field));
        read.map_err(|why| match why {
            HpackError::CostlyNames => Wrong::calm(guard::COSTLY_NAMES),
            HpackError::EndOfString
            | HpackError::LargeInteger
            | HpackError::LargeTable
            | HpackError::LateTableSize
            | HpackError::LongPadding
            | HpackError::MissingTableSize
            | HpackError::Truncated
            | HpackError::UnknownIndex
            | HpackError::WrongPadding
            | HpackError::ZeroIndex => Wrong::new(Code::COMPRESSION_ERROR, why.detail()),
        })
    }

    pub(super) fn head_bounds(&self) -> Bounds {
        Bounds {
            bytes_max: self.limits.head_bytes_max as usize,
            fields_max: self.limits.fields_max,
            too_large: guard::HEAD_TOO_LARGE,
        }
    }

    fn on_request(
        &mut self,
        id: u32,
        end: bool,
        block: &[u8],
        heads: &mut Heads,
    ) -> Result<Option<Frame>, Wrong> {
        let mut head = heads.take();
        let begun = self.begin_request(id, end, block, &mut head);
        let waits = match begun {
            Ok(Ok(waits)) => waits,
            Ok(Err(fault)) => {
                heads.put(head);
                return self.on_fault(id, end, fault).map(Some);
            }
            Err(wrong) => {
                heads.put(head);
                return Err(wrong);
            }
        };
        self.guard.on_stream();
        self.guard.on_work();
        if waits {
            self.owe_continue(id);
        }
        Ok(Some(head_frame(id, head, end)))
    }

    /// Opens a stream; true if the client waits for `100 Continue`.
    fn begin_request(
        &mut self,
        id: u32,
        end: bool,
        block: &[u8],
        head: &mut Head,
    ) -> Result<Result<bool, Fault>, Wrong> {
        let mut request = Request::new(head, self.head_bounds());
        self.read(block, &mut request)?;
        let asked = match request.finish(end, self.limits.options.allow_connect) {
            Ok(asked) => asked,
            Err(fault) => return Ok(Err(fault)),
        };
        let together = self.heads_bytes + asked.head_bytes;
        if together > self.limits.head_bytes_max.saturating_mul(HEADS_MAX) {
            let wrong = Wrong::new(Code::REFUSED_STREAM, guard::HEADS_TOO_LARGE_TOGETHER);
            return Ok(Err(Fault::Reset(wrong)));
        }
        let mut stream = Stream::new(id, self.peer.window, self.first_window(), Flags::HEAD_CAME);
        for (flag, is_set) in [
            (Flags::REMOTE_END, end),
            (Flags::IS_CONNECT, asked.is_connect && !asked.is_extended),
            (Flags::IS_EXTENDED, asked.is_extended),
            (Flags::TOLD_CONTINUE, asked.expects_continue),
        ] {
            if is_set {
                stream.set(flag);
            }
        }
        (stream.body_left, stream.head_bytes) = (asked.body_left, asked.head_bytes);
        self.heads_bytes = together;
        self.streams.push(stream);
        Ok(Ok(asked.expects_continue))
    }

    /// A message is refused.
    pub(super) fn on_fault(&mut self, id: u32, end: bool, fault: Fault) -> Result<Frame, Wrong> {
        let frame = match fault {
            Fault::Reset(wrong) if wrong.code == Code::REFUSED_STREAM && !self.has_ack => {
                self.refuse_early(id, wrong)?
            }
            Fault::Reset(wrong) => self.fail_stream(id, wrong)?,
            Fault::Status(_, detail) if self.role == Role::Client => {
                self.fail_stream(id, Wrong::protocol(detail))?
            }
            Fault::Status(status, detail) => {
                self.guard.on_answered()?;
                self.begin_refused(id, end);
                Frame::Refused {
                    id: stream_id(id),
                    why: Malformed { status, detail },
                }
            }
        };
        if end {
            self.tombs.forget(id);
        }
        Ok(frame)
    }

    /// Opens the stream of a request of which nothing is told but that it is refused.
    fn begin_refused(&mut self, id: u32, end: bool) {
        let flags = Flags::HEAD_CAME.and(Flags::IS_REFUSED);
        let mut stream = Stream::new(id, self.peer.window, self.first_window(), flags);
        if end {
            stream.set(Flags::REMOTE_END);
        }
        self.streams.push(stream);
    }

    /// The client may go on with its request.
    fn owe_continue(&mut self, id: u32) {
        let start = self.owed.len();
        self.owed.extend_from_slice(&[0; HEADER]);
        self.encoder.begin(&mut self.owed);
        self.encoder.status(100, &mut self.owed);
        finish_block(&mut self.owed, start, id, 0, self.peer.frame_max);
    }

    fn on_trailers(
        &mut self,
        id: u32,
        block: &[u8],
        heads: &mut Heads,
    ) -> Result<Option<Frame>, Wrong> {
        let bounds = Bounds {
            bytes_max: self.limits.trailer_bytes_max as usize,
            fields_max: self.limits.fields_max,
            too_large: guard::TRAILERS_TOO_LARGE,
        };
        let mut fields = heads.take_fields();
        let mut trailers = Trailers::new(&mut fields, bounds);
        let read = self.read(block, &mut trailers);
        let finished = trailers.finish();
        match read.map(|()| finished) {
            Ok(Ok(())) => {
                self.remote_ends(id);
                let id = stream_id(id);
                Ok(Some(Frame::Trailers { id, fields }))
            }
            Ok(Err(fault)) => {
                heads.put_fields(fields);
                // The head was handed out: it is too late for a status.
                let wrong = match fault {
                    Fault::Reset(wrong) => wrong,
                    Fault::Status(_, detail) => Wrong::calm(detail),
                };
                self.on_fault(id, true, Fault::Reset(wrong)).map(Some)
            }
            Err(wrong) => {
                heads.put_fields(fields);
                Err(wrong)
            }
        }
    }
}

pub(super) fn head_frame(id: u32, head: Box<Head>, end: bool) -> Frame {
    Frame::Head {
        id: stream_id(id),
        head,
        end,
    }
}
