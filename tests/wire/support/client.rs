//! A client that says exactly what it is told to, and reads answers byte by byte.

use super::PATIENCE;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use rustls::ClientConnection;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::fd::AsRawFd,
};

/// A raw connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Read, not yet asked for.
    ahead: Vec<u8>,
    /// TLS on it, if any.
    pub(super) tls: Option<Box<ClientConnection>>,
    /// Why TLS failed; the end of the connection without `close_notify` is a failure too.
    pub(crate) fault: Option<String>,
    /// The connection ended by a reset.
    pub(crate) is_reset: bool,
}

/// An answer as it came, its framing removed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// The message was cut short.
    pub(crate) is_cut: bool,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        find(&self.fields, name)
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        find(&self.trailers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn find<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&to, PATIENCE).unwrap())
    }

    pub(super) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            ahead: Vec::new(),
            tls: None,
            fault: None,
            is_reset: false,
        }
    }

    /// With a receive buffer of about so many bytes, which the kernel does not enlarge.
    pub(crate) fn with_room(to: SocketAddr, bytes: usize) -> Self {
        let family = match to {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&fd, sockopt::RcvBuf, &bytes).unwrap();
        connect(fd.as_raw_fd(), &SockaddrStorage::from(to)).unwrap();
        Self::over(fd.into())
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends as much as the peer takes; it may close meanwhile.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(tls) => {
                let mut stream = rustls::Stream::new(&mut **tls, &mut self.stream);
                stream.write_all(bytes.as_ref())?;
                stream.flush()
            }
        }
    }

    /// Sends and waits for the answer.
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes);
        self.answer()
    }

    /// GETs a path.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: example\r\n\r\n"))
    }

    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        let linger = nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&self.stream, sockopt::Linger, &linger).unwrap();
    }

    /// The next answer, interim ones included.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// The next answer to a request with this method.
    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let Some(answer) = self.next_answer(method) else {
            panic!("the connection was closed instead of an answer");
        };
        answer
    }

    /// The next answer, or none if the connection ends first.
    pub(crate) fn next_answer(&mut self, method: &str) -> Option<Answer> {
        let head = self.read_head()?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut answer = Answer {
            status: status.parse().unwrap(),
            fields: lines.filter(|l| !l.is_empty()).map(parse_field).collect(),
            body: Vec::new(),
            trailers: Vec::new(),
            is_cut: false,
        };
        let bodiless = method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304);
        if !bodiless {
            answer.is_cut = self.read_body(&mut answer).is_none();
        }
        Some(answer)
    }

    fn read_body(&mut self, answer: &mut Answer) -> Option<()> {
        let length = answer.field("content-length").map(str::to_owned);
        if answer.field("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.read_line()?;
                let size = usize::from_str_radix(&size, 16).unwrap();
                if size == 0 {
                    break;
                }
                self.read_exactly(size, &mut answer.body)?;
                assert_eq!(self.read_line()?, "");
            }
            loop {
                let line = self.read_line()?;
                if line.is_empty() {
                    return Some(());
                }
                answer.trailers.push(parse_field(&line));
            }
        } else if let Some(length) = length {
            self.read_exactly(length.parse().unwrap(), &mut answer.body)
        } else {
            answer.body = self.rest();
            Some(())
        }
    }

    fn read_head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = position(&self.ahead, b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
                return Some(String::from_utf8(head).unwrap());
            }
            if !self.fill() {
                let rest = String::from_utf8_lossy(&self.ahead);
                assert!(rest.is_empty(), "a head was cut short: {rest:?}");
                return None;
            }
        }
    }

    fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = position(&self.ahead, b"\r\n") {
                let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    fn read_exactly(&mut self, len: usize, into: &mut Vec<u8>) -> Option<()> {
        let mut left = len;
        loop {
            let part = left.min(self.ahead.len());
            into.extend(self.ahead.drain(..part));
            left -= part;
            if left == 0 {
                return Some(());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads more; false at the end of the connection, however it ended.
    fn fill(&mut self) -> bool {
        let mut room = [0; 64 << 10];
        let read = match &mut self.tls {
            None => self.stream.read(&mut room),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut room),
        };
        match read {
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Ok(0) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&room[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.is_reset = true;
                false
            }
            Err(error) if is_fault(&error) && self.tls.is_some() => {
                self.fault = Some(error.to_string());
                false
            }
            Err(error) => panic!("reading: {error}"),
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.ahead)
    }

    /// Whether the connection ends without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && !self.fill()
    }

    /// Exactly so many bytes, or none if the connection ends first.
    pub(crate) fn try_take(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_exactly(len, &mut bytes).map(|()| bytes)
    }

    /// Exactly so many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(self.read_exactly(len, &mut bytes).is_some(), "cut short");
        bytes
    }
}

fn is_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe
    )
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

pub(super) fn parse_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
