//! What the proxy itself says to gRPC requests, as HTTP/1 shows it byte by byte.

use crate::{
    grpc::HTTP2,
    support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, closed_port, h2::H2, scratch},
};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{io::Write, net::SocketAddr};

on_each_engine!(
    the_proxy_s_own_answers_are_in_their_head,
    a_client_s_deadline_is_obeyed_and_passed_on,
    an_endpoint_is_told_what_the_route_leaves_of_a_deadline,
    the_log_tells_the_status,
    an_answer_that_is_cut_ends_with_a_status,
);

/// The head of a call whose one message has five bytes of prefix and nothing else.
fn ask(path: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc\r\nte: trailers\r\n\
         connection: te\r\n{more}content-length: 5\r\n\r\n\0\0\0\0\0"
    )
}

const FAULT: &str = "{name: fault, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault,
    abort: {grpc_status: 8, percentage: {numerator: 100}}, headers: [{name: x-fault, string_match: {exact: abort}}]}},";

fn setup(manager: &str, to: SocketAddr, cluster: &str) -> String {
    let setup = Setup::default().listen(&HttpListener {
        manager,
        filters: FAULT,
        routes: "[{match: {prefix: /c}, route: {cluster: c, timeout: 0s}}]",
        ..HttpListener::default()
    });
    let cluster = Cluster {
        cluster,
        ..Cluster::default()
    };
    setup.cluster(&cluster, &[to]).yaml()
}

fn the_proxy_s_own_answers_are_in_their_head(engine: EngineKind) {
    let proxy = Proxy::start(engine, &setup("", closed_port(), ""));
    let mut client = Client::new(proxy.at("http"));
    for (path, more, status, message) in [
        ("/nowhere", "", "12", "no route matches"),
        ("/c", "", "14", "no upstream could answer"),
        ("/c", "x-fault: abort\r\n", "8", "fault filter abort"),
    ] {
        let answer = client.ask(ask(path, more));
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
        assert_eq!(answer.field("content-type"), Some("application/grpc"));
        assert_eq!(answer.field("grpc-status"), Some(status));
        assert_eq!(answer.field("grpc-message"), Some(message));
        assert_eq!(answer.field("content-length"), Some("0"));
    }
    // Who speaks no gRPC has HTTP's status of the same meaning.
    let other = client.ask("GET /c HTTP/1.1\r\nhost: h\r\nx-fault: abort\r\n\r\n");
    assert_eq!((other.status, &*other.text()), (429, "fault filter abort"));
    assert_eq!(other.field("grpc-status"), None);
}

fn a_client_s_deadline_is_obeyed_and_passed_on(engine: EngineKind) {
    // Takes requests and never answers.
    let origin = Origin::new(|_, _| true);
    let last = Proxy::start(engine, &setup("", origin.at(), ""));
    let first = Proxy::start(engine, &setup("", last.at("http"), HTTP2));
    for entry in [&last, &first] {
        let mut client = Client::new(entry.at("http"));
        let answer = client.ask(ask("/c", "grpc-timeout: 50m\r\n"));
        assert_eq!(
            (answer.status, answer.field("grpc-status")),
            (200, Some("4"))
        );
    }
    let asked = origin.requests();
    assert!(!asked.is_empty());
    for request in asked {
        assert_eq!(request.field("grpc-timeout"), Some("50m"));
        assert_eq!(request.field("te"), Some("trailers"));
    }
    // Over before it began: no endpoint is asked.
    let before = origin.requests().len();
    let answer = Client::new(last.at("http")).ask(ask("/c", "grpc-timeout: 0m\r\n"));
    assert_eq!(
        (answer.status, answer.field("grpc-status")),
        (200, Some("4"))
    );
    assert_eq!(origin.requests().len(), before);
}

fn an_endpoint_is_told_what_the_route_leaves_of_a_deadline(engine: EngineKind) {
    let origin = Origin::echo("a");
    let route = |path: &str, limit: &str| {
        format!("{{match: {{prefix: /{path}}}, route: {{cluster: c, {limit}}}}}")
    };
    let routes = [
        route("most", "max_grpc_timeout: 5s"),
        route("off", "max_grpc_timeout: 0s, grpc_timeout_offset: 1s"),
        route(
            "try",
            "max_grpc_timeout: 5s, retry_policy: {retry_on: 5xx, per_try_timeout: 2s}",
        ),
        route("new", "max_stream_duration: {grpc_timeout_header_max: 5s}"),
    ];
    let setup = Setup::default()
        .listen(&HttpListener {
            routes: &format!("[{}]", routes.join(", ")),
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    for (path, asked, told) in [
        ("/most", "grpc-timeout: 60S\r\n", Some("5000m")),
        ("/most", "grpc-timeout: 3S\r\n", Some("3000m")),
        ("/most", "", Some("5000m")),
        ("/off", "grpc-timeout: 60S\r\n", Some("59000m")),
        ("/off", "", None),
        ("/try", "grpc-timeout: 60S\r\n", Some("2000m")),
        ("/new", "grpc-timeout: 60S\r\n", Some("60S")),
    ] {
        client.ask(ask(path, asked));
        let last = origin.requests().pop().unwrap();
        assert_eq!(last.field("grpc-timeout"), told, "{path} {asked}");
    }
}

fn the_log_tells_the_status(engine: EngineKind) {
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n\
              5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 0\r\n\r\n";
    let origin = Origin::fixed(ok);
    let log = scratch("grpc.log");
    let kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
    let manager = format!(
        "access_log:
          - name: t
            typed_config: {{\"@type\": {kind}, path: {}, log_format: {{text_format: \"%RESPONSE_CODE% %GRPC_STATUS% %GRPC_STATUS_NUMBER% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n\"}}}}",
        log.display()
    );
    let mut proxy = Proxy::start(engine, &setup(&manager, origin.at(), ""));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask(ask("/c", ""));
    assert_eq!(answer.trailer("grpc-status"), Some("0"), "{answer:?}");
    client.ask(ask("/nowhere", ""));
    client.ask(ask("/c", "grpc-timeout: 0m\r\n"));
    client.get("/nowhere");
    drop(client);
    proxy.signal(Signal::SIGTERM);
    proxy.wait();
    let log = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<_> = log.lines().collect();
    let expected = [
        "200 OK 0 - via_upstream",
        "200 Unimplemented 12 NR route_not_found",
        "200 DeadlineExceeded 4 DT max_duration_timeout",
        "404 - - NR route_not_found",
    ];
    assert_eq!(lines, expected);
}

/// A reset would mean that the protocol was broken, or that the client has cancelled.
fn an_answer_that_is_cut_ends_with_a_status(engine: EngineKind) {
    let origin = Origin::new(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = stream.write_all(format!("{head}5\r\n\0\0\0\0\0\r\n").as_bytes());
        false
    });
    let proxy = Proxy::start(engine, &setup("", origin.at(), ""));
    let mut client = H2::new(proxy.at("http"));
    let more = [("content-type", "application/grpc"), ("te", "trailers")];
    let id = client.request("POST", "/c", &more, true);
    let reply = client.reply(id);
    assert_eq!((reply.status, reply.reset), (200, None));
    let status = reply
        .trailers
        .iter()
        .find(|(name, _)| name == "grpc-status");
    assert_eq!(status.map(|(_, value)| value.as_str()), Some("14"));
}
