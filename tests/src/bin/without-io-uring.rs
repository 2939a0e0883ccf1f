//! Runs its arguments as a program for which every io_uring system call is EPERM, as the default
//! filters of container runtimes have it.
#![forbid(unsafe_code)]

use nix::libc::{EPERM, SYS_io_uring_enter, SYS_io_uring_register, SYS_io_uring_setup};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use std::{os::unix::process::CommandExt, process::Command};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls = [
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_io_uring_setup,
    ];
    let rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let forbidden = SeccompAction::Errno(EPERM.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbidden, arch)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    let mut args = std::env::args_os().skip(1);
    let program = args.next().ok_or("a program is missing")?;
    Err(Command::new(program).args(args).exec().into())
}
