//! Whether the call of rustls that is under way has asked for our certificate. rustls does not tell a client.

use std::cell::Cell;

thread_local! {
    static PRESENTED: Cell<bool> = const { Cell::new(false) };
}

/// Our certificate goes to the server.
pub(crate) fn note() {
    PRESENTED.set(true);
}

/// Whether it did since it was asked last, on this thread.
pub(super) fn take() -> bool {
    PRESENTED.take()
}
