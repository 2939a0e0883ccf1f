//! What lies between a socket and what reads and writes it: its TLS, if it has any, and count of what waits to leave.
//!
//! Connections and tunnels have one for each of their sockets. What arrives is decrypted in the block that it lies in
//! and goes on as a slice of it; what is written is encrypted when it is handed to the engine. What TLS itself has to
//! say leaves as it comes up.

use crate::config::EndpointTls;
use engines::{Blocks, Buf, BufMut, Engine, Sock};
use std::sync::Arc;
use tls::{Facts, Fault, Now, ServerContext, Session, What};

/// Bytes that are encrypted at a time: with what records add to them they fit a long block of the engine's.
const SEALED_BYTES_MAX: usize = 64 << 10;

/// The TLS of a socket, and the bytes queued on it. The default has no TLS.
#[derive(Debug, Default)]
pub(crate) struct TransportSocket {
    session: Option<Box<Session>>,
    /// Bytes queued in the engine, or counted as such before they are encrypted.
    unsent: u32,
    /// Bytes ever queued; saturates.
    sent: u32,
}

/// What a worker's transport sockets send with.
pub(crate) struct Io<'a> {
    pub(crate) engine: &'a mut dyn Engine,
    pub(crate) blocks: &'a Blocks,
    pub(crate) scratch: &'a mut Scratch,
}

/// Memory that is used for a moment only.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// What TLS has to say.
    records: Vec<u8>,
}

/// What received bytes mean.
#[derive(Debug)]
pub(crate) enum Input {
    /// Data.
    Data(Buf),
    /// The handshake is over; once, before any data.
    Established,
    /// The peer has said that it sends no more.
    Closed,
}

impl TransportSocket {
    /// TLS with a client comes first.
    pub(crate) fn accept(context: &Arc<ServerContext>) -> Self {
        Self {
            session: Some(Box::new(Session::accept(context))),
            ..Self::default()
        }
    }

    /// Begins TLS with an endpoint. `http2`: the connection is for HTTP/2, where clients decide about that.
    ///
    /// # Errors
    /// The session could not be set up.
    pub(crate) fn connect(
        &mut self,
        sock: Sock,
        endpoint: &EndpointTls,
        http2: bool,
        io: &mut Io<'_>,
    ) -> Result<(), Fault> {
        let (context, name) = (endpoint.tls.context(http2), endpoint.name.as_deref());
        let records = &mut io.scratch.records;
        let now = io.engine.wall().0;
        match Session::connect(&context, name, endpoint.tls.check_name, now, records) {
            Ok(session) => {
                self.session = Some(Box::new(session));
                self.send_records(sock, io);
                Ok(())
            }
            Err(fault) => {
                records.clear();
                Err(fault)
            }
        }
    }

    /// The next that received bytes mean, taken off their front; none when all are used. What has to be sent because
    /// of it is, also before a fault is told.
    pub(crate) fn next_input(
        &mut self,
        sock: Sock,
        data: &mut BufMut,
        io: &mut Io<'_>,
    ) -> Option<Result<Input, Fault>> {
        while !data.is_empty() {
            let Some(session) = &mut self.session else {
                let all = data.split_to(data.len());
                return Some(Ok(Input::Data(all.freeze())));
            };
            let step = session.receive(io.engine.wall().0, data, &mut io.scratch.records);
            self.send_records(sock, io);
            let step = match step {
                Ok(step) => step,
                Err(fault) => return Some(Err(fault)),
            };
            let part = data.split_to(step.used);
            return Some(Ok(match step.what {
                What::Nothing => continue,
                What::Data(at) => {
                    let mut part = part.freeze();
                    part.truncate(at.end);
                    part.skip(at.start);
                    Input::Data(part)
                }
                What::Joined(joined) => Input::Data(Buf::from(joined)),
                What::Established => Input::Established,
                What::Closed => Input::Closed,
            }));
        }
        None
    }

    /// Bytes were written that are to be sent: they count from now on.
    #[inline]
    pub(crate) fn queue(&mut self, bytes: usize) {
        self.unsent = self.unsent.saturating_add(clamped(bytes));
        self.count_sent(bytes as u64);
    }

    /// So many bytes more are sent, by us or by the engine alone.
    #[inline]
    pub(crate) fn count_sent(&mut self, bytes: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.sent = self.sent.saturating_add(bytes);
    }

    /// Queues data and sends it, encrypted where there is TLS.
    ///
    /// # Errors
    /// The keys of its TLS are used up.
    pub(crate) fn send(&mut self, sock: Sock, data: Buf, io: &mut Io<'_>) -> Result<(), Fault> {
        self.queue(data.len());
        if self.is_secure() {
            return self.seal(sock, &mut [&data], io);
        }
        io.engine.send(sock, data);
        Ok(())
    }

