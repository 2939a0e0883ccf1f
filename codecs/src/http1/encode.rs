//! What goes out: start lines, fields, framing, and the bytes around body slices.
//!
//! A head may come from a filter, so nothing in it is trusted: framing and hop-by-hop fields are ours
//! alone, and no byte of a name, value or target can end a line.

use super::fields;
use super::status;
use super::target::is_target;
use crate::bytes::{any, decimal_in, is_token, is_token_byte};
use crate::fields::write_text;
use crate::kind::Kind;
use crate::{Fields, Head, Inline, Wrap};

/// How a message's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// No body follows, whatever length is told.
    Bodiless(Option<u64>),
    Chunked,
    /// An answer's body ends with the connection.
    Close,
    Known(u64),
    /// Both directions are raw bytes from here on.
    Tunnel,
}

impl Framing {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Bodiless(None) | Self::Close | Self::Tunnel => {}
            Self::Bodiless(Some(length)) | Self::Known(length) => {
                out.extend_from_slice(b"content-length: ");
                decimal(length, out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }

    pub(super) fn sink(self) -> Sink {
        match self {
            Self::Bodiless(_) => Sink::Known(0),
            Self::Chunked => Sink::Chunked,
            Self::Close | Self::Tunnel => Sink::Raw,
            Self::Known(length) => Sink::Known(length),
        }
    }
}

/// A body that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sink {
    Chunked,
    /// Bytes still owed.
    Known(u64),
    Raw,
}

impl Sink {
    /// Bytes that may be sent without anything around them.
    pub(super) fn verbatim(&self) -> u64 {
        match self {
            Self::Chunked => 0,
            Self::Known(left) => *left,
            Self::Raw => u64::MAX,
        }
    }

    /// Takes note of payload that was sent past us, of which the last byte is not.
    pub(super) fn pass(&mut self, bytes: u64) {
        debug_assert!(bytes < self.verbatim(), "the end goes through the codec");
        if let Self::Known(left) = self {
            *left = left.saturating_sub(bytes);
        }
    }

    /// The bytes around a slice; `None`: the body is longer or shorter than was told.
    pub(super) fn data(&mut self, len: usize, end: bool) -> Option<Wrap> {
        match self {
            Self::Chunked => Some(chunk(len, end)),
            Self::Known(left) => {
                *left = left.checked_sub(len as u64)?;
                (!end || *left == 0).then(Wrap::default)
            }
            Self::Raw => Some(Wrap::default()),
        }
    }

    /// Ends the body with trailers, where they can be said; false: the body is shorter than was told.
    pub(super) fn trailers(&mut self, fields: &Fields, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Chunked => {
                out.extend_from_slice(b"0\r\n");
                write_trailers(fields, out);
                true
            }
            Self::Known(left) => *left == 0,
            Self::Raw => true,
        }
    }
}

/// An empty slice must not become the last chunk.
fn chunk(len: usize, end: bool) -> Wrap {
    let mut wrap = Wrap::default();
    if len > 0 {
        wrap.before = size_line(len);
        wrap.after = Inline::new(b"\r\n");
    }
    if end {
        b"0\r\n\r\n".iter().for_each(|byte| wrap.after.push(*byte));
    }
    wrap
}

fn size_line(len: usize) -> Inline<18> {
    let mut line = Inline::default();
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for shift in (0..digits).rev() {
        line.push(b"0123456789abcdef"[len >> (shift * 4) & 15]);
    }
    line.push(b'\r');
    line.push(b'\n');
    line
}

