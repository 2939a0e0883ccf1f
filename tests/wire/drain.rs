//! Ending well.

use crate::support::{
    Client, Cluster, Command, HttpListener, Origin, Proxy, Setup, TcpListener, scratch, until,
};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{
    io::{Read, Write},
    path::Path,
    sync::mpsc,
};

on_each_engine!(
    a_request_under_way_is_answered_and_the_process_ends,
    a_second_signal_ends_at_once,
    idle_connections_are_closed_at_once,
    what_does_not_end_in_time_is_cut,
    what_is_cut_leaves_its_lines,
);

fn a_request_under_way_is_answered_and_the_process_ends(engine: EngineKind) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::new(move |_, stream| {
        let _ = wait.lock().unwrap().recv();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_ok()
    });
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    until("the request is there", || !origin.requests().is_empty());
    proxy.signal(Signal::SIGTERM);
    until("no more connections are taken", || {
        std::net::TcpStream::connect(proxy.at("http")).is_err()
    });
    let mut admin = Client::new(proxy.admin());
    assert_eq!(admin.get("/ready").status, 503);
    go.send(()).unwrap();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
    drop(client);
    assert_eq!(proxy.wait().0.code(), Some(0));
}

fn a_second_signal_ends_at_once(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    until("the request is there", || origin.connections() == 1);
    proxy.signal(Signal::SIGINT);
    until("no more connections are taken", || {
        std::net::TcpStream::connect(proxy.at("http")).is_err()
    });
    proxy.signal(Signal::SIGINT);
    assert_eq!(proxy.wait().0.code(), Some(0));
    assert!(client.is_closed());
}

fn idle_connections_are_closed_at_once(engine: EngineKind) {
    let origin = Origin::echo("a");
    let mut proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    assert_eq!(client.get("/").status, 200);
    proxy.signal(Signal::SIGTERM);
    assert!(client.is_closed());
    drop(client);
    assert_eq!(proxy.wait().0.code(), Some(0));
}

fn what_does_not_end_in_time_is_cut(engine: EngineKind) {
    let origin = Origin::raw(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut proxy = Command::run(engine, &Setup::tcp(&[origin.at()]))
        .arg("--drain-time=0")
        .start();
    let mut client = Client::new(proxy.at("tcp"));
    client.send("x");
    until("the tunnel is open", || origin.connections() == 1);
    proxy.signal(Signal::SIGTERM);
    assert!(client.is_closed() && client.is_reset);
    assert_eq!(proxy.wait().0.code(), Some(0));
    assert!(proxy.has_ended());
}

/// Answers nothing, a part, or an upgrade.
fn stuck() -> Origin {
    Origin::new(|request, stream| {
        let head = match request.path() {
            "/none" => "",
            "/part" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart",
            _ => "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n",
        };
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
        false
    })
}

/// HTTP and TCP, each with a line for all that ends.
fn logged(path: &Path, origin: &Origin) -> String {
    let log = |of: &str| {
        format!(
            "access_log: [{{name: l, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: {}, log_format: {{text_format: \"{of} %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n\"}}}}}}]",
            path.display()
        )
    };
    Setup::default()
        .listen(&HttpListener {
            listener: &log("connection"),
            manager: &format!(
                "upgrade_configs: [{{upgrade_type: own}}]\n          {}",
                log("%REQ(:PATH)%")
            ),
            ..HttpListener::default()
        })
        .listen_tcp(&TcpListener {
            proxy: &log("tcp"),
            ..TcpListener::default()
        })
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml()
}

/// A request, a download, a tunnel of an upgrade and one of TCP, on which nothing else would ever happen; by the end of the
/// drain time, and by a second signal.
fn what_is_cut_leaves_its_lines(engine: EngineKind) {
    for second in [false, true] {
        let origin = stuck();
        let path = scratch("cut.log");
        let mut proxy = Command::run(engine, &logged(&path, &origin))
            .arg(if second {
                "--drain-time=600"
            } else {
                "--drain-time=0"
            })
            .start();
        let open = |listener: &str, text: &str, status: Option<u16>| {
            let mut client = Client::new(proxy.at(listener));
            client.send(text);
            if let Some(status) = status {
                let head = client.take(12);
                assert!(head.ends_with(status.to_string().as_bytes()));
            }
            client
        };
        let upgrade = "GET /own HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: own\r\n\r\n";
        let clients = [
            open("http", "GET /part HTTP/1.1\r\nhost: h\r\n\r\n", Some(200)),
            open("http", upgrade, Some(101)),
            open("http", "GET /none HTTP/1.1\r\nhost: h\r\n\r\n", None),
            open("tcp", "GET /none HTTP/1.1\r\nhost: h\r\n\r\n", None),
        ];
        until("all is there", || origin.requests().len() == clients.len());
        proxy.signal(Signal::SIGTERM);
        if second {
            until("it drains", || {
                Client::new(proxy.admin()).get("/ready").status == 503
            });
            proxy.signal(Signal::SIGTERM);
        }
        assert_eq!(proxy.wait().0.code(), Some(0));
        for mut client in clients {
            client.rest();
        }
        // None is tried anew.
        assert_eq!(origin.requests().len(), 4);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let connection = "connection 0 DC drain_timeout";
        let expected = [
            "/none 0 DC drain_timeout",
            "/own 101 DC drain_timeout",
            "/part 200 DC drain_timeout",
            connection,
            connection,
            connection,
            "tcp 0 DC drain_timeout",
        ];
        assert_eq!(lines, expected);
    }
}
