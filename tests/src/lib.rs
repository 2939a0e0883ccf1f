//! Tests of the whole system: `sim` runs workers on the simulated engine, `wire` runs the real process.
#![forbid(unsafe_code)]
