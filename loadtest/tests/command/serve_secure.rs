//! `loadtest serve` over TLS as a process, on each engine, seen by a client of blocking sockets.

use crate::{
    process::{PROGRAM, engines, refused},
    secure_server::{NOW, TempFile},
};
use loadtest::serve::SelfSigned;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tls::{Client, ClientContext, ClientSettings, Provider, Session, Trust, Version, What};

struct Endpoint {
    child: Child,
    address: String,
}

impl Endpoint {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["serve", "--threads", "1"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.split_whitespace().nth(2).unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that believes this authority, or everybody.
fn client(ca: Option<&str>) -> Arc<ClientContext> {
    let trust = |ca: &str| Trust {
        ca: Some(ca.into()),
        ..Trust::default()
    };
    let settings = ClientSettings {
        server: ca.map_or(Client::Unverified, |ca| Client::Verified(trust(ca))),
        identity: None,
        alpn: vec![b"http/1.1".to_vec()],
        versions: (Version::Tls12, Version::Tls13),
        suites: Vec::new(),
        groups: Vec::new(),
        sessions_max: 0,
        key_log: None,
    };
    ClientContext::new(&Provider::system(), settings).unwrap()
}

/// All data that comes until the end, and whether that was announced.
fn ask(context: &Arc<ClientContext>, address: &str, request: &str) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut out = Vec::new();
    let session = Session::connect(context, Some("localhost"), true, NOW, &mut out);
    let (mut session, mut room) = (session.unwrap(), vec![0; 1 << 16]);
    let (mut answer, mut is_told) = (Vec::new(), false);
    loop {
        stream.write_all(&out).unwrap();
        out.clear();
        let len = stream.read(&mut room).unwrap();
        if len == 0 {
            return (answer, is_told);
        }
        let mut at = 0;
        while at < len {
            let input = &mut room[at..len];
            let step = session.receive(NOW, input, &mut out).unwrap();
            match step.what {
                What::Nothing => {}
                What::Established => {
                    let before = out.len();
                    out.resize(before + session.sealed_len(NOW, request.len()), 0);
                    let sealed = &mut out[before..];
                    session.seal(NOW, &[request.as_bytes()], sealed).unwrap();
                }
                What::Data(range) => answer.extend_from_slice(&input[range]),
                What::Joined(bytes) => answer.extend(bytes),
                What::Closed => is_told = true,
            }
            at += step.used;
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
}

#[test]
fn answers_come_whole_and_their_end_is_announced_unless_it_is_a_fault() {
    let certificate = SelfSigned::localhost().unwrap();
    let chain = TempFile::new("serve.pem", &certificate.chain);
    let key = TempFile::new("serve.key", &certificate.key);
    let context = client(Some(&certificate.chain));
    for engine in engines() {
        let endpoint = Endpoint::start(&[
            "--https",
            "127.0.0.1:0",
            "--engine",
            engine,
            "--tls-cert",
            chain.path(),
            "--tls-key",
            key.path(),
        ]);
        for (path, bytes, told) in [
            ("/bytes/100", 100, true),
            ("/bytes/700000", 700_000, true),
            ("/chunked/5", 5, true),
            ("/bytes/5000?fault=cut", 2500, false),
        ] {
            let (answer, is_told) = ask(&context, &endpoint.address, &get(path));
            assert!(answer.starts_with(b"HTTP/1.1 200 "), "{engine} {path}");
            assert!(answer.len() > bytes, "{engine} {path}");
            assert_eq!(is_told, told, "{engine} {path}");
        }
        let (answer, is_told) = ask(&context, &endpoint.address, &get("/?fault=close"));
        assert_eq!((answer.len(), is_told), (0, false), "{engine}");
        let (answer, is_told) = ask(
            &context,
            &endpoint.address,
            "GET / HTTP/1.1\nhost: a\r\n\r\n",
        );
        assert!(answer.starts_with(b"HTTP/1.1 400 ") && is_told, "{engine}");
        // What is no TLS is told so, and the connection ends.
        let mut plain = TcpStream::connect(&endpoint.address).unwrap();
        plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut alert = Vec::new();
        plain.read_to_end(&mut alert).unwrap();
        assert_eq!(alert.first(), Some(&21), "{engine}: {alert:?}");
    }
}

#[test]
fn a_certificate_is_made_where_none_is_given_and_wrong_ones_are_refused() {
    let endpoint = Endpoint::start(&["--https", "127.0.0.1:0", "--tls-version", "1.2"]);
    let (answer, is_told) = ask(&client(None), &endpoint.address, &get("/"));
    assert!(answer.starts_with(b"HTTP/1.1 200 ") && is_told);
    let none = TempFile::new("serve-none.pem", "nothing");
    let listener = ["serve", "--https", "127.0.0.1:0"];
    for (arguments, code, told) in [
        (&["--tls-cert", none.path()][..], 2, "--tls-key"),
        (
            &["--tls-cert", none.path(), "--tls-key", none.path()],
            1,
            "serve-none.pem",
        ),
        (&["--tls-suite", "RC4"], 1, "`RC4`"),
    ] {
        let said = refused(&[&listener[..], arguments].concat(), code);
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}
