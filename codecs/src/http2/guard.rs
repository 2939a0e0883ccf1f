//! The guard against peers that make work for nothing.
//!
//! Each limit is a budget: what a peer does costs, what it does in earnest and the passing of time pay
//! back. A budget that is used up ends the connection with ENHANCE_YOUR_CALM and the limit's name. The
//! budgets are far above what browsers, gRPC clients with deadlines and probes, and load generators do
//! on one connection; the reasoning stands at each.

use super::Options;
use super::code::Wrong;
use std::time::{Duration, Instant};

pub(super) const CONTINUATION_FLOOD: &str = "http2-continuation-flood";
pub(super) const CONTROL_FLOOD: &str = "http2-control-flood";
pub(super) const COSTLY_NAMES: &str = "http2-costly-names";
pub(super) const EMPTY_FRAMES: &str = "http2-empty-frames";
pub(super) const HEAD_BLOCK_TOO_LONG: &str = "http2-head-block-too-long";
pub(super) const LATE_FRAMES: &str = "http2-late-frames";
pub(super) const PING_FLOOD: &str = "http2-ping-flood";
pub(super) const PRIORITY_FLOOD: &str = "http2-priority-flood";
pub(super) const RESET_FLOOD: &str = "http2-reset-flood";
pub(super) const SETTINGS_FLOOD: &str = "http2-settings-flood";
pub(super) const TINY_WINDOWS: &str = "http2-tiny-windows";
pub(super) const USELESS_FRAMES: &str = "http2-useless-frames";
pub(super) const WINDOW_UPDATE_FLOOD: &str = "http2-window-update-flood";

/// A stream whose window stayed shut for the whole idle time; who keeps that time gives it up.
pub const STALLED_WINDOW: &str = "http2-stalled-window";

/// Streams that are refused, one at a time.
pub(super) const HEADS_TOO_LARGE_TOGETHER: &str = "http2-heads-too-large-together";
pub(super) const HEAD_TOO_LARGE: &str = "http2-head-too-large";
pub(super) const TOO_MANY_FIELDS: &str = "http2-too-many-fields";
pub(super) const TOO_MANY_STREAMS: &str = "http2-too-many-streams";
pub(super) const TRAILERS_TOO_LARGE: &str = "http2-trailers-too-large";

/// The name of every limit against abuse, as it stands in the detail of an error or a reset.
pub static LIMITS: &[&str] = &[
    CONTINUATION_FLOOD,
    CONTROL_FLOOD,
    COSTLY_NAMES,
    EMPTY_FRAMES,
    HEADS_TOO_LARGE_TOGETHER,
    HEAD_BLOCK_TOO_LONG,
    HEAD_TOO_LARGE,
    LATE_FRAMES,
    PING_FLOOD,
    PRIORITY_FLOOD,
    RESET_FLOOD,
    SETTINGS_FLOOD,
    STALLED_WINDOW,
    TINY_WINDOWS,
    TOO_MANY_FIELDS,
    TOO_MANY_STREAMS,
    TRAILERS_TOO_LARGE,
    USELESS_FRAMES,
    WINDOW_UPDATE_FLOOD,
];

/// Streams that end too early: reset by the peer before their answer was whole (rapid reset), or by us
/// for what the peer did (MadeYouReset). A browser that leaves a page cancels some dozens at once; a
/// client whose calls run into their deadline cancels as many as it has calls a second, but then
/// others end well: each of those pays for one.
const RESETS: Budget = Budget {
    burst: 1000,
    per_second: 33,
};

/// Streams that are refused before the peer acknowledged our SETTINGS: until then it may think that there
/// is no limit, and opens in a round trip what it has. Behind so many they count as resets.
const EARLY_REFUSALS: u32 = 10_000;

/// What has to be answered: PING, SETTINGS, frames of closed streams. The burst is
/// `max_outbound_control_frames`. gRPC probes once a round trip, but only while data comes: each frame
/// that carries something pays for one.
const CONTROLS_PER_SECOND: u32 = 100;

/// SETTINGS frames. gRPC tells a new window each time its estimate doubles, about ten times in all; no
/// client has a reason to go on.
const SETTINGS: Budget = Budget {
    burst: 100,
    per_second: 1,
};

