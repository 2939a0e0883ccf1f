//! What the wire tests share: the process, its configuration, clients and origins.

mod certificates;
mod client;
mod config;
pub(crate) mod h2;
mod origin;
mod process;
mod python;
pub(crate) mod sm;
pub(crate) mod sm_chains;
pub(crate) mod tls;
pub(crate) mod tls_config;
pub(crate) mod tls_openssl;
pub(crate) mod tls_pki;
pub(crate) mod tls_programs;
pub(crate) mod tls_scene;

pub(crate) use certificates::certificates;
pub(crate) use client::{Answer, Client};
pub(crate) use config::{Cluster, HttpListener, Setup, TcpListener};
pub(crate) use origin::{Origin, Request, closed_port};
pub(crate) use process::{Command, Proxy, scratch};
pub(crate) use python::{Python, has_grpcio};

use engines::EngineKind;
use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// After this long, what has not happened will not happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether an engine can be tested here; says why not.
pub(crate) fn is_available(engine: EngineKind) -> bool {
    static URING: LazyLock<Result<(), String>> = LazyLock::new(engines::uring_available);
    if engine == EngineKind::Uring
        && let Err(reason) = &*URING
    {
        eprintln!("skipped: {reason}");
        return false;
    }
    true
}

/// Asks again and again until the answer is yes.
#[allow(clippy::disallowed_methods, reason = "the bound of a failure")]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// Makes a test of each function for each kernel engine.
macro_rules! on_each_engine {
    ($($name:ident),* $(,)?) => {
        on_each_engine!(@engine epoll Epoll $($name)*);
        on_each_engine!(@engine tasks Tasks $($name)*);
        on_each_engine!(@engine uring Uring $($name)*);
    };
    (@engine $module:ident $engine:ident $($name:ident)*) => {
        mod $module {
            $(#[test]
            fn $name() {
                let engine = engines::EngineKind::$engine;
                if crate::support::is_available(engine) {
                    super::$name(engine);
                }
            })*
        }
    };
}
