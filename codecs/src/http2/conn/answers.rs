//! Answers that come in, and how they go on.

use super::super::code::Wrong;
use super::super::head::{Answer, Fault};
use super::super::streams::Flags;
use super::Connection;
use super::heads::head_frame;
use crate::{Frame, Head, Heads, Length};

/// Interim answers that one request may get.
const INTERIM_MAX: u8 = 16;

impl Connection {
    pub(super) fn on_answer(
        &mut self,
        id: u32,
        end: bool,
        block: &[u8],
        heads: &mut Heads,
    ) -> Result<Option<Frame>, Wrong> {
        let mut head = heads.take();
        let mut answer = Answer::new(&mut head, self.head_bounds());
        let read = self.read(block, &mut answer);
        let finished = answer.finish(end);
        let begun = read.map(|()| {
            let (length, bytes) = finished?;
            self.begin_answer(id, end, &mut head, length, bytes)
        });
        match begun {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                heads.put(head);
                return self.on_fault(id, end, fault).map(Some);
            }
            Err(wrong) => {
                heads.put(head);
                return Err(wrong);
            }
        }
        self.guard.on_work();
        if end {
            self.remote_ends(id);
        }
        Ok(Some(head_frame(id, head, end)))
    }

    fn begin_answer(
        &mut self,
        id: u32,
        end: bool,
        head: &mut Head,
        length: Option<u64>,
        bytes: u32,
    ) -> Result<(), Fault> {
        let wrong = |detail| Fault::Reset(Wrong::protocol(detail));
        let Some(stream) = self.streams.find_mut(id) else {
            return Ok(());
        };
        if head.status < 200 || head.status == 204 {
            // RFC 9110 §8.6: neither has a length.
            if length > Some(0) {
                return Err(wrong("framing-without-body"));
            }
            head.length = Length::None;
        }
        if head.is_interim() {
            stream.interims += 1;
            return match stream.interims > INTERIM_MAX {
                true => Err(wrong("too-many-interim-answers")),
                false => Ok(()),
            };
        }
        stream.set(Flags::HEAD_CAME);
        stream.head_bytes = bytes;
        self.heads_bytes += bytes;
        let is_success = (200..300).contains(&head.status);
        if is_success && (stream.is(Flags::IS_CONNECT) || stream.is(Flags::IS_EXTENDED)) {
            stream.set(Flags::IS_TUNNEL);
            head.length = Length::None;
            if stream.is(Flags::IS_EXTENDED) {
                head.status = 101;
                head.set_upgrade(b"websocket");
            }
            return Ok(());
        }
        let is_bodiless = stream.is(Flags::IS_HEAD) || matches!(head.status, 204 | 304);
        stream.body_left = if is_bodiless { Some(0) } else { length };
        if end && stream.body_left.is_some_and(|left| left > 0) {
            // RFC 9113 §8.1.1.
            return Err(wrong("http2-body-shorter-than-content-length"));
        }
        Ok(())
    }
}
