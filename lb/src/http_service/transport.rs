//! The bytes of a connection, with or without TLS.

use std::{io, sync::Arc};
use tls::{ClientContext, Fault, Session, What};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection.
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Secure>,
}

/// TLS as a client.
struct Secure {
    session: Session,
    /// What came and was not decrypted yet.
    input: Vec<u8>,
}

impl Transport {
    /// Without TLS.
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None }
    }

    /// Shakes hands with a server of this name.
    ///
    /// # Errors
    /// The connection ended, or the server is not to be believed.
    pub(super) async fn client(
        stream: TcpStream,
        context: &Arc<ClientContext>,
        name: &str,
    ) -> io::Result<Self> {
        let mut hello = Vec::new();
        let session = Session::connect(context, Some(name), true, now(), &mut hello);
        let secure = Secure {
            session: session.map_err(failed)?,
            input: Vec::new(),
        };
        let mut transport = Self {
            stream,
            tls: Some(secure),
        };
        transport.stream.write_all(&hello).await?;
        let mut early = Vec::new();
        while !transport.is_established() {
            transport.fill(&mut early).await?;
        }
        // Nobody answers what was not asked yet.
        match early.is_empty() {
            true => Ok(transport),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    fn is_established(&self) -> bool {
        let secure = self.tls.as_ref();
        secure.is_none_or(|secure| secure.session.is_established())
    }

    /// Appends what the peer sends next; 0: it sends no more.
    pub(super) async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let before = into.len();
        while into.len() == before {
            if !self.fill(into).await? {
                break;
            }
        }
        Ok(into.len() - before)
    }

    /// Reads once; whether there is more to come.
    async fn fill(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        let Some(secure) = &mut self.tls else {
            return Ok(self.stream.read_buf(into).await? > 0);
        };
        if self.stream.read_buf(&mut secure.input).await? == 0 {
            secure.session.on_eof().map_err(failed)?;
            return Ok(false);
        }
        let mut out = Vec::new();
        let taken = secure.take(into, &mut out);
        self.stream.write_all(&out).await?;
        taken
    }

    /// Sends all of it.
    pub(super) async fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let Some(secure) = &mut self.tls else {
            return self.stream.write_all(data).await;
        };
        let now = now();
        let mut sealed = vec![0; secure.session.sealed_len(now, data.len())];
        let done = secure.session.seal(now, &[data], &mut sealed);
        done.map_err(failed)?;
        self.stream.write_all(&sealed).await
    }

    /// The socket.
    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl Secure {
    /// Decrypts what came; whether there is more to come.
    fn take(&mut self, into: &mut Vec<u8>, out: &mut Vec<u8>) -> io::Result<bool> {
        let (mut at, mut is_open) = (0, true);
        while at < self.input.len() {
            let rest = &mut self.input[at..];
            let step = self.session.receive(now(), rest, out).map_err(failed)?;
            match step.what {
                What::Data(range) => into.extend_from_slice(&rest[range]),
                What::Joined(data) => into.extend_from_slice(&data),
                What::Closed => is_open = false,
                What::Established | What::Nothing => {}
            }
            at += step.used;
        }
        self.input.clear();
        Ok(is_open)
    }
}

fn failed(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault.reason)
}

fn now() -> tls::Now {
    engines::UnixTime::now().0
}
