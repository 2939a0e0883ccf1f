//! A small HTTP/1.1 service and client on tokio, for what is not the data path: the admin interface and
//! the demo. They speak through the same codec as the proxy.

mod transport;

use crate::date::Date;
use codecs::{
    Codec, Frame, Head, Heads, Length, Malformed, Protocol, StreamId, Wait, http1::Http1,
};
use engines::UnixTime;
use std::{
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tls::ClientContext;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use transport::Transport;

/// Bytes of a request's or answer's body; longer ones end the connection.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long the other side may take to send or to take a message.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections served at a time.
const CONNECTIONS_MAX: usize = 256;
/// How long and for how many bytes a refused client is read, so that the answer reaches it.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: u64 = 256 << 10;

/// A message with its whole body.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// The head.
    pub(crate) head: Box<Head>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// An answer.
    pub(crate) fn answer(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        let mut head = Box::<Head>::default();
        head.status = status;
        head.length = Length::Known(body.len() as u64);
        head.fields.append(b"date", &date());
        head.fields.append(b"content-type", content_type.as_bytes());
        Self { head, body }
    }

    /// A GET request.
    pub(crate) fn get(authority: &str, path: &str) -> Self {
        let mut head = Box::<Head>::default();
        head.set_method(b"GET");
        head.set_authority(authority.as_bytes());
        head.set_path(path.as_bytes());
        Self {
            head,
            body: Vec::new(),
        }
    }
}

/// Answers requests on a listening socket until the future is dropped.
pub(crate) async fn serve<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Message) -> A + Send + Sync + 'static,
    A: Future<Output = Message> + Send,
{
    let answer = Arc::new(answer);
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _place = place;
                    // An error is the client's; it ends its connection and nothing else.
                    let _ = serve_connection(stream, &*answer).await;
                });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve_connection<F, A>(stream: TcpStream, answer: &F) -> io::Result<()>
where
    F: Fn(Message) -> A,
    A: Future<Output = Message>,
{
    stream.set_nodelay(true)?;
    let mut stream = Transport::plain(stream);
    let mut wire = Wire::new(Http1.server(&codecs::Limits::default()));
    loop {
        let asked = in_time(wire.receive(&mut stream)).await;
        if wire.codec.life().is_closed() {
            return linger(stream.into_stream()).await;
        }
        let Some((id, request)) = asked? else {
            return Ok(());
        };
        let bodiless = request.head.method() == b"HEAD";
        let mut reply = answer(request).await;
        if bodiless {
            reply.body.clear();
        }
        in_time(wire.send(&mut stream, id, &reply)).await?;
        if wire.codec.life().is_closed() {
            return linger(stream.into_stream()).await;
        }
    }
}

async fn in_time<T>(exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, exchange).await?
}

/// Ends our direction and reads on for a while: closing with unread input would take back the answer.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    let mut sink = tokio::io::sink();
    tokio::time::timeout(LINGER_TIME, tokio::io::copy(&mut rest, &mut sink)).await??;
    Ok(())
}

/// A connection that asks one thing after another.
pub(crate) struct Client {
    stream: Transport,
    wire: Wire,
}

