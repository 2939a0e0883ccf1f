//! Message heads, the same for every protocol: fields, and slots in the arena of the fields.
//!
//! A head holds no framing and no hop-by-hop field: decoders take them out, encoders write them anew.
//! Field names are lower-case ASCII.

use crate::fields::{Fields, Span};

/// A request's or answer's head.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The fields, pseudo fields excluded.
    pub fields: Fields,
    method: Span,
    scheme: Span,
    authority: Span,
    path: Span,
    upgrade: Span,
    /// An answer's status; 0 for a request.
    pub status: u16,
    /// The version the message came in.
    pub version: Version,
    /// What is known of the body's length.
    pub length: Length,
    /// Length of the whole message if all of it lies in the input and may be forwarded as it is, else 0.
    pub raw: usize,
}

/// The protocol version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    /// As Envoy's `%PROTOCOL%` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// What is known of a body's length before it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Length {
    /// This many bytes.
    Known(u64),
    /// There is no body.
    #[default]
    None,
    /// There is one of unknown length.
    Unknown,
}

macro_rules! slots {
    ($($(#[$doc:meta])* $slot:ident, $set:ident;)*) => {$(
        $(#[$doc])*
        pub fn $slot(&self) -> &[u8] {
            self.fields.at(self.$slot)
        }

        /// Sets the slot of that name; empty: absent.
        pub fn $set(&mut self, value: &[u8]) {
            self.$slot = self.fields.store(value);
        }
    )*};
}

impl Head {
    slots! {
        /// The request's method; empty for an answer.
        method, set_method;
        /// The request's scheme, if it was told.
        scheme, set_scheme;
        /// The request's authority (`Host`); empty if there is none.
        authority, set_authority;
        /// The request's path with query, `*`, or empty for CONNECT.
        path, set_path;
        /// The protocol that the message asks to upgrade to; empty if none.
        upgrade, set_upgrade;
    }

    /// Makes what lies in the arena the authority.
    pub(crate) fn move_authority(&mut self, authority: Span) {
        self.authority = authority;
    }

    /// Empties the head for reuse; keeps its memory.
    pub fn clear(&mut self) {
        self.fields.clear();
        let fields = std::mem::take(&mut self.fields);
        *self = Self {
            fields,
            ..Self::default()
        };
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        self.status == 0
    }

    /// True for a 1xx answer other than 101, which another head follows.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// Bytes of memory the head keeps.
    pub fn bytes(&self) -> usize {
        self.fields.memory_bytes()
    }
}

/// A worker's free list of heads, so that a request in steady state allocates none.
#[derive(Debug, Default)]
pub struct Heads {
    #[expect(
        clippy::vec_box,
        reason = "heads travel boxed; unboxing here would allocate again"
    )]
    free: Vec<Box<Head>>,
    free_fields: Vec<Fields>,
}

/// Heads kept for reuse, and the memory of one above which it is let go.
const KEPT: usize = 256;
const KEPT_BYTES: usize = 8 << 10;

impl Heads {
    /// An empty head.
    pub fn take(&mut self) -> Box<Head> {
        self.free.pop().unwrap_or_default()
    }

    /// Gives a head back.
    pub fn put(&mut self, mut head: Box<Head>) {
        if self.free.len() < KEPT && head.bytes() <= KEPT_BYTES {
            head.clear();
            self.free.push(head);
        }
    }

    /// Empty fields, for trailers.
    pub fn take_fields(&mut self) -> Fields {
        self.free_fields.pop().unwrap_or_default()
    }

    /// Gives trailers back.
    pub fn put_fields(&mut self, mut fields: Fields) {
        if self.free_fields.len() < KEPT && fields.memory_bytes() <= KEPT_BYTES {
            fields.clear();
            self.free_fields.push(fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_head_is_empty() {
        let mut heads = Heads::default();
        let mut head = heads.take();
        head.set_method(b"GET");
        head.status = 200;
        heads.put(head);
        let head = heads.take();
        assert_eq!(
            (head.method(), head.status, head.fields.len()),
            (&b""[..], 0, 0)
        );
    }
}
