//! Requests that go out.

use super::Client;
use crate::http1::encode::{self, Framing};
use crate::http1::parse::Method;
use crate::{Head, Length};

impl Client {
    pub(super) fn framing(&self, head: &Head, end: bool) -> Framing {
        let is_switch = self.method == Method::Connect || self.asks_upgrade;
        match head.length {
            Length::None | Length::Unknown if is_switch => Framing::Tunnel,
            Length::Known(length) => Framing::Known(length),
            Length::Unknown if !end => Framing::Chunked,
            Length::None | Length::Unknown => match head.method() {
                b"POST" | b"PUT" | b"PATCH" => Framing::Known(0),
                _ => Framing::Bodiless(None),
            },
        }
    }

    pub(super) fn write_head(&self, head: &Head, framing: Framing, out: &mut Vec<u8>) {
        let wants_trailers = encode::wants_trailers(&head.fields);
        encode::request_line(head, out);
        encode::write_fields(&head.fields, out);
        framing.write(out);
        let options = [
            ("close", !self.keep),
            ("te", wants_trailers),
            ("upgrade", self.asks_upgrade),
        ];
        encode::write_connection(options, out);
        if wants_trailers {
            encode::write_field(b"te", b"trailers", out);
        }
        if self.asks_upgrade {
            encode::write_field(b"upgrade", head.upgrade(), out);
        }
        out.extend_from_slice(b"\r\n");
    }
}
