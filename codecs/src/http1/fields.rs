//! The fields that speak of the connection or the framing, and what may not be in trailers.
//!
//! Whatever could be read in two ways is refused here (RFC 9112 §6.3, §11.2).

use super::{bad, refused, target};
use crate::bytes::{is_token, is_token_byte};
use crate::kind::Kind;
use crate::{Fields, Length, Malformed, Version};

/// Options other than ours that one head's Connection fields may name.
const NAMED_MAX: usize = 16;

/// What the special fields of a head say.
#[derive(Debug, Default)]
pub(super) struct Special<'a> {
    pub(super) host: Option<&'a [u8]>,
    pub(super) expects_continue: bool,
    pub(super) wants_trailers: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    length: Option<u64>,
    has_codings: bool,
    is_chunked: bool,
    wants_upgrade: bool,
    upgrade: Option<&'a [u8]>,
    has_unknown_coding: bool,
    named: [&'a [u8]; NAMED_MAX],
    named_len: usize,
}

impl<'a> Special<'a> {
    /// The body's length by RFC 9112 §6.3. HTTP/1.0 knows no transfer codings (§6.1).
    pub(super) fn body_length(&self, version: Version) -> Result<Length, Malformed> {
        match self.length {
            _ if self.has_codings && version == Version::Http10 => {
                Err(bad("transfer-encoding-in-http-1.0"))
            }
            Some(_) if self.has_codings => Err(bad("length-and-transfer-encoding")),
            _ if self.has_unknown_coding => Err(refused(501, "unknown-transfer-coding")),
            _ if self.is_chunked => Ok(Length::Unknown),
            Some(length) => Ok(Length::Known(length)),
            None => Ok(Length::None),
        }
    }

    /// Reads a special field.
    pub(super) fn add(&mut self, kind: Kind, value: &'a [u8]) -> Result<(), Malformed> {
        match kind {
            Kind::HopByHop | Kind::Invalid | Kind::Plain => Ok(()),
            Kind::Lookalike => Err(bad("ambiguous-field-name")),
            Kind::Connection => self.add_connection(value),
            Kind::ContentLength => {
                let is_first = self.length.replace(length(value)?).is_none();
                is_first.then_some(()).ok_or(bad("repeated-content-length"))
            }
            Kind::Expect if value.eq_ignore_ascii_case(b"100-continue") => {
                self.expects_continue = true;
                Ok(())
            }
            Kind::Expect => Err(refused(417, "unknown-expectation")),
            Kind::Host => {
                let is_first = self.host.replace(value).is_none();
                is_first.then_some(()).ok_or(bad("repeated-host"))
            }
            Kind::Te => {
                self.wants_trailers |=
                    members(value).any(|te| te.eq_ignore_ascii_case(b"trailers"));
                Ok(())
            }
            Kind::TransferEncoding => self.add_codings(value),
            Kind::Upgrade => {
                self.upgrade = self.upgrade.or(Some(value));
                Ok(())
            }
        }
    }

    /// RFC 9110 §7.6.1. Naming a field that frames or routes the message is refused, because peers
    /// disagree on what is left; naming one meant for every recipient is ignored.
    fn add_connection(&mut self, value: &'a [u8]) -> Result<(), Malformed> {
        for option in members(value).filter(|option| !option.is_empty()) {
            let is = |text: &str| option.eq_ignore_ascii_case(text.as_bytes());
            if !is_token(option) {
                return Err(bad("invalid-connection-option"));
            } else if is("close") {
                self.close = true;
            } else if is("keep-alive") {
                self.keep_alive = true;
            } else if is("upgrade") {
                self.wants_upgrade = true;
            } else if ["content-length", "host", "transfer-encoding"]
                .into_iter()
                .any(is)
            {
                return Err(bad("connection-names-framing"));
            } else if !END_TO_END.iter().any(|name| is(name)) {
                self.name(option)?;
            }
        }
        Ok(())
    }

    fn name(&mut self, option: &'a [u8]) -> Result<(), Malformed> {
        let slot = self.named.get_mut(self.named_len);
        *slot.ok_or(bad("too-many-connection-options"))? = option;
        self.named_len += 1;
        Ok(())
    }

