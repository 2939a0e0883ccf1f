//! Answers that the proxy gives itself.

use crate::{grpc, limits, short_text::ShortText};
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
    /// Its `grpc-status`, where a gRPC request is answered; `None`: the one that stands for `status`.
    pub grpc_status: Option<grpc::Status>,
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
            grpc_status: None,
        }
    }

    /// The same answer, with a `grpc-status` of its own.
    #[must_use]
    pub fn with_grpc_status(self, status: grpc::Status) -> Self {
        Self {
            grpc_status: Some(status),
            ..self
        }
    }

    /// The `grpc-status` for a gRPC request.
    pub fn grpc_status(&self) -> grpc::Status {
        self.grpc_status.unwrap_or(grpc::status(self.status))
    }

    /// RFC 9110 §15.3.5, §15.4.5: whether an answer with this status may have a body.
    pub(super) fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// Writes all of the answer to a gRPC request into an empty `head`: gRPC's `Trailers-Only`, whose
    /// HTTP status is 200 whatever happened.
    pub fn write_grpc_head(&self, head: &mut Head) {
        head.status = 200;
        head.fields.append(b"content-type", grpc::CONTENT_TYPE);
        let status = ShortText::of(self.grpc_status());
        head.fields.append(b"grpc-status", &status);
        let text = &self.body[..self.body.len().min(limits::GRPC_MESSAGE_BYTES_MAX)];
        let text = text.trim_ascii_end();
        if !text.is_empty() {
            let mut message = Vec::new();
            grpc::write_message(text, &mut message);
            head.fields.append(b"grpc-message", &message);
        }
        self.write_fields(head);
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
        self.write_fields(head);
    }

    fn write_fields(&self, head: &mut Head) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &LocalReply) -> Vec<(String, String)> {
        let mut head = Head::default();
        reply.write_grpc_head(&mut head);
        assert_eq!((head.status, head.length), (200, Length::None));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let fields = head.fields.iter();
        fields
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[test]
    fn a_grpc_request_is_answered_in_the_head_alone() {
        let mut odd = LocalReply::with_body(418, "teapot", Buf::from_static(b"100 %\nsure\r\n"));
        odd.fields.append(b"x-more", b"1");
        for (reply, expected) in [
            (
                LocalReply::new(503, "no_healthy_upstream"),
                &[
                    ("grpc-status", "14"),
                    ("grpc-message", "no upstream could answer"),
                ][..],
            ),
            (
                LocalReply::new(504, "late").with_grpc_status(grpc::DEADLINE_EXCEEDED),
                &[
                    ("grpc-status", "4"),
                    ("grpc-message", "the upstream did not answer in time"),
                ],
            ),
            (LocalReply::new(403, "no"), &[("grpc-status", "7")]),
            (
                odd,
                &[
                    ("grpc-status", "2"),
                    ("grpc-message", "100 %25%0Asure"),
                    ("x-more", "1"),
                ],
            ),
        ] {
            let found = written(&reply);
            assert_eq!(found[0], ("content-type".into(), "application/grpc".into()));
            let expected = expected.iter().map(|(n, v)| ((*n).into(), (*v).into()));
            assert_eq!(found[1..], expected.collect::<Vec<_>>());
        }
    }
}
