//! Access logs.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, scratch, until};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::io::Write;

on_each_engine!(
    a_line_tells_what_happened,
    a_log_that_nobody_reads_stops_neither_requests_nor_the_end,
    a_status_that_stays_tells_that_every_retry_was_used,
    standard_output_gets_lines_too,
);

fn a_line_tells_what_happened(engine: EngineKind) {
    let origin = Origin::echo("a");
    let (text, json) = (scratch("text.log"), scratch("json.log"));
    let kind = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
    let manager = format!(
        "access_log:
          - name: t
            typed_config: {{\"@type\": {kind}, path: {}, log_format: {{text_format: \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %RESPONSE_CODE_DETAILS%\\n\"}}}}
          - name: j
            typed_config: {{\"@type\": {kind}, path: {}, log_format: {{json_format: {{code: \"%RESPONSE_CODE%\", flags: \"%RESPONSE_FLAGS%\", agent: \"%REQ(USER-AGENT)%\"}}}}}}",
        text.display(),
        json.display()
    );
    let setup = Setup::default()
        .listen(&HttpListener {
            manager: &manager,
            routes: "[{match: {prefix: /there}, route: {cluster: c}}]",
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let mut proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    let request = "POST /there HTTP/1.1\r\nhost: h\r\nuser-agent: a \"quoted\" one\r\ncontent-length: 4\r\n\r\nbody";
    assert_eq!(client.ask(request).status, 200);
    assert_eq!(client.get("/nowhere").status, 404);
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    drop(client);
    proxy.signal(Signal::SIGTERM);
    proxy.wait();
    let text = std::fs::read_to_string(&text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            "POST /there HTTP/1.1 200 - 4 13 {} c via_upstream",
            origin.at()
        )
    );
    assert!(
        lines[1].starts_with("GET /nowhere HTTP/1.1 404 NR 0 "),
        "{}",
        lines[1]
    );
    assert!(lines[2].contains(" 400 DPE "), "{}", lines[2]);
    let json = std::fs::read_to_string(&json).unwrap();
    let first = json.lines().next().unwrap();
    assert!(
        first.contains("\"agent\":\"a \\\"quoted\\\" one\""),
        "{first}"
    );
    assert!(
        first.contains("\"code\":200") || first.contains("\"code\":\"200\""),
        "{first}"
    );
    assert_eq!((lines.len(), json.lines().count()), (3, 3));
}

fn a_status_that_stays_tells_that_every_retry_was_used(engine: EngineKind) {
    let origin = Origin::new(|_, stream| {
        let answer = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let manager = "access_log: [{name: o, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format: \"%RESPONSE_CODE% %RESPONSE_FLAGS%\\n\"}}}]";
    let routes = "[{match: {prefix: /}, route: {cluster: c, retry_policy: {retry_on: gateway-error, num_retries: 2}}}]";
    let setup = Setup::default()
        .listen(&HttpListener {
            manager,
            routes,
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let mut proxy = Proxy::start(engine, &setup.yaml());
    assert_eq!(Client::new(proxy.at("http")).get("/").status, 502);
    assert_eq!(origin.requests().len(), 3);
    until("it is counted", || {
        proxy.metric("ringlb_listener_requests_total") == 1
    });
    proxy.signal(Signal::SIGTERM);
    let (_, out) = proxy.wait();
    assert_eq!(out, "502 URX\n");
}

fn logged_to_standard_output(origin: &Origin) -> String {
    let manager = "access_log: [{name: o, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]";
    let setup = Setup::default()
        .listen(&HttpListener {
            manager,
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    setup.yaml()
}

fn a_log_that_nobody_reads_stops_neither_requests_nor_the_end(engine: EngineKind) {
    let origin = Origin::echo("a");
    let mut proxy = Proxy::start(engine, &logged_to_standard_output(&origin));
    let mut client = Client::new(proxy.at("http"));
    // More lines than a pipe holds.
    let path = format!("/{}", "p".repeat(2000));
    for _ in 0..200 {
        assert_eq!(client.get(&path).status, 200);
    }
    drop(client);
    proxy.signal(Signal::SIGTERM);
    until("it ends", || proxy.has_ended());
}

fn standard_output_gets_lines_too(engine: EngineKind) {
    let origin = Origin::echo("a");
    let mut proxy = Proxy::start(engine, &logged_to_standard_output(&origin));
    assert_eq!(Client::new(proxy.at("http")).get("/x").status, 200);
    until("it is counted", || {
        proxy.metric("ringlb_listener_requests_total") == 1
    });
    proxy.signal(Signal::SIGTERM);
    let (_, out) = proxy.wait();
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("\"GET /x HTTP/1.1\" 200 -"), "{out}");
}
