//! What a line says: text with operators, or JSON whose values are such texts.

use super::{
    Facts,
    operator::{Operator, Value, read},
};
use crate::date::civil;
use prost_types::{Struct, Value as ProtoValue, value::Kind};
use std::io::Write;

/// Envoy's default line.
const STANDARD: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESPONSE_DURATION% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// A compiled format.
#[derive(Clone, Debug)]
pub struct LogFormat {
    shape: Shape,
    omit_empty: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Json(Json),
    Text(Vec<Piece>),
}

#[derive(Clone, Debug)]
enum Piece {
    Operator(Operator),
    Text(String),
}

#[derive(Clone, Debug)]
enum Json {
    /// A value that is always the same, as JSON.
    Fixed(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Text(Vec<Piece>),
}

impl LogFormat {
    /// Envoy's default line.
    pub fn standard() -> Self {
        Self::text(STANDARD, false).unwrap_or(Self {
            shape: Shape::Text(Vec::new()),
            omit_empty: false,
        })
    }

    /// A line of text. `omit_empty`: nothing instead of `-` for an absent value.
    ///
    /// # Errors
    /// An operator that is not known.
    pub fn text(text: &str, omit_empty: bool) -> Result<Self, String> {
        Ok(Self {
            shape: Shape::Text(pieces(text)?),
            omit_empty,
        })
    }

    /// A JSON object a line. `omit_empty`: no key for an absent value, instead of null.
    ///
    /// # Errors
    /// An operator that is not known.
    pub fn json(fields: &Struct, omit_empty: bool) -> Result<Self, String> {
        Ok(Self {
            shape: Shape::Json(object(fields)?),
            omit_empty,
        })
    }

    /// Copies the raw values of all operators, in order.
    pub(super) fn take(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        match &self.shape {
            Shape::Json(json) => take_json(json, facts, out),
            Shape::Text(pieces) => take_pieces(pieces, facts, out),
        }
    }

    /// Writes a line from the values that `take` copied.
    pub(super) fn write(&self, mut values: &[u8], out: &mut Vec<u8>) {
        match &self.shape {
            Shape::Json(json) => {
                write_json(json, &mut values, self.omit_empty, out);
                out.push(b'\n');
            }
            Shape::Text(pieces) => {
                let absent: &[u8] = if self.omit_empty { b"" } else { b"-" };
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Piece::Operator(_) => match read(&mut values) {
                            None => out.extend_from_slice(absent),
                            Some(value) => write_plain(value, out),
                        },
                    }
                }
            }
        }
    }
}

fn pieces(mut text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    while let Some(start) = text.find('%') {
        let (before, rest) = (&text[..start], &text[start + 1..]);
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let end = rest
            .find('%')
            .ok_or("a `%` has no counterpart; `%%` is a plain one")?;
        pieces.push(match &rest[..end] {
            "" => Piece::Text("%".to_owned()),
            operator => Piece::Operator(Operator::parse(operator)?),
        });
        text = &rest[end + 1..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(pieces)
}

fn object(fields: &Struct) -> Result<Json, String> {
    let entries = fields
        .fields
        .iter()
        .map(|(key, value)| Ok((key.clone(), json(value)?)));
    entries.collect::<Result<_, String>>().map(Json::Object)
}

fn json(value: &ProtoValue) -> Result<Json, String> {
    match &value.kind {
        Some(Kind::StringValue(text)) => pieces(text).map(Json::Text),
        Some(Kind::StructValue(fields)) => object(fields),
        Some(Kind::ListValue(list)) => list
            .values
            .iter()
            .map(json)
            .collect::<Result<_, _>>()
            .map(Json::List),
        Some(Kind::BoolValue(value)) => Ok(Json::Fixed(value.to_string())),
        Some(Kind::NumberValue(value)) => Ok(Json::Fixed(value.to_string())),
        Some(Kind::NullValue(_)) | None => Ok(Json::Fixed("null".into())),
    }
}

fn take_pieces(pieces: &[Piece], facts: &Facts<'_>, out: &mut Vec<u8>) {
    for piece in pieces {
        if let Piece::Operator(operator) = piece {
            operator.take(facts, out);
        }
    }
}

fn take_json(json: &Json, facts: &Facts<'_>, out: &mut Vec<u8>) {
    match json {
        Json::Fixed(_) => {}
        Json::List(items) => items.iter().for_each(|item| take_json(item, facts, out)),
        Json::Object(fields) => fields
            .iter()
            .for_each(|(_, item)| take_json(item, facts, out)),
        Json::Text(pieces) => take_pieces(pieces, facts, out),
    }
}

/// Writes one value; false if it is absent and nothing was written.
fn write_json(json: &Json, values: &mut &[u8], omit_empty: bool, out: &mut Vec<u8>) -> bool {
    match json {
        Json::Fixed(text) => out.extend_from_slice(text.as_bytes()),
        Json::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write_json(item, values, omit_empty, out) {
                    out.extend_from_slice(b"null");
                }
            }
            out.push(b']');
        }
        Json::Object(fields) => write_object(fields, values, omit_empty, out),
        Json::Text(pieces) => return write_json_text(pieces, values, omit_empty, out),
    }
    true
}

fn write_object(
    fields: &[(String, Json)],
    values: &mut &[u8],
    omit_empty: bool,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let mut first = true;
    for (key, item) in fields {
        let start = out.len();
        if !first {
            out.push(b',');
        }
        quoted(key.as_bytes(), out);
        out.push(b':');
        if write_json(item, values, omit_empty, out) {
            first = false;
        } else {
            out.truncate(start);
        }
    }
    out.push(b'}');
}

