//! Message heads: one arena of bytes and an index of fields, the same for every protocol.
//!
//! A head holds no framing and no hop-by-hop field: decoders take them out, encoders write them anew.
//! Field names are lower-case ASCII.

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

/// Fields in the order they came; names are lower-case.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    bytes: Vec<u8>,
    index: Vec<Field>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    len: u32,
}

impl Fields {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Adds a field at the end; the name is lower-cased.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        self.bytes[name.start as usize..].make_ascii_lowercase();
        let value = self.store(value);
        self.index.push(Field { name, value });
    }

    /// Replaces every field of that (lower-case) name by one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let Some(first) = self.position(name) else {
            return self.append(name, value);
        };
        self.index[first].value = self.store(value);
        let mut kept = 0;
        self.retain(|other, _| other != name || std::mem::replace(&mut kept, 1) == 0);
    }

    /// The value of the first field of that (lower-case) name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(name).map(|at| self.at(self.index[at].value))
    }

    /// The values of all fields of that (lower-case) name.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    /// Removes all fields of that (lower-case) name; true if there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let before = self.len();
        self.retain(|other, _| other != name);
        self.len() < before
    }

    /// Keeps the fields for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.index
            .retain(|field| keep(slice(bytes, field.name), slice(bytes, field.value)));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.index
            .iter()
            .map(|field| (self.at(field.name), self.at(field.value)))
    }

    /// Removes all fields; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }

    /// Bytes of memory the fields keep.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.index.capacity() * size_of::<Field>()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.index
            .iter()
            .position(|field| self.at(field.name) == name)
    }

    fn store(&mut self, value: &[u8]) -> Span {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(value);
        Span {
            start,
            len: u32::try_from(value.len()).unwrap_or(u32::MAX),
        }
    }

    fn at(&self, span: Span) -> &[u8] {
        slice(&self.bytes, span)
    }
}

fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..(span.start + span.len) as usize]
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

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
    fn fields_keep_order_and_set_replaces_all_of_a_name() {
        let mut fields = Fields::default();
        for (name, value) in [("A", "1"), ("b", "2"), ("a", "3")] {
            fields.append(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(fields.all(b"a").collect::<Vec<_>>(), [b"1", b"3"]);
        fields.set(b"a", b"4");
        fields.set(b"c", b"5");
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [(&b"a"[..], &b"4"[..]), (b"b", b"2"), (b"c", b"5")]);
        assert!(fields.remove(b"b") && !fields.remove(b"b"));
    }

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
