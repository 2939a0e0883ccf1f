//! The `loadtest` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    loadtest::cli::main()
}
