//! HTTP/1.1 as the peers of the simulation speak it: written apart from the product's codec, so that a
//! mistake of one is not repeated by the other.

use std::fmt::Write;

/// A body's framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Chunked { trailers: bool },
    Length,
    UntilClose,
}

/// A part of a message.
#[derive(Debug)]
pub(crate) enum Part {
    Body(Vec<u8>),
    /// The message is complete; with what came behind its body.
    End(Vec<(String, String)>),
    Head(Head),
}

/// A head: its first line and fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    pub(crate) fn asks_to_close(&self) -> bool {
        self.field("connection") == Some("close")
    }
}

/// Reads messages out of a stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    Chunk(usize),
    ChunkEnd,
    ChunkSize,
    Fixed(usize),
    #[default]
    Head,
    Trailers(Vec<(String, String)>),
    UntilClose,
}

/// What kind of message is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer,
    AnswerToHead,
    Request,
}

impl Reader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether a message has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        !matches!(self.state, State::Head) || !self.bytes.is_empty()
    }

    /// The peer has finished: true if that is a proper end.
    pub(crate) fn ends_properly(&mut self) -> bool {
        if matches!(self.state, State::UntilClose) {
            self.state = State::Head;
            return true;
        }
        !self.is_inside()
    }

    /// The next part.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn next(&mut self, kind: Kind) -> Result<Option<Part>, String> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(lines) = self.take_lines()? else {
                        return Ok(None);
                    };
                    return self.begin(&lines, kind).map(Some);
                }
                State::Fixed(0) => {
                    self.state = State::Head;
                    return Ok(Some(Part::End(Vec::new())));
                }
                State::Fixed(left) | State::Chunk(left) => {
                    let part = self.bytes.len().min(*left);
                    if part == 0 && *left > 0 {
                        return Ok(None);
                    }
                    *left -= part;
                    if *left == 0 && matches!(self.state, State::Chunk(_)) {
                        self.state = State::ChunkEnd;
                    }
                    return Ok(Some(Part::Body(self.bytes.drain(..part).collect())));
                }
                State::ChunkEnd => {
                    let Some(line) = self.take_line() else {
                        return Ok(None);
                    };
                    if !line.is_empty() {
                        return Err(format!("{line:?} behind a chunk"));
                    }
                    self.state = State::ChunkSize;
                }
                State::ChunkSize => {
                    let Some(line) = self.take_line() else {
                        return Ok(None);
                    };
                    let size = usize::from_str_radix(&line, 16);
                    self.state = match size.map_err(|_| format!("chunk size {line:?}"))? {
                        0 => State::Trailers(Vec::new()),
                        size => State::Chunk(size),
                    };
                }
                State::Trailers(_) => {
                    let Some(line) = self.take_line() else {
                        return Ok(None);
                    };
                    let State::Trailers(fields) = &mut self.state else {
                        unreachable!()
                    };
                    if line.is_empty() {
                        let fields = std::mem::take(fields);
                        self.state = State::Head;
                        return Ok(Some(Part::End(fields)));
                    }
                    fields.push(split_field(&line)?);
                }
                State::UntilClose => {
                    if self.bytes.is_empty() {
                        return Ok(None);
                    }
                    return Ok(Some(Part::Body(std::mem::take(&mut self.bytes))));
                }
            }
        }
    }

    fn begin(&mut self, lines: &[String], kind: Kind) -> Result<Part, String> {
        let head = Head {
            first: lines[0].clone(),
            fields: lines[1..]
                .iter()
                .map(|line| split_field(line))
                .collect::<Result<_, _>>()?,
        };
        let status = head.status();
        let bodiless = kind == Kind::AnswerToHead
            || (kind == Kind::Answer && matches!(status, 100..=199 | 204 | 304));
        let length = head.field("content-length");
        let chunked = head.field("transfer-encoding");
        self.state = match (chunked, length) {
            _ if kind != Kind::Request && matches!(status, 100..=199) => State::Head,
            _ if bodiless => State::Fixed(0),
            (Some("chunked"), None) => State::ChunkSize,
            (None, Some(length)) => {
                let length = length.parse();
                State::Fixed(length.map_err(|_| "a bad content-length".to_owned())?)
            }
            (None, None) if kind == Kind::Request => State::Fixed(0),
            (None, None) => State::UntilClose,
            (Some(_), _) => return Err(format!("ambiguous framing: {head:?}")),
        };
        Ok(Part::Head(head))
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.bytes.windows(2).position(|w| w == b"\r\n")?;
        let line: Vec<u8> = self.bytes.drain(..end + 2).take(end).collect();
        Some(String::from_utf8_lossy(&line).into_owned())
    }

    fn take_lines(&mut self) -> Result<Option<Vec<String>>, String> {
        let Some(end) = self.bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head: Vec<u8> = self.bytes.drain(..end + 4).take(end).collect();
        let text = String::from_utf8(head).map_err(|error| error.to_string())?;
        if text.contains('\n') && text.replace("\r\n", "").contains(['\r', '\n']) {
            return Err(format!("a bare line end in {text:?}"));
        }
        Ok(Some(text.split("\r\n").map(str::to_owned).collect()))
    }
}

fn split_field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(": ").ok_or(format!("field {line:?}"))?;
    Ok((name.to_ascii_lowercase(), value.to_owned()))
}

/// Byte `at` of message `id`'s body.
pub(crate) fn body_byte(id: u64, at: u64) -> u8 {
    (id.wrapping_mul(37) ^ at.wrapping_mul(7) ^ (at >> 8)) as u8
}

/// Writes a whole message; `first` is its first line. Chunks are cut as `cut` says.
pub(crate) fn write(
    first: &str,
    fields: &[(&str, String)],
    framing: Framing,
    id: u64,
    len: u64,
    mut cut: impl FnMut() -> u64,
) -> Vec<u8> {
    let mut head = format!("{first}\r\n");
    for (name, value) in fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    match framing {
        Framing::Chunked { .. } => head += "transfer-encoding: chunked\r\n",
        Framing::Length => {
            let _ = write!(head, "content-length: {len}\r\n");
        }
        Framing::UntilClose => {}
    }
    let mut out = (head + "\r\n").into_bytes();
    let Framing::Chunked { trailers } = framing else {
        out.extend((0..len).map(|at| body_byte(id, at)));
        return out;
    };
    let mut at = 0;
    while at < len {
        let end = (at + cut().max(1)).min(len);
        out.extend(format!("{:x}\r\n", end - at).bytes());
        out.extend((at..end).map(|at| body_byte(id, at)));
        out.extend_from_slice(b"\r\n");
        at = end;
    }
    out.extend_from_slice(b"0\r\n");
    if trailers {
        out.extend(format!("x-sum: {len}\r\n").bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}
