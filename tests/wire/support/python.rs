//! gRPC's own implementation as a peer (Python's `grpcio`): `grpc_peer.py` beside this folder.

use super::{scratch, tls_pki::pki_path};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::LazyLock,
};

const SCRIPT: &str = include_str!("../grpc_peer.py");

/// Whether there is a Python with `grpcio`; says why not.
pub(crate) fn has_grpcio() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| {
        let mut python = Command::new("python3");
        let imported = python.args(["-c", "import grpc"]).output();
        imported.is_ok_and(|output| output.status.success())
    });
    if !*FOUND {
        eprintln!("skipped: python3 has no grpcio (`pip install grpcio`)");
    }
    *FOUND
}

/// A process that runs the script; it is killed when dropped.
pub(crate) struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Python {
    fn start(args: &[&str]) -> Self {
        let script = scratch("grpc_peer.py");
        std::fs::write(&script, SCRIPT).unwrap();
        let mut child = Command::new("python3")
            .arg(script)
            .args(args)
            // It would tell of handshakes that are meant to fail.
            .env("GRPC_VERBOSITY", "NONE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// A server, and where it listens.
    pub(crate) fn serve() -> (Self, SocketAddr) {
        Self::serve_with(&[])
    }

    /// A server with TLS as `origin`; `is_mutual`: clients show a certificate of `ca`.
    pub(crate) fn serve_secure(is_mutual: bool) -> (Self, SocketAddr) {
        let files = ["origin.pem", "origin.key", "ca.pem"].map(pki_path);
        let files = files.each_ref().map(String::as_str);
        Self::serve_with(&files[..if is_mutual { 3 } else { 2 }])
    }

    fn serve_with(files: &[&str]) -> (Self, SocketAddr) {
        let mut server = Self::start(&[&["serve"], files].concat());
        let port = server.line().parse().unwrap();
        (server, (Ipv4Addr::LOCALHOST, port).into())
    }

    /// A client of that address, with one connection.
    pub(crate) fn client(to: SocketAddr) -> Self {
        Self::start(&["call", &to.to_string()])
    }

    /// The same with TLS to `any.test`, and a certificate unless its name is empty.
    pub(crate) fn secure_client(to: SocketAddr, certificate: &str) -> Self {
        let (to, ca) = (to.to_string(), pki_path("ca.pem"));
        let own = ["pem", "key"].map(|kind| pki_path(&format!("{certificate}.{kind}")));
        let own = own.each_ref().map(String::as_str);
        let args = ["call", &to, &ca, "any.test"];
        Self::start(
            &[
                &args[..],
                &own[..if certificate.is_empty() { 0 } else { 2 }],
            ]
            .concat(),
        )
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the script ended");
        line.trim_end().to_owned()
    }

    /// Makes a call (see the script) and waits for what becomes of it.
    pub(crate) fn call(&mut self, call: &Value) -> Value {
        writeln!(self.stdin, "{call}").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