    /// RFC 9112 §6.1: `chunked` once, last and bare; we know no other coding.
    fn add_codings(&mut self, value: &[u8]) -> Result<(), Malformed> {
        self.has_codings = true;
        for coding in members(value) {
            let name = coding
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default();
            let is_chunked = trim(name).eq_ignore_ascii_case(b"chunked");
            if !is_token(trim(name)) || self.is_chunked || is_chunked && name.len() < coding.len() {
                return Err(bad("invalid-transfer-encoding"));
            }
            self.is_chunked |= is_chunked;
            self.has_unknown_coding |= !is_chunked;
        }
        Ok(())
    }

    /// The protocol asked for. `h2c` is never asked for through us: the peer behind would leave the
    /// reach of every check (RFC 9113 §3.1 made it obsolete).
    pub(super) fn upgrade(&self) -> Option<&'a [u8]> {
        let value = self.upgrade.filter(|_| self.wants_upgrade)?;
        let is_name = |name: &[u8]| {
            name.iter()
                .all(|byte| is_token_byte(*byte) || *byte == b'/')
        };
        let is_good = |name: &[u8]| is_name(name) && !name.eq_ignore_ascii_case(b"h2c");
        (!value.is_empty() && members(value).all(is_good)).then_some(value)
    }

    /// Takes out what `Connection` named, and says what we say of trailers.
    pub(super) fn finish(&self, fields: &mut Fields) {
        let named = &self.named[..self.named_len];
        if !named.is_empty() {
            let is_named = |name: &[u8]| named.iter().any(|named| named.eq_ignore_ascii_case(name));
            fields.retain(|name, _| !is_named(name));
        }
        if self.wants_trailers {
            fields.append(b"te", b"trailers");
        }
    }

    /// The Host field of a request, checked; HTTP/1.0 may have none.
    pub(super) fn checked_host(&self, is_http_10: bool) -> Result<&'a [u8], Malformed> {
        match self.host {
            Some(host) if target::is_authority(host) => Ok(host),
            Some(_) => Err(bad("invalid-host")),
            None if is_http_10 => Ok(b""),
            None => Err(bad("missing-host")),
        }
    }
}

/// Fields that Connection may not take away: they are meant for all recipients, and a peer behind us
/// may rest its trust on them.
const END_TO_END: &[&str] = &[
    "authorization",
    "cache-control",
    "cookie",
    "date",
    "forwarded",
    "set-cookie",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

/// RFC 9110 §6.5.1: a field of this kind would frame the message anew.
pub(crate) fn refuses_trailer(kind: Kind) -> bool {
    match kind {
        Kind::ContentLength | Kind::Host | Kind::Lookalike | Kind::TransferEncoding => true,
        Kind::Connection
        | Kind::Expect
        | Kind::HopByHop
        | Kind::Invalid
        | Kind::Plain
        | Kind::Te
        | Kind::Upgrade => false,
    }
}

/// Whether a plain field may be in trailers (RFC 9110 §6.5.1): no routing, request modifiers,
/// authentication, response control or content processing.
pub(crate) fn keeps_trailer(name: &[u8]) -> bool {
    let is_begun = |text: &&[u8]| name.starts_with(text);
    !NO_TRAILERS.contains(&name) && ![&b"if-"[..], b"x-forwarded-"].iter().any(is_begun)
}

const NO_TRAILERS: &[&[u8]] = &[
    b"age",
    b"authentication-info",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"date",
    b"expires",
    b"forwarded",
    b"location",
    b"max-forwards",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"range",
    b"retry-after",
    b"set-cookie",
    b"trailer",
    b"vary",
    b"via",
    b"warning",
    b"www-authenticate",
    b"x-real-ip",
];

/// A Content-Length value: digits only (RFC 9110 §8.6).
pub(crate) fn length(value: &[u8]) -> Result<u64, Malformed> {
    let invalid = bad("invalid-content-length");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(invalid);
    }
    let add = |number: u64, byte: &u8| number.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
    value.iter().try_fold(0, add).ok_or(invalid)
}

/// The members of a comma-separated list, empty ones included.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// Without optional whitespace (RFC 9110 §5.6.3).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let mut value = trim_start(value);
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

pub(super) fn trim_start(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    value
}

