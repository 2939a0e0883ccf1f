//! A small endpoint of threads, with no code of ours in it, and our own.

use loadtest::serve::{self, Service};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

/// What a connection gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Bytes come back.
    Echo,
    /// Each request gets this.
    Http(&'static str),
    /// Requests are read and never answered.
    Silent,
    /// It is greeted with this, and nothing else happens.
    Says(&'static str),
}

/// A plain answer.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Something for each request, or connection without requests.
    pub(crate) seen: Receiver<String>,
}

impl Server {
    pub(crate) fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).unwrap();
                let (reader, tell) = (stream.try_clone().unwrap(), tell.clone());
                thread::spawn(move || serve(reader, stream, habit, &tell));
            }
        });
        Self { address, seen }
    }

    /// On a Unix socket.
    pub(crate) fn start_unix(path: &Path, habit: Habit) {
        let listener = UnixListener::bind(path).unwrap();
        let (tell, _) = channel();
        let tell = Arc::new(tell);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (reader, tell) = (stream.try_clone().unwrap(), tell.clone());
                thread::spawn(move || serve(reader, stream, habit, &tell));
            }
        });
    }
}

fn serve(reader: impl Read, mut writer: impl Write, habit: Habit, tell: &Sender<String>) {
    let mut reader = BufReader::new(reader);
    match habit {
        Habit::Echo => {
            let _ = std::io::copy(&mut reader, &mut writer);
        }
        Habit::Http(answer) => {
            while let Some(head) = request(&mut reader) {
                let _ = tell.send(head);
                if writer.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
        Habit::Silent => {
            while let Some(head) = request(&mut reader) {
                let _ = tell.send(head);
            }
        }
        Habit::Says(greeting) => {
            let _ = writer.write_all(greeting.as_bytes());
            let _ = reader.read_to_end(&mut Vec::new());
        }
    }
}

/// A request's head; its body is read too.
fn request(reader: &mut impl BufRead) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        reader.read_line(&mut head).ok().filter(|len| *len > 0)?;
        let line = &head[before..];
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
            return Some(head);
        }
    }
}

/// Where `loadtest serve` listens, in this process.
pub(crate) fn endpoint() -> engines::SockAddr {
    let any = engines::SockAddr::Inet(([127, 0, 0, 1], 0).into());
    let served = serve::start(&serve::Options {
        listeners: vec![(Service::Http, any)],
        tls: None,
        defaults: serve::Defaults::default(),
        engine: Some(engines::EngineKind::Epoll),
        threads: 1,
        cpus: Vec::new(),
    });
    served.unwrap().addresses[0].1.clone()
}
