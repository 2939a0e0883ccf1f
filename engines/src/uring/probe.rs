//! Whether this kernel, in this process, offers what the engine needs, and if not, why.

use super::{blocks::BlockRings, ring::Ring};
use crate::{BlockLimits, Blocks};
use std::io;

/// Tries out what the `uring` engine needs: Linux 6.1 or later, io_uring allowed, enough memory to
/// lock.
///
/// # Errors
/// One sentence that says what is missing and where to look.
pub fn uring_available() -> Result<(), String> {
    let ring = Ring::smallest().map_err(|error| explain(&error))?;
    match ring.missing() {
        Ok(None) => {}
        Ok(Some(operation)) => {
            return Err(format!(
                "io_uring of this kernel lacks {operation}; Linux 6.1 or later is needed"
            ));
        }
        Err(error) => return Err(explain(&error)),
    }
    let trial = BlockLimits {
        small_count: 1,
        large_count: 1,
        reserve_count: 1,
        write_count: 1,
        long_count: 1,
        ..BlockLimits::default()
    };
    match BlockRings::new(&ring, &Blocks::new(&trial)) {
        Ok(_) => Ok(()),
        Err(error) => Err(explain(&error)),
    }
}

/// The same error, in words.
pub(super) fn explained(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => io::Error::new(error.kind(), explain(&error)),
        None => error,
    }
}

/// What a refusal by the kernel means.
fn explain(error: &io::Error) -> String {
    const SWITCH: &str = "/proc/sys/kernel/io_uring_disabled";
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            format!("io_uring is forbidden here ({error}): see {SWITCH} and the seccomp filter")
        }
        Some(libc::ENOSYS) => {
            format!("io_uring is not there ({error}): see {SWITCH} and the seccomp filter")
        }
        Some(libc::ENOMEM) => format!(
            "io_uring got too little memory ({error}): raise RLIMIT_MEMLOCK (LimitMEMLOCK=), now \
             {}, or see {SWITCH}",
            memory_limit()
        ),
        Some(libc::EINVAL) => format!(
            "io_uring of this kernel is too old ({error}): Linux 6.1 or later is needed, see {SWITCH}"
        ),
        Some(_) | None => format!("io_uring cannot be set up ({error}): see {SWITCH}"),
    }
}

fn memory_limit() -> String {
    match nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) => format!("{soft} bytes"),
        Err(error) => format!("unknown ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_switch() {
        for code in [libc::EPERM, libc::ENOSYS, libc::ENOMEM, libc::EINVAL] {
            let text = explain(&io::Error::from_raw_os_error(code));
            assert!(
                text.contains("/proc/sys/kernel/io_uring_disabled"),
                "{text}"
            );
            assert!(!text.contains('\n'));
        }
    }
}
