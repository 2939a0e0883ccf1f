//! The time as rustls asks for it: what was passed to the call that is under way. The crate owns no clock.

use crate::Now;
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};
use std::cell::Cell;

thread_local! {
    static PASSED: Cell<Passed> = const { Cell::new(Passed { now: Now::ZERO, checks_name: true }) };
}

#[derive(Clone, Copy)]
struct Passed {
    now: Now,
    checks_name: bool,
}

/// The time of rustls' configurations: that of the call of a session which asks for it.
#[derive(Debug)]
pub(crate) struct PassedTime;

impl TimeProvider for PassedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(PASSED.get().now))
    }
}

/// Sets what rustls is to know of the call of a session that follows, on this thread.
pub(crate) fn pass(now: Now, checks_name: bool) {
    PASSED.set(Passed { now, checks_name });
}

/// Whether the session that verifies a server's certificate wants it to be for the server's name.
pub(crate) fn checks_name() -> bool {
    PASSED.get().checks_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustls_sees_the_time_that_was_passed_last() {
        for seconds in [1, 7, 3] {
            pass(Now::from_secs(seconds), seconds == 7);
            let time = PassedTime.current_time().unwrap();
            assert_eq!(time.as_secs(), seconds);
            assert_eq!(checks_name(), seconds == 7);
        }
    }
}