    /// Encrypts queued pieces that follow one another, and sends that. Nothing is sent behind our `close_notify` or a
    /// fault.
    ///
    /// # Errors
    /// The keys are used up.
    pub(crate) fn seal(
        &mut self,
        sock: Sock,
        pieces: &mut [&[u8]],
        io: &mut Io<'_>,
    ) -> Result<(), Fault> {
        let Some(session) = &mut self.session else {
            debug_assert!(false, "nothing to seal by");
            return Ok(());
        };
        // The plain bytes were counted as they were written.
        let plain: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.unsent = self.unsent.saturating_sub(clamped(plain));
        if session.is_ended() || session.has_failed() {
            return Ok(());
        }
        let now = io.engine.wall().0;
        in_portions(pieces, SEALED_BYTES_MAX, |pieces| {
            let sealed = seal(session, pieces, now, io.blocks)?;
            self.unsent = self.unsent.saturating_add(clamped(sealed.len()));
            io.engine.send(sock, sealed);
            Ok(())
        })
    }

    /// Tells the peer that nothing more is sent, where there is TLS and it was not told.
    pub(crate) fn close(&mut self, sock: Sock, io: &mut Io<'_>) {
        if let Some(session) = &mut self.session {
            session.close(&mut io.scratch.records);
            self.send_records(sock, io);
        }
    }

    /// Part of what was queued has left.
    #[inline]
    pub(crate) fn on_sent(&mut self, bytes: usize) {
        debug_assert!(self.unsent() >= bytes, "more was sent than queued");
        self.unsent = self.unsent.saturating_sub(clamped(bytes));
    }

    /// Bytes that are queued and have not left.
    #[inline]
    pub(crate) fn unsent(&self) -> usize {
        self.unsent as usize
    }

    /// Bytes that were ever queued; saturates.
    #[inline]
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// Everything queued has left.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        self.unsent == 0
    }

    /// It has TLS.
    #[inline]
    pub(crate) fn is_secure(&self) -> bool {
        self.session.is_some()
    }

    /// Data can be sent.
    pub(crate) fn is_open(&self) -> bool {
        let session = self.session.as_ref();
        session.is_none_or(|session| session.is_established())
    }

    /// A handshake has begun, and is neither over nor given up. A client may not have said anything yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !session.is_established() && !session.has_failed())
    }

    /// Nothing has come from a client with which TLS is to be.
    pub(crate) fn is_unused(&self) -> bool {
        let is_unused = |session: &Session| {
            !session.is_partial() && session.offer().is_none() && !session.is_established()
        };
        self.session.as_deref().is_some_and(is_unused)
    }

    /// The keys of its TLS are nearly used up.
    #[inline]
    pub(crate) fn is_worn(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.is_nearly_used_up())
    }

    /// The name that the client asks for, as far as that is known.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.session.as_ref()?.server_name()
    }

    /// What TLS has agreed on.
    #[inline]
    pub(crate) fn facts(&self) -> Option<&Arc<Facts>> {
        self.session.as_ref()?.facts()
    }

    /// The socket brings no more.
    ///
    /// # Errors
    /// TLS did not say so: what came may be cut short.
    pub(crate) fn on_eof(&self) -> Result<(), Fault> {
        self.session.as_deref().map_or(Ok(()), Session::on_eof)
    }

    /// Sends what TLS itself has to say.
    fn send_records(&mut self, sock: Sock, io: &mut Io<'_>) {
        let records = &mut io.scratch.records;
        if records.is_empty() {
            return;
        }
        self.queue(records.len());
        io.engine.send(sock, io.blocks.write(records));
        io.scratch.records.clear();
    }
}

/// Encrypts pieces into memory that can be sent.
fn seal(session: &mut Session, pieces: &[&[u8]], now: Now, blocks: &Blocks) -> Result<Buf, Fault> {
    let data = pieces.iter().map(|piece| piece.len()).sum();
    let mut sealed = blocks.room(session.sealed_len(now, data));
    session.seal(now, pieces, &mut sealed)?;
    Ok(sealed.freeze())
}

/// Gives pieces on that follow one another, at most so many bytes at a time.
fn in_portions<E>(
    mut pieces: &mut [&[u8]],
    bytes_max: usize,
    mut take: impl FnMut(&[&[u8]]) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let mut room = bytes_max;
        let is_too_long = |piece: &&[u8]| match room.checked_sub(piece.len()) {
            Some(rest) => {
                room = rest;
                false
            }
            None => true,
        };
        let Some(at) = pieces.iter().position(is_too_long) else {
            return take(pieces);
        };
        let (now, later) = pieces[at].split_at(room);
        pieces[at] = now;
        take(&pieces[..=at])?;
        pieces[at] = later;
        pieces = &mut pieces[at..];
    }
}

fn clamped(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_cut_where_a_portion_is_full() {
        let cases: [(&[&str], &[&str]); 6] = [
            (&[], &[""]),
            (&["abc"], &["abc"]),
            (&["ab", "", "c"], &["ab||c"]),
            (&["ab", "cd", "e"], &["ab|c", "d|e"]),
            (&["abc", "def"], &["abc|", "def"]),
            (&["a", "bcdefgh"], &["a|bc", "def", "gh"]),
        ];
        for (pieces, portions) in cases {
            let mut pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            let mut taken = Vec::new();
            let end = in_portions(&mut pieces, 3, |portion| {
                taken.push(String::from_utf8(portion.join(&b'|')).unwrap());
                Ok::<_, ()>(())
            });
            assert_eq!(
                (end, taken),
                (Ok(()), portions.iter().map(|p| (*p).into()).collect())
            );
        }
    }
}
