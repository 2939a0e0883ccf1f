//! The admin interface.

use crate::support::{Client, Origin, Proxy, Setup};
use engines::EngineKind;

on_each_engine!(the_admin_interface_tells_what_runs);

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
