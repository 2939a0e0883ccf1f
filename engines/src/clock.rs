//! The one place in the kernel engines that reads the clocks.

use crate::UnixTime;
use std::time::{Instant, SystemTime};

/// Both times of the last `wait`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Instant,
    pub(crate) wall: UnixTime,
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
