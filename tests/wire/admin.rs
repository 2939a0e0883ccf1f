//! The admin interface.

use crate::support::{Client, Origin, Proxy, Setup};
use engines::EngineKind;

on_each_engine!(
    garbage_ends_its_own_admin_connection_only,
    the_admin_interface_tells_what_runs,
);

fn the_admin_interface_tells_what_runs(engine: EngineKind) {
    let origin = Origin::echo("a");
    let proxy = Proxy::start(engine, &Setup::http(&[origin.at()]));
    let mut client = Client::new(proxy.at("http"));
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(proxy.page("/ready"), "LIVE\n");
    assert_eq!(
        proxy.page("/listeners"),
        format!("http::{}\n", proxy.at("http"))
    );
    let clusters = proxy.page("/clusters");
    assert!(
        clusters.contains(&format!("c::{}::health_flags::healthy", origin.at())),
        "{clusters}"
    );
    let dump = proxy.page("/config_dump");
    assert!(
        dump.contains("\"stat_prefix\"") || dump.contains("\"statPrefix\""),
        "{dump}"
    );
    assert_eq!(proxy.metric("ringlb_listener_requests_total"), 3);
    assert_eq!(proxy.metric("ringlb_cluster_connections_total"), 1);
    let page = proxy.page("/stats/prometheus");
    let buckets = page
        .lines()
        .filter(|line| line.contains("_bucket{"))
        .count();
    assert!(buckets > 10, "{page}");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let mut admin = Client::new(proxy.admin());
    assert_eq!(
        admin.ask("GET /nothing HTTP/1.1\r\nhost: a\r\n\r\n").status,
        404
    );
    admin.send("HEAD /ready HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(admin.answer_to("HEAD").field("content-length"), Some("5"));
    assert_eq!(
        admin
            .ask("POST /ready HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
            .status,
        405
    );
}

fn garbage_ends_its_own_admin_connection_only(engine: EngineKind) {
    let proxy = Proxy::start(engine, &Setup::http(&[Origin::echo("a").at()]));
    let mut other = Client::new(proxy.admin());
    let long = "x".repeat(70_000);
    let large = "x".repeat(2 << 20);
    for (input, status) in [
        ("\0\x01\u{ff}\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\n\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 414),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"),
            431,
        ),
        (
            format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2097152\r\n\r\n{large}"),
            413,
        ),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n".to_owned(), 405),
    ] {
        let mut client = Client::new(proxy.admin());
        // The answer may come before all of it was taken.
        let _ = client.try_send(&input);
        assert_eq!(client.answer().status, status, "{:.40}", input);
        assert!(client.is_closed(), "{:.40}", input);
        assert_eq!(other.get("/ready").text(), "LIVE\n");
    }
    let upgrade = "GET /ready HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    assert_eq!(other.ask(upgrade).text(), "LIVE\n");
    assert_eq!(other.get("/ready").text(), "LIVE\n");
}
