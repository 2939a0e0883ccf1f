//! An endpoint that is not the limit, or fails as it is told.
//!
//! Threads share nothing: each has an engine, listening sockets and connections of its own. What is
//! answered stands in a request's path and query; bodies are slices of one pattern, queued only as far
//! as there is room, so a slow reader costs a bounded number of slices.

mod answer;
mod detect;
mod exchange;
mod http;
pub mod limits;
mod link;
pub mod pattern;
mod piece;
mod raw;
mod secure;
mod start;
mod table;
mod worker;

pub(crate) use crate::process::{allow_descriptors, bind};
pub use answer::Defaults;
pub use link::Counters;
pub use secure::{SelfSigned, secure};
pub use start::{Options, Running, start};
pub use worker::{Service, Worker};
