//! Tunnels with TLS on one side or both.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, closed_port,
    tls::{Endpoint, ONLY_12, ONLY_13, Offer, bulk, offering},
    tls_config::{serving, tcp_chain, trusting},
    until,
};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::SocketAddr,
};

on_each_engine!(
    bulk_passes_unchanged_whichever_side_is_secure,
    a_half_close_passes_and_the_other_direction_goes_on,
    whoever_breaks_off_is_noticed,
    endpoints_that_cannot_be_believed_are_left,
);

const LEN: usize = 5 << 20;

/// Listeners `down`, `up` and `both`, by which side of the tunnel is secure.
fn tunnels(engine: EngineKind, plain: SocketAddr, secure: SocketAddr) -> Proxy {
    let context = trusting("origin.test");
    let yaml = Setup::default()
        .listen_chains("down", "", &[tcp_chain(&serving(&["any"]), "plain")])
        .listen_chains("up", "", &[tcp_chain("", "secure")])
        .listen_chains("both", "", &[tcp_chain(&serving(&["any"]), "secure")])
        .cluster(
            &Cluster {
                name: "plain",
                cluster: "",
            },
            &[plain],
        )
        .cluster(
            &Cluster {
                name: "secure",
                cluster: &context,
            },
            &[secure],
        )
        .yaml();
    Proxy::start(engine, &yaml)
}

fn connect(
    proxy: &Proxy,
    listener: &str,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
) -> Client {
    match listener {
        "up" => Client::new(proxy.at(listener)),
        _ => {
            let offer = offering(&Offer {
                versions,
                ..Offer::default()
            });
            Client::secure(proxy.at(listener), &offer, "any.test")
        }
    }
}

/// Both origins run the same.
fn origins(serve: impl Fn(&mut dyn ReadWrite) + Clone + Send + Sync + 'static) -> (Origin, Origin) {
    let (one, other) = (serve.clone(), serve);
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let plain = Origin::raw(move |mut stream| one(&mut stream));
    let secure = Origin::secure_raw(&endpoint, move |tls| {
        other(tls);
        tls.conn.send_close_notify();
        let _ = tls.flush();
    });
    (plain, secure)
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// What was taken is sent back behind it; both sides take their time.
fn bulk_passes_unchanged_whichever_side_is_secure(engine: EngineKind) {
    let (plain, secure) = origins(|stream| {
        let mut all = vec![0; LEN];
        // In small pieces: whoever sends has to wait.
        for part in all.chunks_mut(30_000) {
            if stream.read_exact(part).is_err() {
                return;
            }
        }
        let _ = stream.write_all(&all).and_then(|()| stream.flush());
    });
    let proxy = tunnels(engine, plain.at(), secure.at());
    let data = bulk(LEN);
    for (listener, versions) in [("down", ONLY_12), ("up", ONLY_12), ("both", ONLY_13)] {
        let mut client = connect(&proxy, listener, versions);
        client.send(&data);
        let mut back = Vec::new();
        while back.len() < LEN {
            back.extend(client.take(10_000.min(LEN - back.len())));
        }
        assert!(back == data, "{listener}");
        assert!(client.is_closed(), "{listener}");
        assert_eq!(client.fault, None, "{listener}");
    }
    proxy.settle();
    let sent = proxy.metric("ringlb_listener_sent_bytes_total");
    assert_eq!(sent, 3 * LEN as u64);
}

fn a_half_close_passes_and_the_other_direction_goes_on(engine: EngineKind) {
    let (plain, secure) = origins(|stream| {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).is_ok() {
            let _ = stream
                .write_all(&all.to_ascii_uppercase())
                .and_then(|()| stream.flush());
        }
    });
    let proxy = tunnels(engine, plain.at(), secure.at());
    for (listener, versions) in [
        ("down", ONLY_12),
        ("down", ONLY_13),
        ("up", ONLY_12),
        ("both", ONLY_13),
    ] {
        let mut client = connect(&proxy, listener, versions);
        client.send("half ");
        client.send("closed");
        match listener {
            "up" => client.finish(),
            _ => client.say_end(),
        }
        assert_eq!(client.rest(), b"HALF CLOSED", "{listener}");
        assert_eq!(client.fault, None, "{listener}");
    }
    // A client that leaves without a word: the endpoint is to see it.
    let mut client = connect(&proxy, "both", ONLY_13);
    client.send("cut");
    client.finish();
    assert_eq!(client.rest(), b"", "what was cut is not whole");
    drop(client);
    proxy.settle();
}

fn whoever_breaks_off_is_noticed(engine: EngineKind) {
    let (plain, secure) = origins(|stream| {
        let mut first = [0];
        if stream.read_exact(&mut first).is_ok() && first == *b"f" {
            while stream.write_all(&[7; 64 << 10]).is_ok() {}
        }
    });
    let proxy = tunnels(engine, plain.at(), secure.at());
    let before = proxy.resident_bytes();
    let mut deaf = Vec::new();
    for listener in ["down", "up", "both"] {
        for _ in 0..5 {
            let mut client = connect(&proxy, listener, ONLY_13);
            client.send("f");
            deaf.push(client);
        }
    }
    let mut quick = connect(&proxy, "both", ONLY_13);
    quick.send("q");
    assert!(quick.is_closed());
    let paused = || proxy.metric("ringlb_listener_sent_bytes_total");
    until("something has come", || paused() > 1 << 20);
    assert!(
        proxy.resident_bytes() < before + (64 << 20),
        "{} {before}",
        proxy.resident_bytes()
    );
    for client in deaf {
        client.reset();
    }
    drop(quick);
    proxy.settle();
}

fn endpoints_that_cannot_be_believed_are_left(engine: EngineKind) {
    let endpoint = |certificate: &str| {
        Origin::secure_raw(
            &Endpoint {
                certificate,
                ..Endpoint::default()
            },
            |tls| {
                let mut all = Vec::new();
                if tls.read_to_end(&mut all).is_ok() {
                    let _ = tls.write_all(&all).and_then(|()| tls.flush());
                }
                tls.conn.send_close_notify();
                let _ = tls.flush();
            },
        )
    };
    let (good, bad) = (endpoint("origin"), endpoint("stranger"));
    let deaf = Origin::raw(|stream| {
        // It takes the connection, and not the handshake.
        drop(stream);
    });
    let context = format!("connect_timeout: 0.5s\n    {}", trusting("origin.test"));
    let more = tcp_chain(&serving(&["any"]), "mixed")
        .replace("cluster: mixed", "cluster: mixed, max_connect_attempts: 4");
    let yaml = Setup::default()
        .listen_chains("mixed", "", &[more])
        .listen_chains("bad", "", &[tcp_chain(&serving(&["any"]), "bad")])
        .cluster(
            &Cluster {
                name: "mixed",
                cluster: &context,
            },
            &[bad.at(), deaf.at(), closed_port(), good.at()],
        )
        .cluster(
            &Cluster {
                name: "bad",
                cluster: &context,
            },
            &[bad.at()],
        )
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    for _ in 0..8 {
        let mut client = connect(&proxy, "mixed", ONLY_13);
        client.send("through");
        client.say_end();
        assert_eq!(client.rest(), b"through");
    }
    let mut client = connect(&proxy, "bad", ONLY_13);
    assert_eq!(client.rest(), b"");
    assert!(proxy.metric("ringlb_cluster_handshake_failures_total") > 1);
    assert!(proxy.labelled("ringlb_tls_faults_total{detail=\"tls_unknown_ca\"}") > 1);
    drop(client);
    proxy.settle();
}
