//! HTTP (stream) filters.

pub mod fault;
