//! Answers that the proxy gives itself.

use codecs::{Fields, Head, Length};
use engines::Buf;

/// An answer made here instead of upstream.
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// Its status.
    pub status: u16,
    /// Why, as in `%RESPONSE_CODE_DETAILS%`.
    pub detail: &'static str,
    /// Its body; may be empty.
    pub body: Buf,
    /// `content-type`, used if there is a body.
    pub content_type: &'static str,
    /// Further fields.
    pub fields: Fields,
}

impl LocalReply {
    /// An answer whose body is the plain text for its status.
    pub fn new(status: u16, detail: &'static str) -> Self {
        Self::with_body(status, detail, Buf::from_static(text(status).as_bytes()))
    }

    /// An answer with a body of plain text.
    pub fn with_body(status: u16, detail: &'static str, body: Buf) -> Self {
        Self {
            status,
            detail,
            body,
            content_type: "text/plain",
            fields: Fields::default(),
        }
    }

    /// RFC 9110 §15.3.5, §15.4.5: whether an answer with this status may have a body.
    pub(super) fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// Writes the answer's head into an empty `head`.
    pub fn write_head(&self, head: &mut Head) {
        head.status = self.status;
        if self.may_have_body() {
            head.length = Length::Known(self.body.len() as u64);
        }
        if self.may_have_body() && !self.body.is_empty() {
            head.fields
                .append(b"content-type", self.content_type.as_bytes());
        }
        self.fields
            .iter()
            .for_each(|(name, value)| head.fields.append(name, value));
    }
}

/// The body of an answer that has nothing special to say.
fn text(status: u16) -> &'static str {
    match status {
        404 => "no route matches\n",
        408 => "the request took too long\n",
        413 => "the request is too large\n",
        502 => "the upstream's answer is not valid\n",
        503 => "no upstream could answer\n",
        504 => "the upstream did not answer in time\n",
        _ => "",
    }
}