pub(super) fn status_line(status: u16, out: &mut Vec<u8>) {
    debug_assert!((100..1000).contains(&status), "status {status}");
    let status = match status {
        100..1000 => status,
        _ => 500,
    };
    let digit = |unit: u16| b'0' + (status / unit % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.extend_from_slice(status::reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The request line and Host, which comes first (RFC 9110 §7.2).
pub(super) fn request_line(head: &Head, out: &mut Vec<u8>) {
    let method = head.method();
    debug_assert!(is_token(method), "method {}", method.escape_ascii());
    match is_token(method) {
        true => out.extend_from_slice(method),
        false => out.extend(method.iter().filter(|byte| is_token_byte(**byte))),
    }
    out.push(b' ');
    match (method, head.path()) {
        (b"CONNECT", _) => write_target(head.authority(), out),
        (b"OPTIONS", b"*") => out.push(b'*'),
        (_, [b'/', ..]) => write_target(head.path(), out),
        (_, path) => {
            // Anything else in this place would be another form of target, with its own authority.
            out.push(b'/');
            write_target(path, out);
        }
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = match head.authority() {
        b"" => head.fields.get(b"host").unwrap_or_default(),
        authority => authority,
    };
    write_field(b"host", host, out);
}

/// A target; what may not stand in one is percent-encoded.
pub(crate) fn write_target(target: &[u8], out: &mut Vec<u8>) {
    if !any(target, |byte| !is_target(byte)) {
        return out.extend_from_slice(target);
    }
    for byte in target {
        match is_target(*byte) {
            true => out.push(*byte),
            false => {
                let hex = |half: u8| b"0123456789ABCDEF"[usize::from(half)];
                out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
}

/// The fields, without those that an encoder writes itself.
pub(super) fn write_fields(fields: &Fields, out: &mut Vec<u8>) {
    fields.write(out, |field| field.kind.is_passed());
}

/// `te: trailers`, if the fields ask for it (RFC 9110 §10.1.4).
pub(super) fn wants_trailers(fields: &Fields) -> bool {
    fields
        .all(b"te")
        .any(|value| value.eq_ignore_ascii_case(b"trailers"))
}

/// The Connection field, if there is an option to name.
#[inline]
pub(super) fn write_connection<const N: usize>(options: [(&str, bool); N], out: &mut Vec<u8>) {
    if options.iter().any(|(_, is_set)| *is_set) {
        write_options(&options, out);
    }
}

fn write_options(options: &[(&str, bool)], out: &mut Vec<u8>) {
    let mut separator = "connection: ";
    for (option, _) in options.iter().filter(|(_, is_set)| *is_set) {
        out.extend_from_slice(separator.as_bytes());
        out.extend_from_slice(option.as_bytes());
        separator = ", ";
    }
    out.extend_from_slice(b"\r\n");
}

fn write_trailers(fields: &Fields, out: &mut Vec<u8>) {
    fields.write(out, |field| {
        field.kind == Kind::Plain && fields::keeps_trailer(fields.at(field.name))
    });
    out.extend_from_slice(b"\r\n");
}

/// One field line; control characters become spaces.
pub(super) fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    write_text(value, out);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn decimal(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(decimal_in(number, &mut [0; 20]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn slices_are_wrapped_as_told() {
        for (len, end, before, after) in [
            (0, false, "", ""),
            (0, true, "", "0\r\n\r\n"),
            (1, false, "1\r\n", "\r\n"),
            (255, true, "ff\r\n", "\r\n0\r\n\r\n"),
            (usize::MAX, false, "ffffffffffffffff\r\n", "\r\n"),
        ] {
            let wrap = Sink::Chunked.data(len, end).unwrap();
            assert_eq!(
                (&*wrap.before, &*wrap.after),
                (before.as_bytes(), after.as_bytes())
            );
        }
    }

    #[test]
    fn a_body_keeps_to_its_length() {
        let mut sink = Sink::Known(3);
        assert_eq!(sink.data(2, false), Some(Wrap::default()));
        assert_eq!(Sink::data(&mut sink.clone(), 0, true), None);
        assert_eq!(Sink::data(&mut sink.clone(), 2, false), None);
        assert!(!sink.trailers(&Fields::default(), &mut Vec::new()));
        assert_eq!(sink.data(1, true), Some(Wrap::default()));
    }

    #[test]
    fn what_passes_is_counted() {
        let mut sink = Sink::Known(10);
        sink.pass(4);
        assert_eq!(
            (sink.verbatim(), sink.data(6, true)),
            (6, Some(Wrap::default()))
        );
        assert_eq!(
            (Sink::Chunked.verbatim(), Sink::Raw.verbatim()),
            (0, u64::MAX)
        );
    }

    #[test]
    fn nothing_in_a_head_can_end_a_line_or_frame_the_message() {
        let mut head = Head::default();
        head.set_method(b"GET");
        head.set_authority(b"a\r\nb");
        head.set_path(b"/ x\r\n#\xff");
        for (name, value) in [
            ("x", "1\r\n\0y: 2"),
            ("x\r\ny", "1"),
            ("", "1"),
            ("a b", "1"),
            ("content-length", "9"),
            ("content_length", "9"),
            ("transfer-encoding", "chunked"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("upgrade", "x"),
            ("host", "evil"),
        ] {
            head.fields.append(name.as_bytes(), value.as_bytes());
        }
        let wrote = text(|out| {
            request_line(&head, out);
            write_fields(&head.fields, out);
        });
        let want = "GET /%20x%0D%0A%23%FF HTTP/1.1\r\nhost: a  b\r\nx: 1   y: 2\r\n";
        assert_eq!(wrote, want);
    }

    #[test]
    fn a_path_is_never_another_form_of_target() {
        for (method, path, want) in [
            (
                "GET",
                "http://evil/",
                "GET /http://evil/ HTTP/1.1\r\nhost: a:1\r\n",
            ),
            ("GET", "", "GET / HTTP/1.1\r\nhost: a:1\r\n"),
            ("GET", "*", "GET /* HTTP/1.1\r\nhost: a:1\r\n"),
            ("OPTIONS", "*", "OPTIONS * HTTP/1.1\r\nhost: a:1\r\n"),
            ("CONNECT", "", "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n"),
        ] {
            let mut head = Head::default();
            head.set_method(method.as_bytes());
            head.set_authority(b"a:1");
            head.set_path(path.as_bytes());
            assert_eq!(text(|out| request_line(&head, out)), want);
        }
    }

    #[test]
    fn numbers_and_options_are_written() {
        for number in [0, 9, 10, u64::MAX] {
            assert_eq!(text(|out| decimal(number, out)), number.to_string());
        }
        let both = [("close", true), ("te", false), ("upgrade", true)];
        assert_eq!(
            text(|out| write_connection(both, out)),
            "connection: close, upgrade\r\n"
        );
        assert_eq!(text(|out| write_connection([("te", false)], out)), "");
    }
}
