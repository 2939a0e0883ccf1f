//! The highest rate at which latency stays under a bound.
