//! The `ringlb` command, built beside the tests that start it.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ringlb::cli::main()
}
