//! Configuration files and the command line: what runs, what is refused and how.

use crate::support::{Client, Command, Origin, Setup, certificates, scratch, tls_pki::pki};

const BENCH: &str = include_str!("bench.yaml");

fn run(yaml: &str) -> (Option<i32>, String) {
    let file = scratch("bad.yaml");
    std::fs::write(&file, yaml).unwrap();
    let (code, out, told) = Command::new(&["run", "-c", &file.display().to_string()]).finish();
    assert_eq!(out, "");
    (code, told.replace(&format!("{}:", file.display()), ""))
}

#[test]
fn a_file_written_for_envoy_runs_as_it_is() {
    let origin = Origin::echo("a");
    let yaml = BENCH
        .replace("@PORT_HTTP@", "0")
        .replace("@PORT_H2C@", "0")
        .replace("@PORT_TCP@", "0")
        .replace("@PORT_TLS_EC@", "0")
        .replace("@PORT_TLS_RSA@", "0")
        .replace("@DIR@", &certificates())
        .replace("@PORT_BACKEND@", &origin.at().port().to_string())
        + "\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n";
    let file = scratch("envoy.yaml");
    std::fs::write(&file, &yaml).unwrap();
    let file = file.display().to_string();
    let proxy = Command::new(&["run", "-c", &file]).start();
    for name in ["http", "tcp"] {
        assert_eq!(Client::new(proxy.at(name)).get("/").text(), "a / ");
    }
    let request = &origin.requests()[0];
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-request-id"), None);
    assert_eq!(Command::new(&["check", "-c", &file]).finish().0, Some(0));
}

#[test]
fn the_examples_have_no_problem() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "the examples are in {folder}");
    let certificates = certificates();
    for file in files {
        let yaml = std::fs::read_to_string(&file).unwrap();
        let copy = scratch(file.file_name().unwrap().to_str().unwrap());
        std::fs::write(&copy, yaml.replace("/etc/ringlb/tls", &certificates)).unwrap();
        let (code, _, told) = Command::new(&["check", "-c", &copy.display().to_string()]).finish();
        assert_eq!(code, Some(0), "{told}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let yaml = Setup::http(&["127.0.0.1:1".parse().unwrap()])
        .replace(
            "stat_prefix: http",
            "stat_prefix: http\n          stat_prefx: http",
        )
        .replace(
            "type: STATIC",
            "type: STATIC\n    connect_timeout: soon\n    lb_policy: BEST",
        );
    let (code, told) = run(&yaml);
    assert_eq!(code, Some(1));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    let line_of = |text: &str| yaml.lines().position(|line| line.contains(text)).unwrap() + 1;
    for (line, text) in lines.iter().zip(["stat_prefx", "soon", "BEST"]) {
        assert!(line.starts_with(&format!("{}:", line_of(text))), "{line}");
    }
    assert!(lines[0].contains("did you mean `stat_prefix`"), "{told}");
}

#[test]
fn problems_of_meaning_have_a_place_too() {
    let yaml = Setup::http(&["127.0.0.1:1".parse().unwrap()]).replace("cluster: c}", "cluster: d}");
    let (code, told) = run(&yaml);
    assert_eq!(code, Some(1));
    let line = yaml
        .lines()
        .position(|line| line.contains("cluster: d}"))
        .unwrap()
        + 1;
    assert!(
        told.starts_with(&format!("{line}:")) && told.contains("there is no cluster `d`"),
        "{told}"
    );
}

#[test]
fn text_that_is_no_configuration_is_an_error_and_no_panic() {
    for text in [
        "",
        "{}",
        "",
        "[]",
        "42",
        "a: [",
        "\u{0}",
        "{\"static_resources\": 1}",
        "a: &a [*a]",
        "static_resources: {listeners: [{}]}",
    ] {
        let (code, told) = run(text);
        assert_eq!(code, Some(1), "{text:?}: {told}");
        assert!(
            !told.contains("panicked") && !told.is_empty(),
            "{text:?}: {told}"
        );
    }
}

#[test]
fn an_address_in_use_is_named_and_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let (code, _, told) = Command::new(&["run", "--listen", &at, "--to", "127.0.0.1:1"]).finish();
    assert_eq!(code, Some(1));
    assert!(told.contains("http-0") && told.contains(&at), "{told}");
    let (code, _, told) = Command::new(&["run", "-c", "/nowhere/envoy.yaml"]).finish();
    assert_eq!(
        (code, told.contains("/nowhere/envoy.yaml")),
        (Some(1), true)
    );
}

#[test]
fn the_short_form_expands_to_a_configuration_that_runs() {
    let origin = Origin::echo("a");
    let to = origin.at().to_string();
    let args = [
        "expand",
        "--listen",
        "127.0.0.1:0",
        "--to",
        &to,
        "--admin",
        "127.0.0.1:0",
    ];
    let (code, out, _) = Command::new(&args).finish();
    assert_eq!(code, Some(0));
    let file = scratch("expanded.json");
    std::fs::write(&file, out).unwrap();
    let proxy = Command::new(&["run", "-c", &file.display().to_string()]).start();
    assert_eq!(Client::new(proxy.at("http-0")).get("/").text(), "a / ");
}

