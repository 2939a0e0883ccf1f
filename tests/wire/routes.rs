//! Where requests go: routes, endpoints, kinds of sockets, workers.

use crate::support::{Client, Cluster, Command, HttpListener, Origin, Proxy, Setup, until};
use engines::EngineKind;
use std::{collections::BTreeMap, io::Write, os::unix::net::UnixStream};

on_each_engine!(
    requests_are_spread_over_endpoints,
    routes_choose_by_host_and_path,
    the_fault_filter_answers_and_delays,
    unix_and_ipv6_sockets_serve_on_both_sides,
);

fn requests_are_spread_over_endpoints(engine: EngineKind) {
    let origins = [Origin::echo("a"), Origin::echo("b"), Origin::echo("c")];
    let endpoints = origins.each_ref().map(Origin::at);
    for policy in ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"] {
        let setup = Setup::default().listen(&HttpListener::default()).cluster(
            &Cluster {
                cluster: &format!("lb_policy: {policy}"),
                ..Cluster::default()
            },
            &endpoints,
        );
        let proxy = Proxy::start(engine, &setup.yaml());
        let mut client = Client::new(proxy.at("http"));
        let mut counts = BTreeMap::new();
        for _ in 0..60 {
            let name = client.get("/").text();
            *counts.entry(name).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 3, "{policy}: {counts:?}");
        if policy == "ROUND_ROBIN" {
            assert!(counts.values().all(|count| *count == 20), "{counts:?}");
        }
    }
}

fn routes_choose_by_host_and_path(engine: EngineKind) {
    let (a, b) = (Origin::echo("a"), Origin::echo("b"));
    let yaml = Setup::default()
        .listen(&HttpListener {
            routes: "[{match: {path: /exact}, route: {cluster: d, prefix_rewrite: /new}}, {match: {prefix: /b}, route: {cluster: d, host_rewrite_literal: other}}, {match: {path_separated_prefix: /say}, direct_response: {status: 418, body: {inline_string: tea}}}, {match: {prefix: /c}, route: {cluster: c}}]",
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[a.at()])
        .cluster(&Cluster { name: "d", ..Cluster::default() }, &[b.at()])
        .yaml()
        .replace("domains: ['*']", "domains: [example, '*.example']");
    let proxy = Proxy::start(engine, &yaml);
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/exact").text(), "b /new ");
    assert_eq!(client.get("/exact2").status, 404);
    assert_eq!(client.get("/b?q").text(), "b /b?q ");
    assert_eq!(b.requests()[1].field("host"), Some("other"));
    let answer = client.get("/say/it");
    assert_eq!((answer.status, answer.text().as_str()), (418, "tea"));
    assert_eq!(client.get("/sayit").status, 404);
    assert_eq!(
        client
            .ask("GET /c HTTP/1.1\r\nhost: x.EXAMPLE:80\r\n\r\n")
            .text(),
        "a /c "
    );
    assert_eq!(
        client
            .ask("GET /c HTTP/1.1\r\nhost: nowhere\r\n\r\n")
            .status,
        404
    );
}

fn the_fault_filter_answers_and_delays(engine: EngineKind) {
    let origin = Origin::echo("a");
    let fault = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
    let abort = format!(
        "{{\"@type\": {fault}, abort: {{http_status: 555, percentage: {{numerator: 100}}}}}}"
    );
    let slow = format!(
        "{{\"@type\": {fault}, delay: {{fixed_delay: 0.05s, percentage: {{numerator: 100}}}}}}"
    );
    let only = format!(
        "{{\"@type\": {fault}, abort: {{http_status: 503, percentage: {{numerator: 100}}}}, headers: [{{name: x-fault, exact_match: 'yes'}}]}}"
    );
    let routes = format!(
        "[{{match: {{prefix: /abort}}, route: {{cluster: c}}, typed_per_filter_config: {{fault: {abort}}}}}, {{match: {{prefix: /slow}}, route: {{cluster: c}}, typed_per_filter_config: {{fault: {slow}}}}}, {{match: {{prefix: /}}, route: {{cluster: c}}}}]"
    );
    let setup = Setup::default()
        .listen(&HttpListener {
            routes: &routes,
            filters: &format!("{{name: fault, typed_config: {only}}},"),
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/abort").status, 555);
    assert_eq!(client.get("/slow").text(), "a /slow ");
    assert_eq!(client.get("/").text(), "a / ");
    let answer = client.ask("GET / HTTP/1.1\r\nhost: h\r\nx-fault: yes\r\n\r\n");
    assert_eq!(answer.status, 503);
    // The body of a delayed request waits for the filter.
    let answer = client.ask("POST /slow HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\nbody");
    assert_eq!(answer.text(), "a /slow body");
    assert_eq!(origin.requests().len(), 3);
}

fn unix_and_ipv6_sockets_serve_on_both_sides(engine: EngineKind) {
    let (front, back) = (
        crate::support::scratch("front"),
        crate::support::scratch("back"),
    );
    let behind = std::os::unix::net::UnixListener::bind(&back).unwrap();
    std::thread::spawn(move || {
        for stream in behind.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut room = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut room);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nunix");
        }
    });
    let address = format!("{{pipe: {{path: {}}}}}", front.display());
    let v6 = "{socket_address: {address: '::1', port_value: 0}}";
    let endpoint = format!(
        "{{endpoint: {{address: {{pipe: {{path: {}}}}}}}}}",
        back.display()
    );
    let setup = Setup::default()
        .listen(&HttpListener {
            address: &address,
            ..HttpListener::default()
        })
        .listen(&HttpListener {
            name: "six",
            address: v6,
            ..HttpListener::default()
        })
        .cluster_of(&Cluster::default(), &endpoint);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut stream = UnixStream::connect(&front).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut all = String::new();
    std::io::Read::read_to_string(&mut stream, &mut all).unwrap();
    assert!(
        all.starts_with("HTTP/1.1 200 OK\r\n") && all.ends_with("unix"),
        "{all}"
    );
    assert_eq!(Client::new(proxy.at("six")).get("/").text(), "unix");
}

#[test]
fn several_workers_and_listeners_share_the_work() {
    let origin = Origin::echo("a");
    let (at, to) = ("127.0.0.1:0", origin.at().to_string());
    let tcp = format!("tcp://{at}");
    let proxy = Command::new(&[
        "run",
        "--listen",
        at,
        "--to",
        &to,
        "--listen",
        &tcp,
        "--to",
        &to,
        "--admin",
        at,
        "--workers",
        "3",
    ])
    .start();
    for _ in 0..30 {
        for name in ["http-0", "tcp-1"] {
            assert_eq!(Client::new(proxy.at(name)).get("/").text(), "a / ");
        }
    }
    assert_eq!(proxy.metric("ringlb_listener_connections_total"), 60);
    until("closed", || {
        proxy.metric("ringlb_listener_connections_active") == 0
    });
}
