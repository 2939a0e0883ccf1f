//! Flow control (RFC 9113 §5.2, §6.9): what we may send, and what we let a peer send.
//!
//! A receive window is at any time in three parts: what the peer may still send, what it sent and we
//! have not let go of, and what we have let go of but not yet told it. Their sum is its size.

use super::code::Wrong;

/// The largest window (RFC 9113 §6.9.1).
pub(super) const WINDOW_MAX: u32 = (1 << 31) - 1;

/// What a window is until something is said (RFC 9113 §6.9.2).
pub(super) const WINDOW_DEFAULT: u32 = 65_535;

/// What we may send; negative after the peer took back some of it (RFC 9113 §6.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SendWindow(i32);

impl SendWindow {
    pub(super) fn new(size: u32) -> Self {
        debug_assert!(size <= WINDOW_MAX);
        Self(size as i32)
    }

    pub(super) fn is_open(self) -> bool {
        self.0 > 0
    }

    pub(super) fn bytes(self) -> u32 {
        self.0.max(0) as u32
    }

    pub(super) fn take(&mut self, len: u32) {
        debug_assert!(len <= self.bytes());
        self.0 -= len as i32;
    }

    /// Opens it, or takes some back; true if it was shut and is open now.
    pub(super) fn add(&mut self, by: i64) -> Result<bool, Wrong> {
        let was_open = self.is_open();
        let sum = i64::from(self.0) + by;
        // RFC 9113 §6.9.1, §6.9.2: not above 2^31 - 1. It cannot fall below -(2^31 - 1): what is taken
        // back was given before.
        self.0 = i32::try_from(sum).map_err(|_| Wrong::flow("http2-window-overflow"))?;
        Ok(!was_open && self.is_open())
    }
}

/// What a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceiveWindow {
    /// It may still send so much.
    left: u32,
    /// So much came and was not let go of.
    held: u32,
    /// We let go of so much, and it is not told.
    untold: u32,
}

impl ReceiveWindow {
    pub(super) fn new(size: u32) -> Self {
        Self {
            left: size,
            held: 0,
            untold: 0,
        }
    }

    /// What the peer may still send.
    pub(super) fn left(&self) -> u32 {
        self.left
    }

    /// The peer sent so much; `None`: more than it may.
    pub(super) fn take(&mut self, len: u32) -> Option<()> {
        self.left = self.left.checked_sub(len)?;
        self.held += len;
        Some(())
    }

    /// We let go of `len` bytes; how much to tell the peer. Half of a window of `size` is told at once:
    /// a peer is never left without any while we hold nothing, and frames are few.
    pub(super) fn release(&mut self, len: usize, size: u32) -> Option<u32> {
        let len = self.held.min(u32::try_from(len).unwrap_or(u32::MAX));
        self.held -= len;
        self.untold += len;
        if self.untold == 0 || self.untold < size / 2 {
            return None;
        }
        let told = std::mem::take(&mut self.untold);
        self.left += told;
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_by_halves_and_never_stays_shut() {
        for size in [1, 2, 3, 100, WINDOW_MAX] {
            let mut window = ReceiveWindow::new(size);
            window.take(size).unwrap();
            assert_eq!(window.take(1), None, "{size}");
            let told = window.release(size as usize, size);
            assert_eq!(told, Some(size));
            assert_eq!(window, ReceiveWindow::new(size));
        }
        let mut window = ReceiveWindow::new(100);
        window.take(100).unwrap();
        assert_eq!(window.release(49, 100), None);
        assert_eq!(window.release(1, 100), Some(50));
        assert_eq!(window.release(49, 100), None);
        window.take(50).unwrap();
        assert_eq!(window.release(51, 100), Some(100));
    }

    #[test]
    fn a_send_window_may_be_negative_but_not_too_large() {
        let mut window = SendWindow::new(10);
        window.take(10);
        assert_eq!(window.add(-5), Ok(false));
        assert_eq!((window.bytes(), window.is_open()), (0, false));
        assert_eq!(window.add(5), Ok(false));
        assert_eq!(window.add(1), Ok(true));
        assert_eq!(window.add(1), Ok(false));
        assert!(window.add(i64::from(WINDOW_MAX)).is_err());
        assert_eq!(window.add(i64::from(WINDOW_MAX) - 2), Ok(false));
        assert_eq!(window.bytes(), WINDOW_MAX);
    }
}
