//! gRPC-Web clients, whose requests are gRPC behind the proxy.

use crate::{
    grpc::HTTP2,
    support::{
        Answer, Client, Cluster, HttpListener, Origin, Proxy, Python, Setup, closed_port,
        has_grpcio,
    },
};
use base64::{Engine, prelude::BASE64_STANDARD};
use engines::EngineKind;
use std::net::SocketAddr;

on_each_engine!(
    an_answer_brings_its_trailers_in_its_body,
    a_server_of_grpc_s_own_answers_browsers,
    what_is_not_grpc_becomes_a_status,
    a_text_that_is_no_base64_is_refused,
);

const FILTER: &str = "{name: web, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb}},";

fn proxy(engine: EngineKind, filters: &str, to: SocketAddr, cluster: &str) -> Proxy {
    let setup = Setup::default().listen(&HttpListener {
        filters,
        routes: "[{match: {prefix: /t.T}, route: {cluster: c}}]",
        ..HttpListener::default()
    });
    let cluster = Cluster {
        cluster,
        ..Cluster::default()
    };
    Proxy::start(engine, &setup.cluster(&cluster, &[to]).yaml())
}

fn ask(client: &mut Client, path: &str, kind: &str, body: &[u8]) -> Answer {
    let length = body.len();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\ncontent-type: application/grpc-web{kind}\r\n\
         content-length: {length}\r\n\r\n"
    ));
    client.send(body);
    client.answer()
}

/// Decodes a text whose pieces may each be padded.
fn plain(text: &[u8]) -> Vec<u8> {
    let quanta = text
        .chunks(4)
        .map(|quantum| BASE64_STANDARD.decode(quantum).unwrap());
    quanta.flatten().collect()
}

const ASKED: &[u8] = b"\0\0\0\0\x03one";
const MESSAGE: &[u8] = b"\0\0\0\0\x04four";

fn an_answer_brings_its_trailers_in_its_body(engine: EngineKind) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let body = "9\r\n\0\0\0\0\x04four\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n";
    let origin = Origin::fixed([head, body].concat());
    let near = proxy(engine, FILTER, origin.at(), "");
    let last = proxy(engine, "", origin.at(), "");
    let far = proxy(engine, FILTER, last.at("http"), HTTP2);
    // Its filter meets HTTP/2 on the client's side.
    let front = proxy(engine, "", near.at("http"), HTTP2);
    let frame = b"\x80\0\0\0\x24grpc-status: 0\r\ngrpc-message: fine\r\n";
    for entry in [&near, &far, &front] {
        let mut client = Client::new(entry.at("http"));
        let answer = ask(&mut client, "/t.T/M", "+proto", ASKED);
        let kind = answer.field("content-type");
        assert_eq!(
            (answer.status, kind),
            (200, Some("application/grpc-web+proto"))
        );
        assert_eq!(answer.body, [MESSAGE, frame].concat().as_slice());
        assert_eq!(answer.trailers.len(), 0);
        let text = BASE64_STANDARD.encode(ASKED);
        let answer = ask(&mut client, "/t.T/M", "-text", text.as_bytes());
        let kind = answer.field("content-type");
        assert_eq!(
            (answer.status, kind),
            (200, Some("application/grpc-web-text+proto"))
        );
        assert_eq!(plain(&answer.body), [MESSAGE, frame].concat());
        drop(client);
        entry.settle();
    }
    for request in origin.requests() {
        let kind = request.field("content-type").unwrap();
        assert!(
            kind == "application/grpc" || kind == "application/grpc+proto",
            "{kind}"
        );
        assert_eq!(request.field("te"), Some("trailers"));
        assert_eq!(request.body, ASKED);
    }
    assert_eq!(origin.requests().len(), 6);
}

fn a_server_of_grpc_s_own_answers_browsers(engine: EngineKind) {
    if !has_grpcio() {
        return;
    }
    let (_server, at) = Python::serve();
    let proxy = proxy(engine, FILTER, at, HTTP2);
    let mut client = Client::new(proxy.at("http"));
    let answer = ask(&mut client, "/t.T/Echo", "+proto", ASKED);
    assert!(answer.body.starts_with(ASKED), "{answer:?}");
    let (frame, lines) = answer.body[ASKED.len()..].split_at(5);
    assert_eq!((frame[0], usize::from(frame[4])), (0x80, lines.len()));
    let lines = String::from_utf8_lossy(lines);
    assert!(lines.contains("grpc-status: 0\r\n") && lines.contains("x-trail: t\r\n"));
    let failed = ask(&mut client, "/t.T/Fail", "", b"\0\0\0\0\x0bNOT_FOUND x");
    let all = String::from_utf8_lossy(&failed.body).into_owned();
    let told = failed.field("grpc-status") == Some("5") || all.contains("grpc-status: 5\r\n");
    assert!(failed.status == 200 && told, "{failed:?}");
    let mut text = Vec::new();
    for part in [&b"\0\0\0\0\x01a"[..], b"\0\0\0\0\x02bc"] {
        text.extend_from_slice(BASE64_STANDARD.encode(part).as_bytes());
    }
    let joined = ask(&mut client, "/t.T/Join", "-text", &text);
    assert!(
        plain(&joined.body).starts_with(b"\0\0\0\0\x04a,bc\x80"),
        "{joined:?}"
    );
}

fn what_is_not_grpc_becomes_a_status(engine: EngineKind) {
    let html =
        "HTTP/1.1 503 Down\r\ncontent-type: text/html\r\ncontent-length: 11\r\n\r\n<p>down</p>";
    let origin = Origin::fixed(html);
    for (to, path, status, grpc, message) in [
        (origin.at(), "/t.T/M", 503, "14", "<p>down</p>"),
        (
            closed_port(),
            "/t.T/M",
            503,
            "14",
            "no upstream could answer",
        ),
    ] {
        let proxy = proxy(engine, FILTER, to, "");
        let answer = ask(&mut Client::new(proxy.at("http")), path, "", ASKED);
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        let kind = answer.field("content-type");
        assert_eq!(kind, Some("application/grpc-web+proto"));
        assert_eq!(answer.field("grpc-status"), Some(grpc));
        assert_eq!(answer.field("grpc-message"), Some(message));
        proxy.settle();
    }
}

fn a_text_that_is_no_base64_is_refused(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = proxy(engine, FILTER, origin.at(), "");
    for body in [&b"AAA"[..], b"????AAAA"] {
        let mut client = Client::new(proxy.at("http"));
        let answer = ask(&mut client, "/t.T/M", "-text", body);
        assert_eq!(
            (answer.status, answer.field("grpc-status")),
            (400, Some("13"))
        );
    }
    proxy.settle();
}
