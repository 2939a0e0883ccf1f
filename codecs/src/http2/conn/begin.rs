//! What a frame header says, before any payload: lengths, stream ids, and what may come now.

use super::super::code::Wrong;
use super::super::frame::{ACK, Header, Kind, PAYLOAD_MAX};
use super::Connection;
use super::input::{Input, Partial};
use crate::Frame;

impl Connection {
    pub(super) fn begin(&mut self, header: Header) -> Result<Option<Frame>, Wrong> {
        // RFC 9113 §4.2: no setting of ours allows more.
        if header.len as usize > PAYLOAD_MAX {
            return Err(Wrong::size("http2-frame-too-large"));
        }
        // RFC 9113 §3.4: SETTINGS come first.
        if !self.has_settings && (header.kind != Kind::Settings || header.is_set(ACK)) {
            return Err(Wrong::protocol("http2-missing-settings"));
        }
        // RFC 9113 §4.3, §6.10: nothing between the frames of a header block.
        if let Some(block) = &self.block
            && (header.kind != Kind::Continuation || header.id != block.header.id)
        {
            return Err(Wrong::protocol("http2-interrupted-header-block"));
        }
        match header.kind {
            Kind::Data => return self.begin_data(header),
            Kind::Headers => self.begin_headers(header)?,
            Kind::Continuation => self.begin_continuation(header)?,
            Kind::Settings => self.begin_settings(header)?,
            Kind::Priority => return self.begin_priority(header),
            Kind::Ping => self.begin_small(header, header.id == 0, header.len == 8)?,
            Kind::GoAway => self.begin_small(header, header.id == 0, header.len >= 8)?,
            Kind::RstStream => self.begin_small(header, header.id != 0, header.len == 4)?,
            Kind::WindowUpdate => self.begin_small(header, true, header.len == 4)?,
            // RFC 9113 §8.4: clients cannot push, and ours has forbidden it.
            Kind::PushPromise => return Err(Wrong::protocol("http2-push-promise")),
            Kind::Unknown => {
                self.guard.on_useless()?;
                self.input = Input::Skip(header.len);
            }
        }
        Ok(None)
    }

    /// RFC 9113 §6.4, §6.7, §6.8, §6.9: each on its kind of stream, each of its length.
    fn begin_small(
        &mut self,
        header: Header,
        is_placed: bool,
        is_sized: bool,
    ) -> Result<(), Wrong> {
        if !is_placed {
            return Err(Wrong::protocol("http2-wrong-stream"));
        }
        if !is_sized {
            return Err(Wrong::size("http2-wrong-frame-length"));
        }
        self.input = Input::Small(header, Partial::default());
        Ok(())
    }

    /// RFC 9113 §6.3: a wrong length ends the stream alone, where there is one.
    fn begin_priority(&mut self, header: Header) -> Result<Option<Frame>, Wrong> {
        self.guard.on_priority()?;
        if header.id != 0 && header.len != 5 && self.streams.find(header.id).is_some() {
            self.input = Input::Skip(header.len);
            let wrong = Wrong::size("http2-wrong-frame-length");
            return self.fail_stream(header.id, wrong).map(Some);
        }
        self.begin_small(header, header.id != 0, header.len == 5)?;
        Ok(None)
    }

    fn begin_settings(&mut self, header: Header) -> Result<(), Wrong> {
        // RFC 9113 §6.5.
        if header.id != 0 {
            return Err(Wrong::protocol("http2-wrong-stream"));
        }
        let is_ack = header.is_set(ACK);
        if is_ack && header.len > 0 || !header.len.is_multiple_of(6) {
            return Err(Wrong::size("http2-wrong-frame-length"));
        }
        if is_ack {
            return self.on_settings_ack();
        }
        self.guard.on_settings()?;
        self.has_settings = true;
        match header.len {
            0 => self.on_settings(),
            left => {
                self.input = Input::Settings {
                    left,
                    entry: Partial::default(),
                };
                Ok(())
            }
        }
    }
}
