//! Configuration texts: what is accepted, and what is refused with which words at which place.

use xds::{Problem, parse};

fn problems(text: &str) -> Vec<String> {
    parse(text)
        .err()
        .unwrap_or_default()
        .iter()
        .map(Problem::to_string)
        .collect()
}

const GOOD: &str = r#"
static_resources:
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
    tcp_backlog_size: 65535
    filterChains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          use_remote_address: true
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {cluster: b, timeout: 0.25s}
  clusters:
  - name: b
    type: STATIC
    connect_timeout: 5s
"#;

#[test]
fn a_good_text_becomes_its_message_and_knows_its_places() {
    let document = parse(GOOD).unwrap();
    let resources = document.bootstrap.static_resources.as_ref().unwrap();
    let listener = &resources.listeners[0];
    assert_eq!(
        (listener.name.as_str(), listener.tcp_backlog_size),
        ("http", Some(65535))
    );
    assert_eq!(
        resources.clusters[0].connect_timeout.map(|d| d.seconds),
        Some(5)
    );
    let place = document.place("static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.timeout");
    assert_eq!(place.line, 20);
    let missing = document.place("static_resources.clusters[0].load_assignment.endpoints");
    assert_eq!(missing.line, 22, "the nearest part that was written");
}

#[test]
fn json_is_read_as_well() {
    let text = r#"{"static_resources": {"clusters": [{"name": "b", "connectTimeout": "1s"}]}}"#;
    let bootstrap = parse(text).unwrap().bootstrap;
    assert_eq!(bootstrap.static_resources.unwrap().clusters[0].name, "b");
    assert!(parse("").is_ok());
}

#[test]
fn every_error_is_told_at_once_with_its_place() {
    let text = GOOD
        .replace("stat_prefix", "stat_prefx")
        .replace("65535", "-1")
        .replace("0.25s", "0.25")
        .replace("STATIC", "STATI");
    assert_eq!(
        problems(&text),
        [
            "6:23: static_resources.listeners[0].tcp_backlog_size: -1 is not between 0 and 4294967295",
            "12:11: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.stat_prefx: unknown or unsupported field `stat_prefx` of HttpConnectionManager; did you mean `stat_prefix`?",
            "20:46: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.route_config.virtual_hosts[0].routes[0].route.timeout: expected a duration such as 5s or 0.25s, found a number",
            "23:11: static_resources.clusters[0].type: `STATI` is unknown or not supported, only STATIC; did you mean `STATIC`?",
        ]
    );
}

#[test]
fn what_is_wrong_is_said_plainly() {
    for (text, expected) in [
        ("admin: [1]", "expected a map of fields, found a list"),
        ("admn: {}", "did you mean `admin`?"),
        (
            "static_resources: {clusters: {}}",
            "expected a list, found a map",
        ),
        (
            "static_resources: {clusters: [{name: 5}]}",
            "expected a text, found a number",
        ),
        ("admin: {}\nadmin: {}", "`admin` is there twice"),
        (
            "admin: {address: {pipe: {path: x}, socket_address: {address: x}}}",
            "only one of `pipe` and `socket_address`",
        ),
        (
            "static_resources: {listeners: [{filter_chains: [{filters: [{typed_config: {\"@type\": a/b.C}}]}]}]}",
            "`b.C` is not supported",
        ),
        (
            "static_resources: {listeners: [{filter_chains: [{filters: [{typed_config: {}}]}]}]}",
            "`@type`",
        ),
        (
            "static_resources: {clusters: [{name: a, connect_timeout: 1.2.3s}]}",
            "expected a duration",
        ),
        ("a: [", ""),
        ("\"\\uD800\"", ""),
        ("- 1", "expected a map of fields, found a list"),
    ] {
        let problems = problems(text);
        assert!(
            !problems.is_empty() && problems.iter().any(|p| p.contains(expected)),
            "{text}: {problems:?}"
        );
    }
}

const HTTP2: &str = r#"
static_resources:
  listeners:
  - filter_chains:
    - filters:
      - typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          codec_type: HTTP2
          http2_protocol_options:
            max_concurrent_streams: 50
            initialStreamWindowSize: 65535
            allow_connect: true
            connection_keepalive: {interval: 30s, timeout: 5s}
          upgrade_configs: [{upgrade_type: websocket, enabled: false}]
          route_config:
            virtual_hosts:
            - routes:
              - route:
                  upgrade_configs: [{upgrade_type: websocket}]
                  max_stream_duration: {grpc_timeout_header_max: 10s, grpc_timeout_header_offset: 0.1s}
  clusters:
  - typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {hpack_table_size: 0}}
  - http2_protocol_options: {}
    protocol_selection: USE_DOWNSTREAM_PROTOCOL
