//! The real process on real sockets, each test once per kernel engine. Nothing here depends on how long
//! something takes: a test waits for what has to happen, and [`support::PATIENCE`] only bounds a failure.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

#[macro_use]
mod support;

mod abuse;
mod access_log;
mod admin;
mod bulk;
mod config;
mod cuts;
mod drain;
mod faults;
mod grpc;
mod grpc_local;
mod grpc_web;
mod hostile;
mod http;
mod http2;
mod limits;
mod pooled;
mod routes;
mod tcp;
mod tls;
mod tls_abuse;
mod tls_chains;
mod tls_declined;
mod tls_endpoints;
mod tls_gmssl;
mod tls_grpc;
mod tls_hellos;
mod tls_identity;
mod tls_key_log;
mod tls_log;
mod tls_quick;
mod tls_refusals;
mod tls_reload;
mod tls_sessions;
mod tls_sm;
mod tls_tcp;
mod tls_tickets;
mod tls_tongsuo;
mod tls_tongsuo_ends;
mod tls_upstream;
mod upstream;
mod websocket;
