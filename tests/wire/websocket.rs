//! WebSocket: upgrades become tunnels, over HTTP/1 and over HTTP/2, and nothing else gets through.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, h2::H2, until};
use base64::{Engine, prelude::BASE64_STANDARD};
use engines::EngineKind;
use sha1::{Digest, Sha1};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

on_each_engine!(
    bytes_pass_both_ways_however_many_hops_speak_http2,
    each_side_of_a_tunnel_ends_by_itself,
    a_refused_upgrade_is_an_answer_and_the_connection_goes_on,
    an_upgrade_that_nobody_allows_is_not_asked_for,
    a_route_can_allow_what_the_listener_does_not_name,
    a_route_can_refuse_what_the_listener_allows,
    what_another_route_allows_does_not_count,
    an_endpoint_that_does_not_know_the_key_is_refused,
    an_idle_tunnel_ends_by_the_time_of_its_route,
    a_busy_tunnel_ends_by_the_duration_of_its_route,
);

const ALLOWED: &str = "upgrade_configs: [{upgrade_type: websocket}]
          http2_protocol_options: {allow_connect: true}";

const HTTP2: &str = "typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}";

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn proxy(engine: EngineKind, to: SocketAddr, cluster: &str, routes: &str) -> Proxy {
    let yaml = Setup::default()
        .listen(&HttpListener {
            manager: ALLOWED,
            routes,
            ..HttpListener::default()
        })
        .cluster(
            &Cluster {
                cluster,
                ..Cluster::default()
            },
            &[to],
        )
        .yaml();
    Proxy::start(engine, &yaml)
}

const ROUTES: &str = "[{match: {prefix: /}, route: {cluster: c}}]";

/// Reads a request's head, and accepts what it asks for.
fn accept(stream: &mut TcpStream) {
    let lines = BufReader::new(&*stream).lines().map_while(Result::ok);
    let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    assert!(head.contains(&"upgrade: websocket".into()), "{head:?}");
    let key = head
        .iter()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = Sha1::new().chain_update(key.unwrap()).chain_update(guid);
    switch(stream, &BASE64_STANDARD.encode(digest.finalize()));
}

fn switch(stream: &mut TcpStream, accept: &str) {
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).unwrap();
}

/// An endpoint that accepts an upgrade and sends back in capitals what comes, up to the end.
fn capitals() -> Origin {
    Origin::raw(|mut stream| {
        accept(&mut stream);
        let mut room = [0; 64 << 10];
        while let Ok(n @ 1..) = stream.read(&mut room) {
            stream.write_all(&room[..n].to_ascii_uppercase()).unwrap();
        }
        let _ = stream.write_all(b"BYE");
    })
}

/// Opens a tunnel.
fn ask(proxy: &Proxy) -> Client {
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask(ASK);
    assert_eq!(answer.status, 101, "{answer:?}");
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("sec-websocket-accept"), Some(ACCEPT));
    client
}

fn bytes_pass_both_ways_however_many_hops_speak_http2(engine: EngineKind) {
    let origin = capitals();
    let last = proxy(engine, origin.at(), "", ROUTES);
    let middle = proxy(engine, last.at("http"), HTTP2, ROUTES);
    let first = proxy(engine, middle.at("http"), HTTP2, ROUTES);
    for entry in [&last, &middle, &first] {
        let mut client = ask(entry);
        for text in ["hello", "a", "second thoughts"] {
            client.send(text);
            assert_eq!(
                client.take(text.len()),
                text.to_ascii_uppercase().as_bytes()
            );
        }
        let bulk = vec![b'x'; 300_000];
        std::thread::scope(|scope| {
            let mut writer = client.stream.try_clone().unwrap();
            scope.spawn(move || writer.write_all(&vec![b'x'; 300_000]).unwrap());
            assert!(client.take(bulk.len()) == bulk.to_ascii_uppercase());
        });
        client.finish();
        assert_eq!(client.rest(), b"BYE");
    }
    for entry in [&last, &middle, &first] {
        until("the tunnels are gone", || {
            entry.metric("ringlb_listener_upgrades_active") == 0
                && entry.metric("ringlb_listener_requests_active") == 0
        });
    }
    assert_eq!(last.metric("ringlb_listener_upgrades_total"), 3);
}

fn each_side_of_a_tunnel_ends_by_itself(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        accept(&mut stream);
        stream.write_all(b"first").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"still here");
    });
    let last = proxy(engine, origin.at(), "", ROUTES);
    let first = proxy(engine, last.at("http"), HTTP2, ROUTES);
    for entry in [&last, &first] {
        let mut client = ask(entry);
        assert_eq!(client.rest(), b"first");
        client.send("still here");
        client.finish();
        until("the tunnel is gone", || {
            entry.metric("ringlb_listener_upgrades_active") == 0
        });
    }
}

