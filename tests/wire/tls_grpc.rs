//! gRPC over TLS on both sides, HTTP/2 by ALPN: between peers of its own implementation, between ends of ours, and from
//! browsers.

use crate::{
    grpc::HTTP2,
    support::{
        Client, Cluster, Origin, Proxy, Python, Setup, closed_port,
        h2::{DATA, END, H2},
        has_grpcio,
        tls::{Endpoint, Offer, offering},
        tls_config::{downstream, filtered_chain, serving, to, trusting, upstream},
        tls_pki::pki_path,
        tls_programs::{Program, run},
    },
};
use engines::EngineKind;
use serde_json::{Value, json};
use std::net::SocketAddr;

on_each_engine!(
    grpc_is_answered_over_tls,
    calls_of_every_kind_pass_over_tls,
    what_ends_a_call_passes_over_tls,
    who_has_no_certificate_makes_no_call,
    our_own_ends_make_calls_over_tls,
    browsers_are_answered_over_tls,
);

const AUTO: &str = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
    {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, auto_config: {}}}";

/// A proxy with a listener `tls` before one endpoint.
fn secure_proxy(engine: EngineKind, chain: &str, cluster: &str, endpoint: SocketAddr) -> Proxy {
    let cluster = Cluster {
        cluster,
        ..Cluster::default()
    };
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(chain, "c")])
        .cluster(&cluster, &[endpoint])
        .yaml();
    Proxy::start(engine, &yaml)
}

/// An HTTP/2 cluster that is told, or finds out, what is spoken.
fn towards(options: &str, context: &str) -> String {
    format!("{options}\n    {context}")
}

fn calls_of_every_kind_pass_over_tls(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve_secure(false);
    let context = serving(&["any", "origin"]);
    let last = secure_proxy(
        engine,
        &context,
        &towards(HTTP2, &trusting("origin.test")),
        at,
    );
    let far = towards(AUTO, &trusting("origin.test"));
    let first = secure_proxy(engine, &context, &far, last.at("tls"));
    for entry in [&last, &first] {
        let mut client = Python::secure_client(entry.at("tls"), "");
        client.make_calls();
        let call = json!({"method": "Echo", "send": ["#5000000"], "metadata": [["x-one", "1"]]});
        let answer = client.call(&call);
        assert_eq!(answer["got"], json!(["#5000000"]));
        assert_eq!(answer["initial"]["got-x-one"], "1", "{answer}");
        assert_eq!(answer["trailing"]["x-trail-bin"], "00ff", "{answer}");
    }
    last.settle_streams();
    first.settle_streams();
}

/// Failures, deadlines and cancellations.
fn what_ends_a_call_passes_over_tls(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve_secure(false);
    let cluster = towards(AUTO, &trusting("origin.test"));
    let proxy = secure_proxy(engine, &serving(&["any"]), &cluster, at);
    let mut client = Python::secure_client(proxy.at("tls"), "");
    let failed = client.call(&json!({"kind": "us", "method": "FailLate"}));
    assert_eq!(
        (&failed["code"], &failed["details"], &failed["got"]),
        (
            &json!("DATA_LOSS"),
            &json!("late \u{20ac}"),
            &json!(["first"])
        )
    );
    let told = |client: &mut Python, what: &str| {
        let told = client.call(&json!({"method": "Cancelled"}));
        assert_eq!(told["got"], json!(["yes"]), "{what}");
    };
    // Long enough to get there first.
    let late = client.call(&json!({"method": "Wait", "timeout": 2}));
    assert_eq!(late["code"], "DEADLINE_EXCEEDED", "{late}");
    told(&mut client, "the deadline");
    let call = json!({"kind": "us", "method": "Forever", "take": 1});
    assert_eq!(client.call(&call)["code"], "CANCELLED");
    told(&mut client, "the cancellation");
    // The connections of both sides carry on.
    assert_eq!(proxy.metric("ringlb_listener_connections_total"), 1);
    assert_eq!(proxy.metric("ringlb_cluster_connections_total"), 1);
    proxy.settle_streams();
}

