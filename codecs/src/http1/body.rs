//! Bodies that come in: by length, in chunks (RFC 9112 §7.1), or until the connection ends.

use super::resume::Resume;
use super::scan::Bounds;
use super::{HeadLimits, bad, parse};
use crate::bytes::is_token_byte;
use crate::{Fields, Heads, Malformed};

/// Bytes of extensions in one chunk's line and in one body.
const EXTENSION_LINE_MAX: u16 = 256;
const EXTENSION_BODY_MAX: u16 = 4096;
/// Hex digits of a chunk's size; 16 fill the number.
const SIZE_DIGITS_MAX: u8 = 16;

/// What is still to come of a body.
#[derive(Debug)]
pub(super) enum Body {
    Chunked(Chunked),
    Known(u64),
    /// Up to the peer's FIN: an answer without framing, or a tunnel.
    UntilEnd,
}

/// What one step took off the input.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) used: usize,
    pub(super) part: Part,
}

/// What it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The last `len` bytes of the step.
    Data { len: usize, end: bool },
    /// Framing, or nothing.
    None,
    /// The end, with fields.
    Trailers(Fields),
}

impl Body {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked::default())
    }

    /// Takes a step; `scan` is that of the trailers.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        scan: &mut Resume,
        heads: &mut Heads,
    ) -> Result<Piece, Malformed> {
        match self {
            Self::Chunked(chunked) => chunked.decode(input, limits, scan, heads),
            Self::Known(left) => Ok(take(left, input)),
            Self::UntilEnd => Ok(take(&mut u64::MAX.clone(), input)),
        }
    }
}

impl Body {
    /// Bytes to come that are payload, without any framing in between.
    pub(super) fn verbatim(&self) -> u64 {
        match self {
            Self::Chunked(_) => 0,
            Self::Known(left) => *left,
            Self::UntilEnd => u64::MAX,
        }
    }

    /// Takes note of payload that came in past us, of which the last byte does not.
    pub(super) fn pass(&mut self, bytes: u64) {
        debug_assert!(bytes < self.verbatim(), "the end goes through the codec");
        if let Self::Known(left) = self {
            *left = left.saturating_sub(bytes);
        }
    }
}

fn take(left: &mut u64, input: &[u8]) -> Piece {
    let len = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    *left -= len as u64;
    let end = *left == 0;
    let part = match len > 0 || end {
        true => Part::Data { len, end },
        false => Part::None,
    };
    Piece { used: len, part }
}

/// A chunked body. Sizes and extensions are taken byte by byte into this state.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    digits: u8,
    extension_line: u16,
    extension_body: u16,
    /// Of the chunk: as far as its digits came, then what is left of it.
    size: u64,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Line(Line),
    Payload,
    Trailers,
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Extension(Extension),
    PayloadCr,
    PayloadLf,
    Size,
    SizeLf,
}

/// `*( ";" name [ "=" ( token / quoted-string ) ] )`. The grammar's "bad whitespace" is refused: it
/// is where parsers differ, and no client sends it.
#[derive(Clone, Copy, Debug)]
enum Extension {
    Escape,
    Name,
    NameStart,
    Quoted,
    QuoteEnd,
    Value,
    ValueStart,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            at: At::Line(Line::Size),
            digits: 0,
            extension_line: 0,
            extension_body: 0,
            size: 0,
        }
    }
}