"#;

#[test]
fn http2_is_read_on_both_sides_and_written_again() {
    let bootstrap = parse(HTTP2).unwrap().bootstrap;
    let name = "envoy.config.bootstrap.v3.Bootstrap";
    let json = xds::to_json(&bootstrap, name).unwrap();
    assert_eq!(parse(&json).unwrap().bootstrap, bootstrap);
    for written in [
        "\"max_concurrent_streams\"",
        "\"USE_DOWNSTREAM_PROTOCOL\"",
        "\"HTTP2\"",
    ] {
        assert!(json.contains(written), "{written}: {json}");
    }
}

#[test]
fn what_is_not_supported_of_http2_is_refused_where_it_stands() {
    for (from, to, expected) in [
        (
            "HTTP2\n",
            "HTTP3\n",
            "8:23: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.codec_type: `HTTP3` is unknown or not supported, only AUTO, HTTP1, HTTP2; did you mean `HTTP1`?",
        ),
        (
            "            allow_connect",
            "            allow_metadata: true\n            allow_connect",
            "12:13: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http2_protocol_options.allow_metadata: unknown or unsupported field `allow_metadata` of Http2ProtocolOptions",
        ),
        (
            "enabled: false",
            "filters: []",
            "14:55: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.upgrade_configs[0].filters: unknown or unsupported field `filters` of UpgradeConfig",
        ),
        (
            "timeout: 5s",
            "timeout: 5s, interval_jitter: {value: 15}",
            "13:64: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http2_protocol_options.connection_keepalive.interval_jitter: unknown or unsupported field `interval_jitter` of KeepaliveSettings",
        ),
    ] {
        let problems = problems(&HTTP2.replace(from, to));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let deep = "[".repeat(100_000);
    assert!(parse(&deep).is_err());
    let maps = "{a: ".repeat(5000) + &"}".repeat(5000);
    assert!(parse(&maps).is_err());
}

/// A listener with a key of its own, and a secret with other keys.
const WITH_KEYS: &str = r#"
static_resources:
  secrets:
  - name: tickets
    session_ticket_keys: {keys: [{inline_bytes: c2VjcmV0LW9uZQ==}, {filename: /run/key}]}
  - name: certificate
    tls_certificate:
      certificate_chain: {inline_string: public-one}
      private_key: {inline_string: secret-two}
  listeners:
  - filter_chains:
    - transport_socket:
        typed_config:
          "@type": x/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - certificate_chain: {inline_string: public-two}
              private_key: {inline_string: secret-three}
"#;

#[test]
fn keys_are_not_shown() {
    const NAME: &str = "envoy.config.bootstrap.v3.Bootstrap";
    let document = parse(WITH_KEYS).unwrap();
    let json = xds::to_public_json(&document.bootstrap, NAME).unwrap();
    let debug = format!("{:?}", document.bootstrap);
    // Of an `Any`, bytes in decimal would be shown.
    let decimal = format!("{:?}", b"secret-three");
    let decimal = decimal.trim_matches(['[', ']']);
    for secret in ["secret-", "c2VjcmV0LW9uZQ", decimal] {
        assert!(!json.contains(secret), "{json}");
        assert!(!debug.contains(secret), "{debug}");
    }
    for public in ["public-one", "public-two", "/run/key", "[redacted]"] {
        assert!(json.contains(public), "{json}");
    }
    let whole = xds::to_json(&document.bootstrap, NAME).unwrap();
    assert!(whole.contains("secret-three"), "{whole}");
}

#[test]
fn problems_do_not_repeat_keys() {
    for (from, to) in [
        ("c2VjcmV0LW9uZQ==", "\"secret one\""),
        ("{inline_string: secret-two}", "secret-two"),
        (
            "inline_string: secret-three",
            "inline_string: [secret-three]",
        ),
        (
            "inline_string: secret-three",
            "inline_bytes: \"secret-three!\"",
        ),
        (
            "{inline_string: secret-three}",
            "{inline_string: \"secret-three",
        ),
    ] {
        let problems = parse(&WITH_KEYS.replace(from, to)).unwrap_err();
        assert!(!format!("{problems:?}").contains("secret-"), "{problems:?}");
    }
}
