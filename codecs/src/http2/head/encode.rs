//! Heads and trailers that go out.
//!
//! A head may come from a filter, so nothing in it is trusted: what belongs to one hop is never
//! written, and no byte of a name or value can mean something else to who writes it as HTTP/1.

use super::super::hpack::{Encoder, Indexing};
use crate::bytes::{any, decimal_in, is_control, is_token, is_token_byte};
use crate::fields::{Field, write_text};
use crate::http1::field_rules::{is_target, keeps_trailer, trim, write_target};
use crate::kind::Kind;
use crate::{Fields, Head, Length};

/// Writes a request's section; `is_extended`: as an extended CONNECT (RFC 8441 §4).
pub(crate) fn request(coder: &mut Encoder, head: &Head, is_extended: bool, out: &mut Vec<u8>) {
    let method = head.method();
    let is_connect = method == b"CONNECT";
    coder.begin(out);
    match is_token(method) {
        _ if is_extended => coder.method(b"CONNECT", out),
        true => coder.method(method, out),
        false => {
            let bytes = method.iter().filter(|byte| is_token_byte(**byte));
            coder.method(&bytes.copied().collect::<Vec<_>>(), out);
        }
    }
    if is_extended {
        coder.field(b":protocol", head.upgrade(), Indexing::Auto, out);
    }
    // RFC 9113 §8.5: CONNECT has neither scheme nor path.
    if !is_connect {
        let scheme = match head.scheme() {
            b"https" => &b"https"[..],
            _ => b"http",
        };
        coder.scheme(scheme, out);
        path(coder, head, out);
    }
    let authority = match head.authority() {
        b"" => head.fields.get(b"host").unwrap_or_default(),
        authority => authority,
    };
    match any(authority, |byte| !is_target(byte)) {
        _ if authority.is_empty() => {}
        false => coder.authority(authority, out),
        true => coder.authority(&encoded(authority), out),
    }
    fields(coder, &head.fields, is_extended, out, |field| {
        match field.kind {
            Kind::Plain | Kind::Expect | Kind::Te => true,
            Kind::Connection
            | Kind::ContentLength
            | Kind::HopByHop
            | Kind::Host
            | Kind::Invalid
            | Kind::Lookalike
            | Kind::TransferEncoding
            | Kind::Upgrade => false,
        }
    });
    if let Length::Known(length) = head.length
        && !is_connect
        && !is_extended
    {
        content_length(coder, length, out);
    }
}

/// A path begins with a slash; `*` is for OPTIONS.
fn path(coder: &mut Encoder, head: &Head, out: &mut Vec<u8>) {
    let path = head.path();
    let is_good = match path {
        [b'/', ..] => !any(path, |byte| !is_target(byte)),
        b"*" => head.method() == b"OPTIONS",
        _ => false,
    };
    match (is_good, path) {
        (true, _) => coder.path(path, out),
        (false, [b'/', ..]) => coder.path(&encoded(path), out),
        (false, _) => coder.path(&[b"/", &*encoded(path)].concat(), out),
    }
}

fn encoded(target: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_target(target, &mut bytes);
    bytes
}

/// Writes an answer's section with the status that the stream has for it.
pub(crate) fn answer(
    coder: &mut Encoder,
    head: &Head,
    status: u16,
    is_tunnel: bool,
    out: &mut Vec<u8>,
) {
    coder.begin(out);
    coder.status(status, out);
    fields(coder, &head.fields, is_tunnel, out, |field| {
        field.kind == Kind::Plain
    });
    // RFC 9110 §8.6: neither 1xx nor 204, nor what begins a tunnel.
    let is_bare = status < 200 || status == 204 || is_tunnel;
    if let Length::Known(length) = head.length
        && !is_bare
    {
        content_length(coder, length, out);
    }
}

/// Writes a trailer section.
pub(crate) fn trailers(coder: &mut Encoder, from: &Fields, out: &mut Vec<u8>) {
    coder.begin(out);
    fields(coder, from, false, out, |field| {
        field.kind == Kind::Plain && keeps_trailer(from.name(field))
    });
}

fn content_length(coder: &mut Encoder, length: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let digits = decimal_in(length, &mut digits);
    coder.field(b"content-length", digits, Indexing::Auto, out);
}

fn fields(
    coder: &mut Encoder,
    from: &Fields,
    is_tunnel: bool,
    out: &mut Vec<u8>,
    is_wanted: impl Fn(&Field) -> bool,
) {
    for (field, name, value) in from.entries() {
        if !is_wanted(field) || is_tunnel && is_handshake(name) {
            continue;
        }
        // RFC 9113 §8.2.2: TE says nothing but `trailers`.
        let is_te = field.kind == Kind::Te;
        if is_te && !value.eq_ignore_ascii_case(b"trailers") {
            continue;
        }
        let how = match field.never_indexed {
            true => Indexing::Never,
            false => Indexing::Auto,
        };
        let value = trim(value);
        match field.is_clean() || !any(value, is_control) {
            true => coder.field(name, value, how, out),
            false => {
                let mut clean = Vec::new();
                write_text(value, &mut clean);
                coder.field(name, trim(&clean), how, out);
            }
        }
    }
}

/// What the handshake of HTTP/1 has and HTTP/2 does without (RFC 8441 §5).
fn is_handshake(name: &[u8]) -> bool {
    matches!(name, b"sec-websocket-key" | b"sec-websocket-accept")
}