impl Client {
    /// Connects, with TLS if there is a context; the server's certificate has to be for its address then.
    ///
    /// # Errors
    /// The operating system's, or the handshake failed.
    pub(crate) async fn connect(
        to: std::net::SocketAddr,
        tls: Option<&Arc<ClientContext>>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let stream = match tls {
            None => Transport::plain(stream),
            Some(context) => {
                let name = to.ip().to_string();
                in_time(Transport::client(stream, context, &name)).await?
            }
        };
        Ok(Self {
            stream,
            wire: Wire::new(Http1.client(&codecs::Limits::default())),
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection ended, or the answer is not valid.
    pub(crate) async fn ask(&mut self, request: &Message) -> io::Result<Message> {
        let closed = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let id = self.wire.codec.open().ok_or_else(closed)?;
        in_time(self.wire.send(&mut self.stream, id, request)).await?;
        let answer = in_time(self.wire.receive(&mut self.stream)).await?;
        let (_, answer) = answer.ok_or_else(closed)?;
        Ok(answer)
    }
}

/// A codec and what it has not decoded yet.
struct Wire {
    codec: Box<dyn Codec>,
    heads: Heads,
    input: Vec<u8>,
}

impl Wire {
    fn new(codec: Box<dyn Codec>) -> Self {
        Self {
            codec,
            heads: Heads::default(),
            input: Vec::new(),
        }
    }

    /// The next whole message; `None` at the end of the connection.
    async fn receive(&mut self, stream: &mut Transport) -> io::Result<Option<(StreamId, Message)>> {
        let mut message = Message::default();
        loop {
            let (used, end, wait) = self.step(&mut message, stream).await?;
            self.input.drain(..used);
            if let Some(id) = end {
                return Ok(Some((id, message)));
            }
            if wait == Wait::Go {
                continue;
            }
            if stream.read(&mut self.input).await? == 0 {
                return match self.codec.eof().map_err(|why| invalid(why.detail))? {
                    Some(Frame::Data { id, end: true, .. }) => Ok(Some((id, message))),
                    Some(_) | None => Ok(None),
                };
            }
        }
    }

    /// Decodes once: the bytes used, the stream if its message is complete, and what comes next.
    async fn step(
        &mut self,
        message: &mut Message,
        stream: &mut Transport,
    ) -> io::Result<(usize, Option<StreamId>, Wait)> {
        let step = match self.codec.decode(now(), &self.input, &mut self.heads) {
            Ok(step) => step,
            Err(why) => return self.refuse(&why, stream).await,
        };
        let mut end = None;
        match step.frame {
            Some(Frame::Head {
                id,
                head,
                end: last,
            }) if !head.is_interim() => {
                message.head = head;
                // A request to switch protocols holds its connection until it is answered.
                end = (last || step.wait == Wait::Hold).then_some(id);
            }
            Some(Frame::Data { id, len, end: last }) => {
                message
                    .body
                    .extend_from_slice(&self.input[step.used - len..step.used]);
                if message.body.len() > BODY_BYTES_MAX {
                    let why = Malformed {
                        status: 413,
                        detail: "body-too-large",
                    };
                    return self.refuse(&why, stream).await;
                }
                end = last.then_some(id);
            }
            Some(Frame::Trailers { id, .. }) => end = Some(id),
            Some(
                Frame::Head { .. }
                | Frame::GoAway
                | Frame::Pong
                | Frame::Refused { .. }
                | Frame::Reset { .. }
                | Frame::Window { .. },
            )
            | None => {}
        }
        let mut out = Vec::new();
        self.codec.control(&mut out);
        if !out.is_empty() {
            stream.write(&out).await?;
        }
        let stuck = step.used == 0 && end.is_none() && step.wait == Wait::Go;
        Ok((step.used, end, if stuck { Wait::More } else { step.wait }))
    }

    /// Tells the peer what is wrong with its message, if there is a way to; always an error.
    async fn refuse<T>(&mut self, why: &Malformed, stream: &mut Transport) -> io::Result<T> {
        let mut out = Vec::new();
        self.codec.refuse(why, &date(), &mut out);
        stream.write(&out).await?;
        Err(invalid(why.detail))
    }

    async fn send(
        &mut self,
        stream: &mut Transport,
        id: StreamId,
        message: &Message,
    ) -> io::Result<()> {
        let mut out = Vec::new();
        let end = message.body.is_empty();
        self.codec.head(id, &message.head, end, &mut out);
        if !end {
            let wrap = self.codec.data(id, &message.body, true);
            out.extend_from_slice(&wrap.before);
            out.extend_from_slice(&message.body);
            out.extend_from_slice(&wrap.after);
        }
        stream.write(&out).await
    }
}

fn invalid(detail: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail)
}

/// The `date` of an answer.
fn date() -> [u8; 29] {
    Date::default().at(UnixTime::now())
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_answered_again_and_again() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            tokio::spawn(serve(listener, async |request: Message| {
                Message::answer(200, "text/plain", request.head.path().to_vec())
            }));
            let mut client = Client::connect(at, None).await.unwrap();
            for path in ["/a", "/b"] {
                let answer = client.ask(&Message::get("x", path)).await.unwrap();
                assert_eq!(
                    (answer.head.status, answer.body.as_slice()),
                    (200, path.as_bytes())
                );
                let date = answer.head.fields.get(b"date");
                assert!(date.is_some_and(|date| date.ends_with(b" GMT")));
            }
        });
    }
}
