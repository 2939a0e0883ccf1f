//! Requests that come in.

use super::{Answer, Blank, Expect, Request, Server};
use crate::http1::body::{Body, Part};
use crate::http1::parse::{self, Facts, Method};
use crate::http1::scan::Bounds;
use crate::http1::{bad, idle, refused};
use crate::{Frame, Head, Heads, Length, Malformed, Step, StreamId, Version, Wait};

impl Server {
    pub(super) fn step(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        match self.request {
            Request::Head if self.scan.is_fresh() && !input.is_empty() => {
                match self.skip_blank(input[0])? {
                    true => Ok(idle(1, more_or_go(1, input))),
                    false => self.decode_head(input, heads),
                }
            }
            Request::Head => self.decode_head(input, heads),
            Request::Body(_) => self.decode_body(input, heads),
            Request::Ended | Request::Switching => Ok(idle(0, Wait::Hold)),
        }
    }

    /// True if the byte belongs to an empty line before the request.
    fn skip_blank(&mut self, byte: u8) -> Result<bool, Malformed> {
        self.blank = match (self.blank, byte) {
            (Blank::None, b'\r') => Blank::Cr,
            (Blank::Cr, b'\n') => Blank::Line,
            (Blank::Cr, _) => return Err(bad("bare-cr")),
            (Blank::Line, b'\r') => return Err(bad("repeated-empty-line")),
            (Blank::None | Blank::Line, _) => return Ok(false),
        };
        Ok(true)
    }

    fn decode_head(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let bounds = Bounds {
            bytes_max: self.limits.head_bytes_max as usize,
            lines_max: self.limits.fields_max as usize + 1,
            first_line_status: 414,
        };
        let mut head = heads.take();
        let read = parse::request(&mut self.scan, input, bounds, &mut head);
        let (used, facts) = match read.and_then(|read| self.accept(&head, read)) {
            Ok(Some(read)) => read,
            other => {
                heads.put(head);
                return other.map(|_| idle(0, Wait::More));
            }
        };
        self.begin(&head, facts);
        let end = matches!(self.request, Request::Ended);
        let frame = Frame::Head {
            id: StreamId(self.id),
            head,
            end,
        };
        Ok(Step {
            used,
            frame: Some(frame),
            wait: self.wait(used, input),
        })
    }

    fn accept<T>(&self, head: &Head, read: Option<T>) -> Result<Option<T>, Malformed> {
        match head.version == Version::Http10 && !self.limits.accept_http_10 {
            true => Err(refused(426, "http-1.0")),
            false => Ok(read),
        }
    }

    fn begin(&mut self, head: &Head, facts: Facts) {
        let is_http_10 = head.version == Version::Http10;
        self.id += 1;
        self.blank = Blank::None;
        self.method = Method::of(head);
        self.version = head.version;
        self.answer = Answer::Awaited;
        let is_close = facts.close || is_http_10 && !facts.keep_alive;
        self.keep &= !is_close;
        // Behind CONNECT may come what is meant for the tunnel, even if that is refused.
        self.is_last = is_close && self.method != Method::Connect;
        let is_switch = self.method == Method::Connect || !head.upgrade().is_empty();
        self.request = match head.length {
            Length::None if is_switch => Request::Switching,
            Length::None | Length::Known(0) => Request::Ended,
            Length::Known(length) => Request::Body(Body::Known(length)),
            Length::Unknown => Request::Body(Body::chunked()),
        };
        let waits = facts.expects_continue && !is_http_10 && self.has_body_to_come();
        self.expect = if waits { Expect::Waits } else { Expect::None };
    }

    pub(super) fn has_body_to_come(&self) -> bool {
        matches!(self.request, Request::Body(_))
    }

    fn decode_body(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let Request::Body(body) = &mut self.request else {
            return Ok(idle(0, Wait::Hold));
        };
        let piece = body.decode(input, &self.limits, &mut self.scan, heads)?;
        if piece.used > 0 {
            self.expect = Expect::None;
        }
        let id = StreamId(self.id);
        let (frame, is_end) = match piece.part {
            Part::Data { len, end } => (Some(Frame::Data { id, len, end }), end),
            Part::None => (None, false),
            Part::Trailers(fields) => (Some(Frame::Trailers { id, fields }), true),
        };
        if is_end {
            self.request = Request::Ended;
            self.settle();
        }
        let is_dry = frame.is_none();
        Ok(Step {
            used: piece.used,
            frame,
            wait: if is_dry {
                Wait::More
            } else {
                self.wait(piece.used, input)
            },
        })
    }

    /// What follows a step that gave a frame.
    fn wait(&self, used: usize, input: &[u8]) -> Wait {
        match self.request {
            Request::Ended | Request::Switching => Wait::Hold,
            Request::Body(_) | Request::Head => more_or_go(used, input),
        }
    }
}

fn more_or_go(used: usize, input: &[u8]) -> Wait {
    match used == input.len() {
        true => Wait::More,
        false => Wait::Go,
    }
}
