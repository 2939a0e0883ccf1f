//! The load tester's own entry point, so that the tests of this package can start it as a process.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    loadtest::cli::main()
}
