//! Header blocks (RFC 7541): written by code of our own in every permitted way, read by a decoder that
//! is not ours.

use engines::Rng;
use std::collections::VecDeque;

pub(crate) type Fields = Vec<(String, String)>;

/// Entries of the static table (RFC 7541 appendix A) that are referred to.
const STATIC: &[(usize, &str, &str)] = &[
    (1, ":authority", ""),
    (2, ":method", "GET"),
    (3, ":method", "POST"),
    (4, ":path", "/"),
    (6, ":scheme", "http"),
    (8, ":status", "200"),
    (9, ":status", "204"),
    (11, ":status", "304"),
    (28, "content-length", ""),
    (31, "content-type", ""),
    (32, "cookie", ""),
];
const STATIC_LEN: usize = 61;

/// Writes header blocks.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// The newest entry comes first.
    table: VecDeque<(String, String)>,
    size: usize,
    max: usize,
    /// What the peer allows.
    allowed: usize,
    /// Sizes that the next block begins with.
    updates: Vec<usize>,
    /// Nothing but literals without indexing.
    plain: bool,
}

impl Encoder {
    pub(crate) fn new(plain: bool) -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            max: 4096,
            allowed: 4096,
            updates: Vec::new(),
            plain,
        }
    }

    /// The peer allows another size. A smaller one has to be taken (RFC 7541 §4.2).
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.allowed = bytes.min(65_536);
        if self.allowed < self.max {
            self.resize(self.allowed);
        }
    }

    /// Chooses another size, of those that are allowed.
    pub(crate) fn resize(&mut self, bytes: usize) {
        self.max = bytes.min(self.allowed);
        self.evict();
        // RFC 7541 §4.2: the smallest size in between, then the last one.
        match self.updates.as_mut_slice() {
            [] => self.updates.push(self.max),
            [least, ..] if self.max <= *least => self.updates = vec![self.max],
            [_, last] => *last = self.max,
            [..] => self.updates.push(self.max),
        }
    }

    fn evict(&mut self) {
        while self.size > self.max {
            let Some((name, value)) = self.table.pop_back() else {
                return;
            };
            self.size -= name.len() + value.len() + 32;
        }
    }

    pub(crate) fn encode(&mut self, fields: &Fields, rng: &mut Rng) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.plain && rng.chance(1, 30) {
            self.resize(rng.below(5000) as usize);
        }
        for size in std::mem::take(&mut self.updates) {
            integer(&mut out, 0x20, 5, size);
        }
        for (name, value) in fields {
            self.field(name, value, rng, &mut out);
        }
        out
    }

    fn field(&mut self, name: &str, value: &str, rng: &mut Rng, out: &mut Vec<u8>) {
        if self.plain {
            return literal(out, 0x00, 4, 0, name, value);
        }
        let (whole, named) = self.find(name, value);
        if let Some(index) = whole.filter(|_| rng.chance(3, 4)) {
            return integer(out, 0x80, 7, index);
        }
        let named = named.filter(|_| rng.chance(3, 4)).unwrap_or(0);
        match rng.below(4) {
            0 => literal(out, 0x00, 4, named, name, value),
            1 => literal(out, 0x10, 4, named, name, value),
            _ => {
                literal(out, 0x40, 6, named, name, value);
                self.size += name.len() + value.len() + 32;
                self.table.push_front((name.into(), value.into()));
                self.evict();
            }
        }
    }

    /// The index of the field, and that of its name.
    fn find(&self, name: &str, value: &str) -> (Option<usize>, Option<usize>) {
        let (mut whole, mut named) = (None, None);
        let known = STATIC.iter().map(|(index, n, v)| (*index, *n, *v));
        let own = self.table.iter().enumerate();
        let own = own.map(|(at, (n, v))| (STATIC_LEN + 1 + at, n.as_str(), v.as_str()));
        for (index, n, v) in own.chain(known) {
            if n == name {
                named = Some(index);
                whole = whole.or((v == value && !v.is_empty()).then_some(index));
            }
        }
        (whole, named)
    }
}

fn integer(out: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        return out.push(first | value as u8);
    }
    out.push(first | most as u8);
    let mut left = value - most;
    while left >= 128 {
        out.push(0x80 | (left % 128) as u8);
        left /= 128;
    }
    out.push(left as u8);
}

fn literal(out: &mut Vec<u8>, first: u8, bits: u32, named: usize, name: &str, value: &str) {
    integer(out, first, bits, named);
    if named == 0 {
        integer(out, 0, 7, name.len());
        out.extend_from_slice(name.as_bytes());
    }
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value.as_bytes());
}

/// Reads header blocks, and sees to it that a smaller table is taken.
pub(crate) struct Decoder {
    inner: fluke_hpack::Decoder<'static>,
    /// The size that the peer uses.
    current: usize,
    /// The next block has to begin with a size of at most so many bytes.
    due: Option<usize>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder({})", self.current)
    }
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let mut inner = fluke_hpack::Decoder::new();
        inner.set_max_allowed_table_size(4096);
        Self {
            inner,
            current: 4096,
            due: None,
        }
    }

    /// The peer has acknowledged another size of its table.
    pub(crate) fn allow(&mut self, bytes: usize) {
        if bytes < self.current {
            self.due = Some(self.due.map_or(bytes, |due| due.min(bytes)));
        }
        self.inner.set_max_allowed_table_size(bytes);
    }

    /// # Errors
    /// What is wrong with the block.
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let sizes = sizes_of(block);
        if let Some(due) = self.due.take()
            && sizes.first().is_none_or(|size| *size > due)
        {
            return Err(format!("no table of {due} bytes was taken: {block:?}"));
        }
        self.current = sizes.last().copied().unwrap_or(self.current);
        let fields = self.inner.decode(block);
        let fields = fields.map_err(|why| format!("{why:?} in {block:?}"))?;
        let text = |bytes| String::from_utf8(bytes).map_err(|why| why.to_string());
        let both = |(name, value)| Ok((text(name)?, text(value)?));
        fields.into_iter().map(both).collect()
    }
}

/// The sizes of the table that a block begins with.
fn sizes_of(mut block: &[u8]) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let [first @ 0x20..0x40, rest @ ..] = block {
        let mut size = usize::from(first & 0x1f);
        block = rest;
        let mut shift = 0;
        while first & 0x1f == 0x1f
            && let [next, rest @ ..] = block
        {
            size += usize::from(next & 0x7f) << shift;
            (block, shift) = (rest, shift + 7);
            if next & 0x80 == 0 {
                break;
            }
        }
        sizes.push(size);
    }
    sizes
}
