//! HTTP/1.1 as it should be: what every client and endpoint relies on.

use crate::support::{Client, Cluster, HttpListener, Origin, Proxy, Setup, until};
use engines::EngineKind;
use std::io::Write;

on_each_engine!(
    a_request_reaches_an_endpoint_with_the_fields_of_a_proxy,
    a_body_passes_in_both_directions_whatever_its_framing,
    a_connection_carries_many_requests_and_so_does_the_pooled_one,
    a_clients_last_request_ends_its_connection_at_once,
    a_late_byte_takes_nothing_of_a_long_answer_away,
    an_expectation_is_met_before_the_body_is_sent,
    an_http_10_client_gets_an_answer_it_understands,
    bodiless_answers_keep_their_length_and_the_connection,
    hop_by_hop_fields_stay_on_their_hop,
    interim_answers_pass,
    pipelined_requests_are_answered_in_order,
    targets_in_every_form_are_understood,
    trailers_pass_in_both_directions,
    wishes_for_an_upgrade_are_ignored,
);

fn a_request_reaches_an_endpoint_with_the_fields_of_a_proxy(engine: EngineKind) {
    let origin = Origin::echo("a");
    let setup = Setup::default()
        .listen(&HttpListener {
            manager: "use_remote_address: true",
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    let answer =
        client.ask("GET /x?y=1 HTTP/1.1\r\nHost: example\r\nX-A: 1\r\nx-envoy-spoof: 1\r\n\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, "a /x?y=1 "));
    assert_eq!(answer.field("server"), Some("ringlb"));
    assert!(answer.field("date").is_some());
    assert!(answer.field("x-envoy-upstream-service-time").is_some());
    let request = &origin.requests()[0];
    assert_eq!(request.line, "GET /x?y=1 HTTP/1.1");
    assert_eq!(request.field("host"), Some("example"));
    assert_eq!(request.field("x-a"), Some("1"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-envoy-spoof"), None);
    assert_eq!(request.field("x-request-id").map(str::len), Some(36));
}

fn a_body_passes_in_both_directions_whatever_its_framing(engine: EngineKind) {
    let counted = Origin::echo("a");
    let chunked = Origin::new(|request, stream| {
        let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for part in request.body.chunks(700) {
            answer.extend(format!("{:x}\r\n", part.len()).bytes());
            answer.extend_from_slice(part);
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"0\r\n\r\n");
        stream.write_all(&answer).is_ok()
    });
    let unframed = Origin::new(|request, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        stream.write_all(&request.body).unwrap();
        false
    });
    let route = |name: &str| format!("{{match: {{prefix: /{name}}}, route: {{cluster: {name}}}}}");
    let routes = ["counted", "chunked", "unframed"].map(route).join(", ");
    let mut setup = Setup::default().listen(&HttpListener {
        routes: &format!("[{routes}]"),
        ..HttpListener::default()
    });
    for (name, origin) in [
        ("counted", &counted),
        ("chunked", &chunked),
        ("unframed", &unframed),
    ] {
        let cluster = Cluster {
            name,
            ..Cluster::default()
        };
        setup = setup.cluster(&cluster, &[origin.at()]);
    }
    let proxy = Proxy::start(engine, &setup.yaml());
    let body: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
    for name in ["counted", "chunked", "unframed"] {
        let mut client = Client::new(proxy.at("http"));
        client.send(format!(
            "POST /{name} HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        let answer = client.answer();
        assert!(answer.body.ends_with(&body) && !answer.is_cut, "{name}");
        client.send(format!(
            "POST /{name} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n"
        ));
        for part in body.chunks(9999) {
            client.send(format!("{:x}\r\n", part.len()));
            client.send(part);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        let answer = client.answer();
        assert!(
            answer.body.ends_with(&body) && !answer.is_cut,
            "{name} chunked"
        );
    }
    proxy.settle();
}

fn a_connection_carries_many_requests_and_so_does_the_pooled_one(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut clients = [Client::new(proxy.at("http")), Client::new(proxy.at("http"))];
    for number in 0..50 {
        for client in &mut clients {
            let answer = client.get(&format!("/{number}"));
            assert_eq!(answer.text(), format!("a /{number} "));
        }
    }
    assert_eq!((origin.connections(), origin.requests().len()), (1, 100));
    drop(clients);
    proxy.settle();
}

fn a_clients_last_request_ends_its_connection_at_once(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask("GET / HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n");
    assert_eq!((answer.status, answer.is_cut), (200, false));
    assert!(client.is_closed(), "our direction ends with the answer");
    // The client does not finish. It may not send any more, and finds nobody there who would read it.
    until("the connection is gone", || client.try_send("x").is_err());
    assert_eq!(proxy.metric("ringlb_listener_linger_timeouts_total"), 0);
}

fn a_late_byte_takes_nothing_of_a_long_answer_away(engine: EngineKind) {
    let body: Vec<u8> = (0..100_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let long = body.clone();
    let origin = Origin::new(move |request, stream| {
        let body = if request.path() == "/long" {
            &long[..]
        } else {
            b"short"
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).is_ok()
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let last = |path| format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    let pipelined = format!("GET /long HTTP/1.1\r\nhost: h\r\n\r\n{}", last("/short"));
    let mut sent = 0;
    for (requests, answers) in [(last("/long"), 1), (pipelined, 2)] {
        let mut client = Client::with_room(proxy.at("http"), 16 << 10);
        client.send(requests);
        sent += body.len() as u64;
        until("all was answered", || {
            proxy.metric("ringlb_listener_sent_bytes_total") >= sent + 5 * (answers - 1)
        });
        client.send("\r\n");
        let answer = client.answer();
        assert!(answer.body == body, "{} bytes", answer.body.len());
        if answers == 2 {
            assert_eq!(client.answer().text(), "short");
        }
        assert!(client.is_closed());
        client.finish();
    }
    proxy.settle();
}

fn an_expectation_is_met_before_the_body_is_sent(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let head = "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    assert_eq!(client.ask(head).status, 100);
    let answer = client.ask("body");
    assert_eq!((answer.status, answer.text().as_str()), (200, "a / body"));
    assert_eq!(origin.requests()[0].body, b"body");
}

fn an_http_10_client_gets_an_answer_it_understands(engine: EngineKind) {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let manager = "http_protocol_options: {accept_http_10: true}";
    let setup = Setup::default()
        .listen(&HttpListener {
            manager,
            ..HttpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(engine, &setup.yaml());
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.0\r\nhost: h\r\n\r\n");
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.ends_with("\r\n\r\nhello"), "{all}");
    assert!(!all.contains("chunked"), "{all}");
    let refusing = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(refusing.at("http"));
    assert_eq!(client.ask("GET / HTTP/1.0\r\nhost: h\r\n\r\n").status, 426);
    assert!(client.is_closed());
}

fn bodiless_answers_keep_their_length_and_the_connection(engine: EngineKind) {
    let origin = Origin::new(|request, stream| {
        let answer = match request.path() {
            "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"x\"\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n",
        };
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("HEAD / HTTP/1.1\r\nhost: h\r\n\r\n");
    let answer = client.answer_to("HEAD");
    assert_eq!(
        (answer.status, answer.field("content-length")),
        (200, Some("12345"))
    );
    let answer = client.get("/204");
    assert_eq!((answer.status, answer.field("content-length")), (204, None));
    let answer = client.get("/304");
    assert_eq!((answer.status, answer.field("etag")), (304, Some("\"x\"")));
    client.send("HEAD / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    assert_eq!(client.answer_to("HEAD").field("connection"), Some("close"));
    assert!(client.is_closed());
    assert_eq!(origin.connections(), 1);
}

fn hop_by_hop_fields_stay_on_their_hop(engine: EngineKind) {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\nconnection: x-up, keep-alive\r\nkeep-alive: timeout=5\r\nx-up: 1\r\nx-end: 1\r\ncontent-length: 0\r\n\r\n",
    );
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask(
        "GET / HTTP/1.1\r\nhost: h\r\nconnection: x-down, close-not\r\nx-down: 1\r\nte: gzip\r\nproxy-connection: keep-alive\r\nkeep-alive: 9\r\nx-stay: 1\r\n\r\n",
    );
    assert_eq!(answer.field("x-end"), Some("1"));
    for gone in ["x-up", "keep-alive", "connection"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    let request = &origin.requests()[0];
    assert_eq!(request.field("x-stay"), Some("1"));
    for gone in [
        "x-down",
        "te",
        "proxy-connection",
        "keep-alive",
        "connection",
    ] {
        assert_eq!(request.field(gone), None, "{gone}");
    }
}

fn interim_answers_pass(engine: EngineKind) {
    let origin = Origin::fixed(
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let hint = client.get("/");
    assert_eq!((hint.status, hint.field("link")), (103, Some("</a.css>")));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

fn pipelined_requests_are_answered_in_order(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let mut all = String::new();
    for number in 0..40 {
        all += &format!("POST /{number} HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nxyz");
    }
    client.send(all);
    client.finish();
    for number in 0..40 {
        assert_eq!(client.answer().text(), format!("a /{number} xyz"));
    }
    assert!(client.is_closed());
    proxy.settle();
}

fn targets_in_every_form_are_understood(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask("GET http://example:81/p?q HTTP/1.1\r\nhost: example:81\r\n\r\n");
    assert_eq!(answer.text(), "a /p?q ");
    assert_eq!(origin.requests()[0].field("host"), Some("example:81"));
    let answer = client.ask("OPTIONS * HTTP/1.1\r\nhost: example\r\n\r\n");
    assert_eq!(answer.text(), "a * ");
    assert_eq!(origin.requests()[1].line, "OPTIONS * HTTP/1.1");
}

fn trailers_pass_in_both_directions(engine: EngineKind) {
    let origin = Origin::fixed(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
    );
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask(
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-up: 1\r\n\r\n",
    );
    assert_eq!(
        (answer.text().as_str(), answer.trailer("x-sum")),
        ("ok", Some("7"))
    );
    let request = &origin.requests()[0];
    assert_eq!(request.body, b"abc");
    assert_eq!(request.trailers, [("x-up".to_owned(), "1".to_owned())]);
}

fn wishes_for_an_upgrade_are_ignored(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    let answer = client
        .ask("GET /ws HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(answer.text(), "a /ws ");
    assert_eq!(origin.requests()[0].field("upgrade"), None);
    let mut client = Client::new(proxy.at("http"));
    let answer = client.ask("CONNECT example:443 HTTP/1.1\r\nhost: example:443\r\n\r\n");
    assert!((400..600).contains(&answer.status), "{answer:?}");
}
