//! Requests that come in (RFC 9113 §8.3.1, §8.5; RFC 8441).

use super::super::hpack::{FieldRef, Go, static_table};
use super::section::{Bounds, Fault, Section, Sink, bad};
use crate::bytes::{any, is_token};
use crate::fields::Span;
use crate::http1::field_rules::{has_port, is_authority, is_target};
use crate::kind::Kind;
use crate::{Head, Length, Version};

/// A request's section on its way into a head.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    head: &'a mut Head,
    section: Section,
    seen: u8,
    host: Option<Span>,
    expects_continue: bool,
}

/// What a request's head says beside what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) is_connect: bool,
    pub(crate) is_extended: bool,
    pub(crate) expects_continue: bool,
    pub(crate) body_left: Option<u64>,
    pub(crate) head_bytes: u32,
}

const METHOD: u8 = 1 << 0;
const SCHEME: u8 = 1 << 1;
const AUTHORITY: u8 = 1 << 2;
const PATH: u8 = 1 << 3;
const PROTOCOL: u8 = 1 << 4;

impl Sink for Request<'_> {
    #[inline]
    fn field(&mut self, field: FieldRef<'_>) -> Go {
        if !self.section.count(&field) {
            return Go::Skip;
        }
        let taken = match field.name {
            [b':', ..] => self.pseudo(field),
            _ => self.regular(field),
        };
        self.section.taken(taken)
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(head: &'a mut Head, bounds: Bounds) -> Self {
        Self {
            head,
            section: Section::new(bounds),
            seen: 0,
            host: None,
            expects_continue: false,
        }
    }

    fn pseudo(&mut self, field: FieldRef<'_>) -> Result<(), Fault> {
        let (value, head) = (field.value, &mut *self.head);
        match field.index {
            Some(static_table::METHOD) => {
                self.section.pseudo(&mut self.seen, METHOD)?;
                if !is_token(value) {
                    return bad("invalid-method");
                }
                head.set_method(value);
            }
            Some(static_table::SCHEME) => {
                self.section.pseudo(&mut self.seen, SCHEME)?;
                let known = [&b"http"[..], b"https"];
                let scheme = known.iter().find(|name| value.eq_ignore_ascii_case(name));
                let Some(scheme) = scheme else {
                    return bad("invalid-scheme");
                };
                head.set_scheme(scheme);
            }
            Some(static_table::AUTHORITY) => {
                self.section.pseudo(&mut self.seen, AUTHORITY)?;
                if !is_authority(value) {
                    return bad("invalid-authority");
                }
                head.set_authority(value);
            }
            Some(static_table::PATH) => {
                self.section.pseudo(&mut self.seen, PATH)?;
                if any(value, |byte| !is_target(byte)) {
                    return bad("invalid-target");
                }
                head.set_path(value);
            }
            _ if field.name == b":protocol" => {
                self.section.pseudo(&mut self.seen, PROTOCOL)?;
                if !is_token(value) || value.eq_ignore_ascii_case(b"h2c") {
                    return bad("http2-invalid-protocol");
                }
                head.set_upgrade(value);
            }
            // RFC 9113 §8.3: unknown ones, and those of answers.
            _ => return bad("http2-unknown-pseudo-field"),
        }
        Ok(())
    }

    #[inline]
    fn regular(&mut self, field: FieldRef<'_>) -> Result<(), Fault> {
        let kind = self.section.regular(&field)?;
        if kind == Kind::Host {
            return self.take_host(field.value);
        }
        if kind == Kind::Expect {
            if !field.value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::Status(417, "unknown-expectation"));
            }
            // RFC 9110 §10.1.1: the codec tells the client to go on, nobody else has to.
            self.expects_continue = true;
            return Ok(());
        }
        self.section.common(kind, &field, &mut self.head.fields)
    }

    fn take_host(&mut self, host: &[u8]) -> Result<(), Fault> {
        if self.host.is_some() {
            return bad("repeated-host");
        }
        if !is_authority(host) {
            return bad("invalid-host");
        }
        self.host = Some(self.head.fields.store(host));
        Ok(())
    }

    /// What the fields mean together.
    pub(crate) fn finish(mut self, end: bool, allows_connect: bool) -> Result<Asked, Fault> {
        self.section.finish(&mut self.head.fields)?;
        self.check_host()?;
        let is_connect = self.head.method() == b"CONNECT";
        let is_extended = self.seen & PROTOCOL != 0;
        match (is_connect, is_extended) {
            (true, false) => self.check_connect()?,
            (false, false) => self.check_target()?,
            (true, true) if allows_connect => self.check_extended()?,
            // RFC 8441 §3, §4: only CONNECT, and only if it was offered.
            (_, true) => return bad("http2-extended-connect-not-offered"),
        }
        self.head.version = Version::Http2;
        self.head.length = self.section.body_length(end);
        // RFC 9113 §8.1.1: the length has to match what comes.
        if end && matches!(self.head.length, Length::Known(1..)) {
            return bad("http2-body-shorter-than-content-length");
        }
        if is_connect {
            if self.section.content_length_told().is_some() {
                return bad("connect-with-body");
            }
            self.head.length = Length::None;
        }
        Ok(Asked {
            is_connect,
            is_extended,
            expects_continue: self.expects_continue && !end,
            body_left: self.section.content_length_told(),
            head_bytes: self.section.bytes(),
        })
    }

    /// RFC 9113 §8.3.1: Host stands in for :authority, and must not contradict it.
    fn check_host(&mut self) -> Result<(), Fault> {
        let Some(host) = self.host else {
            return Ok(());
        };
        match (self.head.authority(), self.head.fields.at(host)) {
            (b"", _) => {
                self.head.move_authority(host);
                Ok(())
            }
            (authority, host) if host.eq_ignore_ascii_case(authority) => Ok(()),
            _ => bad("http2-host-contradicts-authority"),
        }
    }

    /// RFC 9113 §8.3.1: exactly one method, scheme and path; `http` and `https` need an authority.
    fn check_target(&self) -> Result<(), Fault> {
        let wanted = METHOD | SCHEME | PATH;
        if self.seen & wanted != wanted {
            return bad("http2-missing-pseudo-field");
        }
        if self.head.authority().is_empty() {
            return bad("missing-host");
        }
        match self.head.path() {
            [b'/', ..] => Ok(()),
            b"*" if self.head.method() == b"OPTIONS" => Ok(()),
            _ => bad("invalid-target"),
        }
    }

    /// RFC 9113 §8.5: the authority alone, and there is no default port.
    fn check_connect(&self) -> Result<(), Fault> {
        let is_bare = self.seen & (SCHEME | PATH) == 0;
        match is_bare && has_port(self.head.authority()) {
            true => Ok(()),
            false => bad("invalid-connect-target"),
        }
    }

    /// RFC 8441 §4: scheme, path and authority as in any request. From here on it is what HTTP/1 knows.
    fn check_extended(&mut self) -> Result<(), Fault> {
        self.check_target()?;
        self.head.set_method(b"GET");
        Ok(())
    }
}
