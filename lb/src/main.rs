//! The `ringlb` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    ringlb::cli::main()
}