impl Chunked {
    fn decode(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        scan: &mut Resume,
        heads: &mut Heads,
    ) -> Result<Piece, Malformed> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let piece = match (self.at, rest) {
                (At::Trailers, _) => trailers(rest, limits, scan, heads)?,
                (_, []) => Piece {
                    used: 0,
                    part: Part::None,
                },
                (At::Payload, _) => self.payload(rest),
                (At::Line(line), [byte, ..]) => {
                    self.at = self.line(line, *byte)?;
                    used += 1;
                    continue;
                }
            };
            return Ok(Piece {
                used: used + piece.used,
                part: piece.part,
            });
        }
    }

    fn payload(&mut self, rest: &[u8]) -> Piece {
        let Piece { used, .. } = take(&mut self.size, rest);
        if self.size == 0 {
            self.at = At::Line(Line::PayloadCr);
        }
        let part = Part::Data {
            len: used,
            end: false,
        };
        Piece { used, part }
    }

    fn line(&mut self, line: Line, byte: u8) -> Result<At, Malformed> {
        match line {
            Line::Extension(at) => self.extension(at, byte),
            Line::PayloadCr if byte == b'\r' => Ok(At::Line(Line::PayloadLf)),
            Line::PayloadLf if byte == b'\n' => Ok(At::Line(Line::Size)),
            Line::PayloadCr | Line::PayloadLf => Err(bad("invalid-chunk-end")),
            Line::Size => self.size(byte),
            Line::SizeLf if byte == b'\n' => Ok(self.size_end()),
            Line::SizeLf => Err(bad("invalid-chunk-size")),
        }
    }

    fn size(&mut self, byte: u8) -> Result<At, Malformed> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            self.digits += 1;
            if self.digits > SIZE_DIGITS_MAX {
                return Err(bad("chunk-size-too-long"));
            }
            self.size = self.size << 4 | u64::from(digit);
            return Ok(At::Line(Line::Size));
        }
        match byte {
            b'\r' if self.digits > 0 => Ok(At::Line(Line::SizeLf)),
            b';' if self.digits > 0 => self.extension_byte(Extension::NameStart),
            _ => Err(bad("invalid-chunk-size")),
        }
    }

    fn size_end(&mut self) -> At {
        self.digits = 0;
        self.extension_line = 0;
        match self.size {
            0 => At::Trailers,
            _ => At::Payload,
        }
    }

    fn extension(&mut self, at: Extension, byte: u8) -> Result<At, Malformed> {
        let next = match (at, byte) {
            (Extension::Name | Extension::QuoteEnd | Extension::Value, b'\r') => {
                return Ok(At::Line(Line::SizeLf));
            }
            (Extension::Name | Extension::QuoteEnd | Extension::Value, b';') => {
                Extension::NameStart
            }
            (Extension::Name, b'=') => Extension::ValueStart,
            (Extension::ValueStart, b'"') => Extension::Quoted,
            (Extension::Quoted, b'"') => Extension::QuoteEnd,
            (Extension::Quoted, b'\\') => Extension::Escape,
            (Extension::Quoted | Extension::Escape, byte)
                if byte == b'\t' || !byte.is_ascii_control() =>
            {
                Extension::Quoted
            }
            (Extension::Name | Extension::NameStart, byte) if is_token_byte(byte) => {
                Extension::Name
            }
            (Extension::Value | Extension::ValueStart, byte) if is_token_byte(byte) => {
                Extension::Value
            }
            _ => return Err(bad("invalid-chunk-extension")),
        };
        self.extension_byte(next)
    }

    fn extension_byte(&mut self, next: Extension) -> Result<At, Malformed> {
        self.extension_line += 1;
        self.extension_body += 1;
        let is_long = self.extension_line > EXTENSION_LINE_MAX;
        if is_long || self.extension_body > EXTENSION_BODY_MAX {
            return Err(bad("chunk-extension-too-long"));
        }
        Ok(At::Line(Line::Extension(next)))
    }
}