/// Frames that mean nothing to us: of unknown type, acks, GOAWAY, beyond the budget of extensions that
/// browsers send once a stream at most (PRIORITY_UPDATE, ALTSVC, ORIGIN, GREASE).
const USELESS: Budget = Budget {
    burst: 1000,
    per_second: 100,
};

/// WINDOW_UPDATE frames beside those that data pays for. A client tells one at the start and may tell
/// one or two a stream.
const UPDATES: Budget = Budget {
    burst: 1000,
    per_second: 100,
};
const UPDATES_PER_STREAM: u32 = 4;
const UPDATES_MAX: u32 = 100_000;

/// HEADERS, DATA and RST_STREAM that come to a client for streams that are no more. An endpoint goes on
/// until it learns of a reset, a round trip later, with as many frames as the window holds small
/// messages; each stream pays for some.
const LATE: Budget = Budget {
    burst: 10_000,
    per_second: 1000,
};
const LATE_PER_STREAM: u32 = 100;
const LATE_MAX: u32 = 1_000_000;

/// PRIORITY frames are paid for by streams alone.
const PRIORITIES_MAX: u32 = 100_000;

/// DATA frames that a shut window cut down to less than [`TINY_BYTES`]. A peer with a small window that
/// reads slowly gets some; one that opens it byte by byte makes us send a frame header, and work, for
/// each.
const TINY: Budget = Budget {
    burst: 1000,
    per_second: 10,
};
pub(super) const TINY_BYTES: usize = 256;

/// A burst, and what time pays back.
#[derive(Clone, Copy, Debug)]
struct Budget {
    burst: u32,
    per_second: u32,
}

impl Budget {
    fn pay(self, left: &mut u32, seconds: u32) {
        pay(left, self.per_second.saturating_mul(seconds), self.burst);
    }
}

fn pay(left: &mut u32, by: u32, max: u32) {
    *left = left.saturating_add(by).min((*left).max(max));
}

fn spend(left: &mut u32, limit: &'static str) -> Result<(), Wrong> {
    *left = left.checked_sub(1).ok_or(Wrong::calm(limit))?;
    Ok(())
}

/// What a connection's peer may still do.
#[derive(Debug)]
pub(super) struct Guard {
    /// Up to then time was paid for.
    paid: Option<Instant>,
    empties_max: u32,
    priorities_per_stream: u32,
    updates_per_data: u32,
    controls_max: u32,
    controls: u32,
    early_refusals: u32,
    empties: u32,
    late: u32,
    priorities: u32,
    resets: u32,
    settings: u32,
    tiny: u32,
    updates: u32,
    useless: u32,
}

