//! HTTP/2 with clients of others: curl, nghttp, h2load.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, h2::H2, until};
use engines::EngineKind;
use std::{
    io::Write,
    process::{Command, Stdio},
};

on_each_engine!(
    curl_speaks_http2_to_an_http1_endpoint_and_to_an_http2_one,
    nghttp_asks_many_things_at_a_time,
    h2load_gets_every_answer,
    streams_of_one_connection_do_not_wait_for_each_other,
    cookies_are_one_field_for_an_http1_endpoint,
    a_drain_lets_streams_end_and_tells_in_two_steps,
    a_listener_that_speaks_one_protocol_refuses_the_other,
    an_endpoint_that_does_not_answer_pings_is_left,
    a_connection_to_an_endpoint_ends_with_the_last_request_that_it_may_carry,
    a_connect_that_is_no_tunnel_is_never_a_success,
    heads_that_are_late_end_a_connection_whatever_else_it_carries,
    answers_share_the_window_of_their_connection,
);

const HTTP2: &str = "typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}";

/// Answers with as many bytes as the path says, or with what came.
fn sized() -> Origin {
    Origin::new(|request, stream| {
        let bytes = request
            .path()
            .strip_prefix("/b/")
            .and_then(|n| n.parse().ok());
        let body = match bytes {
            Some(bytes) => vec![b'x'; bytes],
            None => request.body.clone(),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
    })
}

/// Two proxies: the first speaks HTTP/2 to the second, the second HTTP/1 to the endpoint.
fn chain(engine: EngineKind, origin: &Origin) -> [Proxy; 2] {
    let last = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let yaml = Setup::default()
        .listen(&HttpListener::default())
        .cluster(
            &Cluster {
                cluster: HTTP2,
                ..Cluster::default()
            },
            &[last.at("http")],
        )
        .yaml();
    [Proxy::start(engine, &yaml), last]
}

/// Runs another's program; `None`, and a word about it, where it is missing.
fn run(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{program}: {text} {output:?}");
            Some(text)
        }
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            None
        }
    }
}

fn curl_speaks_http2_to_an_http1_endpoint_and_to_an_http2_one(engine: EngineKind) {
    let origin = sized();
    let proxies = chain(engine, &origin);
    let upload = crate::support::scratch("upload");
    std::fs::write(&upload, vec![b'u'; 700_000]).unwrap();
    let upload = format!("@{}", upload.display());
    let told = "\n%{http_version} %{response_code} %{size_download}";
    for proxy in &proxies {
        let at = proxy.at("http");
        for version in ["--http2-prior-knowledge", "--http1.1"] {
            for (path, more, want) in [
                ("b/100", &[][..], 100),
                ("b/2000000", &[], 2_000_000),
                ("echo", &["--data-binary", &upload], 700_000),
                ("b/5000", &["--head"], 0),
            ] {
                let url = format!("http://{at}/{path}");
                let mut args = vec!["-s", "-S", version, "-w", told, "-o", "/dev/null", &url];
                args.extend_from_slice(more);
                let Some(text) = run("curl", &args) else {
                    return;
                };
                let spoken = if version == "--http1.1" { "1.1" } else { "2" };
                assert_eq!(text.trim(), format!("{spoken} 200 {want}"), "{url}");
            }
        }
    }
}

fn nghttp_asks_many_things_at_a_time(engine: EngineKind) {
    let origin = sized();
    for proxy in &chain(engine, &origin) {
        let urls: Vec<_> = (0..30)
            .map(|n| format!("http://{}/b/{}", proxy.at("http"), n * 9000))
            .collect();
        let mut args = vec!["-n", "-s"];
        args.extend(urls.iter().map(String::as_str));
        let Some(text) = run("nghttp", &args) else {
            return;
        };
        let answered = text.lines().filter(|line| line.contains(" 200 ")).count();
        assert_eq!(answered, 30, "{text}");
    }
}

fn h2load_gets_every_answer(engine: EngineKind) {
    let origin = sized();
    for proxy in &chain(engine, &origin) {
        let url = format!("http://{}/b/1000", proxy.at("http"));
        let args = ["-n", "600", "-c", "5", "-m", "20", &url];
        let Some(text) = run("h2load", &args) else {
            return;
        };
        assert!(
            text.contains("600 succeeded, 0 failed, 0 errored"),
            "{text}"
        );
    }
}

