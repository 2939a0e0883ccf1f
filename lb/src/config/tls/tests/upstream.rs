use super::{downstream, folder, upstream};
use crate::config::sample::{CLUSTER, Sample};

#[test]
fn an_endpoint_is_verified_by_its_name_unless_that_is_turned_off() {
    let (folder, _) = folder();
    let ca = "common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}";
    let san = "common_tls_context: {validation_context: {trusted_ca: file(ca.pem), \
               match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a.test}}]}}";
    let pin = "common_tls_context: {validation_context: {verify_certificate_spki: \
               [NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=]}}";
    let any =
        "common_tls_context: {validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED}}";
    for (fields, endpoint, checked, name) in [
        (ca.to_owned(), "", true, "127.0.0.1"),
        (format!("sni: s.test, {ca}"), "", true, "s.test"),
        (ca.to_owned(), "hostname: h.test", true, "h.test"),
        (
            format!("sni: s.test, {ca}"),
            "hostname: h.test",
            true,
            "s.test",
        ),
        (
            format!("sni: s.test, auto_host_sni: true, {ca}"),
            "hostname: h.test",
            true,
            "h.test",
        ),
        (
            format!("sni: s.test, auto_host_sni: true, {ca}"),
            "",
            true,
            "s.test",
        ),
        (format!("sni: s.test, {san}"), "", false, "s.test"),
        (
            format!("sni: s.test, auto_sni_san_validation: true, {san}"),
            "",
            true,
            "s.test",
        ),
        (format!("sni: s.test, {pin}"), "", false, "s.test"),
        (format!("sni: s.test, {any}"), "", false, "s.test"),
    ] {
        let endpoints = format!(
            "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}, {endpoint}}}}}"
        );
        let cluster = upstream(&folder, &fields);
        let sample = Sample {
            cluster: &cluster,
            endpoints: &endpoints,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let found = snapshot.clusters[0].endpoints[0].tls.as_ref().unwrap();
        assert_eq!(found.name.as_deref(), Some(name), "{fields}");
        assert_eq!(found.tls.check_name, checked, "{fields}");
    }
}

#[test]
fn what_is_wrong_towards_endpoints_is_told_at_its_field() {
    let (folder, _) = folder();
    let common = format!("{CLUSTER}.transport_socket.typed_config.common_tls_context");
    for (fields, endpoints, path) in [
        (
            "common_tls_context: {tls_certificates: [cert(a), cert(b)]}",
            "",
            format!("{common}.tls_certificates[1]"),
        ),
        (
            "common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}",
            "{endpoint: {address: {pipe: {path: /x}}}}",
            format!("{CLUSTER}.load_assignment.endpoints[0].lb_endpoints[0].endpoint.hostname"),
        ),
        (
            "common_tls_context: {combined_validation_context: {default_validation_context: {}}}",
            "",
            format!("{common}.combined_validation_context.validation_context_sds_secret_config"),
        ),
        (
            "sni: \"*.x\"",
            "",
            format!("{CLUSTER}.transport_socket.typed_config.sni"),
        ),
        (
            "max_session_keys: 65537",
            "",
            format!("{CLUSTER}.transport_socket.typed_config.max_session_keys"),
        ),
        (
            "common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}",
            "{endpoint: {hostname: \"a b\", address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}",
            format!("{CLUSTER}.load_assignment.endpoints[0].lb_endpoints[0].endpoint.hostname"),
        ),
    ] {
        let cluster = upstream(&folder, fields);
        let sample = Sample {
            cluster: &cluster,
            endpoints,
            ..Sample::default()
        };
        let problems = sample.problems();
        assert!(!problems.is_empty(), "{fields}");
        assert!(
            problems[0].starts_with(&format!("{path}: ")),
            "{problems:?}"
        );
    }
}

#[test]
fn without_a_validation_context_the_system_s_roots_are_believed() {
    let (folder, _) = folder();
    let cluster = upstream(&folder, "sni: a.test");
    let sample = Sample {
        cluster: &cluster,
        ..Sample::default()
    };
    // Whether this machine has any: an endpoint is never believed without.
    match sample.problems().as_slice() {
        [] => {}
        [problem] => assert!(problem.contains("trusted_ca"), "{problem}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn metadata_chooses_the_socket_of_an_endpoint() {
    let (folder, _) = folder();
    let ca = "common_tls_context: {validation_context: {trusted_ca: file(ca.pem)}}";
    let default = upstream(&folder, &format!("sni: default.test, {ca}"));
    let one = upstream(&folder, &format!("sni: one.test, {ca}"));
    let raw = "transport_socket: {typed_config: \
               {\"@type\": x/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}";
    let cluster = format!(
        "{default}, transport_socket_matches: [{{name: one, match: {{zone: a, tls: true}}, {one}}}, \
         {{name: raw, match: {{tls: false}}, {raw}}}]"
    );
    for (metadata, expected) in [
        ("", Some("default.test")),
        (
            "metadata: {filter_metadata: {other: {tls: false}}}",
            Some("default.test"),
        ),
        (
            "metadata: {filter_metadata: {envoy.transport_socket_match: {tls: true}}}",
            Some("default.test"),
        ),
        (
            "metadata: {filter_metadata: {envoy.transport_socket_match: {tls: true, zone: a, more: 1}}}",
            Some("one.test"),
        ),
        (
            "metadata: {filter_metadata: {envoy.transport_socket_match: {tls: true, zone: [b, a]}}}",
            Some("one.test"),
        ),
        (
            "metadata: {filter_metadata: {envoy.transport_socket_match: {tls: false}}}",
            None,
        ),
    ] {
        let endpoints = format!(
            "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}}}, {metadata}}}"
        );
        let sample = Sample {
            cluster: &cluster,
            endpoints: &endpoints,
            ..Sample::default()
        };
        let snapshot = sample.loaded().snapshot;
        let found = snapshot.clusters[0].endpoints[0].tls.as_ref();
        assert_eq!(
            found.and_then(|tls| tls.name.as_deref()),
            expected,
            "{metadata}"
        );
    }
}

#[test]
fn a_protocol_that_is_nearly_one_is_told_of() {
    let (folder, _) = folder();
    for (name, near) in [
        ("http1.1", Some("http/1.1")),
        ("redis", None),
        ("http/1.1", None),
    ] {
        let fields = format!(
            "common_tls_context: {{alpn_protocols: [{name}], validation_context: {{trusted_ca: file(ca.pem)}}}}"
        );
        let cluster = upstream(&folder, &fields);
        let sample = Sample {
            cluster: &cluster,
            ..Sample::default()
        };
        let near = near.map(|near| {
            format!(
                "{CLUSTER}.transport_socket.typed_config.common_tls_context.alpn_protocols[0]: \
                 offers `{name}`, which is not known; did you mean `{near}`?"
            )
        });
        assert_eq!(sample.warnings(), near.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_surprising_is_told() {
    let (folder, _) = folder();
    let log = folder.path("log");
    let chain = downstream(
        &folder,
        &format!(
            "common_tls_context: {{tls_certificates: [cert(a)], key_log: {{path: {}}}}}",
            log.display()
        ),
    );
    let cluster = upstream(
        &folder,
        "common_tls_context: {alpn_protocols: [h2], validation_context: \
         {trust_chain_verification: ACCEPT_UNTRUSTED}}",
    );
    let sample = Sample {
        chain: &chain,
        cluster: &cluster,
        ..Sample::default()
    };
    let warnings = sample.warnings();
    for expected in [
        "key_log.path",
        "trust_chain_verification",
        "alpn_protocols: offers h2",
    ] {
        assert!(
            warnings.iter().any(|warning| warning.contains(expected)),
            "{warnings:?}"
        );
    }
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}
