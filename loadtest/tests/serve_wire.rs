//! `loadtest serve` as a process, on each kernel engine: what only the kernel and the command line can
//! get wrong.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use loadtest::serve::pattern;
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A running endpoint.
struct Endpoint {
    child: Child,
    err: BufReader<ChildStderr>,
    addresses: Vec<(String, SocketAddr)>,
}

impl Endpoint {
    fn start(engine: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(["serve", "--engine", engine])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let listeners = arguments
            .iter()
            .filter(|argument| argument.contains(':'))
            .count();
        let addresses = (0..listeners).map(|_| {
            let mut line = String::new();
            err.read_line(&mut line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!((words.len(), words[0]), (3, "listening"), "{line}");
            (words[1].to_owned(), words[2].parse().unwrap())
        });
        let addresses = addresses.collect();
        Self {
            child,
            err,
            addresses,
        }
    }

    fn connect(&self, index: usize) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[index].1).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Everything that comes until the connection ends, and how it ended.
    fn ask(&self, bytes: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
        let mut stream = self.connect(0);
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let end = stream
            .read_to_end(&mut answer)
            .err()
            .map(|error| error.kind());
        (answer, end)
    }

    fn end(mut self, signal: Signal) -> String {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        assert!(self.child.wait().unwrap().success());
        let mut rest = String::new();
        self.err.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_each_engine(test: impl Fn(&str)) {
    for engine in ["epoll", "tasks", "uring"] {
        match engines::uring_available() {
            Err(reason) if engine == "uring" => eprintln!("skipped on uring: {reason}"),
            Ok(()) | Err(_) => test(engine),
        }
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").into_bytes()
}

fn body(answer: &[u8]) -> &[u8] {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    &answer[end + 4..]
}

#[test]
fn answers_come_whole_and_faults_show_as_what_they_are() {
    on_each_engine(|engine| {
        let endpoint = Endpoint::start(
            engine,
            &[
                "--http",
                "127.0.0.1:0",
                "--threads",
                "2",
                "--bytes",
                "5",
                "--status",
                "203",
            ],
        );
        let (answer, end) = endpoint.ask(&get("/"));
        assert!(answer.starts_with(b"HTTP/1.1 203 "), "{engine}");
        assert_eq!((body(&answer), end), (&pattern::pattern()[..5], None));
        let (answer, end) = endpoint.ask(&get("/bytes/3000000?crc&status=200"));
        let want: Vec<u8> = pattern::pattern()
            .iter()
            .copied()
            .cycle()
            .take(3_000_000)
            .collect();
        assert!(body(&answer) == want && end.is_none(), "{engine}");
        let told = format!("\r\nx-body-crc32: {:08x}\r\n", crc32fast::hash(&want));
        assert!(String::from_utf8_lossy(&answer).contains(&told), "{engine}");
        assert_eq!(
            endpoint.ask(&get("/?fault=close")),
            (Vec::new(), None),
            "{engine}"
        );
        let reset = (Vec::new(), Some(ErrorKind::ConnectionReset));
        assert_eq!(endpoint.ask(&get("/?fault=reset")), reset, "{engine}");
        let (answer, end) = endpoint.ask(&get("/bytes/100000?fault=cut"));
        assert_eq!((body(&answer).len(), end), (50_000, None), "{engine}");
        let (answer, end) = endpoint.ask(b"GET / HTTP/1.1\nhost: a\r\n\r\n");
        assert!(
            answer.starts_with(b"HTTP/1.1 400 ") && end.is_none(),
            "{engine}"
        );
        assert_eq!(endpoint.end(Signal::SIGTERM), "", "{engine}");
    });
}

#[test]
fn raw_listeners_echo_drop_and_flood() {
    on_each_engine(|engine| {
        let endpoint = Endpoint::start(
            engine,
            &[
                "--echo",
                "127.0.0.1:0",
                "--sink",
                "127.0.0.1:0",
                "--source",
                "[::1]:0",
                "--threads",
                "1",
            ],
        );
        let names: Vec<&str> = endpoint
            .addresses
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["echo", "source", "sink"]);
        let (message, mut echo) = (pattern::pattern(), endpoint.connect(0));
        let mut writer = echo.try_clone().unwrap();
        let sending = std::thread::spawn(move || {
            writer.write_all(message).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut came = Vec::new();
        echo.read_to_end(&mut came).unwrap();
        sending.join().unwrap();
        assert!(came == message, "{engine}");
        let mut flood = vec![0; pattern::PERIOD];
        endpoint.connect(1).read_exact(&mut flood).unwrap();
        assert!(flood == message, "{engine}");
        let mut sink = endpoint.connect(2);
        sink.write_all(message).unwrap();
        sink.shutdown(Shutdown::Write).unwrap();
        assert_eq!(sink.read(&mut flood).unwrap(), 0, "{engine}");
        assert_eq!(endpoint.end(Signal::SIGINT), "", "{engine}");
    });
}

#[test]
fn many_connections_stay_open_and_each_is_answered() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let many = 2000.min(usize::try_from(hard).unwrap_or(2000) - 100);
    on_each_engine(|engine| {
        let endpoint = Endpoint::start(engine, &["--http", "127.0.0.1:0", "--threads", "1"]);
        let mut streams: Vec<TcpStream> = (0..many).map(|_| endpoint.connect(0)).collect();
        for _ in 0..2 {
            for stream in &mut streams {
                stream
                    .write_all(b"GET /bytes/1 HTTP/1.1\r\nhost: a\r\n\r\n")
                    .unwrap();
            }
            for stream in &mut streams {
                let mut answer = [0; 4096];
                let len = stream.read(&mut answer).unwrap();
                assert_eq!(body(&answer[..len]), &pattern::pattern()[..1], "{engine}");
            }
        }
    });
}

#[test]
fn wrong_arguments_are_told() {
    for (arguments, code, told) in [
        (&["serve"][..], 1, "nothing to serve"),
        (
            &["serve", "--http", "127.0.0.1:0", "--engine", "poll"],
            1,
            "unknown engine",
        ),
        (&["serve", "--http", "nowhere"], 2, "--http"),
        (
            &["serve", "--http", "127.0.0.1:0", "--cpu", "0,"],
            2,
            "no list of CPUs",
        ),
        (
            &["serve", "--http", "127.0.0.1:0", "--cpu", "1000"],
            1,
            "cannot run on CPU 1000",
        ),
        (
            &["serve", "--http", "127.0.0.1:0", "--status", "199"],
            2,
            "199",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
            .args(arguments)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        assert!(err.contains(told), "{arguments:?}: {err}");
    }
}
