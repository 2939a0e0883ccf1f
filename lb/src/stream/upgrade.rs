//! Upgrades: a request that asks for its connection to become a tunnel of bytes (RFC 9110 §7.8), in
//! HTTP/2 its stream (RFC 8441).
//!
//! Every codec shows one as a GET with the `upgrade` slot, answered by 101. Until the answer is there
//! nothing of the tunnel goes upstream; another answer ends the request.

use super::{Flags, Stream, StreamKey};
use crate::{
    config::HttpConfig,
    conn::ConnKey,
    limits,
    route::Action,
    worker::{Todo, Worker},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use codecs::{Head, Length, Version};
use engines::Rng;
use sha1::{Digest, Sha1};
use std::time::Instant;

/// Whether a stream is to be a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// The request asks for it, and some route of the listener lets it.
    Asked,
    #[default]
    None,
    /// It is one: bytes go both ways, and each side ends by itself.
    Open,
}

/// What becomes of a request's wish for an upgrade.
enum Wish {
    Granted,
    Ignored,
    /// There is none.
    None,
    Refused,
}

const KEY: &[u8] = b"sec-websocket-key";
const ACCEPT: &[u8] = b"sec-websocket-accept";
/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

impl Upgrade {
    /// What a request's head asks for. One with a body is no upgrade for us: it goes on without.
    pub(super) fn of(head: &Head, http: &HttpConfig) -> Self {
        let asks = !head.upgrade().is_empty() && head.length == Length::None;
        match asks && http.route_upgrades.allows(head.upgrade()) {
            true => Self::Asked,
            false => Self::None,
        }
    }
}

impl Stream {
    /// What becomes of the upgrade that it asks for on the route that it takes. Other routes do not count.
    #[inline]
    fn wish(&self) -> Wish {
        let Some(id) = self.record.route.filter(|_| self.upgrade == Upgrade::Asked) else {
            return Wish::None;
        };
        let (route, name) = (self.epoch.route(self.place, id), self.head.upgrade());
        let is_ours = self.epoch.http(self.place).upgrades.allows(name);
        match &route.action {
            _ if route.allows_upgrade(name) => Wish::Granted,
            // RFC 8441 §5: a success would tell the client that it has its tunnel.
            _ if self.head.version == Version::Http2 => Wish::Refused,
            Action::Forward(_) if is_ours => Wish::Refused,
            Action::Forward(_) | Action::Direct { .. } => Wish::Ignored,
        }
    }

    /// Settles the wish for an upgrade by the route; false: it is refused.
    #[inline]
    pub(super) fn settle_wish(&mut self, now: Instant, rng: &mut Rng) -> bool {
        if self.upgrade != Upgrade::Asked {
            return true;
        }
        match self.wish() {
            Wish::None => {}
            Wish::Granted => add_key(&mut self.head, rng),
            Wish::Ignored => {
                // The request goes on as it is without one (RFC 9110 §7.8); it has no body.
                self.head.set_upgrade(b"");
                self.give_upgrade_up();
                self.record.request_done = self.record.moment(now);
            }
            Wish::Refused => return false,
        }
        true
    }

    /// Nothing of the request follows its head.
    pub(super) fn give_upgrade_up(&mut self) {
        if self.upgrade != Upgrade::None {
            self.upgrade = Upgrade::None;
            self.request.incoming_end = true;
        }
    }

    /// One direction of a tunnel has ended, the other has not.
    pub(super) fn is_half_open(&self) -> bool {
        self.upgrade == Upgrade::Open && !self.request.end_sent
    }

    /// Of a tunnel: whether its client has ended, and all of it is with the endpoint's connection.
    pub(super) fn tunnel_sent(&self) -> Option<bool> {
        (self.upgrade == Upgrade::Open).then_some(self.request.end_sent)
    }

    /// Takes a final answer's head for what it means to the upgrade.
    ///
    /// # Errors
    /// The endpoint did not understand what it accepts.
    fn settle_upgrade(&mut self, answer: &mut Head) -> Result<(), &'static str> {
        if answer.status != 101 {
            let is_connect = self.head.version == Version::Http2;
            self.give_upgrade_up();
            // RFC 8441 §5: a success would tell the client that it has its tunnel.
            let is_misread = is_connect && (200..300).contains(&answer.status);
            return (!is_misread).then_some(()).ok_or("upgrade-not-accepted");
        }
        check_accept(&self.head, answer)?;
        self.upgrade = Upgrade::Open;
        (self.deadlines.route, self.deadlines.request) = (None, None);
        let route = self.record.route.map(|id| self.epoch.route(self.place, id));
        if let Some(Action::Forward(forward)) = route.map(|route| &route.action) {
            self.idle_time = forward
                .idle_timeout
                .unwrap_or(Some(limits::TUNNEL_IDLE_TIME));
        }
        Ok(())
    }
}