pub(crate) fn is_trimmed(value: &[u8]) -> bool {
    !matches!(value, [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Kind {
        Kind::of(name.to_ascii_lowercase().as_bytes())
    }

    fn gather<'a>(fields: &[(&str, &'a str)]) -> Result<Special<'a>, (u16, &'static str)> {
        let mut special = Special::default();
        for (name, value) in fields {
            let added = special.add(kind(name), value.as_bytes());
            added.map_err(|why| (why.status, why.detail))?;
        }
        Ok(special)
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        let te = "Transfer-Encoding";
        let cl = "Content-Length";
        for (fields, status) in [
            (&[(cl, "1"), (te, "chunked")][..], 400),
            (&[(cl, "1"), (cl, "1")], 400),
            (&[(cl, "1, 1")], 400),
            (&[(cl, "")], 400),
            (&[(cl, "+1")], 400),
            (&[(cl, "-1")], 400),
            (&[(cl, "0x1")], 400),
            (&[(cl, "1 1")], 400),
            (&[(cl, "18446744073709551616")], 400),
            (&[("content_length", "1")], 400),
            (&[(te, "")], 400),
            (&[(te, "chunked, chunked")], 400),
            (&[(te, "chunked"), (te, "chunked")], 400),
            (&[(te, "chunked, gzip")], 400),
            (&[(te, "chunked;a=b")], 400),
            (&[(te, "chunked,")], 400),
            (&[(te, "\"chunked\"")], 400),
            (&[(te, "gzip, chunked")], 501),
            (&[(te, "identity")], 501),
            (&[(te, "xchunked")], 501),
            (&[("Connection", "close, host")], 400),
            (&[("Connection", "Content-Length")], 400),
            (&[("Connection", "transfer-encoding")], 400),
            (&[("Connection", "a b")], 400),
            (&[("Host", "a"), ("host", "a")], 400),
            (&[("Expect", "200-ok")], 417),
            (&[("Expect", "100-continue, a")], 417),
        ] {
            let length = |special: Special<'_>| {
                let length = special.body_length(Version::Http11);
                length.map_err(|why| (why.status, why.detail))
            };
            let got = gather(fields)
                .and_then(length)
                .map_err(|(status, _)| status);
            assert_eq!(got, Err(status), "{fields:?}");
        }
    }

    #[test]
    fn connection_takes_away_what_it_names_but_not_what_all_recipients_need() {
        let special = gather(&[("Connection", "X-Hop, ,cookie"), ("connection", "CLOSE")]).unwrap();
        assert!(special.close && !special.keep_alive);
        let mut fields = Fields::default();
        for name in [&b"X-Hop"[..], b"cookie", b"x"] {
            fields.append(name, b"1");
        }
        special.finish(&mut fields);
        let kept: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(kept, [&b"cookie"[..], b"x"]);
    }

    #[test]
    fn an_upgrade_needs_its_connection_option_and_is_never_h2c() {
        for (fields, want) in [
            (
                &[("Upgrade", "websocket"), ("Connection", "Upgrade")][..],
                Some("websocket"),
            ),
            (&[("Upgrade", "websocket")], None),
            (&[("Upgrade", "h2c"), ("Connection", "Upgrade")], None),
            (
                &[("Upgrade", "websocket, H2C"), ("Connection", "Upgrade")],
                None,
            ),
            (&[("Upgrade", "a b"), ("Connection", "Upgrade")], None),
        ] {
            let special = gather(fields).unwrap();
            assert_eq!(special.upgrade(), want.map(str::as_bytes), "{fields:?}");
        }
    }

    #[test]
    fn trailers_frame_and_route_nothing() {
        for (name, is_refused, is_kept) in [
            ("Content-Length", true, false),
            ("transfer-encoding", true, false),
            ("transfer_encoding", true, false),
            ("HOST", true, false),
            ("te", false, false),
            ("Expect", false, false),
            ("Authorization", false, false),
            ("If-Match", false, false),
            ("X-Forwarded-For", false, false),
            ("grpc-status", false, true),
            ("if", false, true),
        ] {
            let (kind, name) = (kind(name), name.to_ascii_lowercase());
            assert_eq!(refuses_trailer(kind), is_refused, "{name}");
            let is_plain = kind == Kind::Plain;
            assert_eq!(
                is_plain && keeps_trailer(name.as_bytes()),
                is_kept,
                "{name}"
            );
        }
    }
}
