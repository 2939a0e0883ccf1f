//! A request under way, and what came of its answer.

use super::mix::{Kind, Mix};
use crate::{grpc, outcome::Failure, workload::Expect};
use codecs::{Fields, Head, StreamId};
use crc32fast::Hasher;

/// One request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) id: StreamId,
    /// Which of the mix.
    pub(super) kind: u32,
    /// When it was to start.
    pub(super) intended_ns: u64,
    /// When it was handed to the connection.
    pub(super) sent_ns: u64,
    /// 0 until there is a head.
    status: u16,
    bytes: u64,
    /// Of the body so far, if it is verified.
    crc32: Option<Hasher>,
    told: Told,
    call: Option<Call>,
}

/// What is known of the answer to a call of gRPC.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    messages: grpc::Messages,
    /// None until it was told.
    status: Option<u8>,
}

impl Exchange {
    /// A request that goes out as the stream `id`.
    pub(super) fn new(id: StreamId, kind: u32, intended_ns: u64, sent_ns: u64, mix: &Mix) -> Self {
        Self {
            id,
            kind,
            intended_ns,
            sent_ns,
            status: 0,
            bytes: 0,
            crc32: mix.verify.then(Hasher::new),
            told: Told::Nothing,
            call: mix.is_grpc.then(Call::default),
        }
    }

    /// The answer's head, no interim one.
    pub(super) fn on_head(&mut self, head: &Head) {
        self.status = head.status;
        if self.crc32.is_some() {
            let field = head.fields.get(b"x-body-crc32");
            self.told = field.map_or(Told::Nothing, Told::read);
        }
        self.on_trailers(&head.fields);
    }

    /// Fields that may tell the status of a call: trailers, or the head if it is all that comes.
    pub(super) fn on_trailers(&mut self, fields: &Fields) {
        if let Some(call) = &mut self.call {
            call.status = grpc::status(fields).or(call.status);
        }
    }

    /// A piece of its body.
    pub(super) fn on_data(&mut self, piece: &[u8]) {
        let (bytes, crc32) = (&mut self.bytes, &mut self.crc32);
        let mut take = |content: &[u8]| {
            *bytes += content.len() as u64;
            if let Some(crc32) = crc32 {
                crc32.update(content);
            }
        };
        match &mut self.call {
            Some(call) => call.messages.take(piece, take),
            None => take(piece),
        }
    }

    /// The status and the messages of a call whose server has answered.
    pub(super) fn called(&self) -> Option<(Option<u8>, u64)> {
        self.call.map(|call| (call.status, call.messages.count))
    }

    /// What is to be said of the whole answer.
    ///
    /// # Errors
    /// What was wrong with it.
    pub(super) fn judge(self, kind: &Kind) -> Result<Body, Failure> {
        let expect = &kind.expect;
        // Where the protocol has no status there is nothing to judge.
        let is_status_right = match expect.status {
            Some(status) => self.status == status,
            None => self.status < 400,
        };
        if !is_status_right {
            return Err(Failure::Status);
        }
        if let Some(call) = self.call {
            call.judge(expect)?;
        }
        if expect.bytes.is_some_and(|bytes| bytes != self.bytes) {
            return Err(Failure::Body);
        }
        let Some(crc32) = self.crc32.map(Hasher::finalize) else {
            return Ok(Body::Unasked);
        };
        match expect.crc32.map_or(self.told, Told::Sum) {
            Told::Sum(wanted) if wanted == crc32 => Ok(Body::Verified),
            Told::Sum(_) | Told::Garbage => Err(Failure::Body),
            Told::Nothing if self.bytes == 0 => Ok(Body::Verified),
            Told::Nothing => Ok(Body::Unverified),
        }
    }
}

impl Call {
    fn judge(self, expect: &Expect) -> Result<(), Failure> {
        // Every answer ends with a status, whatever else it has.
        let status = self.status.ok_or(Failure::Malformed)?;
        if status != expect.grpc_status.unwrap_or(0) {
            return Err(Failure::Status);
        }
        let count = self.messages.count;
        let is_right = expect.messages.is_none_or(|wanted| wanted == count);
        match self.messages.is_whole() && is_right {
            true => Ok(()),
            false => Err(Failure::Body),
        }
    }
}

/// A right answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Nobody asked for checksums.
    Unasked,
    /// It is empty, or has its checksum.
    Verified,
    /// There was no checksum to compare it with.
    Unverified,
}

/// What an answer says that its body's checksum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Sum(u32),
    /// The field is there, and is no checksum.
    Garbage,
}

impl Told {
    /// Eight hexadecimal digits.
    fn read(value: &[u8]) -> Self {
        let is_hex = value.len() == 8 && value.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(value).ok().filter(|_| is_hex);
        let sum = text.and_then(|text| u32::from_str_radix(text, 16).ok());
        sum.map_or(Self::Garbage, Self::Sum)
    }
}