fn who_has_no_certificate_makes_no_call(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve_secure(true);
    let mutual = downstream(
        "require_client_certificate: true, common_tls_context: {alpn_protocols: [h2], \
         tls_certificates: [cert(any)], validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let presenting = upstream(
        "sni: origin.test, common_tls_context: {tls_certificates: [cert(bob)], \
         validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let with = secure_proxy(engine, &mutual, &towards(HTTP2, &presenting), at);
    let without = towards(HTTP2, &trusting("origin.test"));
    let without = secure_proxy(engine, &mutual, &without, at);
    for (proxy, certificate, code) in [
        (&with, "alice", "OK"),
        (&with, "", "UNAVAILABLE"),
        (&with, "stranger", "UNAVAILABLE"),
        (&without, "alice", "UNAVAILABLE"),
    ] {
        let mut client = Python::secure_client(proxy.at("tls"), certificate);
        let answer = client.call(&json!({"method": "Echo", "send": ["m"]}));
        assert_eq!(answer["code"], code, "{certificate} {answer}");
    }
}

/// `loadtest` with what it tells of calls.
fn load(at: SocketAddr, path: &str, args: &[&str]) -> Value {
    let url = format!("grpcs://{at}{path}");
    let ca = pki_path("ca.pem");
    let common = [
        "run",
        &url,
        "-n",
        "200",
        "-c",
        "2",
        "--streams",
        "8",
        "--warm-up",
        "0s",
    ];
    let tls = ["--ca", &ca, "--sni", "any.test", "--quiet", "--json", "-"];
    let all = [&common[..], &tls, args].concat();
    let (_, told, why) = run(env!("CARGO_BIN_EXE_loadtest-on-the-wire"), &all, b"");
    serde_json::from_slice(&told).unwrap_or_else(|error| panic!("{error}: {why}"))
}

fn our_own_ends_make_calls_over_tls(engine: EngineKind) {
    let (cert, key) = (pki_path("origin.pem"), pki_path("origin.key"));
    let args = [
        "serve",
        "--https",
        "127.0.0.1:0",
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
    ];
    let endpoint = Program::start(env!("CARGO_BIN_EXE_loadtest-on-the-wire"), &args);
    let line = endpoint.line_with("listening ");
    let at = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let mutual = downstream(
        "require_client_certificate: true, common_tls_context: {alpn_protocols: [h2, http/1.1], \
         tls_certificates: [cert(any)], validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let cluster = towards(AUTO, &trusting("origin.test"));
    let proxy = secure_proxy(engine, &mutual, &cluster, at);
    let (cert, key) = (pki_path("alice.pem"), pki_path("alice.key"));
    let own = ["--cert", &cert, "--key", &key];
    for (path, args, status, messages) in [
        ("/p.S/M?crc", &["--verify"][..], "0", 200),
        ("/p.S/Echo", &["--verify", "--body", "50000"], "0", 200),
        ("/bytes/500?messages=20&crc", &["--verify"], "0", 4000),
        ("/p.S/M?grpc-status=8", &[], "8", 0),
        // The endpoint says nothing: it is the proxy that keeps the deadline.
        ("/p.S/M?fault=stall", &["--grpc-timeout", "20ms"], "4", 0),
        ("/p.S/M?grpc-status=14&messages=2", &[], "14", 400),
    ] {
        let json = load(proxy.at("tls"), path, &[&own, args].concat());
        let calls = &json["calls"];
        assert_eq!(calls["statuses"], json!({ status: 200 }), "{path} {json}");
        assert_eq!(calls["messages"], messages, "{path} {json}");
    }
    proxy.settle_streams();
}

fn browsers_are_answered_over_tls(engine: EngineKind) {
    const WEB: &str = "{name: web, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb}},";
    let endpoint = Endpoint {
        certificate: "origin",
        ..Endpoint::default()
    };
    let origin = Origin::secure(&endpoint, |request, out| {
        let kind = request.field("content-type");
        assert_eq!(
            (kind, &request.body[..]),
            (Some("application/grpc+proto"), &b"\0\0\0\0\x03one"[..])
        );
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = "9\r\n\0\0\0\0\x04four\r\n0\r\ngrpc-status: 0\r\n\r\n";
        out.write_all([head, body].concat().as_bytes()).is_ok()
    });
    let routes = "[{match: {prefix: /}, route: {cluster: c}}]";
    let cluster = Cluster {
        cluster: &trusting("origin.test"),
        ..Cluster::default()
    };
    let yaml = Setup::default()
        .listen_chains(
            "tls",
            "",
            &[filtered_chain(&serving(&["any"]), "", routes, WEB)],
        )
        .cluster(&cluster, &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let expected = b"\0\0\0\0\x04four\x80\0\0\0\x10grpc-status: 0\r\n";
    let mut client = Client::any(proxy.at("tls"));
    let answer = client.ask(
        "POST /t.T/M HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc-web+proto\r\n\
         content-length: 8\r\n\r\n\0\0\0\0\x03one",
    );
    assert_eq!((answer.status, &answer.body[..]), (200, &expected[..]));
    let offer = offering(&Offer {
        alpn: &["h2"],
        ..Offer::default()
    });
    let mut client = H2::over(Client::secure(proxy.at("tls"), &offer, "any.test"), &[]);
    let fields = [("content-type", "application/grpc-web+proto")];
    let id = client.request("POST", "/t.T/M", &fields, false);
    client.send(DATA, END, id, b"\0\0\0\0\x03one");
    let reply = client.reply(id);
    assert_eq!((reply.status, &reply.body[..]), (200, &expected[..]));
    assert!(reply.trailers.is_empty());
    drop(client);
    proxy.settle_streams();
}

fn grpc_is_answered_over_tls(engine: EngineKind) {
    let yaml = Setup::default()
        .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
        .cluster(&Cluster::default(), &[closed_port()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let offer = offering(&Offer {
        alpn: &["h2"],
        ..Offer::default()
    });
    let mut client = H2::over(Client::secure(proxy.at("tls"), &offer, "any.test"), &[]);
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    let id = client.request("POST", "/a.B/C", &fields, true);
    let reply = client.reply(id);
    let status = reply
        .fields
        .iter()
        .chain(&reply.trailers)
        .find(|(name, _)| name == "grpc-status");
    assert_eq!(
        (reply.status, status.map(|(_, value)| value.as_str())),
        (200, Some("14"))
    );
}
