//! Ending well.

use crate::support::{Client, Command, Origin, Proxy, Setup, until};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{
    io::{Read, Write},
    sync::mpsc,
};

on_each_engine!(
    a_request_under_way_is_answered_and_the_process_ends,
    a_second_signal_ends_at_once,
    idle_connections_are_closed_at_once,
    what_does_not_end_in_time_is_cut,
);

fn a_request_under_way_is_answered_and_the_process_ends(engine: EngineKind) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::new(move |_, stream| {
        let _ = wait.lock().unwrap().recv();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    until("the request is there", || !origin.requests().is_empty());
    proxy.signal(Signal::SIGTERM);
    until("no more connections are taken", || {
        std::net::TcpStream::connect(proxy.at("http")).is_err()
    });
    let mut admin = Client::new(proxy.admin());
    assert_eq!(admin.get("/ready").status, 503);
    go.send(()).unwrap();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
    drop(client);
    assert_eq!(proxy.wait().0.code(), Some(0));
}

fn a_second_signal_ends_at_once(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    until("the request is there", || origin.connections() == 1);
    proxy.signal(Signal::SIGINT);
    until("no more connections are taken", || {
        std::net::TcpStream::connect(proxy.at("http")).is_err()
    });
    proxy.signal(Signal::SIGINT);
    assert_eq!(proxy.wait().0.code(), Some(0));
    assert!(client.is_closed());
}

fn idle_connections_are_closed_at_once(engine: EngineKind) {
    let origin = Origin::echo("a");
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 200);
    proxy.signal(Signal::SIGTERM);
    assert!(client.is_closed());
    drop(client);
    assert_eq!(proxy.wait().0.code(), Some(0));
}

fn what_does_not_end_in_time_is_cut(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut proxy = Command::run(engine, &Setup::tcp(&[origin.at()]))
        .arg("--drain-time=0")
        .start();
    let mut client = Client::new(proxy.at("tcp"));
    client.send("x");
    until("the tunnel is open", || origin.connections() == 1);
    proxy.signal(Signal::SIGTERM);
    assert!(client.is_closed());
    assert_eq!(proxy.wait().0.code(), Some(0));
    assert!(proxy.has_ended());
}
