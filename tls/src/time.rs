//! The time as rustls asks for it: what was passed to the call that is under way. The crate owns no clock.

use crate::Now;
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use std::cell::Cell;

thread_local! {
    static PASSED: Cell<Now> = const { Cell::new(Now::ZERO) };
}

/// The time of rustls' configurations: that of the call of a session which asks for it.
#[derive(Debug)]
pub(crate) struct PassedTime;

impl TimeProvider for PassedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(PASSED.get()))
    }
}

/// Sets the time of the call of a session that follows, on this thread.
pub(crate) fn pass(now: Now) {
    PASSED.set(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustls_sees_the_time_that_was_passed_last() {
        for seconds in [1, 7, 3] {
            pass(Now::from_secs(seconds));
            let time = PassedTime.current_time().unwrap();
            assert_eq!(time.as_secs(), seconds);
        }
    }
}