#[test]
fn the_short_form_shows_what_it_says_of_http2_and_websockets() {
    for (to, is_http2) in [("127.0.0.1:1", false), ("h2c://127.0.0.1:1", true)] {
        let args = ["expand", "--listen", "127.0.0.1:0", "--to", to];
        let (code, out, told) = Command::new(&args).finish();
        assert_eq!(code, Some(0), "{told}");
        let flat: String = out.split_whitespace().collect();
        let connect = r#""http2_protocol_options":{"allow_connect":true}"#;
        assert_eq!(
            flat.contains(&format!(r#""explicit_http_config":{{{connect}}}"#)),
            is_http2
        );
        assert_eq!(flat.matches(connect).count(), if is_http2 { 2 } else { 1 });
        assert!(
            flat.contains(r#""upgrade_configs":[{"upgrade_type":"websocket"}]"#),
            "{out}"
        );
        assert!(flat.contains(r#""port_value":1}"#), "{out}");
    }
    let args = ["run", "--listen", "127.0.0.1:0", "--to", "h3://127.0.0.1:1"];
    let (code, _, told) = Command::new(&args).finish();
    assert_eq!(code, Some(1));
    assert!(
        told.contains("`h3` is unknown, only http, https, h2c and grpc"),
        "{told}"
    );
}

#[test]
fn problems_of_http2_and_upgrades_have_their_place() {
    let yaml = Setup::http(&["127.0.0.1:1".parse().unwrap()])
        .replace(
            "stat_prefix: http",
            "stat_prefix: http\n          upgrade_configs: [{upgrade_type: CONNECT}]",
        )
        .replace(
            "type: STATIC",
            "type: STATIC\n    http2_protocol_options: {max_concurrent_streams: 0}",
        );
    let (code, told) = run(&yaml);
    assert_eq!(code, Some(1));
    let lines: Vec<_> = told.lines().collect();
    let line_of = |text: &str| yaml.lines().position(|line| line.contains(text)).unwrap() + 1;
    let expected = [
        ("upgrade_type", "`CONNECT` is not supported"),
        (
            "max_concurrent_streams",
            "0 is not between 1 and 2147483647",
        ),
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, (field, reason)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{}:", line_of(field))), "{line}");
        assert!(line.ends_with(&format!("{field}: {reason}")), "{line}");
    }
}

#[test]
fn the_demo_spreads_its_requests_and_ends() {
    for engine in engines::EngineKind::ALL {
        if crate::support::is_available(engine) {
            let engine = engine.to_string();
            for tls in [&[][..], &["--tls"]] {
                let args = [&["demo", "--once", "--engine", &engine], tls].concat();
                let (code, out, told) = Command::new(&args).finish();
                assert_eq!(code, Some(0), "{engine} {tls:?}: {told}");
                assert_eq!(out.matches(")  ").count(), 3, "{out}");
            }
        }
    }
}

#[test]
fn two_listeners_on_one_address_are_refused() {
    let args = ["run", "--listen", "127.0.0.1:9", "--to", "127.0.0.1:1"];
    let (code, _, told) = Command::new(&[&args[..], &args[1..]].concat()).finish();
    assert_eq!(code, Some(1));
    assert!(
        told.contains("`http-0` listens on 127.0.0.1:9 already"),
        "{told}"
    );
}

#[test]
fn a_certificate_that_has_expired_is_told_of_and_is_no_problem() {
    for (name, warning) in [
        ("expired", Some("its certificate has expired")),
        ("any", None),
    ] {
        let pair = format!("{}/{name}", pki());
        let yaml = Setup::http(&["127.0.0.1:1".parse().unwrap()]).replace(
            "filter_chains:",
            &format!(
                "filter_chains:
    - filter_chain_match: {{transport_protocol: tls}}
      filters: [{{name: t, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}}}]
      transport_socket: {{name: tls, typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {{tls_certificates: [{{certificate_chain: {{filename: {pair}.pem}}, private_key: {{filename: {pair}.key}}}}]}}}}}}"
            ),
        );
        let file = scratch("check.yaml");
        std::fs::write(&file, &yaml).unwrap();
        let (code, _, told) = Command::new(&["check", "-c", &file.display().to_string()]).finish();
        assert_eq!(code, Some(0), "{told}");
        let warning = warning.map(|what| format!("warning: secret {pair}.pem: {what}\n"));
        let found = if warning.is_some() {
            "1 warning"
        } else {
            "no problem"
        };
        let warning = warning.unwrap_or_default();
        assert!(told.starts_with(&warning) && told.contains(found), "{told}");
    }
}
