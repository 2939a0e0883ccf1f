//! Endpoints that misbehave: each fault has its status, and the client is never left in doubt.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, closed_port, until};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::atomic::{AtomicUsize, Ordering},
};

on_each_engine!(
    a_dead_endpoint_is_503,
    a_pooled_connection_that_died_is_replaced_without_the_client_noticing,
    a_post_is_not_sent_twice,
    a_retry_policy_is_followed,
    a_silent_endpoint_is_504,
    an_answer_cut_short_looks_cut_short,
    an_early_answer_ends_the_upload,
    an_endpoint_that_accepts_no_connection_is_503_in_time,
    garbage_is_502,
    surplus_bytes_are_not_taken_for_an_answer,
    limits_of_the_cluster_hold,
);

fn cluster_with(fields: &str, routes: &str, origin: std::net::SocketAddr) -> String {
    Setup::default()
        .listen(&HttpListener {
            routes,
            ..HttpListener::default()
        })
        .cluster(
            &Cluster {
                cluster: fields,
                ..Cluster::default()
            },
            &[origin],
        )
        .yaml()
}

fn a_dead_endpoint_is_503(engine: EngineKind) {
    let proxy = Proxy::start(engine, &Setup::http(&[closed_port()]));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 503);
    // The client's connection is unharmed.
    assert_eq!(client.get("/").status, 503);
    assert_eq!(proxy.metric("ringlb_cluster_connect_failures_total"), 2);
}

fn a_pooled_connection_that_died_is_replaced_without_the_client_noticing(engine: EngineKind) {
    // Every connection serves one request, then waits for the second and closes without an answer.
    let origin = Origin::raw(|mut stream| {
        let mut room = [0; 4096];
        if stream.read(&mut room).is_ok_and(|n| n > 0) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
        let _ = stream.read(&mut room);
        let _ = stream.shutdown(Shutdown::Both);
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert!(proxy.metric("ringlb_cluster_retries_total") >= 2);
}

fn a_post_is_not_sent_twice(engine: EngineKind) {
    static POSTS: AtomicUsize = AtomicUsize::new(0);
    let before = POSTS.load(Ordering::SeqCst);
    let origin = Origin::raw(|mut stream| {
        let mut room = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut room) {
            if room[..n].starts_with(b"POST") {
                POSTS.fetch_add(1, Ordering::SeqCst);
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 200);
    let answer = client.ask("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(answer.status, 503);
    assert_eq!(POSTS.load(Ordering::SeqCst), before + 1);
}

fn a_retry_policy_is_followed(engine: EngineKind) {
    let asked = AtomicUsize::new(0);
    let origin = Origin::new(move |request, stream| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let answer = if request.path() == "/never" || number < 2 {
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad".to_owned()
        } else {
            let body = String::from_utf8_lossy(&request.body);
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let routes = "[{match: {prefix: /}, route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 2}}}]";
    let proxy = Proxy::start(engine, &cluster_with("", routes, origin.at()));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask("PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    assert_eq!(origin.requests().len(), 3);
    let answer = client.get("/never");
    assert_eq!((answer.status, answer.text().as_str()), (503, "bad"));
    assert_eq!(origin.requests().len(), 6);
}

fn a_silent_endpoint_is_504(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let routes = "[{match: {prefix: /}, route: {cluster: c, timeout: 0.1s}}]";
    let proxy = Proxy::start(engine, &cluster_with("", routes, origin.at()));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 504);
    assert_eq!(client.get("/").status, 504);
    assert_eq!(proxy.metric("ringlb_cluster_timeouts_total"), 2);
    until("the connections are closed", || {
        proxy.metric("ringlb_cluster_connections_active") == 0
    });
}

fn an_answer_cut_short_looks_cut_short(engine: EngineKind) {
    let origin = Origin::new(|request, stream| {
        let answer = match request.path() {
            "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this",
            "/chunked" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
            _ => "HTTP/1.1 200 OK\r\ncontent-le",
        };
        stream.write_all(answer.as_bytes()).unwrap();
        false
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    for path in ["/length", "/chunked"] {
        let mut client = Client::new(proxy.at("http"));
        let answer = client.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "only this"));
        assert!(answer.is_cut, "{path}");
        assert!(client.is_closed());
    }
    assert_eq!(Client::new(proxy.at("http")).get("/head").status, 503);
    proxy.settle();
}

fn an_early_answer_ends_the_upload(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let mut room = [0; 1024];
        if stream.read(&mut room).is_ok_and(|n| n > 0) {
            let refusal = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig";
            let _ = stream.write_all(refusal.as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n");
    client.send([b'x'; 10_000]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    // A client that goes on is not read for ever.
    let block = [b'x'; 64 << 10];
    let sent = (0..2000)
        .take_while(|_| client.try_send(block).is_ok())
        .count();
    assert!(sent < 2000);
    proxy.settle();
}

fn an_endpoint_that_accepts_no_connection_is_503_in_time(engine: EngineKind) {
    // A listener whose queue is full does not answer connection attempts.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let _queue: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(move || std::net::TcpStream::connect(at)))
        .collect();
    let fields = "connect_timeout: 0.1s";
    let routes = "[{match: {prefix: /}, route: {cluster: c}}]";
    let proxy = Proxy::start(engine, &cluster_with(fields, routes, at));
    until("a connect runs into its timeout", || {
        let status = Client::new(proxy.at("http")).get("/slow").status;
        status == 503 && proxy.metric("ringlb_cluster_connect_timeouts_total") > 0
    });
}

fn garbage_is_502(engine: EngineKind) {
    for answer in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let origin = Origin::fixed(answer);
        let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
        let mut client = Client::new(proxy.at("http"));
        assert_eq!(client.get("/").status, 502, "{answer:?}");
        assert_eq!(
            proxy.metric("ringlb_cluster_malformed_total"),
            1,
            "{answer:?}"
        );
    }
}

fn surplus_bytes_are_not_taken_for_an_answer(engine: EngineKind) {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison",
    );
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert_eq!(origin.connections(), 5);
}

fn limits_of_the_cluster_hold(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let routes = "[{match: {prefix: /}, route: {cluster: c, timeout: 0s}}]";
    let fields = "circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}";
    let proxy = Proxy::start(engine, &cluster_with(fields, routes, origin.at()));
    let mut clients: Vec<_> = (0..3).map(|_| Client::new(proxy.at("http"))).collect();
    for (number, client) in (1..).zip(&mut clients) {
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        until("the request is under way", || {
            // The first has its connection and waits no more; the second waits for that one.
            proxy.metric("ringlb_listener_requests_total") == number
                && proxy.metric("ringlb_cluster_requests_total") > 0
                && origin.connections() > 0
        });
    }
    let answer = clients[2].answer();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(proxy.metric("ringlb_cluster_pending_overflow_total"), 1);
    assert_eq!(origin.connections(), 1);
    let fields = "circuit_breakers: {thresholds: [{max_requests: 2}]}";
    let proxy = Proxy::start(engine, &cluster_with(fields, routes, origin.at()));
    let mut clients: Vec<_> = (0..3).map(|_| Client::new(proxy.at("http"))).collect();
    for (number, client) in (1..).zip(&mut clients) {
        client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        until("the request is under way", || {
            proxy.metric("ringlb_listener_requests_total") == number
        });
    }
    assert_eq!(clients[2].answer().status, 503);
    assert_eq!(proxy.metric("ringlb_cluster_requests_overflow_total"), 1);
}
