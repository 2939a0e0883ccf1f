//! HTTP (stream) filters.

pub mod fault;
pub mod grpc_web;
