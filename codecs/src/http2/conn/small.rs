//! Small frames: SETTINGS, PING, GOAWAY, RST_STREAM, WINDOW_UPDATE, PRIORITY.

use super::super::code::{Code, Wrong};
use super::super::frame::{self, ACK, Header, Kind};
use super::super::settings;
use super::super::streams::Flags;
use super::going::DRAIN_PING;
use super::input::Input;
use super::{Connection, Role, reset_frame, stream_id};
use crate::Frame;

/// What our keep-alive probes carry.
pub(super) const PROBE: [u8; 8] = *b"rl-probe";

impl Connection {
    pub(super) fn on_small(
        &mut self,
        header: Header,
        payload: [u8; 8],
    ) -> Result<Option<Frame>, Wrong> {
        let [a, b, c, d, ..] = payload;
        let first = [a, b, c, d];
        match header.kind {
            Kind::Ping => self.on_ping(header, payload),
            Kind::GoAway => {
                if header.len > 8 {
                    self.input = Input::Skip(header.len - 8);
                }
                self.on_goaway(frame::number(first))
            }
            Kind::RstStream => self.on_reset(header.id, Code(u32::from_be_bytes(first))),
            Kind::WindowUpdate => self.on_window_update(header.id, frame::number(first)),
            // RFC 9113 §5.3.1: a stream cannot depend on itself.
            Kind::Priority if frame::number(first) == header.id => {
                self.on_self_dependency(header.id)
            }
            Kind::Continuation
            | Kind::Data
            | Kind::Headers
            | Kind::Priority
            | Kind::PushPromise
            | Kind::Settings
            | Kind::Unknown => Ok(None),
        }
    }

    fn on_self_dependency(&mut self, id: u32) -> Result<Option<Frame>, Wrong> {
        let wrong = Wrong::protocol("http2-depends-on-itself");
        match self.streams.find(id) {
            Some(_) => self.fail_stream(id, wrong).map(Some),
            // RFC 9113 §5.1: RST_STREAM must not be sent for an idle stream.
            None => Err(wrong),
        }
    }

    pub(super) fn on_setting(&mut self, entry: [u8; settings::ENTRY]) -> Result<(), Wrong> {
        self.peer.set(&entry, self.role == Role::Client)?;
        match self.input {
            Input::Settings { left: 0, .. } => {
                self.input = Input::default();
                self.on_settings()
            }
            Input::Data { .. }
            | Input::Fragment { .. }
            | Input::Head(_)
            | Input::Header(_)
            | Input::PadLength(_)
            | Input::Preface(_)
            | Input::Settings { .. }
            | Input::Skip(_)
            | Input::Small(..) => Ok(()),
        }
    }

    /// All of a SETTINGS frame came.
    pub(super) fn on_settings(&mut self) -> Result<(), Wrong> {
        self.encoder.set_peer_max(self.peer.table_bytes);
        let change = self.peer.take_changes();
        if change != 0 {
            // They may become negative.
            let mut is_opened = false;
            for stream in self.streams.iter_mut() {
                is_opened |= stream.send.add(change)?;
            }
            if is_opened {
                self.wake_all();
            }
        }
        frame::write_settings_ack(&mut self.owed);
        Ok(())
    }

    pub(super) fn on_settings_ack(&mut self) -> Result<(), Wrong> {
        match std::mem::replace(&mut self.has_ack, true) {
            true => self.guard.on_useless(),
            false => {
                self.decoder.set_max(self.limits.options.table_bytes);
                Ok(())
            }
        }
    }

    fn on_ping(&mut self, header: Header, payload: [u8; 8]) -> Result<Option<Frame>, Wrong> {
        if !header.is_set(ACK) {
            self.guard.on_ping()?;
            frame::write_ping(ACK, &payload, &mut self.owed);
            return Ok(None);
        }
        if payload == PROBE && std::mem::take(&mut self.pinged) {
            return Ok(Some(Frame::Pong));
        }
        match payload == DRAIN_PING && self.on_drain_pong() {
            true => Ok(None),
            false => self.guard.on_useless().map(|()| None),
        }
    }

    fn on_reset(&mut self, id: u32, code: Code) -> Result<Option<Frame>, Wrong> {
        if self.is_idle(id) {
            // RFC 9113 §6.4.
            return Err(Wrong::protocol("http2-reset-of-idle-stream"));
        }
        let Some(stream) = self.take_out(id) else {
            self.tombs.forget(id);
            return match self.role {
                // It may have been under way when we ended the stream.
                Role::Client => self.guard.on_late(),
                Role::Server => self.guard.on_useless(),
            }
            .map(|()| None);
        };
        if self.role == Role::Server {
            self.guard.on_reset()?;
        }
        // RFC 9113 §8.1: a whole answer, and its server wants no more of the request. Of a tunnel, and
        // of a request that waits for its answer, it is an end like any other.
        let is_answered = self.role == Role::Client
            && stream.is(Flags::REMOTE_END)
            && !stream.is(Flags::IS_TUNNEL);
        match code == Code::NO_ERROR && is_answered {
            true => Ok(None),
            false => Ok(Some(reset_frame(id, code.reason(), code.detail()))),
        }
    }

    fn on_window_update(&mut self, id: u32, by: u32) -> Result<Option<Frame>, Wrong> {
        self.guard.on_window_update()?;
        let by = i64::from(by);
        if id == 0 {
            // RFC 9113 §6.9, §6.9.1: of the connection's window, both are connection errors.
            if by == 0 {
                return Err(Wrong::protocol("http2-zero-window-update"));
            }
            if self.send.add(by)? {
                self.wake_all();
            }
            return Ok(None);
        }
        if self.is_idle(id) {
            // RFC 9113 §5.1.
            return Err(Wrong::protocol("http2-window-update-of-idle-stream"));
        }
        let is_open = self.send.is_open();
        let Some(stream) = self.streams.find_mut(id) else {
            // RFC 9113 §5.1: it may have been under way when the stream ended.
            return Ok(None);
        };
        let added = match by {
            0 => Err(Wrong::protocol("http2-zero-window-update")),
            by => stream.send.add(by),
        };
        match added {
            Ok(is_opened) => {
                let is_woken = is_opened && is_open && stream.is_sending();
                Ok(is_woken.then_some(Frame::Window { id: stream_id(id) }))
            }
            Err(wrong) => self.fail_stream(id, wrong).map(Some),
        }
    }
}
