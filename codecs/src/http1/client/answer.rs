//! Answers that come in.

use super::{Answer, Client, Request};
use crate::http1::body::{Body, Part};
use crate::http1::parse::{self, Facts, Method};
use crate::http1::scan::Bounds;
use crate::http1::{bad, idle};
use crate::{Frame, Head, Heads, Length, Malformed, Step, StreamId, Version, Wait};

/// Interim answers that one request may get.
const INTERIM_MAX: u8 = 16;

impl Client {
    pub(super) fn step(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        match self.answer {
            Answer::None | Answer::Ended if input.is_empty() => Ok(idle(0, Wait::More)),
            Answer::None | Answer::Ended => Err(bad("unsolicited-answer")),
            Answer::Head => self.decode_head(input, heads),
            Answer::Body(_) => self.decode_body(input, heads),
        }
    }

    fn decode_head(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let bounds = Bounds {
            bytes_max: self.limits.head_bytes_max as usize,
            lines_max: self.limits.fields_max as usize + 1,
            first_line_status: 431,
        };
        let mut head = heads.take();
        let read = parse::answer(&mut self.scan, input, bounds, &mut head);
        let begun = read.and_then(|read| match read {
            Some((used, facts)) => Ok(Some((used, self.begin(&mut head, facts)?))),
            None => Ok(None),
        });
        let (used, end) = match begun {
            Ok(Some(begun)) => begun,
            other => {
                heads.put(head);
                return other.map(|_| idle(0, Wait::More));
            }
        };
        let id = StreamId(self.id);
        if end {
            self.answer_ends();
        }
        Ok(Step {
            used,
            frame: Some(Frame::Head { id, head, end }),
            wait: Wait::Go,
        })
    }

    /// How the answer goes on (RFC 9112 §6.3); true if it ends with its head.
    fn begin(&mut self, head: &mut Head, facts: Facts) -> Result<bool, Malformed> {
        if head.status < 200 || head.status == 204 {
            refuse_body(head)?;
        }
        if head.is_interim() {
            self.interims += 1;
            let is_many = self.interims > INTERIM_MAX;
            return (!is_many)
                .then_some(false)
                .ok_or(bad("too-many-interim-answers"));
        }
        self.keep &= !facts.close && head.version != Version::Http10;
        if self.switches(head)? {
            head.length = Length::None;
            self.keep = false;
            self.is_switched = true;
            self.request = match self.request {
                Request::Ended => Request::Ended,
                Request::Body(_)
                | Request::None
                | Request::Opened
                | Request::Switching
                | Request::Tunnel => Request::Tunnel,
            };
            self.answer = Answer::Body(Body::UntilEnd);
            return Ok(false);
        }
        if self.request == Request::Switching {
            self.request = Request::Ended;
        }
        if self.method == Method::Head || matches!(head.status, 204 | 304) {
            return Ok(true);
        }
        let body = match head.length {
            Length::Known(0) => return Ok(true),
            Length::Known(length) => Body::Known(length),
            Length::Unknown => Body::chunked(),
            Length::None => {
                head.length = Length::Unknown;
                self.keep = false;
                Body::UntilEnd
            }
        };
        self.answer = Answer::Body(body);
        Ok(false)
    }

    /// RFC 9110 §7.8, §9.3.6: only what was asked for.
    fn switches(&self, head: &Head) -> Result<bool, Malformed> {
        match head.status {
            101 if !self.asks_upgrade || head.upgrade().is_empty() => {
                Err(bad("unsolicited-upgrade"))
            }
            101 => Ok(true),
            200..300 => Ok(self.method == Method::Connect),
            _ => Ok(false),
        }
    }

    fn decode_body(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Malformed> {
        let Answer::Body(body) = &mut self.answer else {
            return Ok(idle(0, Wait::More));
        };
        let piece = body.decode(input, &self.limits, &mut self.scan, heads)?;
        let id = StreamId(self.id);
        let (frame, is_end) = match piece.part {
            Part::Data { len, end } => (Some(Frame::Data { id, len, end }), end),
            Part::None => (None, false),
            Part::Trailers(fields) => (Some(Frame::Trailers { id, fields }), true),
        };
        if is_end {
            self.answer_ends();
        }
        let is_dry = frame.is_none() || piece.used == input.len();
        Ok(Step {
            used: piece.used,
            frame,
            wait: if is_dry { Wait::More } else { Wait::Go },
        })
    }

    /// Makes the connection free again, unless something of the request is still owed.
    pub(super) fn answer_ends(&mut self) {
        self.answer = Answer::Ended;
        match self.request {
            Request::Ended if self.keep => {
                self.request = Request::None;
                self.answer = Answer::None;
            }
            Request::Tunnel => {}
            Request::Body(_) if cfg!(planted = "early_reuse") => {
                self.request = Request::None;
                self.answer = Answer::None;
            }
            Request::Body(_)
            | Request::Ended
            | Request::None
            | Request::Opened
            | Request::Switching => self.is_closed = true,
        }
    }
}

/// RFC 9110 §8.6, RFC 9112 §6.1: 1xx and 204 have neither body nor framing. A length of zero is
/// common and harmless.
fn refuse_body(head: &mut Head) -> Result<(), Malformed> {
    match std::mem::take(&mut head.length) {
        Length::Known(0) | Length::None => Ok(()),
        Length::Known(_) | Length::Unknown => Err(bad("framing-without-body")),
    }
}
