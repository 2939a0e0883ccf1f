//! The ring itself: set-up, submission, waiting.
//!
//! One thread creates, uses and drops it. Whoever pushes an operation answers for the memory that the
//! operation names: it has to stay where it is until the completion was seen.

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use std::{collections::VecDeque, io, os::fd::AsRawFd, time::Duration};

/// Sizes to try, largest first: submission and completion entries. Both are charged to
/// `RLIMIT_MEMLOCK` where the process may not lock memory at will.
const SIZES: [(u32, u32); 5] = [
    (1024, 16384),
    (1024, 8192),
    (1024, 4096),
    (512, 2048),
    (256, 1024),
];

// Flags of io_uring_enter(2).
const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_REGISTERED_RING: u32 = 1 << 4;
// Operations of io_uring_register(2).
const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct GetEvents {
    sigmask: u64,
    sigmask_bytes: u32,
    min_wait_us: u32,
    timeout: u64,
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct Registration {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// How long `enter` stays in the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stay {
    /// Submit only.
    Not,
    /// Also collect what has completed.
    Look,
    /// Also wait for a completion, at most so long.
    Until(Option<Duration>),
}

pub(super) struct Ring {
    ring: IoUring,
    /// Index under which the kernel knows the descriptor without looking it up.
    registered: Option<u32>,
    /// Operations that found the submission queue full while the kernel took none.
    backlog: VecDeque<squeue::Entry>,
}

impl Ring {
    /// The smallest ring that serves, to try out what the kernel allows.
    pub(super) fn smallest() -> io::Result<Self> {
        let (entries, completions) = SIZES[SIZES.len() - 1];
        build(entries, completions).map(Self::from)
    }

    /// The first operation that the kernel does not know, of those that the engine needs.
    pub(super) fn missing(&self) -> io::Result<Option<&'static str>> {
        let mut probe = Probe::new();
        self.ring.submitter().register_probe(&mut probe)?;
        let needed = [
            ("ACCEPT", opcode::Accept::CODE),
            ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
            ("CONNECT", opcode::Connect::CODE),
            ("POLL_ADD", opcode::PollAdd::CODE),
            ("READ", opcode::Read::CODE),
            ("RECV", opcode::Recv::CODE),
            ("SEND", opcode::Send::CODE),
            ("SENDMSG", opcode::SendMsg::CODE),
            // Came with multishot receive, which cannot be asked for.
            ("SEND_ZC", opcode::SendZc::CODE),
        ];
        let missing = needed.iter().find(|(_, code)| !probe.is_supported(*code));
        Ok(missing.map(|(name, _)| *name))
    }

    /// Registers a ring of provided buffers.
    ///
    /// # Safety
    /// `entries` points to `count` entries of 16 bytes on a page boundary, mapped for as long as the
    /// ring lives; what they name is memory that the kernel may write.
    pub(super) unsafe fn register_buffers(
        &self,
        entries: u64,
        count: u16,
        group: u16,
    ) -> io::Result<()> {
        let submitter = self.ring.submitter();
        // SAFETY: the caller's promise.
        unsafe { submitter.register_buf_ring_with_flags(entries, count, group, 0) }
    }

    /// Queues an operation; submits those before it when the queue is full.
    ///
    /// # Safety
    /// The memory that `entry` names stays valid until its completion was seen.
    pub(super) unsafe fn push(&mut self, entry: squeue::Entry) {
        if self.backlog.is_empty() && self.try_push(&entry) {
            return;
        }
        self.backlog.push_back(entry);
        // A refusal (the kernel is out of memory, completions pile up) is not lost: `enter` retries.
        let _ = self.enter(Stay::Not);
    }

    fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: promised by the caller of `push`.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Moves as much of the backlog as fits; true when none is left.
    fn take_backlog(&mut self) -> bool {
        while let Some(entry) = self.backlog.pop_front() {
            if !self.try_push(&entry) {
                self.backlog.push_front(entry);
                return false;
            }
        }
        true
    }

    /// Takes the next completion.
    pub(super) fn next(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Completions that can be taken without entering the kernel.
    pub(super) fn completions(&mut self) -> usize {
        self.ring.completion().len()
    }

    /// The kernel has completions that it posts only when it is entered for them.
    pub(super) fn owes_completions(&mut self) -> bool {
        self.ring.submission().taskrun()
    }

    /// Submits everything queued and stays as told. A timeout, an interruption and a kernel that
    /// first wants its completions taken are no errors.
    pub(super) fn enter(&mut self, stay: Stay) -> io::Result<()> {
        while !self.take_backlog() {
            let queued = self.queued();
            self.enter_once(Stay::Not)?;
            if self.queued() == queued {
                return self.enter_once(Stay::Look);
            }
        }
        self.enter_once(stay)
    }

    fn queued(&mut self) -> u32 {
        self.ring.submission().len() as u32
    }

    fn enter_once(&mut self, stay: Stay) -> io::Result<()> {
        let queued = self.queued();
        let (want, limit) = match stay {
            Stay::Not if queued == 0 => return Ok(()),
            Stay::Not | Stay::Look => (0, None),
            Stay::Until(timeout) => (1, timeout),
        };
        let timeout = limit.map(io_uring::types::Timespec::from);
        let argument = GetEvents {
            sigmask: 0,
            sigmask_bytes: 0,
            min_wait_us: 0,
            timeout: timeout.as_ref().map_or(0, |t| std::ptr::from_ref(t) as u64),
        };
        let flags = match stay {
            Stay::Not => ENTER_EXT_ARG,
            Stay::Look | Stay::Until(_) => ENTER_EXT_ARG | ENTER_GETEVENTS,
        };
        match self.system_enter(queued, want, flags, &argument) {
            Err(error) if !is_passing(&error) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn system_enter(
        &self,
        queued: u32,
        want: u32,
        flags: u32,
        argument: &GetEvents,
    ) -> io::Result<()> {
        let (fd, flags) = match self.registered {
            Some(index) => (index as i32, flags | ENTER_REGISTERED_RING),
            None => (self.ring.as_raw_fd(), flags),
        };
        let (pointer, bytes) = (std::ptr::from_ref(argument), size_of::<GetEvents>());
        // SAFETY: the argument outlives the call, its size is given; entries in the queue were
        // answered for in `push`.
        let done = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                queued,
                want,
                flags,
                pointer,
                bytes,
            )
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn system_register(&self, operation: u32, update: &mut Registration) -> bool {
        let (fd, pointer) = (self.ring.as_raw_fd(), std::ptr::from_mut(update));
        // SAFETY: one update, as the count says, that outlives the call.
        unsafe { libc::syscall(libc::SYS_io_uring_register, fd, operation, pointer, 1) == 1 }
    }

    fn register_descriptor(&mut self) {
        let mut update = Registration {
            offset: u32::MAX,
            reserved: 0,
            data: self.ring.as_raw_fd() as u64,
        };
        if self.system_register(REGISTER_RING_FDS, &mut update) {
            self.registered = Some(update.offset);
        }
    }
}

impl From<IoUring> for Ring {
    fn from(ring: IoUring) -> Self {
        let mut this = Self {
            ring,
            registered: None,
            backlog: VecDeque::new(),
        };
        this.register_descriptor();
        this
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A registered descriptor would keep the ring alive as long as its thread.
        if let Some(offset) = self.registered.take() {
            let (reserved, data) = (0, 0);
            self.system_register(
                UNREGISTER_RING_FDS,
                &mut Registration {
                    offset,
                    reserved,
                    data,
                },
            );
        }
    }
}

/// What `use_ring` makes of the largest ring for which the memory limit does not stop it.
pub(super) fn largest<T>(mut use_ring: impl FnMut(Ring) -> io::Result<T>) -> io::Result<T> {
    let mut refusal = io::Error::from_raw_os_error(libc::ENOMEM);
    for (entries, completions) in SIZES {
        match build(entries, completions).and_then(|ring| use_ring(ring.into())) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => refusal = error,
            done => return done,
        }
    }
    Err(refusal)
}

fn build(entries: u32, completions: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(completions)
        .build(entries)
}

/// EAGAIN and EBUSY: the kernel wants completions taken first.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::resource::{Resource, setrlimit};
    use std::process::Command;

    const LIMIT: &str = "URING_TEST_MEMLOCK";

    /// Run alone in a process of its own: lowers its memory limit and tells what it got.
    #[test]
    fn child_with_a_memory_limit() {
        let Some(limit) = std::env::var(LIMIT).ok().and_then(|l| l.parse().ok()) else {
            return;
        };
        setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit).unwrap();
        // Root may lock memory at will, and what a user's last process had locked is given back late:
        // this thread becomes a user of its own.
        let user = 100_000 + limit;
        // SAFETY: a plain call.
        unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) };
        match largest(|ring| Ok(ring.ring.params().cq_entries())) {
            Ok(completions) => println!("completions={completions};"),
            Err(error) => println!("refused={};", super::super::probe::explained(error)),
        }
    }

    fn with_limit(bytes: u64) -> String {
        let name = "uring::ring::tests::child_with_a_memory_limit";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(LIMIT, bytes.to_string())
            .output()
            .unwrap();
        String::from_utf8_lossy(&child.stdout).into_owned()
    }

    #[test]
    fn a_small_memory_limit_gives_a_smaller_ring_and_a_tiny_one_a_reason() {
        if crate::uring_available().is_err() {
            return;
        }
        assert!(with_limit(8 << 20).contains("completions=16384;"));
        let small = with_limit(256 << 10);
        assert!(
            small.contains("completions=") && !small.contains("completions=16384;"),
            "{small}"
        );
        let none = with_limit(4 << 10);
        assert!(
            none.contains("refused=") && none.contains("RLIMIT_MEMLOCK"),
            "{none}"
        );
    }
}
