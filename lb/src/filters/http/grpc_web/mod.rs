//! The gRPC-Web filter (`envoy.extensions.filters.http.grpc_web.v3.GrpcWeb`): browsers cannot read
//! trailers, so their answers carry them as a last frame of the body (`PROTOCOL-WEB.md` of grpc/grpc).
//!
//! What comes as gRPC-Web goes on as gRPC, whatever HTTP either side speaks; other requests pass as they
//! are. An answer that is not gRPC says in its head what a gRPC client would have made of it.

mod fuzz;
mod media;
mod message;
#[cfg(test)]
mod tests;
mod text;

use crate::{
    filter::{
        ConfigError, Factory, FilterCx, FilterType, Hooks, HttpFilter, HttpFilterConfig, Verdict,
    },
    grpc::{self, Outcome},
    limits,
    short_text::ShortText,
    stream::LocalReply,
};
use codecs::{Fields, Head, Length};
use engines::{Buf, BufList};
pub use fuzz::fuzz_grpc_web;
use media::Form;
use prost::Message;
use std::sync::Arc;
use text::{Decoder, Encoder};
use xds::api::envoy::extensions::filters::http::grpc_web::v3::GrpcWeb as Proto;

/// Bytes of an answer's body that a `grpc-message` tells.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The filter type.
#[derive(Debug)]
pub struct GrpcWeb;

impl FilterType for GrpcWeb {
    fn type_url(&self) -> &'static str {
        "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"
    }

    fn parse(&self, config: &[u8]) -> Result<Factory, ConfigError> {
        let Proto {} = Proto::decode(config).map_err(|e| ConfigError::new("", e.to_string()))?;
        Ok(Factory::Http(Arc::new(GrpcWebConfig)))
    }
}

/// A compiled `GrpcWeb`: it has nothing to configure.
#[derive(Clone, Copy, Debug)]
pub struct GrpcWebConfig;

impl HttpFilterConfig for GrpcWebConfig {
    fn hooks(&self) -> Hooks {
        Hooks {
            request_head: true,
            request_data: true,
            request_trailers: false,
            response_head: true,
            response_data: true,
            response_trailers: true,
        }
    }

    fn create(&self) -> Box<dyn HttpFilter> {
        Box::new(GrpcWebFilter::default())
    }
}

#[derive(Default)]
struct GrpcWebFilter {
    /// There is one if the request is gRPC-Web.
    call: Option<Box<Call>>,
}

/// A request of gRPC-Web and its answer.
struct Call {
    /// The request's, if it is in text.
    decoder: Option<Decoder>,
    /// The answer's form.
    form: Form,
    encoder: Encoder,
    /// The format that the request names, with its `+`.
    format: Vec<u8>,
    answer: Answer,
}

/// What an answer is, once its head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// gRPC: its trailers become a frame.
    Grpc,
    /// Something else, whose body is to become the message in the head.
    Foreign,
    /// The head has said all.
    Told,
}

impl HttpFilter for GrpcWebFilter {
    fn on_request_head(&mut self, head: &mut Head, end: bool, _: &mut FilterCx<'_>) -> Verdict {
        let content_type = head.fields.get(b"content-type");
        let Some(media) = content_type.and_then(media::parse) else {
            return Verdict::Continue;
        };
        let accepted = head.fields.get(b"accept").and_then(media::accepted);
        let is_text = media.form == Form::Text;
        let call = Call {
            decoder: is_text.then(Decoder::default),
            form: accepted.unwrap_or(media.form),
            encoder: Encoder::default(),
            format: media.format.to_vec(),
            answer: Answer::Told,
        };
        head.fields.set(b"content-type", &media::grpc(&call.format));
        head.fields.set(b"te", b"trailers");
        if !end {
            head.length = Length::Unknown;
        }
        self.call = Some(Box::new(call));
        Verdict::Continue
    }

    fn on_request_data(&mut self, data: &mut BufList, end: bool, _: &mut FilterCx<'_>) -> Verdict {
        let Some(call) = &mut self.call else {
            return Verdict::Continue;
        };
        let Some(decoder) = &mut call.decoder else {
            return Verdict::Continue;
        };
        let mut bytes = Vec::with_capacity(data.len() / 4 * 3 + 3);
        let result = data
            .iter()
            .try_for_each(|piece| decoder.decode(piece, &mut bytes));
        if result.is_err() || (end && !decoder.is_whole()) {
            return Verdict::Respond(Box::new(call.refusal()));
        }
        data.clear();
        data.push(Buf::from(bytes));
        Verdict::Continue
    }

