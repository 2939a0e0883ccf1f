//! Raw echo as a codec: no framing, a message is as long as what was sent. Several may be under way;
//! they come back in order.

use codecs::{
    Codec, Fields, Frame, Head, Heads, Length, Life, Malformed, Reason, Step, StreamId, Wait, Wrap,
};
use std::{collections::VecDeque, time::Instant};

/// The side that sends first.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// Messages under way: the name, and bytes still to come back.
    waiting: VecDeque<(StreamId, u64)>,
    last: u64,
    is_opened: bool,
    is_draining: bool,
    is_closed: bool,
}

impl Echo {
    fn settle(&mut self) {
        self.is_closed |= self.is_draining && self.waiting.is_empty() && !self.is_opened;
    }
}

impl Codec for Echo {
    fn decode(&mut self, _: Instant, input: &[u8], _: &mut Heads) -> Result<Step, Malformed> {
        let idle = Step {
            used: input.len(),
            frame: None,
            wait: Wait::More,
        };
        if self.is_closed || input.is_empty() {
            return Ok(idle);
        }
        let Some((id, left)) = self.waiting.front_mut() else {
            self.is_closed = true;
            return Err(malformed("unsolicited-bytes"));
        };
        let id = *id;
        let len = input
            .len()
            .min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= len as u64;
        let end = *left == 0;
        if end {
            self.waiting.pop_front();
            self.settle();
        }
        Ok(Step {
            used: len,
            frame: Some(Frame::Data { id, len, end }),
            wait: if len < input.len() {
                Wait::Go
            } else {
                Wait::More
            },
        })
    }

    fn eof(&mut self) -> Result<Option<Frame>, Malformed> {
        self.is_closed = true;
        match self.waiting.is_empty() {
            true => Ok(None),
            false => Err(malformed("eof-in-message")),
        }
    }

    fn refuse(&mut self, _: &Malformed, _: &[u8], _: &mut Vec<u8>) {
        self.is_closed = true;
    }

    fn open(&mut self) -> Option<StreamId> {
        if self.is_closed || self.is_draining || self.is_opened {
            return None;
        }
        self.last += 1;
        self.is_opened = true;
        Some(StreamId(self.last))
    }

    fn head(&mut self, id: StreamId, head: &Head, _end: bool, _out: &mut Vec<u8>) {
        let Length::Known(bytes) = head.length else {
            debug_assert!(false, "an echo has a length");
            self.is_closed = true;
            return;
        };
        self.waiting.push_back((id, bytes));
    }

    fn data(&mut self, _: StreamId, _: &[u8], end: bool) -> Wrap {
        self.is_opened &= !end;
        Wrap::default()
    }

    fn forward(&mut self, _: StreamId, _: &mut [u8]) -> bool {
        false
    }

    fn trailers(&mut self, _: StreamId, _: &Fields, _: &mut Vec<u8>) {}

    fn reset(&mut self, _: StreamId, _: Reason, _: &mut Vec<u8>) {
        self.is_closed = true;
    }

    fn room(&self, _: StreamId) -> usize {
        usize::MAX
    }

    fn release(&mut self, _: StreamId, _: usize, _: &mut Vec<u8>) {}

    fn ping(&mut self, _: &mut Vec<u8>) -> bool {
        false
    }

    fn control(&mut self, _: &mut Vec<u8>) {}

    fn drain(&mut self, _: &mut Vec<u8>) {
        self.is_draining = true;
        self.settle();
    }

    fn life(&self) -> Life {
        match (self.is_closed, self.is_draining) {
            (true, _) => Life::Closed,
            (false, true) => Life::Draining,
            (false, false) => Life::Open {
                streams: usize::from(!self.is_opened),
            },
        }
    }
}

fn malformed(detail: &'static str) -> Malformed {
    Malformed { status: 0, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the codec takes a time that it does not read"
    )]
    fn messages_end_where_they_were_long_enough() {
        let (mut echo, mut heads, now) = (Echo::default(), Heads::default(), Instant::now());
        for bytes in [5, 3] {
            let id = echo.open().unwrap();
            let mut head = Head::default();
            head.length = Length::Known(bytes);
            echo.head(id, &head, false, &mut Vec::new());
            assert_eq!(echo.open(), None);
            echo.data(id, &[0; 8][..bytes as usize], true);
        }
        let mut seen = Vec::new();
        for input in [&b"ab"[..], b"cdefg", b"fg", b"h"] {
            let step = echo.decode(now, input, &mut heads).unwrap();
            if let Some(Frame::Data { id, len, end }) = step.frame {
                seen.push((id.0, len, end));
            }
        }
        assert_eq!(
            seen,
            [(1, 2, false), (1, 3, true), (2, 2, false), (2, 1, true)]
        );
        assert!(echo.decode(now, b"i", &mut heads).is_err());
        assert_eq!(echo.life(), Life::Closed);
    }
}
