//! Child processes: pinned to a CPU, gone when we are, ended by their own ids.

use crate::run::Stop;
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal, kill, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::{Pid, getppid},
};
use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// How long a child may take to end before it is killed.
const END_TIME: Duration = Duration::from_secs(2);
/// How long a proxy may take until it listens.
const START_TIME: Duration = Duration::from_secs(15);
/// Between two looks at whether something has come about.
pub(super) const LOOK: Duration = Duration::from_millis(10);
/// Bytes of a child's last words that are told.
const LAST_WORDS_MAX: usize = 2000;

/// The name of the command that becomes another program; see [`become_pinned`].
pub const PINNED: &str = "pinned";

/// Turns this process into `argv`: on one CPU, with as many descriptors as the system allows, ended with
/// SIGTERM when `parent` ends. Only returns if that fails.
pub fn become_pinned(cpu: usize, parent: i32, argv: &[String]) -> String {
    let Some((program, arguments)) = argv.split_first() else {
        return "nothing to run".to_owned();
    };
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGTERM) {
        return format!("cannot be bound to the parent's life: {error}");
    }
    if getppid() != Pid::from_raw(parent) {
        return "the parent has ended".to_owned();
    }
    if let Err(error) = crate::serve::bind(cpu) {
        return error;
    }
    crate::serve::allow_descriptors();
    // The parent waits for its signals with them blocked, which would be inherited.
    if let Err(error) = SigSet::empty().thread_set_mask() {
        return format!("cannot unblock signals: {error}");
    }
    let error = Command::new(program).args(arguments).exec();
    format!("{program}: {error}")
}

/// A child and all that it started.
#[derive(Debug)]
pub(super) struct Pinned {
    child: Child,
    pid: Pid,
    log: PathBuf,
}

impl Pinned {
    /// Starts `argv` on one CPU; what it says goes into `dir/log`.
    pub(super) fn spawn(argv: &[String], cpu: usize, dir: &Path) -> Result<Self, String> {
        let log = dir.join("log");
        let spawn = || -> io::Result<Child> {
            let out = File::create(&log)?;
            let err = out.try_clone()?;
            Command::new(std::env::current_exe()?)
                .args([
                    PINNED,
                    &cpu.to_string(),
                    &std::process::id().to_string(),
                    "--",
                ])
                .args(argv)
                .current_dir(dir)
                .stdin(Stdio::null())
                .stdout(out)
                .stderr(err)
                // Ctrl-C is for us alone, and what it starts can be told apart.
                .process_group(0)
                .spawn()
        };
        let child = spawn().map_err(|error| format!("{}: {error}", argv[0]))?;
        let pid = Pid::from_raw(child.id().try_into().unwrap_or(i32::MAX));
        Ok(Self { child, pid, log })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// It has ended, by itself or because it was told.
    pub(super) fn has_ended(&self) -> bool {
        // It is not waited for yet: until then its id stays its own.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.pid), look) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => false,
            Ok(_) | Err(_) => true,
        }
    }

    /// The last of what it said.
    pub(super) fn last_words(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let start = said.len().saturating_sub(LAST_WORDS_MAX);
        String::from_utf8_lossy(&said[start..]).trim().to_owned()
    }

    /// Waits until something listens there.
    ///
    /// # Errors
    /// It ended, or did not listen in time; with what it said.
    pub(super) fn await_port(&self, port: u16, stop: &Stop) -> Result<(), String> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        for _ in 0..START_TIME.as_millis() / LOOK.as_millis() {
            if self.has_ended() {
                return Err(format!("ended at the start: {}", self.last_words()));
            }
            if TcpStream::connect(at).is_ok() {
                return Ok(());
            }
            if rest(stop) {
                return Err(STOPPED.to_owned());
            }
        }
        let said = self.last_words();
        Err(format!(
            "does not listen after {} s: {said}",
            START_TIME.as_secs()
        ))
    }
}

/// What a round fails with when the whole was stopped.
pub(super) const STOPPED: &str = "stopped";

impl Drop for Pinned {
    /// Ends it and all that it started.
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGTERM);
        for _ in 0..END_TIME.as_millis() / LOOK.as_millis() {
            if self.has_ended() {
                break;
            }
            thread::park_timeout(LOOK);
        }
        // Its group is its own as long as it was not waited for.
        let _ = killpg(self.pid, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Lets a moment pass; true if everything is to end.
pub(super) fn rest(stop: &Stop) -> bool {
    thread::park_timeout(LOOK);
    stop.is_set()
}

/// So many ports of the loopback interface that nobody has now.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()
        .map_err(|error| format!("no free port: {error}"))?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
    }
    Ok(ports)
}
