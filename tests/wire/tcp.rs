//! L4: bytes pass both ways, half-closes too.

use crate::support::{
    Client, Cluster, HttpListener, Origin, Proxy, Setup, TcpListener, closed_port, scratch, until,
};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixListener,
    sync::mpsc,
};

on_each_engine!(
    a_half_close_passes_and_the_other_direction_goes_on,
    a_peer_that_does_not_read_holds_up_nobody_else,
    an_idle_tunnel_is_closed,
    bulk_passes_unchanged_in_both_directions,
    a_dead_endpoint_closes_the_connection_and_another_is_tried,
    a_reset_reaches_the_other_side,
    unix_endpoints_serve_tunnels,
);

fn upper() -> Origin {
    Origin::raw(|mut stream| {
        let mut all = Vec::new();
        if stream.read_to_end(&mut all).is_ok() {
            let _ = stream.write_all(&all.to_ascii_uppercase());
        }
    })
}

fn a_half_close_passes_and_the_other_direction_goes_on(engine: EngineKind) {
    let origin = upper();
    let proxy = Proxy::start(engine, &Setup::tcp(&[origin.at()]));
    let mut client = Client::new(proxy.at("tcp"));
    client.send("half ");
    client.send("closed");
    client.finish();
    assert_eq!(client.rest(), b"HALF CLOSED");
    // And the other way round: the endpoint ends first.
    let first = Origin::raw(|mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"still here");
    });
    let second = Proxy::start(engine, &Setup::tcp(&[first.at()]));
    let mut client = Client::new(second.at("tcp"));
    assert_eq!(client.rest(), b"bye");
    client.send("still here");
    client.finish();
    drop(client);
    for proxy in [proxy, second] {
        until("the tunnel is gone", || {
            proxy.metric("ringlb_listener_connections_active") == 0
        });
    }
}

fn a_peer_that_does_not_read_holds_up_nobody_else(engine: EngineKind) {
    let flood = Origin::raw(|mut stream| {
        let block = [7; 64 << 10];
        let mut first = [0];
        if stream.read_exact(&mut first).is_ok() && first == *b"f" {
            while stream.write_all(&block).is_ok() {}
        } else {
            let _ = stream.write_all(b"quick");
        }
    });
    let proxy = Proxy::start(engine, &Setup::tcp(&[flood.at()]));
    let mut deaf: Vec<_> = (0..50).map(|_| Client::new(proxy.at("tcp"))).collect();
    deaf.iter_mut().for_each(|client| client.send("f"));
    for _ in 0..20 {
        let mut client = Client::new(proxy.at("tcp"));
        client.send("q");
        assert_eq!(client.take(5), b"quick");
    }
    assert!(
        proxy.resident_bytes() < 200 << 20,
        "{}",
        proxy.resident_bytes()
    );
    drop(deaf);
    proxy.settle();
}

fn an_idle_tunnel_is_closed(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let setup = Setup::default()
        .listen_tcp(&TcpListener {
            proxy: "idle_timeout: 0.1s",
            ..TcpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("tcp"));
    assert!(client.is_closed());
    assert_eq!(proxy.metric("ringlb_listener_idle_timeouts_total"), 1);
}

fn bulk_passes_unchanged_in_both_directions(engine: EngineKind) {
    const TOTAL: usize = 24 << 20;
    let (sum_out, sum_in) = mpsc::channel();
    let sum_out = std::sync::Mutex::new(sum_out);
    let origin = Origin::raw(move |mut stream| {
        let mut writer = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let data: Vec<u8> = (0..TOTAL).map(|i| (i % 239) as u8).collect();
            writer.write_all(&data).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        sender.join().unwrap();
        sum_out.lock().unwrap().send(all).unwrap();
    });
    let proxy = Proxy::start(engine, &Setup::tcp(&[origin.at()]));
    let mut client = Client::new(proxy.at("tcp"));
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let data: Vec<u8> = (0..TOTAL).map(|i| (i % 241) as u8).collect();
        writer.write_all(&data).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let down = client.rest();
    sender.join().unwrap();
    let up = sum_in.recv_timeout(crate::support::PATIENCE).unwrap();
    let same = |bytes: &[u8], modulus: usize| {
        bytes.len() == TOTAL
            && bytes
                .iter()
                .enumerate()
                .all(|(i, b)| *b == (i % modulus) as u8)
    };
    assert!(
        same(&down, 239) && same(&up, 241),
        "{} {}",
        down.len(),
        up.len()
    );
    until("all bytes are counted", || {
        let sent = proxy.metric("ringlb_listener_sent_bytes_total");
        sent == TOTAL as u64 && proxy.metric("ringlb_listener_received_bytes_total") == sent
    });
    proxy.settle();
}

fn a_dead_endpoint_closes_the_connection_and_another_is_tried(engine: EngineKind) {
    let dead = closed_port();
    let proxy = Proxy::start(engine, &Setup::tcp(&[dead]));
    assert!(Client::new(proxy.at("tcp")).is_closed());
    assert_eq!(proxy.metric("ringlb_cluster_connect_failures_total"), 1);
    let origin = upper();
    let setup = Setup::default()
        .listen_tcp(&TcpListener {
            proxy: "max_connect_attempts: 2",
            ..TcpListener::default()
        })
        .cluster(&Cluster::default(), &[dead, origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    for _ in 0..4 {
        let mut client = Client::new(proxy.at("tcp"));
        client.send("x");
        client.finish();
        assert_eq!(client.rest(), b"X");
    }
}

fn a_reset_reaches_the_other_side(engine: EngineKind) {
    let (ended_out, ended) = mpsc::channel();
    let ended_out = std::sync::Mutex::new(ended_out);
    let origin = Origin::raw(move |mut stream| {
        let mut room = [0; 16];
        while stream.read(&mut room).is_ok_and(|n| n > 0) {}
        ended_out.lock().unwrap().send(()).unwrap();
    });
    let proxy = Proxy::start(engine, &Setup::tcp(&[origin.at()]));
    let mut client = Client::new(proxy.at("tcp"));
    client.send("x");
    until("the tunnel is open", || origin.connections() == 1);
    nix::sys::socket::setsockopt(
        &client.stream,
        nix::sys::socket::sockopt::Linger,
        &nix::libc::linger {
            l_onoff: 1,
            l_linger: 0,
        },
    )
    .unwrap();
    drop(client);
    ended.recv_timeout(crate::support::PATIENCE).unwrap();
    proxy.settle();
}

fn unix_endpoints_serve_tunnels(engine: EngineKind) {
    let path = scratch("back");
    let behind = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = behind.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.reverse();
        stream.write_all(&all).unwrap();
    });
    let endpoint = format!(
        "{{endpoint: {{address: {{pipe: {{path: {}}}}}}}}}",
        path.display()
    );
    let setup = Setup::default()
        .listen_tcp(&TcpListener::default())
        .listen(&HttpListener::default())
        .cluster_of(&Cluster::default(), &endpoint);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("tcp"));
    client.send("abc");
    client.finish();
    assert_eq!(client.rest(), b"cba");
}
