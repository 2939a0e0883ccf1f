//! Programs of others that speak TLS.

use super::PATIENCE;
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
};

/// Whether a program is there; says why a test is skipped.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

/// The program that a variable names; says why a test is skipped, and which version runs.
pub(crate) fn has_named(variable: &str, version: &str) -> Option<String> {
    let Ok(program) = std::env::var(variable) else {
        eprintln!("skipped: {variable} names no program");
        return None;
    };
    let (is_good, told, _) = run(&program, &[version], b"");
    assert!(is_good, "{variable}: {program} {version} fails");
    eprintln!("{program}: {}", String::from_utf8_lossy(&told).trim());
    Some(program)
}

/// A program with its input and output; it is killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Its lines, with their ends.
    lines: Receiver<Vec<u8>>,
}

impl Program {
    /// Standard error goes where standard output goes.
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        Self::start_in(".", program, args)
    }

    fn start_in(folder: &str, program: &str, args: &[&str]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 2>&1", program])
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (out, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while let Ok(1..) = stdout.read_until(b'\n', &mut line) {
                let _ = out.send(std::mem::take(&mut line));
            }
        });
        Self {
            stdin: child.stdin.take(),
            lines,
            child,
        }
    }

    /// `openssl s_client` to this address.
    pub(crate) fn s_client(to: SocketAddr, args: &[&str]) -> Self {
        let to = to.to_string();
        let all = [&["s_client", "-connect", &to], args].concat();
        Self::start("openssl", &all)
    }

    /// `openssl s_server`, and where it listens.
    pub(crate) fn s_server(args: &[&str]) -> (Self, SocketAddr) {
        Self::s_server_in(".", args)
    }

    /// The same in a folder.
    pub(crate) fn s_server_in(folder: &str, args: &[&str]) -> (Self, SocketAddr) {
        let all = [&["s_server", "-accept", "127.0.0.1:0"], args].concat();
        let server = Self::start_in(folder, "openssl", &all);
        let line = server.line_with("ACCEPT ");
        let at = line.trim().rsplit(' ').next().unwrap();
        (server, at.parse().unwrap())
    }

    /// It may have ended.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stdin.as_mut().unwrap().write_all(bytes.as_ref());
    }

    /// The next line that contains a text; those before it are skipped.
    pub(crate) fn line_with(&self, text: &str) -> String {
        let mut told = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                panic!("no {text:?} in {told}");
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains(text) {
                return line;
            }
            told += &line;
        }
    }

    /// Everything up to its end.
    pub(crate) fn rest(&self) -> String {
        String::from_utf8_lossy(&self.rest_bytes()).into_owned()
    }

    pub(crate) fn rest_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => bytes.extend(line),
                Err(RecvTimeoutError::Disconnected) => return bytes,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it goes on: {}", String::from_utf8_lossy(&bytes));
                }
            }
        }
    }

    /// Asks for `/` and returns all that is said.
    pub(crate) fn ask(mut self) -> String {
        self.send("GET /asked HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        self.rest()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end: whether it succeeded, and its output.
pub(crate) fn run(program: &str, args: &[&str], input: &[u8]) -> (bool, Vec<u8>, String) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), output.stdout, told)
}
