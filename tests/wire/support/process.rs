//! The process under test.

use super::{PATIENCE, until};
use engines::EngineKind;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
};

/// How a process is started.
pub(crate) struct Command {
    program: Vec<String>,
    args: Vec<String>,
}

impl Command {
    pub(crate) fn new(args: &[&str]) -> Self {
        Self {
            program: vec![env!("CARGO_BIN_EXE_ringlb-on-the-wire").into()],
            args: args.iter().map(|arg| (*arg).into()).collect(),
        }
    }

    /// `run -c FILE` on an engine with one worker.
    pub(crate) fn run(engine: EngineKind, yaml: &str) -> Self {
        let file = scratch("envoy.yaml");
        std::fs::write(&file, yaml).unwrap();
        let (file, engine) = (file.display().to_string(), engine.to_string());
        Self::new(&["run", "-c", &file, "--engine", &engine, "--workers", "1"])
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Lets another program start it (`sh -c 'ulimit …; exec "$0" "$@"'`, say).
    pub(crate) fn under(mut self, program: &[&str]) -> Self {
        let before = program.iter().map(|part| (*part).to_owned());
        self.program = before.chain(self.program).collect();
        self
    }

    fn spawn(&self) -> Child {
        std::process::Command::new(&self.program[0])
            .args(&self.program[1..])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs it to its end: its code, standard output and standard error.
    pub(crate) fn finish(&self) -> (Option<i32>, String, String) {
        let output = self.spawn().wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Starts it and waits until it serves.
    pub(crate) fn start(&self) -> Proxy {
        let mut child = self.spawn();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (out, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = out.send(line);
            }
        });
        let mut proxy = Proxy {
            child,
            lines: Mutex::new(lines),
            told: Vec::new(),
            listeners: BTreeMap::new(),
            admin: None,
        };
        proxy.wait_for_start();
        proxy
    }
}

/// A process that serves. It is killed when dropped.
pub(crate) struct Proxy {
    child: Child,
    lines: Mutex<Receiver<String>>,
    /// What it said on standard error while it started.
    pub(crate) told: Vec<String>,
    listeners: BTreeMap<String, String>,
    admin: Option<SocketAddr>,
}

impl Proxy {
    /// Starts a configuration on an engine.
    pub(crate) fn start(engine: EngineKind, yaml: &str) -> Self {
        Command::run(engine, yaml).start()
    }

    fn wait_for_start(&mut self) {
        // The admin line is the last one.
        while self.admin.is_none() {
            let line = self.next_line();
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["listening", name, at] => {
                    self.listeners.insert(name.into(), at.into());
                }
                ["admin", at] => self.admin = Some(at.parse().unwrap()),
                _ => {}
            }
            self.told.push(line);
        }
    }

    /// The next line of standard error.
    pub(crate) fn next_line(&self) -> String {
        let lines = self.lines.lock().unwrap();
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("{error}; it said {:?}", self.told),
        }
    }

    /// Where a listener listens.
    pub(crate) fn at(&self, listener: &str) -> SocketAddr {
        self.listeners[listener].parse().unwrap()
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A page of the admin interface.
    pub(crate) fn page(&self, path: &str) -> String {
        let mut client = super::Client::new(self.admin());
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        String::from_utf8(client.answer().body).unwrap()
    }

    /// The sum of a metric over all its label sets.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = self.page("/stats/prometheus");
        let mut values = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let base = series.split('{').next()?;
            (base == name).then(|| value.parse::<u64>().ok()).flatten()
        });
        let first = values.next();
        first.unwrap_or_else(|| panic!("no metric {name} in\n{page}")) + values.sum::<u64>()
    }

    /// The value of one series; 0 if it is not there yet.
    pub(crate) fn labelled(&self, series: &str) -> u64 {
        let page = self.page("/stats/prometheus");
        let value = page.lines().find_map(|line| line.strip_prefix(series));
        value.map_or(0, |value| value.trim().parse().unwrap())
    }

    /// How often a limit of HTTP/2 was broken.
    pub(crate) fn http2_limit(&self, name: &str) -> u64 {
        let page = self.page("/stats/prometheus");
        let series = format!("ringlb_http2_limits_total{{limit=\"{name}\"}} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&series));
        value
            .unwrap_or_else(|| panic!("no limit {name}"))
            .parse()
            .unwrap()
    }

    /// Waits until nothing is under way and every receive block is home.
    pub(crate) fn settle(&self) {
        for name in [
            "ringlb_listener_connections_active",
            "ringlb_listener_requests_active",
            "ringlb_cluster_requests_active",
            "ringlb_worker_blocks_leased",
        ] {
            until(&format!("{name} 0"), || self.metric(name) == 0);
        }
    }

    /// Resident memory, bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// Descriptors that are open.
    pub(crate) fn descriptors(&self) -> usize {
        let list = std::fs::read_dir(format!("/proc/{}/fd", self.pid()));
        list.unwrap().count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// Stops it until `SIGCONT`: what happens meanwhile it finds at once.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.pid());
        // A thread that is still on its way to the stop may take what comes first for all that came.
        until("every thread is stopped", || {
            let mut threads = std::fs::read_dir(&tasks).unwrap();
            threads.all(|thread| {
                let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
                stat.rsplit(") ").next().unwrap().starts_with('T')
            })
        });
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; with what it wrote to standard output.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        if let Some(mut out) = self.child.stdout.take() {
            out.read_to_string(&mut text).unwrap();
        }
        (self.child.wait().unwrap(), text)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path that no other test uses, short enough for a Unix socket.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = format!("ringlb-wire-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    Path::new(&folder).join(name)
}