fn streams_of_one_connection_do_not_wait_for_each_other(engine: EngineKind) {
    let origin = sized();
    let proxies = chain(engine, &origin);
    for proxy in &proxies {
        let mut client = H2::new(proxy.at("http"));
        let long = client.request("GET", "/b/70000", &[], true);
        assert_eq!(client.reply(long).body.len(), 70_000);
        let upload = client.request("POST", "/echo", &[], false);
        assert_eq!(client.get("/b/9").body.len(), 9);
        client.send(crate::support::h2::DATA, 1, upload, b"hello");
        assert_eq!(client.reply(upload).body, b"hello");
        assert_eq!(Client::new(proxy.at("http")).get("/b/5").body.len(), 5);
    }
}

fn cookies_are_one_field_for_an_http1_endpoint(engine: EngineKind) {
    let origin = sized();
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = H2::new(proxy.at("http"));
    let crumbs = [
        ("cookie", "a=1"),
        ("te", "trailers"),
        ("cookie", "b=2"),
        ("priority", "u=1"),
    ];
    let id = client.request("GET", "/b/1", &crumbs, true);
    assert_eq!(client.reply(id).status, 200);
    let seen = &origin.requests()[0];
    assert_eq!(seen.field("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.field("host"), Some("example"));
    assert_eq!(seen.field("priority"), Some("u=1"));
    assert_eq!(
        seen.fields
            .iter()
            .filter(|(name, _)| name == "cookie")
            .count(),
        1
    );
}

fn a_drain_lets_streams_end_and_tells_in_two_steps(engine: EngineKind) {
    let origin = sized();
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = H2::new(proxy.at("http"));
    assert_eq!(client.get("/b/1").status, 200);
    let open = client.request("POST", "/echo", &[], false);
    until("it is under way", || {
        proxy.metric("ringlb_cluster_requests_active") == 1
    });
    proxy.signal(nix::sys::signal::Signal::SIGTERM);
    let mut last_ids = Vec::new();
    loop {
        let frame = client.next().unwrap();
        if frame.kind == crate::support::h2::GOAWAY {
            assert_eq!(frame.code(), 0);
            last_ids.push(u32::from_be_bytes(frame.payload[..4].try_into().unwrap()));
        }
        if frame.kind == crate::support::h2::PING && frame.flags == 0 {
            // Streams that were under way when the first GOAWAY left are served.
            for bytes in [7, 8, 9] {
                let late = client.request("GET", &format!("/b/{bytes}"), &[], true);
                assert_eq!(client.reply(late).body.len(), bytes);
            }
            client.send(crate::support::h2::PING, 1, 0, &frame.payload);
            client.send(crate::support::h2::DATA, 1, open, b"the end");
            let reply = client.reply(open);
            assert_eq!(reply.body, b"the end");
            break;
        }
    }
    assert_eq!(last_ids, [(1 << 31) - 1]);
    while let Some(frame) = client.next() {
        assert_ne!(frame.kind, crate::support::h2::RST_STREAM);
    }
    assert!(proxy.wait().0.success());
}

fn a_listener_that_speaks_one_protocol_refuses_the_other(engine: EngineKind) {
    let origin = sized();
    let listener = |name, manager| HttpListener {
        name,
        manager,
        ..HttpListener::default()
    };
    let yaml = Setup::default()
        .listen(&listener("one", "codec_type: HTTP1"))
        .listen(&listener("two", "codec_type: HTTP2"))
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    assert_eq!(H2::new(proxy.at("two")).get("/b/1").status, 200);
    assert_eq!(Client::new(proxy.at("one")).get("/b/1").status, 200);
    let mut wrong = Client::new(proxy.at("one"));
    wrong.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(matches!(wrong.answer().status, 400 | 505));
    let mut wrong = Client::new(proxy.at("two"));
    wrong.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(!wrong.rest().starts_with(b"HTTP/1.1 2"));
}

/// An endpoint that takes the connection and never says anything.
fn an_endpoint_that_does_not_answer_pings_is_left(engine: EngineKind) {
    let deaf = Origin::raw(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let cluster = HTTP2.replace(
        "http2_protocol_options: {}",
        "http2_protocol_options: {connection_keepalive: {interval: 0.05s, timeout: 0.05s}}",
    );
    let yaml = Setup::default()
        .listen(&HttpListener::default())
        .cluster(
            &Cluster {
                cluster: &cluster,
                ..Cluster::default()
            },
            &[deaf.at()],
        )
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(answer.status, 503);
    assert!(proxy.metric("ringlb_cluster_keepalive_timeouts_total") >= 1);
}

fn a_connection_to_an_endpoint_ends_with_the_last_request_that_it_may_carry(engine: EngineKind) {
    let origin = sized();
    let last = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let options = "explicit_http_config: {http2_protocol_options: {}}
        common_http_protocol_options: {max_requests_per_connection: 3}";
    let cluster = HTTP2.replace(
        "explicit_http_config: {http2_protocol_options: {}}",
        options,
    );
    let yaml = Setup::default()
        .listen(&HttpListener::default())
        .cluster(
            &Cluster {
                cluster: &cluster,
                ..Cluster::default()
            },
            &[last.at("http")],
        )
        .yaml();
    let first = Proxy::start(engine, &yaml);
    let mut client = H2::new(first.at("http"));
    for _ in 0..9 {
        assert_eq!(client.get("/b/5").body.len(), 5);
    }
    assert_eq!(last.metric("ringlb_listener_connections_total"), 3);
}

/// RFC 8441 §5: a success would mean that the tunnel is there.
fn a_connect_that_is_no_tunnel_is_never_a_success(engine: EngineKind) {
    let origin = Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml");
    for (upgrades, want) in [
        ("", 403),
        ("upgrade_configs: [{upgrade_type: websocket}]", 502),
    ] {
        let manager =
            format!("http2_protocol_options: {{allow_connect: true}}\n          {upgrades}");
        let yaml = Setup::default()
            .listen(&HttpListener {
                manager: &manager,
                ..HttpListener::default()
            })
            .cluster(&Cluster::default(), &[origin.at()])
            .yaml();
        let proxy = Proxy::start(engine, &yaml);
        let mut client = H2::new(proxy.at("http"));
        let more = [(":protocol", "websocket"), ("sec-websocket-version", "13")];
        let id = client.request("CONNECT", "/chat", &more, false);
        assert_eq!(client.reply(id).status, want);
        assert_eq!(client.get("/").body, b"html");
    }
}

fn heads_that_are_late_end_a_connection_whatever_else_it_carries(engine: EngineKind) {
    use crate::support::h2::{END, HEADERS, frame};
    let origin = sized();
    let yaml = Setup::default()
        .listen(&HttpListener {
            manager: "request_headers_timeout: 0.2s",
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(engine, &yaml);
    // A head whose end never comes, beside a request that is under way; and part of a frame.
    let mut client = H2::new(proxy.at("http"));
    client.request("POST", "/echo", &[], false);
    let id = client.take_id();
    let block = client.block(&[(":method", "GET")]);
    client.send(HEADERS, END, id, &block);
    while client.next().is_some() {}
    let mut client = H2::new(proxy.at("http"));
    let whole = frame(HEADERS, END | 4, 1, &[0x82, 0x86, 0x84]);
    client.client.send(&whole[..whole.len() - 1]);
    while client.next().is_some() {}
    assert_eq!(proxy.metric("ringlb_listener_head_timeouts_total"), 2);
}

fn answers_share_the_window_of_their_connection(engine: EngineKind) {
    use crate::support::h2::{DATA, HEADERS, WINDOW_UPDATE};
    let origin = sized();
    for proxy in &chain(engine, &origin) {
        // INITIAL_WINDOW_SIZE: the connection's window is what they have to share.
        let mut client = H2::with_settings(proxy.at("http"), &[(4, 8 << 20)]);
        let ids: Vec<_> = (0..3)
            .map(|_| client.request("GET", "/b/3000000", &[], true))
            .collect();
        let mut bytes = std::collections::BTreeMap::new();
        let (mut sum, mut heads, mut owed) = (0, 0, 0);
        while sum < 3_000_000 {
            let frame = client.next().unwrap();
            heads += usize::from(frame.kind == HEADERS);
            if frame.kind == DATA {
                *bytes.entry(frame.id).or_insert(0) += frame.payload.len();
                sum += frame.payload.len();
                owed += frame.payload.len() as u32;
            }
            // None of them is late when they begin to share.
            if heads == ids.len() && owed > 0 {
                client.send(
                    WINDOW_UPDATE,
                    0,
                    0,
                    &std::mem::take(&mut owed).to_be_bytes(),
                );
            }
        }
        for id in ids {
            assert!(
                bytes.get(&id).is_some_and(|one| *one > sum / 6),
                "{bytes:?}"
            );
        }
    }
}
