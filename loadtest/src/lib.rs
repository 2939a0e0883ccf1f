//! ringlb's own load generator, endpoint and comparison of proxies.
//!
//! It runs on the proxy's engines and codecs and shares nothing else with it: its mistakes in routing
//! or pooling must not be ours.
//!
//! * [`workload`]: what is asked of a target, as read from the command line or a file.
//! * [`run`]: asks it and measures; the result is an [`outcome::Outcome`].
//! * [`report`]: an outcome as text, JSON, HDR percentile table and HTML.
//! * [`serve`]: an endpoint that is not the limit, or fails as it is told.
//! * [`limit`]: the highest rate at which latency stays under a bound.
//! * [`duel`]: proxies side by side under the same loads.
#![forbid(unsafe_code)]

pub mod cli;
pub mod duel;
mod grpc;
pub mod limit;
pub mod outcome;
mod process;
pub mod report;
pub mod run;
mod secure;
pub mod serve;
pub mod workload;
