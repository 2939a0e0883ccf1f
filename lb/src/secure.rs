//! TLS between a socket and what reads and writes it: what connections and tunnels share.

use crate::config::EndpointTls;
use engines::{Blocks, Buf};
use tls::{Fault, Now, Session};

/// Begins TLS with an endpoint. `http2`: the connection is for HTTP/2, where clients decide about that.
///
/// # Errors
/// The session could not be set up.
pub(crate) fn connect(
    endpoint: &EndpointTls,
    http2: bool,
    now: Now,
    out: &mut Vec<u8>,
) -> Result<Session, Fault> {
    let (context, name) = (endpoint.tls.context(http2), endpoint.name.as_deref());
    Session::connect(&context, name, endpoint.tls.check_name, now, out)
}

/// Whether nothing has come on a client's session yet.
pub(crate) fn is_unused(session: &Session) -> bool {
    !session.is_partial() && session.offer().is_none() && !session.is_established()
}

/// Encrypts pieces that follow one another into memory that can be sent. Few bytes are encrypted in `short` and share
/// a write block.
///
/// # Errors
/// The session has failed, or its keys are used up.
pub(crate) fn seal(
    session: &mut Session,
    now: Now,
    blocks: &Blocks,
    short: &mut Vec<u8>,
    pieces: &[&[u8]],
) -> Result<Buf, Fault> {
    let data = pieces.iter().map(|piece| piece.len()).sum();
    let len = session.sealed_len(now, data);
    if len > blocks.short_bytes() {
        let mut sealed = vec![0; len];
        session.seal(now, pieces, &mut sealed)?;
        return Ok(Buf::from(sealed));
    }
    if short.len() < len {
        short.resize(len, 0);
    }
    session.seal(now, pieces, &mut short[..len])?;
    Ok(blocks.write(&short[..len]))
}