fn a_refused_upgrade_is_an_answer_and_the_connection_goes_on(engine: EngineKind) {
    let origin = Origin::fixed("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let last = proxy(engine, origin.at(), "", ROUTES);
    let first = proxy(engine, last.at("http"), HTTP2, ROUTES);
    for entry in [&last, &first] {
        let mut client = Client::new(entry.at("http"));
        let answer = client.ask(ASK);
        assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
        assert_eq!(client.get("/next").status, 403);
    }
}

fn an_upgrade_that_nobody_allows_is_not_asked_for(engine: EngineKind) {
    let origin = Origin::echo("plain");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.ask(ASK).text(), "plain /chat ");
    let seen = &origin.requests()[0];
    assert_eq!(
        (seen.field("upgrade"), seen.field("connection")),
        (None, None)
    );
    assert_eq!(client.get("/next").text(), "plain /next ");
}

fn a_route_can_allow_what_the_listener_does_not_name(engine: EngineKind) {
    let origin = capitals();
    let routes = "[{match: {path: /chat}, route: {cluster: c, upgrade_configs: [{upgrade_type: websocket}]}}, \
                   {match: {prefix: /}, route: {cluster: c}}]";
    let setup = Setup::default()
        .listen(&HttpListener {
            routes,
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    client.send(ASK);
    assert_eq!(client.answer().status, 101);
    client.send("hello");
    assert_eq!(client.take(5), b"HELLO");
}

/// What follows the head is the next request.
fn what_another_route_allows_does_not_count(engine: EngineKind) {
    let origin = Origin::echo("plain");
    let routes = "[{match: {path: /chat}, route: {cluster: c, upgrade_configs: [{upgrade_type: websocket}]}}, \
                   {match: {path: /direct}, direct_response: {status: 202}}, \
                   {match: {path: /never}, route: {cluster: c, upgrade_configs: [{upgrade_type: websocket, enabled: false}]}}, \
                   {match: {prefix: /}, route: {cluster: c}}]";
    let setup = Setup::default()
        .listen(&HttpListener {
            routes,
            manager: "http2_protocol_options: {allow_connect: true}",
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    for path in ["/else", "/never"] {
        let ask = ASK.replace("/chat", path);
        client.send(format!("{ask}GET /next HTTP/1.1\r\nhost: h\r\n\r\n"));
        assert_eq!(client.answer().text(), format!("plain {path} "));
        assert_eq!(client.answer().text(), "plain /next ");
    }
    for request in origin.requests() {
        assert_eq!(request.field("upgrade"), None);
    }
    assert_eq!(client.ask(ASK.replace("/chat", "/direct")).status, 202);
    // An extended CONNECT cannot go on without.
    let mut client = H2::new(proxy.at("http"));
    for path in ["/else", "/direct"] {
        let id = client.take_id();
        let block = client.block(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", path),
        ]);
        client.send(1, 4, id, &block);
        assert_eq!(client.reply(id).status, 403);
    }
}

fn a_route_can_refuse_what_the_listener_allows(engine: EngineKind) {
    let origin = Origin::echo("plain");
    let routes = "[{match: {prefix: /}, route: {cluster: c, upgrade_configs: [{upgrade_type: WebSocket, enabled: false}]}}]";
    let proxy = proxy(engine, origin.at(), "", routes);
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.ask(ASK).status, 403);
    assert_eq!(client.get("/next").text(), "plain /next ");
    assert_eq!(origin.requests().len(), 1);
}

fn an_endpoint_that_does_not_know_the_key_is_refused(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        lines.find(String::is_empty).unwrap();
        switch(&mut stream, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    });
    let proxy = proxy(engine, origin.at(), "", ROUTES);
    assert_eq!(Client::new(proxy.at("http")).ask(ASK).status, 502);
}

fn an_idle_tunnel_ends_by_the_time_of_its_route(engine: EngineKind) {
    let origin = capitals();
    let routes = "[{match: {prefix: /}, route: {cluster: c, idle_timeout: 0.2s}}]";
    let proxy = proxy(engine, origin.at(), "", routes);
    let mut client = ask(&proxy);
    assert!(client.is_closed());
    assert_eq!(
        proxy.metric("ringlb_listener_stream_idle_timeouts_total"),
        1
    );
}

fn a_busy_tunnel_ends_by_the_duration_of_its_route(engine: EngineKind) {
    let origin = capitals();
    let limit = "max_stream_duration: {max_stream_duration: 0.3s}";
    let routes = format!("[{{match: {{prefix: /}}, route: {{cluster: c, {limit}}}}}]");
    let proxy = proxy(engine, origin.at(), "", &routes);
    let mut client = ask(&proxy);
    // As long as it lasts it is never idle.
    while client.try_send("a").is_ok() && !client.is_closed() {
        client.take(1);
    }
    let fired = proxy.metric("ringlb_listener_duration_timeouts_total");
    assert_eq!(
        (fired, proxy.metric("ringlb_listener_upgrades_active")),
        (1, 0)
    );
    proxy.settle();
}
