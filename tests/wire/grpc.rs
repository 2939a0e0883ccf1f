//! gRPC between clients and servers of its own implementation, through one proxy and through two.

use crate::support::{Cluster, HttpListener, Proxy, Python, Setup, closed_port, has_grpcio, until};
use engines::EngineKind;
use serde_json::{Value, json};
use std::net::SocketAddr;

on_each_engine!(
    calls_of_every_kind_pass,
    metadata_and_large_messages_pass,
    a_failure_comes_with_its_status_and_its_words,
    a_call_that_takes_too_long_ends_on_both_sides,
    a_call_that_is_given_up_ends_at_the_endpoint,
    what_cannot_be_routed_has_a_status_too,
    calls_are_counted_by_their_status,
);

pub(crate) const HTTP2: &str = "typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}";

const ROUTES: &str = "[{match: {prefix: /}, route: {cluster: c, timeout: 0s}}]";

fn proxy(engine: EngineKind, to: SocketAddr, routes: &str) -> Proxy {
    let setup = Setup::default().listen(&HttpListener {
        routes,
        ..HttpListener::default()
    });
    let cluster = Cluster {
        cluster: HTTP2,
        ..Cluster::default()
    };
    Proxy::start(engine, &setup.cluster(&cluster, &[to]).yaml())
}

fn calls_of_every_kind_pass(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let last = proxy(engine, at, ROUTES);
    let first = proxy(engine, last.at("http"), ROUTES);
    for entry in [&last, &first] {
        let mut client = Python::client(entry.at("http"));
        client.make_calls();
    }
    last.settle_streams();
    first.settle_streams();
}

impl Python {
    /// Makes calls of every kind, whose answers have to be right.
    pub(crate) fn make_calls(&mut self) {
        for (kind, method, sent, got) in [
            ("uu", "Echo", json!(["hello"]), json!(["hello"])),
            ("uu", "Echo", json!([""]), json!([""])),
            ("us", "Count", json!(["4"]), json!(["0", "1", "2", "3"])),
            ("us", "Count", json!(["0"]), json!([])),
            ("su", "Join", json!(["a", "b", "c"]), json!(["a,b,c"])),
            ("su", "Join", json!([]), json!([""])),
            ("ss", "Chat", json!(["a", "b"]), json!(["A", "B"])),
            (
                "ping-pong",
                "",
                json!(["a", "b", "c"]),
                json!(["A", "B", "C"]),
            ),
        ] {
            let call = json!({"kind": kind, "method": method, "send": sent});
            let answer = self.call(&call);
            assert_eq!(
                (&answer["code"], &answer["got"]),
                (&json!("OK"), &got),
                "{call}"
            );
        }
    }
}

impl Proxy {
    /// Waits until no call is under way.
    pub(crate) fn settle_streams(&self) {
        until("no call is under way", || {
            self.metric("ringlb_listener_requests_active") == 0
                && self.metric("ringlb_cluster_requests_active") == 0
        });
    }
}

fn metadata_and_large_messages_pass(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let proxy = proxy(engine, at, ROUTES);
    let mut client = Python::client(proxy.at("http"));
    let call = json!({
        "method": "Echo", "send": ["m"], "timeout": 20,
        "metadata": [["x-one", "1"], ["x-two", "2 and more"]],
    });
    let answer = client.call(&call);
    assert_eq!(answer["initial"]["got-x-one"], "1", "{answer}");
    assert_eq!(answer["initial"]["got-x-two"], "2 and more", "{answer}");
    assert_eq!(answer["trailing"]["x-trail"], "t", "{answer}");
    assert_eq!(answer["trailing"]["x-trail-bin"], "00ff", "{answer}");
    for (kind, method, sent, got) in [
        ("uu", "Echo", json!(["#5000000"]), json!(["#5000000"])),
        (
            "ss",
            "Chat",
            json!(["#700000", "#1", "#900000"]),
            json!(["#700000", "X", "#900000"]),
        ),
    ] {
        let answer = client.call(&json!({"kind": kind, "method": method, "send": sent}));
        assert_eq!(
            (&answer["code"], &answer["got"]),
            (&json!("OK"), &got),
            "{method}"
        );
    }
    proxy.settle_streams();
}

fn a_failure_comes_with_its_status_and_its_words(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let proxy = proxy(engine, at, ROUTES);
    let mut client = Python::client(proxy.at("http"));
    for (kind, method, sent, code, details, got) in [
        (
            "uu",
            "Fail",
            "NOT_FOUND not here",
            "NOT_FOUND",
            "not here",
            json!([]),
        ),
        (
            "uu",
            "Nothing",
            "",
            "UNIMPLEMENTED",
            "Method not found!",
            json!([]),
        ),
        (
            "us",
            "FailLate",
            "",
            "DATA_LOSS",
            "late \u{20ac}",
            json!(["first"]),
        ),
    ] {
        let answer = client.call(&json!({"kind": kind, "method": method, "send": [sent]}));
        let found = (&answer["code"], &answer["details"], &answer["got"]);
        assert_eq!(found, (&json!(code), &json!(details), &got));
    }
}

