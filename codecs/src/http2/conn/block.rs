//! HEADERS and CONTINUATION: where a header block is, and how long it may be (RFC 9113 §6.2, §6.10).

use super::super::code::Wrong;
use super::super::frame::{self, END_HEADERS, END_STREAM, Header, PADDED, PRIORITY};
use super::super::guard;
use super::Connection;
use super::input::{Block, Input};
use crate::{Frame, Heads};

/// A block may be longer than the head that it means: names and values are written out before they
/// are in a table, and table sizes and padding of codes are part of it.
const BLOCK_SLACK: u32 = 4 << 10;

/// CONTINUATION frames that a block may have whatever its length: senders fill their frames, so that
/// few are needed; some write one for each of a few pieces.
const CONTINUATIONS_MIN: u32 = 8;

/// And one more for so many bytes that a head may have.
const BYTES_PER_CONTINUATION: u32 = 8 << 10;

impl Connection {
    /// RFC 9113 §6.2. Which streams may have HEADERS now is judged with the block.
    pub(super) fn begin_headers(&mut self, header: Header) -> Result<(), Wrong> {
        if header.id == 0 {
            return Err(Wrong::protocol("http2-wrong-stream"));
        }
        self.check_opening(header.id)?;
        self.input = Input::Head(header);
        Ok(())
    }

    /// All of a HEADERS frame is there.
    pub(super) fn on_headers(
        &mut self,
        header: Header,
        payload: &[u8],
        heads: &mut Heads,
    ) -> Result<Option<Frame>, Wrong> {
        let (fragment, depends_on_itself) = fragment(header, payload)?;
        if header.is_set(END_HEADERS) {
            return self.on_section(header, depends_on_itself, fragment, heads);
        }
        if fragment.is_empty() && !header.is_set(END_STREAM) {
            self.guard.on_empty()?;
        }
        self.block = Some(Box::new(Block {
            header,
            depends_on_itself,
            bytes: Vec::new(),
            continuations: 0,
        }));
        self.gather(fragment)?;
        Ok(None)
    }

    /// A header block has begun and not ended. The first bytes of a frame are no part of one yet: until
    /// their type is known the connection is idle.
    pub(super) fn has_begun_block(&self) -> bool {
        self.block.is_some() || matches!(self.input, Input::Head(_))
    }

    pub(super) fn begin_continuation(&mut self, header: Header) -> Result<(), Wrong> {
        let max = CONTINUATIONS_MIN + self.limits.head_bytes_max / BYTES_PER_CONTINUATION;
        let Some(block) = &mut self.block else {
            // RFC 9113 §6.10: only behind HEADERS without END_HEADERS.
            return Err(Wrong::protocol("http2-unexpected-continuation"));
        };
        block.continuations += 1;
        if block.continuations > max {
            return Err(Wrong::calm(guard::CONTINUATION_FLOOD));
        }
        if header.len == 0 && !header.is_set(END_HEADERS) {
            self.guard.on_empty()?;
        }
        self.input = Input::Fragment {
            left: header.len,
            is_last: header.is_set(END_HEADERS),
        };
        Ok(())
    }

    pub(super) fn gather(&mut self, piece: &[u8]) -> Result<(), Wrong> {
        let max = self.limits.head_bytes_max.saturating_add(BLOCK_SLACK);
        let Some(block) = &mut self.block else {
            return Ok(());
        };
        if block.bytes.len() + piece.len() > max as usize {
            return Err(Wrong::calm(guard::HEAD_BLOCK_TOO_LONG));
        }
        block.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// All of a header block that went on in CONTINUATION is there.
    pub(super) fn on_block(&mut self, heads: &mut Heads) -> Result<Option<Frame>, Wrong> {
        match self.block.take() {
            Some(block) => {
                self.on_section(block.header, block.depends_on_itself, &block.bytes, heads)
            }
            None => Ok(None),
        }
    }
}

/// The fragment in a HEADERS frame, and whether its stream is to depend on itself.
fn fragment(header: Header, mut payload: &[u8]) -> Result<(&[u8], bool), Wrong> {
    // RFC 9113 §4.2: too short for what it must hold.
    let short = Wrong::size("http2-wrong-frame-length");
    let mut padding = 0;
    if header.is_set(PADDED) {
        let (first, rest) = payload.split_first().ok_or(short)?;
        (padding, payload) = (usize::from(*first), rest);
    }
    let mut depends_on_itself = false;
    if header.is_set(PRIORITY) {
        let (first, rest) = payload.split_first_chunk::<5>().ok_or(short)?;
        let [a, b, c, d, _weight] = *first;
        depends_on_itself = frame::number([a, b, c, d]) == header.id;
        payload = rest;
    }
    // RFC 9113 §6.2: padding must leave room for the fragment.
    let len = payload.len().checked_sub(padding);
    let len = len.ok_or(Wrong::protocol("http2-padding-too-long"))?;
    Ok((&payload[..len], depends_on_itself))
}
