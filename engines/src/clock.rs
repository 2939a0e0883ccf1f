//! The one place that reads the clocks.

use crate::UnixTime;
use std::time::{Instant, SystemTime};

/// Both times of the last `wait`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Instant,
    pub(crate) wall: UnixTime,
}

impl UnixTime {
    /// The time of the system's clock, for what is no data path; workers have it from their engine.
    pub fn now() -> Self {
        Clock::read().wall
    }
}

impl Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "engines are where time comes from"
    )]
    pub(crate) fn read() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            now: Instant::now(),
            wall: UnixTime(wall.unwrap_or_default()),
        }
    }
}