impl Worker {
    /// A final answer's head arrived for a stream that asks for an upgrade; false: it is not valid, and
    /// the request has failed.
    pub(super) fn on_upgrade_answer(&mut self, key: StreamKey, answer: &mut Head) -> bool {
        let Some(stream) = self.streams.get_mut(key) else {
            return false;
        };
        if stream.upgrade != Upgrade::Asked {
            return true;
        }
        let (place, result) = (stream.place, stream.settle_upgrade(answer));
        match result {
            Ok(()) if stream.upgrade == Upgrade::Open => {
                let stats = self.listener_stats(place);
                stats.upgrades.inc();
                stats.upgrades_active.inc();
            }
            Ok(()) => {}
            Err(detail) => {
                stream.record.flags.set(Flags::UPSTREAM_PROTOCOL);
                self.on_upstream_failed(key, super::Failure::Malformed(detail));
            }
        }
        result.is_ok()
    }

    /// The answer that opens a tunnel went out: what the client sent behind its request is decoded.
    pub(super) fn release_held(&mut self, key: ConnKey) {
        if let Some(conn) = self.net.conns.get_mut(key)
            && conn.unhold()
        {
            self.todo.push_back(Todo::Decode(key));
        }
    }

    /// One direction of a tunnel was sent whole: a connection that carries nothing else is half-closed.
    pub(super) fn end_tunnel_half(&mut self, stream: StreamKey, key: ConnKey) {
        let stream = self.streams.get(stream);
        if !stream.is_some_and(|stream| stream.upgrade == Upgrade::Open) {
            return;
        }
        let Some(conn) = self.net.conns.get(key) else {
            return;
        };
        if conn.is_open() && conn.codec.is_finished() {
            self.net.finish(key);
        }
    }
}

/// A WebSocket request for HTTP/1 has a key; one that came by HTTP/2 has none that counts (RFC 8441 §5).
fn add_key(head: &mut Head, rng: &mut Rng) {
    let lacks_key = head.version == Version::Http2 || head.fields.get(KEY).is_none();
    if head.upgrade().eq_ignore_ascii_case(b"websocket") && lacks_key {
        let nonce = [rng.next_u64().to_le_bytes(), rng.next_u64().to_le_bytes()].concat();
        let key = BASE64_STANDARD.encode(nonce);
        head.fields.set(KEY, key.as_bytes());
    }
}

/// RFC 6455 §4.2.2: the answer proves that the key was understood. One that came by HTTP/2 has no such
/// proof, and the client is given it here.
fn check_accept(request: &Head, answer: &mut Head) -> Result<(), &'static str> {
    if !request.upgrade().eq_ignore_ascii_case(b"websocket") {
        return Ok(());
    }
    let Some(key) = request.fields.get(KEY) else {
        return Ok(());
    };
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let wanted = BASE64_STANDARD.encode(digest);
    match answer.fields.get(ACCEPT) {
        None if answer.version == Version::Http2 => {
            answer.fields.append(ACCEPT, wanted.as_bytes());
            Ok(())
        }
        Some(given) if given == wanted.as_bytes() => Ok(()),
        Some(_) | None => Err("websocket-accept-mismatch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(version: Version, fields: &[(&[u8], &[u8])]) -> Head {
        let mut head = Head::default();
        head.version = version;
        head.set_upgrade(b"WebSocket");
        for (name, value) in fields {
            head.fields.append(name, value);
        }
        head
    }

    /// RFC 6455 §1.3.
    const GIVEN: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
    const WANTED: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn an_answer_proves_that_the_key_was_understood() {
        let request = head(Version::Http11, &[(KEY, GIVEN)]);
        for (version, fields, want) in [
            (Version::Http11, &[(ACCEPT, WANTED)][..], true),
            (Version::Http11, &[(ACCEPT, GIVEN)][..], false),
            (Version::Http11, &[][..], false),
            (Version::Http2, &[][..], true),
            (Version::Http2, &[(ACCEPT, GIVEN)][..], false),
        ] {
            let mut answer = head(version, fields);
            assert_eq!(check_accept(&request, &mut answer).is_ok(), want);
            assert!(!want || answer.fields.get(ACCEPT) == Some(WANTED));
        }
    }

    #[test]
    fn a_key_is_made_where_the_client_sent_none() {
        let mut rng = Rng::seeded(7);
        let mut own = head(Version::Http11, &[(KEY, GIVEN)]);
        add_key(&mut own, &mut rng);
        assert_eq!(own.fields.all(KEY).collect::<Vec<_>>(), [GIVEN]);
        let mut made = head(Version::Http2, &[]);
        add_key(&mut made, &mut rng);
        let key = made.fields.get(KEY).map(|key| BASE64_STANDARD.decode(key));
        assert_eq!(key.and_then(Result::ok).map(|nonce| nonce.len()), Some(16));
        let mut other = Head::default();
        other.set_upgrade(b"chat");
        add_key(&mut other, &mut rng);
        assert!(other.fields.is_empty());
    }
}