fn a_call_that_takes_too_long_ends_on_both_sides(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    // Long enough for the endpoint to begin, and nobody waits for it in vain.
    let time = "max_stream_duration: 1s";
    let route = |prefix: &str, limit: &str| {
        format!("{{match: {{prefix: {prefix}}}, route: {{cluster: c, {limit}}}}}")
    };
    let routes = [
        route("/t.T/Forever", &format!("max_stream_duration: {{{time}}}")),
        route("/t.T/Wait", "timeout: 1s"),
        route("/", "timeout: 0s"),
    ];
    let proxy = proxy(engine, at, &format!("[{}]", routes.join(", ")));
    let mut client = Python::client(proxy.at("http"));
    client.call(&json!({"method": "Echo"}));
    let late = client.call(&json!({"method": "Wait"}));
    assert_eq!(late["code"], "DEADLINE_EXCEEDED", "{late}");
    assert_eq!(late["details"], "the upstream did not answer in time");
    // An answer that has begun can only be cut.
    let cut = client.call(&json!({"kind": "us", "method": "Forever"}));
    assert_eq!(cut["got"], json!(["first"]));
    assert_ne!(cut["code"], "OK", "{cut}");
    for _ in 0..2 {
        let told = client.call(&json!({"method": "Cancelled"}));
        assert_eq!(told["got"], json!(["yes"]));
    }
    assert_eq!(proxy.metric("ringlb_listener_duration_timeouts_total"), 1);
    assert_eq!(proxy.metric("ringlb_cluster_timeouts_total"), 1);
    proxy.settle_streams();
}

fn a_call_that_is_given_up_ends_at_the_endpoint(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let proxy = proxy(engine, at, ROUTES);
    let mut client = Python::client(proxy.at("http"));
    let call = json!({"kind": "us", "method": "Forever", "take": 1});
    assert_eq!(client.call(&call)["code"], "CANCELLED");
    let told = client.call(&json!({"method": "Cancelled"}));
    assert_eq!(told["got"], json!(["yes"]));
    // The connections of both sides carry on.
    let answer = client.call(&json!({"method": "Echo", "send": ["still there"]}));
    assert_eq!(answer["got"], json!(["still there"]));
    assert_eq!(proxy.metric("ringlb_listener_connections_total"), 1);
    assert_eq!(proxy.metric("ringlb_cluster_connections_total"), 1);
    proxy.settle_streams();
}

fn what_cannot_be_routed_has_a_status_too(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let routes = "[{match: {prefix: /t.T/Echo}, route: {cluster: c}},
        {match: {prefix: /t.T/Direct}, direct_response: {status: 403, body: {inline_string: 'no'}}}]";
    let proxy = proxy(engine, closed_port(), routes);
    let mut client = Python::client(proxy.at("http"));
    for (method, code, details) in [
        ("Echo", "UNAVAILABLE", "no upstream could answer"),
        ("Direct", "PERMISSION_DENIED", "no"),
        ("Nowhere", "UNIMPLEMENTED", "no route matches"),
    ] {
        let answer = client.call(&json!({"method": method}));
        let found = (&answer["code"], &answer["details"]);
        assert_eq!(found, (&json!(code), &json!(details)), "{method}");
    }
}

fn calls_are_counted_by_their_status(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let proxy = proxy(engine, at, ROUTES);
    let counted = |status: &str| {
        let page = proxy.page("/stats/prometheus");
        let series = format!("{{cluster=\"c\",grpc_status=\"{status}\"}} ");
        let mut lines = page.lines();
        let line =
            lines.find_map(|line| line.split_once(&series).map(|(_, value)| value.to_owned()));
        line.map_or(0, |value| value.parse().unwrap())
    };
    let mut client = Python::client(proxy.at("http"));
    let calls: &[(&str, Value)] = &[
        ("0", json!({"method": "Echo"})),
        ("0", json!({"kind": "us", "method": "Count", "send": ["3"]})),
        ("5", json!({"method": "Fail", "send": ["NOT_FOUND x"]})),
        ("15", json!({"kind": "us", "method": "FailLate"})),
        (
            "none",
            json!({"kind": "us", "method": "Forever", "take": 1}),
        ),
    ];
    for (_, call) in calls {
        client.call(call);
    }
    proxy.settle_streams();
    for status in ["0", "5", "15", "none", "other", "14"] {
        let expected = calls.iter().filter(|(known, _)| *known == status).count();
        assert_eq!(counted(status), expected, "{status}");
    }
}
