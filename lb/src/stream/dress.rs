//! The fields that the connection manager adds to a request and to its answer.

use super::{StreamKey, Upgrade, client_cert};
use crate::{
    config::{HttpConfig, ServerHeader},
    conn::Side,
    limits,
    short_text::ShortText,
    worker::Worker,
};
use codecs::{Fields, Length};

impl Worker {
    /// The fields that the connection manager adds before anything else sees the request.
    pub(super) fn dress_request(&mut self, key: StreamKey, http: &HttpConfig) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(conn) = self.net.conns.get_mut(stream.down.conn) else {
            return;
        };
        let Side::Down { addresses, .. } = &conn.side else {
            return;
        };
        let head = &mut stream.head;
        if stream.upgrade == Upgrade::None {
            // It is not let through: the request goes on as it is without one (RFC 9110 §7.8).
            head.set_upgrade(b"");
        }
        if http.use_remote_address {
            let is_ours = |name: &[u8]| name.starts_with(b"x-envoy-");
            if head.fields.names().any(is_ours) {
                head.fields.retain(|name, _| !is_ours(name));
            }
            if !http.skip_xff_append
                && let Some(peer) = addresses.peer().inet()
            {
                append_forwarded_for(&mut head.fields, peer.ip());
            }
        }
        // A target's scheme is the client's word only.
        let proto: &[u8] = if stream.tls.is_some() {
            b"https"
        } else {
            b"http"
        };
        if http.use_remote_address && http.trusted_hops == 0 {
            head.fields.set(b"x-forwarded-proto", proto);
        } else if head.fields.get(b"x-forwarded-proto").is_none() {
            head.fields.append(b"x-forwarded-proto", proto);
        }
        client_cert::forward(
            &mut head.fields,
            &http.client_cert,
            stream.tls.as_deref(),
            conn,
        );
        // The id of a client is replaced; one of a proxy before us names the same request.
        let is_clients = http.use_remote_address && !http.preserve_request_id;
        if http.generate_request_id && (is_clients || head.fields.get(b"x-request-id").is_none()) {
            head.fields
                .set(b"x-request-id", &crate::request_id::generate(&mut self.rng));
        }
    }

    /// Encodes the answer's head, with the fields that the connection manager adds.
    pub(super) fn send_answer_head(&mut self, key: StreamKey) {
        let date = self.date.at(self.net.engine.wall());
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let Some(head) = stream.answer.as_mut() else {
            return;
        };
        let epoch = stream.epoch.clone();
        let http = epoch.http(stream.place);
        if head.fields.get(b"date").is_none() {
            head.fields.append(b"date", &date);
        }
        let name = http.server_name.as_bytes();
        match http.server_header {
            ServerHeader::Overwrite => head.fields.set(b"server", name),
            ServerHeader::AppendIfAbsent if head.fields.get(b"server").is_none() => {
                head.fields.append(b"server", name);
            }
            ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
        }
        let response = &mut stream.response;
        response.head_sent = true;
        let end = response.ready_end && response.ready.is_empty() && response.trailers.is_none();
        response.end_sent = end;
        stream.record.status = head.status;
        stream.record.response_started = stream.record.moment(self.now);
        stream.retry.kept.clear();
        let (down, unfinished) = (stream.down, !stream.request.incoming_end);
        let large =
            matches!(stream.head.length, Length::Known(n) if n > limits::DISCARD_BYTES_MAX as u64);
        let is_cut = stream.is_local && unfinished && !self.net.is_multiplexed(down.conn);
        if is_cut && (large || stream.record.status == 408) {
            // The rest of the request will not be read to its end, or did not come: the answer says
            // so.
            self.net.write(down.conn, |codec, out| codec.drain(out));
        }
        if let Some(head) = &stream.answer {
            self.net
                .write(down.conn, |codec, out| codec.head(down.id, head, end, out));
        }
    }
}

fn append_forwarded_for(fields: &mut Fields, peer: std::net::IpAddr) {
    let address = &ShortText::of_ip(peer);
    let Some(before) = fields.get(b"x-forwarded-for") else {
        return fields.append(b"x-forwarded-for", address);
    };
    let mut joined = before.to_vec();
    for more in fields.all(b"x-forwarded-for").skip(1) {
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(more);
    }
    joined.extend_from_slice(b", ");
    joined.extend_from_slice(address);
    fields.set(b"x-forwarded-for", &joined);
}
