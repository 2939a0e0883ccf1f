//! Answers that go out.

use super::{Answer, Expect, Request, Server};
use crate::http1::body::Body;
use crate::http1::encode::{self, Framing};
use crate::http1::parse::Method;
use crate::{Head, Length, Version};

impl Server {
    /// RFC 9110 §15.2: not to HTTP/1.0; `100 Continue` once.
    pub(super) fn write_interim(&mut self, head: &Head, out: &mut Vec<u8>) {
        let is_told = head.status == 100 && self.expect == Expect::Told;
        if self.version == Version::Http10 || is_told {
            return;
        }
        if head.status == 100 && self.expect == Expect::Waits {
            self.expect = Expect::Told;
        }
        encode::status_line(head.status, out);
        encode::write_fields(&head.fields, out);
        out.extend_from_slice(b"\r\n");
    }

    fn switches(&self, status: u16) -> bool {
        matches!(self.request, Request::Switching)
            && match self.method {
                Method::Connect => (200..300).contains(&status),
                Method::Head | Method::Other => status == 101,
            }
    }

    pub(super) fn framing(&self, head: &Head, end: bool) -> Framing {
        let known = match head.length {
            Length::Known(length) => Some(length),
            Length::None | Length::Unknown => None,
        };
        match (known, end) {
            _ if self.switches(head.status) => Framing::Tunnel,
            _ if head.status == 204 => Framing::Bodiless(None),
            _ if self.method == Method::Head || head.status == 304 => Framing::Bodiless(known),
            (Some(length), _) => Framing::Known(length),
            (None, true) => Framing::Known(0),
            (None, false) if self.version == Version::Http10 => Framing::Close,
            (None, false) => Framing::Chunked,
        }
    }

    pub(super) fn write_final(&mut self, head: &Head, framing: Framing, out: &mut Vec<u8>) {
        // Whether a peer that waited for 100 Continue still sends its body cannot be known, and behind
        // a refused CONNECT may come what was meant for the tunnel: neither may be read as a request.
        let is_refused_tunnel = self.method == Method::Connect && framing != Framing::Tunnel;
        self.keep &= framing != Framing::Close && self.expect != Expect::Waits;
        self.keep &= !is_refused_tunnel;
        let is_switched = framing == Framing::Tunnel && self.method != Method::Connect;
        let upgrade = head.upgrade();
        let says_upgrade = !upgrade.is_empty() && (is_switched || head.status == 426);
        let is_http_10 = self.version == Version::Http10;
        encode::status_line(head.status, out);
        encode::write_fields(&head.fields, out);
        framing.write(out);
        let options = [
            ("close", framing != Framing::Tunnel && !self.keep),
            (
                "keep-alive",
                framing != Framing::Tunnel && self.keep && is_http_10,
            ),
            ("upgrade", says_upgrade),
        ];
        encode::write_connection(options, out);
        if says_upgrade {
            encode::write_field(b"upgrade", upgrade, out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The final head is written: what the peer sends next is known too.
    pub(super) fn answer_begins(&mut self, framing: Framing) {
        let is_tunnel = framing == Framing::Tunnel;
        self.answer = match is_tunnel {
            true => Answer::Tunnel,
            false => Answer::Body(framing.sink()),
        };
        if matches!(self.request, Request::Switching) {
            self.keep &= !is_tunnel;
            self.request = Request::Body(match is_tunnel && !self.has_fin {
                true => Body::UntilEnd,
                false => Body::Known(0),
            });
        }
    }

    pub(super) fn answer_ends(&mut self) {
        let is_tunnel = self.answer == Answer::Tunnel;
        self.answer = match self.answer.ends_by_close() {
            true => Answer::EndedByClose,
            false => Answer::Ended,
        };
        if !is_tunnel || matches!(self.request, Request::Ended) {
            self.settle();
        }
    }
}
