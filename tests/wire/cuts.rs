//! What is cut is seen to be cut, by peers without TLS too: they get what was whole, then a reset.

use crate::support::{
    Client, Cluster, Origin, PATIENCE, Proxy, Setup,
    tls::{Endpoint, ONLY_13, Offer, bulk, offering},
    tls_config::{http_chain, serving, tcp_chain, trusting},
};
use engines::EngineKind;
use nix::sys::socket::{setsockopt, sockopt};
use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

on_each_engine!(
    a_plain_endpoint_sees_that_its_clients_tls_was_cut,
    a_plain_client_sees_that_its_endpoints_tls_was_cut,
    a_plain_client_sees_that_an_answer_without_length_was_cut,
    a_reset_passes_through_a_tunnel,
);

const DATA: u8 = 23;
/// Whoever has this knows that the tunnel is open.
const HELLO: &[u8] = b"hello";

/// A record of which a byte is wrong.
fn spoiled(mut record: Vec<u8>) -> Vec<u8> {
    if let Some(last) = record.last_mut() {
        *last ^= 1;
    }
    record
}

fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(stream, sockopt::Linger, &linger).unwrap();
}

/// Says hello; tells of each connection what came, and whether it ended regularly.
fn witness() -> (Origin, mpsc::Receiver<(String, bool)>) {
    let (told, all) = mpsc::channel();
    let origin = Origin::raw(move |mut stream| {
        let mut got = Vec::new();
        let _ = stream.write_all(HELLO);
        let is_regular = match stream.read_to_end(&mut got) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                false
            }
        };
        let _ = told.send((String::from_utf8(got).unwrap(), is_regular));
    });
    (origin, all)
}

fn a_plain_endpoint_sees_that_its_clients_tls_was_cut(engine: EngineKind) {
    let (origin, ends) = witness();
    let yaml = Setup::default()
        .listen_chains("tls", "", &[tcp_chain(&serving(&["any"]), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let client = || {
        let offer = offering(&Offer {
            versions: ONLY_13,
            ..Offer::default()
        });
        let mut client = Client::secure(proxy.at("tls"), &offer, "any.test");
        assert_eq!(client.take(HELLO.len()), HELLO);
        client
    };
    let mut polite = client();
    polite.send("whole");
    polite.say_end();
    assert_eq!(
        ends.recv_timeout(PATIENCE).unwrap(),
        ("whole".to_owned(), true)
    );
    let mut rude = client();
    rude.send("some");
    rude.finish();
    assert_eq!(
        ends.recv_timeout(PATIENCE).unwrap(),
        ("some".to_owned(), false)
    );
    // One write: what is good in it goes on.
    let (mut stream, mut sealer) = client().unbound();
    let good = sealer.record(DATA, b"good");
    let bad = spoiled(sealer.record(DATA, b"evil"));
    stream.write_all(&[good, bad].concat()).unwrap();
    assert_eq!(
        ends.recv_timeout(PATIENCE).unwrap(),
        ("good".to_owned(), false)
    );
    drop((polite, rude, stream));
    proxy.settle();
}

fn a_plain_client_sees_that_its_endpoints_tls_was_cut(engine: EngineKind) {
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let (next, hows) = (AtomicUsize::new(0), ["whole", "spoiled", "cut", "reset"]);
    let origin = Origin::secure_unbound(&endpoint, move |mut stream, mut sealer, _| {
        let how = hows[next.fetch_add(1, Ordering::Relaxed)];
        let good = sealer.record(DATA, &bulk(5000));
        let then = match how {
            // An alert: close_notify.
            "whole" => sealer.record(21, &[1, 0]),
            "spoiled" => spoiled(sealer.record(DATA, b"evil")),
            _ => Vec::new(),
        };
        let _ = stream.write_all(&[good, then].concat());
        if how == "reset" {
            reset(&stream);
        }
    });
    let context = trusting("origin.test");
    let cluster = Cluster {
        cluster: &context,
        ..Cluster::default()
    };
    let yaml = Setup::default()
        .listen_chains("plain", "", &[tcp_chain("", "c")])
        .cluster(&cluster, &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for how in hows {
        let mut client = Client::new(proxy.at("plain"));
        assert!(client.rest() == bulk(5000), "{how}");
        assert_eq!(client.is_reset, how != "whole", "{how}");
    }
    proxy.settle();
}

fn a_plain_client_sees_that_an_answer_without_length_was_cut(engine: EngineKind) {
    let answer = || [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &bulk(5000)].concat();
    let plain = Origin::new(move |request, stream| {
        let _ = stream.write_all(&answer());
        if request.path() == "/plain/cut" {
            reset(stream);
        }
        false
    });
    let secure = [false, true].map(|is_rude| {
        let endpoint = Endpoint {
            certificate: "origin",
            is_rude,
            ..Endpoint::default()
        };
        Origin::secure(&endpoint, move |_, out| {
            let _ = out.write_all(&answer());
            false
        })
    });
    let routes = "[{match: {prefix: /plain}, route: {cluster: plain}}, \
                  {match: {prefix: /secure/whole}, route: {cluster: polite}}, \
                  {match: {prefix: /secure/cut}, route: {cluster: rude}}]";
    let manager = "http_protocol_options: {accept_http_10: true},";
    let context = trusting("origin.test");
    let mut setup = Setup::default()
        .listen_chains("http", "", &[http_chain("", manager, routes)])
        .cluster(
            &Cluster {
                name: "plain",
                ..Cluster::default()
            },
            &[plain.at()],
        );
    for (name, origin) in ["polite", "rude"].into_iter().zip(&secure) {
        let cluster = &context;
        setup = setup.cluster(&Cluster { name, cluster }, &[origin.at()]);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    for path in ["/plain/whole", "/secure/whole", "/plain/cut", "/secure/cut"] {
        let mut client = Client::new(proxy.at("http"));
        let answer = client.ask(format!("GET {path} HTTP/1.0\r\nhost: h\r\n\r\n"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body == bulk(5000), "{path}");
        assert_eq!(client.is_reset, path.ends_with("cut"), "{path}");
    }
    proxy.settle();
}

fn a_reset_passes_through_a_tunnel(engine: EngineKind) {
    let (origin, ends) = witness();
    let rude = Origin::raw(|mut stream| {
        let mut first = [0; 3];
        stream.read_exact(&mut first).unwrap();
        stream.write_all(b"some").unwrap();
        reset(&stream);
    });
    let proxy = Proxy::start(engine, &Setup::tcp(&[origin.at()]));
    let open = || {
        let mut client = Client::new(proxy.at("tcp"));
        assert_eq!(client.take(HELLO.len()), HELLO);
        client
    };
    let mut client = open();
    client.send("whole");
    client.finish();
    let whole = ("whole".to_owned(), true);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), whole);
    assert!(client.is_closed() && !client.is_reset);
    open().reset();
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), (String::new(), false));
    proxy.settle();
    let proxy = Proxy::start(engine, &Setup::tcp(&[rude.at()]));
    let mut client = Client::new(proxy.at("tcp"));
    client.send("ask");
    client.rest();
    assert!(client.is_reset);
    proxy.settle();
}
