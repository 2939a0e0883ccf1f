//! TLS between a socket and a codec, on either side: what came is opened where it lies, and what is to be
//! sent is sealed in one go.

use engines::{Blocks, Buf, BufMut};
use tls::{Facts, Fault, Now, Session, What};

/// Up to so many sealed bytes are copied into what messages share; more have memory of their own.
const SHARED_BYTES_MAX: usize = 3 << 10;

/// The TLS of one connection.
pub(crate) struct Secure {
    session: Session,
    is_closed: bool,
}

/// What came of received bytes.
pub(crate) enum Opened {
    /// The handshake is over.
    Established,
    /// Data; never empty.
    Data(BufMut),
    /// The peer sends no more.
    Closed,
}

impl Secure {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            is_closed: false,
        }
    }

    /// Takes what is next in received bytes; none once they are used up. What has to be sent because of it
    /// is added to `out`, also before a fault is told.
    pub(crate) fn open(
        &mut self,
        now: Now,
        data: &mut BufMut,
        out: &mut Vec<u8>,
    ) -> Option<Result<Opened, Fault>> {
        while !data.is_empty() {
            let step = match self.session.receive(now, data, out) {
                Ok(step) => step,
                Err(fault) => return Some(Err(fault)),
            };
            let mut part = data.split_to(step.used);
            match step.what {
                What::Nothing => {}
                What::Established => return Some(Ok(Opened::Established)),
                What::Data(range) if range.is_empty() => {}
                What::Data(range) => {
                    part.truncate(range.end);
                    part.skip(range.start);
                    return Some(Ok(Opened::Data(part)));
                }
                What::Joined(bytes) if bytes.is_empty() => {}
                What::Joined(bytes) => return Some(Ok(Opened::Data(bytes.into()))),
                What::Closed => {
                    self.is_closed = true;
                    return Some(Ok(Opened::Closed));
                }
            }
        }
        None
    }

    /// Seals pieces that follow one another; `scratch` is only room.
    ///
    /// # Errors
    /// The session sends no more.
    pub(crate) fn seal(
        &mut self,
        now: Now,
        pieces: &[&[u8]],
        blocks: &Blocks,
        scratch: &mut Vec<u8>,
    ) -> Result<Buf, Fault> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let sealed = self.session.sealed_len(now, len);
        if sealed > SHARED_BYTES_MAX {
            let mut own = vec![0; sealed];
            self.session.seal(now, pieces, &mut own)?;
            return Ok(own.into());
        }
        scratch.clear();
        scratch.resize(sealed, 0);
        self.session.seal(now, pieces, scratch)?;
        Ok(blocks.write(scratch))
    }

    /// Says that no more is sent (`close_notify`).
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        self.session.close(out);
    }

    /// The peer said that it sends no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// What the handshake agreed on, once it is over.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.session.facts().map(|facts| &**facts)
    }
}
