//! An endpoint whose behaviour each test scripts.

use super::{PATIENCE, client::parse_field};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd, IntoRawFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A request as it arrived, its framing removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names as they came.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }
}

/// An endpoint on threads, one a connection.
pub(crate) struct Origin {
    at: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Origin {
    /// Hands each connection's requests to `answer` until it says that the connection ends.
    pub(crate) fn new(
        answer: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::raw_with_requests(move |stream, requests| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(request) = read_request(&mut reader) {
                requests.lock().unwrap().push(request.clone());
                if !answer(&request, &mut stream.try_clone().unwrap()) {
                    break;
                }
            }
        })
    }

    /// Answers every request with its name, the path and the body.
    pub(crate) fn echo(name: &'static str) -> Self {
        Self::new(move |request, stream| {
            let text = format!("{name} {} ", request.path());
            let length = text.len() + request.body.len();
            let bodiless = request.method() == "HEAD";
            let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            if !bodiless {
                answer += &text;
            }
            let body = if bodiless { &[][..] } else { &request.body };
            stream
                .write_all(&[answer.as_bytes(), body].concat())
                .is_ok()
        })
    }

    /// Gives every request the same bytes.
    pub(crate) fn fixed(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, stream| stream.write_all(&answer).is_ok())
    }

    /// Hands each connection to `serve`.
    pub(crate) fn raw(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::raw_with_requests(move |stream, _| serve(stream))
    }

    fn raw_with_requests(
        serve: impl Fn(TcpStream, &Mutex<Vec<Request>>) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let origin = Self {
            at: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (origin.connections.clone(), origin.requests.clone());
        let serve = Arc::new(serve);
        // The thread lives as long as the test process; it only waits.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                let (serve, requests) = (serve.clone(), requests.clone());
                std::thread::spawn(move || serve(stream, &requests));
            }
        });
        origin
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// An address at which nobody listens, and nobody will: a socket that only has it keeps it to the end of the process.
pub(crate) fn closed_port() -> SocketAddr {
    let (family, flags) = (AddressFamily::Inet, SockFlag::SOCK_CLOEXEC);
    let holder = socket(family, SockType::Stream, flags, None).unwrap();
    bind(holder.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let held: SockaddrIn = getsockname(holder.as_raw_fd()).unwrap();
    let _ = holder.into_raw_fd();
    SocketAddr::V4(held.into())
}

pub(super) fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut request = Request {
        line: read_line(reader)?,
        ..Request::default()
    };
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        request.fields.push((name.to_owned(), value.to_owned()));
    }
    if request.field("transfer-encoding") == Some("chunked") {
        read_chunks(reader, &mut request)?;
    } else if let Some(length) = request.field("content-length") {
        request.body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut request.body).ok()?;
    }
    Some(request)
}

fn read_chunks(reader: &mut impl BufRead, request: &mut Request) -> Option<()> {
    loop {
        let size = u64::from_str_radix(&read_line(reader)?, 16).ok()?;
        if size == 0 {
            break;
        }
        reader
            .by_ref()
            .take(size)
            .read_to_end(&mut request.body)
            .ok()?;
        read_line(reader)?;
    }
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(());
        }
        request.trailers.push(parse_field(&line));
    }
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|len| *len > 0)?;
    Some(line.strip_suffix("\r\n").unwrap_or(&line).to_owned())
}
