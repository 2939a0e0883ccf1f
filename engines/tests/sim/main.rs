//! The simulated network by itself: repeatable, and true to what the kernel's does.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "everything here is a test")]

mod rig;
mod tcp;
mod weather;