    fn on_response_head(&mut self, head: &mut Head, end: bool, cx: &mut FilterCx<'_>) -> Verdict {
        let Some(call) = &mut self.call else {
            return Verdict::Continue;
        };
        let is_grpc = is_grpc(head);
        let content_type = head.fields.get(b"content-type").unwrap_or_default();
        let content_type = media::answer(call.form, content_type, &call.format);
        head.fields.set(b"content-type", &content_type);
        if is_grpc {
            call.answer = Answer::Grpc;
            if !end {
                head.length = Length::Unknown;
            }
            return Verdict::Continue;
        }
        // The proxy's own answers know their status better than HTTP's tells.
        let status = cx.record().grpc.status();
        let status = status.unwrap_or(grpc::status(head.status));
        cx.record().grpc = Outcome::of(status);
        head.fields.set(b"grpc-status", &ShortText::of(status));
        let is_long = |length| length > limits::STREAM_BYTES_MAX as u64;
        match head.length {
            _ if end => {
                head.length = Length::None;
                Verdict::Continue
            }
            Length::Known(length) if is_long(length) => {
                head.length = Length::Unknown;
                Verdict::Continue
            }
            Length::Known(_) | Length::None | Length::Unknown => {
                call.answer = Answer::Foreign;
                Verdict::Collect
            }
        }
    }

    fn on_response_data(
        &mut self,
        data: &mut BufList,
        end: bool,
        cx: &mut FilterCx<'_>,
    ) -> Verdict {
        let Some(call) = &mut self.call else {
            return Verdict::Continue;
        };
        match call.answer {
            Answer::Grpc => call.write(data, end),
            Answer::Foreign => {
                if let Some(head) = cx.held_head() {
                    tell(head, &data.to_vec());
                }
                call.answer = Answer::Told;
                data.clear();
            }
            Answer::Told => data.clear(),
        }
        Verdict::Continue
    }

    fn on_response_trailers(
        &mut self,
        fields: &mut Fields,
        data: &mut BufList,
        _: &mut FilterCx<'_>,
    ) -> Verdict {
        let Some(call) = &mut self.call else {
            return Verdict::Continue;
        };
        if call.answer == Answer::Grpc && !fields.is_empty() {
            let mut frame = BufList::default();
            frame.push(Buf::from(message::trailers(fields)));
            call.write(&mut frame, true);
            data.append(frame);
        }
        fields.clear();
        Verdict::Continue
    }
}

impl Call {
    /// Writes a part of an answer's body in the form that the client takes.
    fn write(&mut self, data: &mut BufList, end: bool) {
        match self.form {
            Form::Binary => {}
            Form::Text => {
                let pieces = data.iter().map(|piece| &piece[..]);
                let text = self.encoder.encode(pieces, end);
                data.clear();
                data.push(Buf::from(text));
            }
        }
    }

    /// The answer to what is no base64: the filter's own answers do not pass it again.
    fn refusal(&self) -> LocalReply {
        let detail = "grpc_base_64_decode_failed";
        let mut reply = LocalReply::with_body(400, detail, Buf::default());
        let content_type = media::answer(self.form, b"", &self.format);
        let status = ShortText::of(reply.grpc_status());
        reply.fields.append(b"content-type", &content_type);
        reply.fields.append(b"grpc-status", &status);
        reply
            .fields
            .append(b"grpc-message", b"the request is not base64");
        reply
    }
}

/// Whether an answer is gRPC, or gRPC-Web already: it says its status in the head, or by its type that
/// the trailers will.
fn is_grpc(head: &Head) -> bool {
    let content_type = head.fields.get(b"content-type").unwrap_or_default();
    let is_web = || media::parse(content_type).is_some_and(|media| media.form == Form::Binary);
    head.fields.get(b"grpc-status").is_some()
        || (head.status == 200 && (grpc::is_grpc(content_type) || is_web()))
}

/// Makes a body the message of a head that already has the status.
fn tell(head: &mut Head, body: &[u8]) {
    let text = &body[..body.len().min(MESSAGE_BYTES_MAX)];
    let text = text.trim_ascii_end();
    if !text.is_empty() {
        let mut message = Vec::new();
        grpc::write_message(text, &mut message);
        head.fields.set(b"grpc-message", &message);
    }
    head.length = Length::None;
}
