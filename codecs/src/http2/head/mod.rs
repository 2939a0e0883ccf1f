//! Fields to heads and back (RFC 9113 §8).
//!
//! What HTTP/1 would refuse is refused here, by the same functions: a request that came by HTTP/2 may go
//! out as HTTP/1. A section that is wrong is read to its end all the same, because the table of its
//! compression has to follow.

mod answer;
mod cookie;
mod encode;
mod request;
mod section;
mod trailers;

pub(super) use answer::Answer;
pub(super) use encode::{
    answer as write_answer, request as write_request, trailers as write_trailers,
};
pub(super) use request::Request;
pub(super) use section::{Bounds, Fault, Nothing, Sink};
pub(super) use trailers::Trailers;
