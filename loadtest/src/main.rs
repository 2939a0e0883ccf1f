//! ringlb's own load generator.
//!
//! Nothing stands here yet; the crate marks the place and the edges that `tests/layers` guards.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    eprintln!("loadtest: not available in this version");
    std::process::ExitCode::from(2)
}