fn write_json_text(
    pieces: &[Piece],
    values: &mut &[u8],
    omit_empty: bool,
    out: &mut Vec<u8>,
) -> bool {
    if let [Piece::Operator(_)] = pieces {
        match read(values) {
            None if omit_empty => return false,
            None => out.extend_from_slice(b"null"),
            Some(Value::Number(number)) => write_plain(Value::Number(number), out),
            Some(Value::Text(text)) => quoted(text, out),
            Some(value @ (Value::Inet(_) | Value::Ip(_) | Value::Time(_))) => {
                let mut text = Vec::new();
                write_plain(value, &mut text);
                quoted(&text, out);
            }
        }
        return true;
    }
    let mut whole = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => whole.extend_from_slice(text.as_bytes()),
            Piece::Operator(_) => match read(values) {
                None if omit_empty => {}
                None => whole.push(b'-'),
                Some(value) => write_plain(value, &mut whole),
            },
        }
    }
    quoted(&whole, out);
    true
}

/// A value as text. Control characters of a peer cannot break a line or a terminal.
fn write_plain(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Inet(at) => {
            let _ = write!(out, "{at}");
        }
        Value::Ip(ip) => {
            let _ = write!(out, "{ip}");
        }
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => {
            for byte in text {
                match byte {
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                    0..=31 | 127 => {
                        let _ = write!(out, "\\x{byte:02x}");
                    }
                    _ => out.push(*byte),
                }
            }
        }
        Value::Time(millis) => {
            let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
            let (year, month, day) = civil(days);
            let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
            let (second, milli) = (rest / 1000 % 60, rest % 1000);
            let _ = write!(
                out,
                "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"
            );
        }
    }
}

/// A JSON string; bytes that are not UTF-8 are replaced.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::Place;
    use crate::{
        addresses::Addresses,
        config::Snapshot,
        stream::{Flags, Record},
        transport_failure::TransportFailure,
        worker::Epoch,
    };
    use codecs::Head;
    use engines::{SockAddr, UnixTime};
    use std::{sync::Arc, time::Duration};

    #[allow(
        clippy::disallowed_methods,
        reason = "a test's record has to start somewhere"
    )]
    fn line(format: &LogFormat) -> String {
        let epoch = Epoch {
            snapshot: Arc::new(Snapshot::default()),
        };
        let mut record = Record::new(std::time::Instant::now());
        (record.status, record.response_bytes) = (503, 12);
        record.flags = Flags::UPSTREAM_OVERFLOW;
        let mut head = Head::default();
        head.set_method(b"GET");
        head.set_path(b"/a\"b\n");
        let (wall, duration) = (951_782_400_123, Duration::from_millis(23));
        let wall = UnixTime(Duration::from_millis(wall));
        let facts = Facts {
            request: Some(&head),
            addresses: Some(&Addresses::new(
                SockAddr::Inet(([192, 0, 2, 1], 4711).into()),
                SockAddr::Inet((std::net::Ipv6Addr::LOCALHOST, 80).into()),
            )),
            connection_id: Some(7),
            failure: Some(&TransportFailure::new("tls_x", "no common suite")),
            ..Facts::new(&record, &epoch, Place::default(), wall, duration)
        };
        let (mut values, mut out) = (Vec::new(), Vec::new());
        format.take(&facts, &mut values);
        format.write(&values, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_line_cannot_be_broken_by_its_values() {
        let text = "[%START_TIME%] %REQ(:METHOD)% %REQ(:PATH):3% %REQ(:PATH)% %REQ(X?Y)% \
                    %RESPONSE_CODE%%%%RESPONSE_FLAGS% %UPSTREAM_HOST% %DURATION%\n";
        assert_eq!(
            line(&LogFormat::text(text, false).unwrap()),
            "[2000-02-29T00:00:00.100Z] GET /a\\\" /a\\\"b\\x0a - 503%UO - 23\n"
        );
        assert!(line(&LogFormat::standard()).contains("\"GET /a"));
    }

    #[test]
    fn addresses_are_written_with_and_without_their_port() {
        let text = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% \
                    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT%";
        let format = LogFormat::text(text, false).unwrap();
        assert_eq!(line(&format), "192.0.2.1:4711 192.0.2.1 [::1]:80 80");
    }

    #[test]
    fn a_connection_is_named_and_its_failure_told_in_one_word() {
        let text = "%CONNECTION_ID% %DOWNSTREAM_TRANSPORT_FAILURE_REASON% \
                    %UPSTREAM_TRANSPORT_FAILURE_REASON%";
        let format = LogFormat::text(text, false).unwrap();
        assert_eq!(line(&format), "7 tls_x:_no_common_suite -");
    }

    #[test]
    fn json_keeps_types_and_may_leave_absent_keys_out() {
        let text = |text: &str| ProtoValue {
            kind: Some(Kind::StringValue(text.into())),
        };
        let fields = [
            ("code", text("%RESPONSE_CODE%")),
            ("host", text("%UPSTREAM_HOST%")),
            ("path", text("p=%REQ(:PATH)%")),
            (
                "yes",
                ProtoValue {
                    kind: Some(Kind::BoolValue(true)),
                },
            ),
        ];
        let fields = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let fields = Struct { fields };
        let all = line(&LogFormat::json(&fields, false).unwrap());
        assert_eq!(
            all,
            "{\"code\":503,\"host\":null,\"path\":\"p=/a\\\\\\\"b\\\\x0a\",\"yes\":true}\n"
        );
        let some = line(&LogFormat::json(&fields, true).unwrap());
        assert!(!some.contains("host"));
    }

    #[test]
    fn unknown_operators_are_errors() {
        for text in ["%NOPE%", "%REQ(%", "%REQ()%", "%REQ(A):x%", "100%"] {
            assert!(LogFormat::text(text, false).is_err(), "{text}");
        }
    }
}
