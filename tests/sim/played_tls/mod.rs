//! Played scenes of encrypted connections.

mod endings;
mod failures;
mod handshakes;
mod limits;
mod logs;

use crate::{
    secure::{
        certificates::{self, Issued},
        contexts::{asking, serving},
        plan::{client as towards, server as front},
        scripted::{Scripted, settle},
        talk::{Talk, is_alert},
    },
    stage::{Script, Stage},
};
use engines::Sock;
use ringlb::limits::{HANDSHAKES_MAX, LINGER_TIME};
use std::{sync::Arc, time::Duration};
use tls::{ClientAuth, ClientContext, ClientSettings, ServerContext, ServerSettings, Version};

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// An answer that the end of the connection ends.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\n\r\nhalf of it";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn status(text: &str) -> &str {
    text.split(' ').nth(1).unwrap_or_default()
}

/// Clients come with TLS; `more`: fields of the chain.
fn secure_front(more: &str) -> String {
    let own = front(
        &[&certificates::all().a],
        "alpn_protocols: [h2, http/1.1], ",
    );
    format!("{own}\n      {more}")
}

/// Clients have to present a certificate.
fn mutual_front() -> String {
    let trust = certificates::all().trust_yaml();
    let own = front(
        &[&certificates::all().a],
        &format!("validation_context: {trust}, "),
    );
    own.replacen("common_", "require_client_certificate: true, common_", 1)
}

fn asks(stage: &Stage, settings: ClientSettings) -> Arc<ClientContext> {
    ClientContext::new(&stage.provider, settings).unwrap()
}

fn serves(stage: &Stage, issued: &Issued) -> Arc<ServerContext> {
    ServerContext::new(&stage.provider, serving(issued)).unwrap()
}

/// A client whose handshake is over.
fn client(stage: &mut Stage) -> Scripted {
    let context = asks(stage, asking());
    let mut client = Scripted::client(stage, &context, "a.test");
    settle(stage, &mut [&mut client]);
    assert!(client.is_open(), "{:?}", client.fault);
    client
}

/// The endpoint's side of a connection, its handshake over.
fn endpoint(stage: &mut Stage, number: usize) -> Scripted {
    let context = serves(stage, &certificates::all().endpoint);
    let mut endpoint = Scripted::endpoint(stage, number, &context);
    settle(stage, &mut [&mut endpoint]);
    assert!(endpoint.is_open(), "{:?}", endpoint.fault);
    endpoint
}

fn fault(stage: &Stage, detail: &str) -> u64 {
    let at = tls::DETAILS.binary_search(&detail).unwrap();
    stage.stats.tls.faults[at].get()
}
