//! The body of a ClientHello.

use super::{Offer, name};

type Read<T> = Result<T, &'static str>;

const SHORT: &str = "the ClientHello ends too early";

/// Extensions that are read (IANA registry of TLS extensions).
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SUPPORTED_GROUPS: u16 = 10;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const EARLY_DATA: u16 = 42;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
}

/// RFC 8446 §4.1.2.
pub(crate) fn read(bytes: &[u8]) -> Read<Offer> {
    let mut body = Bytes(bytes);
    let legacy_version = body.number()?;
    body.take(32)?;
    if body.vector8()?.0.len() > 32 {
        return Err("a session ID of more than 32 bytes");
    }
    let mut offer = Offer {
        version_max: legacy_version,
        suites: body.vector16()?.numbers()?,
        ..Offer::default()
    };
    if body.vector8()?.0.is_empty() {
        return Err("no compression method");
    }
    if !body.0.is_empty() {
        read_extensions(body.vector16()?, &mut offer)?;
    }
    match body.0.is_empty() {
        true => Ok(offer),
        false => Err("bytes behind the ClientHello's extensions"),
    }
}

fn read_extensions(mut list: Bytes<'_>, offer: &mut Offer) -> Read<()> {
    let mut seen = Vec::new();
    while !list.0.is_empty() {
        let (kind, value) = (list.number()?, list.vector16()?);
        seen.push(kind);
        read_extension(kind, value, offer)?;
    }
    seen.sort_unstable();
    match seen.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err("an extension that comes twice"),
        false => Ok(()),
    }
}

fn read_extension(kind: u16, mut value: Bytes<'_>, offer: &mut Offer) -> Read<()> {
    match kind {
        extension::SERVER_NAME => offer.sni = read_names(value.vector16()?)?,
        extension::SUPPORTED_GROUPS => offer.groups = value.vector16()?.numbers()?,
        extension::SIGNATURE_ALGORITHMS => offer.schemes = value.vector16()?.numbers()?,
        extension::ALPN => offer.alpn = read_protocols(value.vector16()?)?,
        extension::EARLY_DATA => offer.has_early_data = true,
        extension::SUPPORTED_VERSIONS => {
            let versions = value.vector8()?.numbers()?;
            offer.version_max = versions.into_iter().max().unwrap_or(0);
        }
        _ => return Ok(()),
    }
    match value.0.is_empty() {
        true => Ok(()),
        false => Err("bytes behind an extension"),
    }
}

/// RFC 6066 §3: one host name; names of other types, of which there are none, are left out.
fn read_names(mut list: Bytes<'_>) -> Read<Option<Box<str>>> {
    let mut found = None;
    while !list.0.is_empty() {
        let (kind, value) = (list.take(1)?[0], list.vector16()?);
        if kind == 0 && found.replace(name::read(value.0)?).is_some() {
            return Err("two host names");
        }
    }
    Ok(found.flatten())
}

fn read_protocols(mut list: Bytes<'_>) -> Read<Vec<Box<[u8]>>> {
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.vector8()?.0;
        match protocol {
            [] => return Err("an empty protocol name"),
            [high, low] if is_grease(u16::from_be_bytes([*high, *low])) => {}
            _ => protocols.push(protocol.into()),
        }
    }
    Ok(protocols)
}

/// RFC 8701 §2.
fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Read<u16> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(SHORT)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*taken))
    }

    /// A vector whose length is one byte.
    fn vector8(&mut self) -> Read<Self> {
        let len = self.take(1)?[0];
        self.take(len.into()).map(Self)
    }

    /// A vector whose length is two bytes.
    fn vector16(&mut self) -> Read<Self> {
        let len = self.number()?;
        self.take(len.into()).map(Self)
    }

    /// All of it as numbers of two bytes, GREASE left out.
    fn numbers(self) -> Read<Vec<u16>> {
        let (pairs, rest) = self.0.as_chunks();
        if !rest.is_empty() {
            return Err("a list of numbers with half of one");
        }
        let numbers = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        Ok(numbers.filter(|code| !is_grease(*code)).collect())
    }
}
