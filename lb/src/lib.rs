//! ringlb: an io_uring-first L4/L7 load balancer.
//!
//! The way of a request through these modules is told in `docs/LIFE_OF_A_REQUEST.md`. Only `worker`,
//! `conn`, `stream`, `pool`, `tcp`, `drain` and `control` know of engines; `route`, `cluster`, `filter`,
//! `filters`, `grpc` and `config` are pure.
#![forbid(unsafe_code)]

pub mod access_log;
mod addresses;
mod admin;
pub mod cli;
pub mod cluster;
pub mod config;
mod conn;
pub mod control;
#[cfg(test)]
mod corpus;
mod date;
mod drain;
mod epoch;
pub mod filter;
pub mod filters;
pub mod grpc;
mod http_service;
pub mod limits;
mod listener;
pub mod mailbox;
mod owners;
mod pool;
mod request_id;
pub mod route;
#[cfg(test)]
mod scratch;
mod settle;
mod short_text;
pub mod stats;
pub mod stream;
mod tcp;
mod transport_failure;
mod transport_socket;
mod waiting;
pub mod worker;
