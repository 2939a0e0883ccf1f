//! Clients that misbehave: slow, cut short, gone, silent.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, until};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::io::{Read, Write};

on_each_engine!(
    a_client_that_asks_and_resets_at_once_leaves_nothing_behind,
    a_client_that_leaves_frees_everything,
    a_head_that_comes_byte_by_byte_is_understood,
    a_head_that_does_not_come_is_408,
    a_half_closed_client_still_gets_its_answer,
    a_request_cut_short_is_not_taken_for_complete,
    a_stalled_upload_is_408_and_ends_the_connection,
    an_idle_connection_is_closed,
    clients_that_do_not_read_cost_little_and_stall_nobody,
    many_clients_come_and_go,
);

fn timeouts(manager: &str, origin: &Origin) -> String {
    Setup::default()
        .listen(&HttpListener {
            manager,
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

fn a_client_that_leaves_frees_everything(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for number in 1..=10 {
        let mut client = Client::new(proxy.at("http"));
        client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nsome");
        until("the request is under way", || {
            origin.connections() == number
                && proxy.metric("ringlb_cluster_requests_total") == number as u64
        });
        drop(client);
    }
    proxy.settle();
    until("upstream connections are closed", || {
        proxy.metric("ringlb_cluster_connections_active") == 0
    });
}

fn a_head_that_comes_byte_by_byte_is_understood(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    for request in [
        "GET /slow HTTP/1.1\r\nhost: h\r\n\r\n",
        "POST /slow HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\n",
    ] {
        for byte in request.bytes() {
            client.send([byte]);
        }
        let answer = client.answer();
        assert!(answer.text().starts_with("a /slow "), "{answer:?}");
    }
}

fn a_head_that_does_not_come_is_408(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &timeouts("request_headers_timeout: 0.1s", &origin));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost:");
    assert_eq!(client.answer().status, 408);
    assert!(client.is_closed());
    assert_eq!(proxy.metric("ringlb_listener_head_timeouts_total"), 1);
    assert!(origin.requests().is_empty());
}

fn a_half_closed_client_still_gets_its_answer(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.finish();
    assert_eq!(client.answer().text(), "a / ");
    assert!(client.is_closed());
    proxy.settle();
}

fn a_request_cut_short_is_not_taken_for_complete(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for request in [
        "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        "GET / HTTP/1.1\r\nhost",
    ] {
        let mut client = Client::new(proxy.at("http"));
        client.send(request);
        client.finish();
        let answer = client.next_answer("GET");
        assert!(
            answer.is_none_or(|answer| answer.status == 400),
            "{request:?}"
        );
    }
    proxy.settle();
    assert!(origin.requests().is_empty());
}

fn a_stalled_upload_is_408_and_ends_the_connection(engine: EngineKind) {
    let origin = Origin::echo("a");
    for (timeout, counter) in [
        (
            "request_timeout: 0.1s",
            "ringlb_listener_request_timeouts_total",
        ),
        (
            "stream_idle_timeout: 0.1s",
            "ringlb_listener_stream_idle_timeouts_total",
        ),
    ] {
        let proxy = Proxy::start(engine, &timeouts(timeout, &origin));
        for framing in [
            "content-length: 10\r\n\r\nhalf",
            "transfer-encoding: chunked\r\n\r\n9\r\nhalf",
            "transfer-encoding: chunked\r\n\r\n0\r\nx: ",
        ] {
            let mut client = Client::new(proxy.at("http"));
            client.send(format!("POST / HTTP/1.1\r\nhost: h\r\n{framing}"));
            let answer = client.answer();
            assert_eq!(answer.status, 408, "{framing:?}");
            assert_eq!(answer.field("connection"), Some("close"), "{framing:?}");
            assert!(client.is_closed());
        }
        assert_eq!(proxy.metric(counter), 3);
    }
}

fn an_idle_connection_is_closed(engine: EngineKind) {
    let origin = Origin::echo("a");
    let manager = "common_http_protocol_options: {idle_timeout: 0.1s}";
    let proxy = Proxy::start(engine, &timeouts(manager, &origin));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 200);
    assert!(client.is_closed());
    assert_eq!(proxy.metric("ringlb_listener_idle_timeouts_total"), 1);
}

fn clients_that_do_not_read_cost_little_and_stall_nobody(engine: EngineKind) {
    const BODY: usize = 32 << 20;
    let origin = Origin::new(|request, stream| {
        if request.path() == "/quick" {
            return stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .is_ok();
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n");
        let block = [b'x'; 64 << 10];
        stream.write_all(head.as_bytes()).is_ok()
            && (0..BODY / block.len()).all(|_| stream.write_all(&block).is_ok())
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut deaf: Vec<_> = (0..40).map(|_| Client::new(proxy.at("http"))).collect();
    for client in &mut deaf {
        client.send("GET /big HTTP/1.1\r\nhost: h\r\n\r\n");
    }
    until("all answers are under way", || {
        origin.requests().len() == 40
    });
    let mut client = Client::new(proxy.at("http"));
    for _ in 0..20 {
        assert_eq!(client.get("/quick").text(), "ok");
    }
    assert!(
        proxy.resident_bytes() < 150 << 20,
        "{}",
        proxy.resident_bytes()
    );
    // One of them reads after all: everything is there.
    let answer = deaf[7].answer();
    assert_eq!((answer.body.len(), answer.is_cut), (BODY, false));
    drop((deaf, client));
    proxy.settle();
}

fn many_clients_come_and_go(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    Client::new(proxy.at("http")).get("/");
    proxy.settle();
    let before = proxy.descriptors();
    for round in 0..10 {
        let mut clients: Vec<_> = (0..50).map(|_| Client::new(proxy.at("http"))).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        }
        // Every other one does not wait for its answer.
        for client in clients.iter_mut().skip(round % 2).step_by(2) {
            assert_eq!(client.answer().status, 200);
        }
    }
    proxy.settle();
    until("descriptors are closed", || {
        let upstream = proxy.metric("ringlb_cluster_connections_active") as usize;
        proxy.descriptors() <= before + upstream
    });
}

fn a_client_that_asks_and_resets_at_once_leaves_nothing_behind(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for _ in 0..4 {
        let mut clients: Vec<_> = (0..8).map(|_| Client::new(proxy.at("http"))).collect();
        until("they are accepted", || {
            proxy.metric("ringlb_listener_connections_active") == 8
        });
        // The process finds the requests and the resets at once.
        proxy.stop();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        }
        clients.into_iter().for_each(Client::reset);
        proxy.signal(Signal::SIGCONT);
        proxy.settle();
    }
}