impl Guard {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            paid: None,
            empties_max: options.empty_frames_max,
            priorities_per_stream: options.priority_frames_per_stream,
            updates_per_data: options.window_updates_per_data,
            controls_max: options.control_frames_max,
            controls: options.control_frames_max,
            early_refusals: EARLY_REFUSALS,
            empties: 0,
            late: LATE.burst,
            priorities: options.priority_frames_per_stream.min(PRIORITIES_MAX),
            resets: RESETS.burst,
            settings: SETTINGS.burst,
            tiny: TINY.burst,
            updates: UPDATES.burst,
            useless: USELESS.burst,
        }
    }

    /// Time pays back, by whole seconds.
    #[inline]
    pub(super) fn on_time(&mut self, now: Instant) {
        let paid = *self.paid.get_or_insert(now);
        let passed = now.saturating_duration_since(paid);
        if passed.as_secs() > 0 {
            self.on_seconds(passed.as_secs(), paid);
        }
    }

    fn on_seconds(&mut self, seconds: u64, paid: Instant) {
        self.paid = paid.checked_add(Duration::from_secs(seconds));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        LATE.pay(&mut self.late, seconds);
        RESETS.pay(&mut self.resets, seconds);
        SETTINGS.pay(&mut self.settings, seconds);
        TINY.pay(&mut self.tiny, seconds);
        UPDATES.pay(&mut self.updates, seconds);
        USELESS.pay(&mut self.useless, seconds);
        let controls = CONTROLS_PER_SECOND.saturating_mul(seconds);
        pay(&mut self.controls, controls, self.controls_max);
    }

    /// A stream was opened by either side.
    pub(super) fn on_stream(&mut self) {
        pay(&mut self.late, LATE_PER_STREAM, LATE_MAX);
        pay(&mut self.updates, UPDATES_PER_STREAM, UPDATES_MAX);
        pay(
            &mut self.priorities,
            self.priorities_per_stream,
            PRIORITIES_MAX,
        );
    }

    /// A stream came to its end in both directions.
    pub(super) fn on_complete(&mut self) {
        pay(&mut self.resets, 1, RESETS.burst);
    }

    /// A frame that carries something came in.
    pub(super) fn on_work(&mut self) {
        self.empties = 0;
        pay(&mut self.controls, 1, self.controls_max);
    }

    /// HEADERS, CONTINUATION or DATA without payload and without END_STREAM.
    pub(super) fn on_empty(&mut self) -> Result<(), Wrong> {
        self.empties += 1;
        match self.empties > self.empties_max {
            true => Err(Wrong::calm(EMPTY_FRAMES)),
            false => Ok(()),
        }
    }

    /// A stream ended before its time.
    pub(super) fn on_reset(&mut self) -> Result<(), Wrong> {
        spend(&mut self.resets, RESET_FLOOD)
    }

    /// A stream was refused to a peer that may not know our SETTINGS.
    pub(super) fn on_early_refusal(&mut self) -> Result<(), Wrong> {
        match self.early_refusals.checked_sub(1) {
            Some(left) => {
                self.early_refusals = left;
                Ok(())
            }
            None => self.on_reset(),
        }
    }

    /// A frame of a stream that is closed, or a head that we answer ourselves.
    pub(super) fn on_answered(&mut self) -> Result<(), Wrong> {
        spend(&mut self.controls, CONTROL_FLOOD)
    }

    /// A frame came to a client for a stream that has ended.
    pub(super) fn on_late(&mut self) -> Result<(), Wrong> {
        spend(&mut self.late, LATE_FRAMES)
    }

    pub(super) fn on_ping(&mut self) -> Result<(), Wrong> {
        spend(&mut self.controls, PING_FLOOD)
    }

    pub(super) fn on_settings(&mut self) -> Result<(), Wrong> {
        spend(&mut self.controls, SETTINGS_FLOOD)?;
        spend(&mut self.settings, SETTINGS_FLOOD)
    }

    pub(super) fn on_priority(&mut self) -> Result<(), Wrong> {
        spend(&mut self.priorities, PRIORITY_FLOOD)
    }

    pub(super) fn on_window_update(&mut self) -> Result<(), Wrong> {
        spend(&mut self.updates, WINDOW_UPDATE_FLOOD)
    }

    pub(super) fn on_useless(&mut self) -> Result<(), Wrong> {
        spend(&mut self.useless, USELESS_FRAMES)
    }

    /// A DATA frame was sent; `is_tiny`: a window cut it down.
    pub(super) fn on_data_sent(&mut self, is_tiny: bool) -> Result<(), Wrong> {
        pay(&mut self.updates, self.updates_per_data, UPDATES_MAX);
        // Who receives probes the round trip, and has nothing else to send (grpc-go).
        pay(&mut self.controls, 1, self.controls_max);
        match is_tiny {
            true => spend(&mut self.tiny, TINY_WINDOWS),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "time is counted from it and never compared with a clock"
    )]
    fn a_budget_ends_and_time_and_earnest_work_pay_it_back() {
        let mut guard = Guard::new(&Options::default());
        let start = Instant::now();
        guard.on_time(start);
        for _ in 0..RESETS.burst {
            guard.on_reset().unwrap();
        }
        assert_eq!(guard.on_reset().unwrap_err().detail, RESET_FLOOD);
        guard.on_complete();
        assert!(guard.on_reset().is_ok() && guard.on_reset().is_err());
        guard.on_time(start + Duration::from_millis(999));
        assert!(guard.on_reset().is_err());
        guard.on_time(start + Duration::from_millis(1000));
        let paid = (0..100).take_while(|_| guard.on_reset().is_ok()).count();
        assert_eq!(paid, RESETS.per_second as usize);
        guard.on_time(start + Duration::from_secs(1 << 40));
        assert_eq!(guard.resets, RESETS.burst);
    }

    #[test]
    fn every_limit_is_named_once() {
        let mut names = LIMITS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LIMITS.len());
        assert!(names.iter().all(|name| name.starts_with("http2-")));
    }
}
