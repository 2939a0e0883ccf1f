//! Bytes to frames: what is taken piecemeal, and what has to lie there whole.
//!
//! Frame headers and small payloads are gathered in place. The payload of HEADERS stays in the input
//! until all of it is there; a block that goes on in CONTINUATION is gathered in memory of its own,
//! which is bounded and freed with it. Payload of DATA is never kept.

use super::super::code::Wrong;
use super::super::frame::{HEADER, Header};
use super::super::{PREFACE, settings};
use super::Connection;
use crate::{Frame, Heads, Step, Wait};

/// What comes next.
#[derive(Debug)]
pub(super) enum Input {
    /// The client's preface; so much of it came.
    Preface(u8),
    Header(Partial<HEADER>),
    /// A payload of at most 8 bytes, or the beginning of GOAWAY.
    Small(Header, Partial<8>),
    Settings {
        left: u32,
        window_before: u32,
        entry: Partial<{ settings::ENTRY }>,
    },
    PadLength(Header),
    Data {
        id: u32,
        left: u32,
        padding: u32,
        end: bool,
    },
    /// HEADERS, whose payload is still in the input.
    Head(Header),
    /// A piece of a header block.
    Fragment {
        left: u32,
        is_last: bool,
    },
    Skip(u32),
}

impl Default for Input {
    fn default() -> Self {
        Self::Header(Partial::default())
    }
}

/// A header block that goes on in CONTINUATION frames.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) depends_on_itself: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) continuations: u32,
}

/// Bytes that come one by one.
#[derive(Debug)]
pub(super) struct Partial<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Default for Partial<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }
}

impl<const N: usize> Partial<N> {
    fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes up to `want` bytes in all; how many of `input` it took, and whether that is all.
    fn fill(&mut self, input: &[u8], want: usize) -> (usize, bool) {
        let has = usize::from(self.len);
        let take = input.len().min(want - has);
        self.bytes[has..has + take].copy_from_slice(&input[..take]);
        self.len += take as u8;
        (take, has + take == want)
    }
}

/// What one look at the input took.
#[derive(Default)]
pub(super) struct Piece {
    pub(super) used: usize,
    pub(super) frame: Option<Frame>,
    /// Nothing can be done without more input.
    pub(super) is_dry: bool,
}

impl Piece {
    pub(super) fn dry(used: usize) -> Self {
        Self {
            used,
            frame: None,
            is_dry: true,
        }
    }

    pub(super) fn taken(used: usize) -> Self {
        Self::with(used, None)
    }

    pub(super) fn with(used: usize, frame: Option<Frame>) -> Self {
        Self {
            used,
            frame,
            is_dry: false,
        }
    }
}

impl Connection {
    /// Takes frames until one has something to tell.
    pub(super) fn step(&mut self, input: &[u8], heads: &mut Heads) -> Result<Step, Wrong> {
        self.broken.take().map_or(Ok(()), Err)?;
        let mut used = 0;
        let mut frame = self.next_pending();
        while frame.is_none() {
            let piece = self.piece(&input[used..], heads)?;
            used += piece.used;
            frame = piece.frame.or_else(|| self.next_pending());
            if piece.is_dry && frame.is_none() {
                break;
            }
        }
        let is_more = frame.is_none() || used == input.len() && self.pending.is_empty();
        Ok(Step {
            used,
            frame,
            wait: if is_more { Wait::More } else { Wait::Go },
        })
    }

    #[inline]
    fn piece(&mut self, rest: &[u8], heads: &mut Heads) -> Result<Piece, Wrong> {
        match &mut self.input {
            Input::Header(partial) => {
                if partial.is_empty()
                    && let Some(bytes) = rest.first_chunk::<HEADER>()
                {
                    let header = Header::read(bytes);
                    return Ok(Piece::with(HEADER, self.begin(header)?));
                }
                let (used, is_whole) = partial.fill(rest, HEADER);
                if !is_whole {
                    return Ok(Piece::dry(used));
                }
                let header = Header::read(&partial.bytes);
                self.input = Input::default();
                Ok(Piece::with(used, self.begin(header)?))
            }
            Input::Data { .. } => self.data_piece(rest),
            Input::Head(header) => {
                let header = *header;
                match rest.split_at_checked(header.len as usize) {
                    Some((payload, _)) => {
                        self.input = Input::default();
                        let frame = self.on_headers(header, payload, heads)?;
                        Ok(Piece::with(payload.len(), frame))
                    }
                    None => Ok(Piece::dry(0)),
                }
            }
            Input::Fragment { left, is_last } => {
                let take = rest.len().min(*left as usize);
                *left -= take as u32;
                let (is_whole, is_last) = (*left == 0, *is_last);
                self.gather(&rest[..take])?;
                if !is_whole {
                    return Ok(Piece::dry(take));
                }
                self.input = Input::default();
                let frame = match is_last {
                    true => self.on_block(heads)?,
                    false => None,
                };
                Ok(Piece::with(take, frame))
            }
            Input::PadLength(_)
            | Input::Preface(_)
            | Input::Settings { .. }
            | Input::Skip(_)
            | Input::Small(..) => self.small_piece(rest),
        }
    }

    fn small_piece(&mut self, rest: &[u8]) -> Result<Piece, Wrong> {
        match &mut self.input {
            Input::PadLength(header) => {
                let header = *header;
                let Some(padding) = rest.first() else {
                    return Ok(Piece::dry(0));
                };
                self.input = Input::default();
                let frame = self.begin_payload(header, u32::from(*padding))?;
                Ok(Piece::with(1, frame))
            }
            Input::Preface(has) => {
                let want = &PREFACE[usize::from(*has)..];
                let take = rest.len().min(want.len());
                // RFC 9113 §3.4: anything else is a connection error.
                if rest[..take] != want[..take] {
                    return Err(Wrong::protocol("http2-invalid-preface"));
                }
                *has += take as u8;
                if take < want.len() {
                    return Ok(Piece::dry(take));
                }
                self.input = Input::default();
                Ok(Piece::taken(take))
            }
            Input::Settings { left, entry, .. } => {
                let (used, is_whole) = entry.fill(rest, settings::ENTRY);
                *left -= used as u32;
                if !is_whole {
                    return Ok(Piece::dry(used));
                }
                let bytes = std::mem::take(entry).bytes;
                self.on_setting(bytes)?;
                Ok(Piece::taken(used))
            }
            Input::Skip(left) => {
                let take = rest.len().min(*left as usize);
                *left -= take as u32;
                if *left > 0 {
                    return Ok(Piece::dry(take));
                }
                self.input = Input::default();
                Ok(Piece::taken(take))
            }
            Input::Small(header, partial) => {
                let header = *header;
                let (used, is_whole) = partial.fill(rest, header.len.min(8) as usize);
                if !is_whole {
                    return Ok(Piece::dry(used));
                }
                let payload = partial.bytes;
                self.input = Input::default();
                Ok(Piece::with(used, self.on_small(header, payload)?))
            }
            Input::Data { .. } | Input::Fragment { .. } | Input::Head(_) | Input::Header(_) => {
                Ok(Piece::dry(0))
            }
        }
    }

    /// Nothing of a frame or of a header block has begun.
    pub(super) fn is_between_frames(&self) -> bool {
        let is_fresh = match &self.input {
            Input::Header(partial) => partial.is_empty(),
            Input::Data { .. }
            | Input::Fragment { .. }
            | Input::Head(_)
            | Input::PadLength(_)
            | Input::Preface(_)
            | Input::Settings { .. }
            | Input::Skip(_)
            | Input::Small(..) => false,
        };
        is_fresh && self.block.is_none()
    }
}