fn trailers(
    rest: &[u8],
    limits: &HeadLimits,
    scan: &mut Resume,
    heads: &mut Heads,
) -> Result<Piece, Malformed> {
    let bounds = Bounds {
        bytes_max: limits.trailer_bytes_max as usize,
        lines_max: limits.fields_max as usize,
        first_line_status: 431,
    };
    let end = Part::Data { len: 0, end: true };
    if scan.is_fresh() && rest.starts_with(b"\r\n") {
        return Ok(Piece { used: 2, part: end });
    }
    let mut fields = heads.take_fields();
    let used = parse::trailers(scan, rest, bounds, &mut fields)?;
    let part = match used {
        Some(_) if !fields.is_empty() => Part::Trailers(fields),
        _ => {
            heads.put_fields(fields);
            used.map_or(Part::None, |_| end)
        }
    };
    Ok(Piece {
        used: used.unwrap_or(0),
        part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload, the trailers and the unused rest of a chunked body fed `step` bytes at a time.
    fn read(input: &[u8], step: usize) -> Result<(Vec<u8>, Fields, usize), &'static str> {
        let (mut body, limits, mut heads) = (
            Body::chunked(),
            HeadLimits::of(&crate::Limits::default()),
            Heads::default(),
        );
        let mut scan = Resume::default();
        let (mut payload, mut used, mut end) = (Vec::new(), 0, 0);
        loop {
            let piece = body.decode(&input[used..end], &limits, &mut scan, &mut heads);
            let piece = piece.map_err(|why| why.detail)?;
            used += piece.used;
            match piece.part {
                Part::Data { len, end } => {
                    payload.extend_from_slice(&input[used - len..used]);
                    if end {
                        return Ok((payload, Fields::default(), input.len() - used));
                    }
                }
                Part::Trailers(fields) => return Ok((payload, fields, input.len() - used)),
                Part::None if end == input.len() => return Err("more"),
                Part::None => end = (end + step).min(input.len()),
            }
        }
    }

    #[test]
    fn chunks_are_read_in_any_split() {
        let input =
            b"3\r\nabc\r\n0A;n;m=v;q=\"\\\" \"\r\n0123456789\r\n00\r\nT: v\r\nage: 1\r\n\r\nrest";
        for step in 1..=input.len() {
            let (payload, trailers, left) = read(input, step).unwrap();
            assert_eq!(payload, b"abc0123456789");
            assert_eq!(
                trailers.iter().collect::<Vec<_>>(),
                [(&b"t"[..], &b"v"[..])]
            );
            assert!(left <= 4);
        }
        assert_eq!(
            read(b"0\r\n\r\n", 9),
            Ok((Vec::new(), Fields::default(), 0))
        );
        assert_eq!(
            read(b"0\r\nage: 1\r\n\r\n", 9),
            Ok((Vec::new(), Fields::default(), 0))
        );
    }

    #[test]
    fn what_passes_is_counted() {
        let mut body = Body::Known(10);
        body.pass(4);
        assert_eq!(body.verbatim(), 6);
        Body::UntilEnd.pass(7);
        assert_eq!(Body::UntilEnd.verbatim(), u64::MAX);
        assert_eq!(Body::chunked().verbatim(), 0);
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long = format!("1;{}\r\na\r\n", "n".repeat(300));
        let many = format!("1;{}\r\na\r\n", "n".repeat(200)).repeat(30);
        for (input, detail) in [
            ("\r\n", "invalid-chunk-size"),
            ("g\r\n", "invalid-chunk-size"),
            ("0x1\r\n", "invalid-chunk-size"),
            ("+1\r\n", "invalid-chunk-size"),
            ("-1\r\n", "invalid-chunk-size"),
            (" 1\r\n", "invalid-chunk-size"),
            ("1 \r\n", "invalid-chunk-size"),
            ("1\t;a\r\n", "invalid-chunk-size"),
            ("1\n", "invalid-chunk-size"),
            ("1\ra", "invalid-chunk-size"),
            (";a\r\n", "invalid-chunk-size"),
            ("00000000000000001\r\n", "chunk-size-too-long"),
            ("1;\r\n", "invalid-chunk-extension"),
            ("1; a\r\n", "invalid-chunk-extension"),
            ("1;a=\r\n", "invalid-chunk-extension"),
            ("1;a\n", "invalid-chunk-extension"),
            ("1;a=\"\n\"\r\n", "invalid-chunk-extension"),
            ("1;a=\"b\"c\r\n", "invalid-chunk-extension"),
            (&long, "chunk-extension-too-long"),
            (&many, "chunk-extension-too-long"),
            ("1\r\nab\r\n", "invalid-chunk-end"),
            ("1\r\na\n", "invalid-chunk-end"),
            ("1\r\na\rb", "invalid-chunk-end"),
            ("0\r\nHost: a\r\n\r\n", "forbidden-trailer"),
            ("0\r\ncontent-length: 1\r\n\r\n", "forbidden-trailer"),
            ("0\r\na : b\r\n\r\n", "invalid-field-name"),
            ("0\r\n a: b\r\n\r\n", "invalid-field-name"),
            ("0\r\na: b\n\r\n", "bare-lf"),
        ] {
            for step in [1, 7, input.len()] {
                assert_eq!(read(input.as_bytes(), step), Err(detail), "{input:?}");
            }
        }
    }

    #[test]
    fn a_chunk_of_the_largest_size_waits_for_more() {
        assert_eq!(read(b"ffffffffffffffff\r\nab", 3), Err("more"));
    }
}
