//! Whole workers on the simulated engine, under seeds, against a reference model.
//!
//! `SIM_SEED=n` replays one seed bit for bit (`SIM_TRACE=1` shows all that happens), `SIM_SEEDS=n` runs
//! more of them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod client;
mod cuts;
mod endpoint;
mod h2;
mod ledger;
mod log;
mod message;
mod party;
mod passing;
mod played;
mod played_h2;
mod played_tls;
mod scenario;
mod secure;
mod seeds;
mod stage;
mod timers;
mod tunnel;
mod world;
