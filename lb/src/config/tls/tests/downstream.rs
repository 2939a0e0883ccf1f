use super::{downstream, folder, text, upstream};
use crate::config::{
    DownstreamTls,
    sample::{CHAIN, Sample},
};
use crate::scratch::Folder;
use rcgen::CustomExtension;
use std::{sync::Arc, time::Duration};

fn of_chain(chain: &str) -> Arc<DownstreamTls> {
    let sample = Sample {
        chain,
        ..Sample::default()
    };
    let snapshot = sample.loaded().snapshot;
    snapshot.listeners[0]
        .chains
        .first_chain()
        .tls
        .clone()
        .unwrap()
}

#[test]
fn a_chain_with_a_certificate_speaks_tls() {
    let (folder, _) = folder();
    let context = downstream(
        &folder,
        "common_tls_context: {tls_certificates: [cert(a), cert(b)]}",
    );
    let tls = of_chain(&context);
    assert_eq!(tls.handshake_timeout, Some(Duration::from_secs(10)));
    let context = downstream(
        &folder,
        "require_sni: true, common_tls_context: {tls_certificates: [cert(a)], alpn_protocols: [h2], \
         tls_params: {tls_minimum_protocol_version: TLSv1_3, ecdh_curves: [X25519], \
         cipher_suites: [TLS_AES_128_GCM_SHA256, \"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-ECDSA-AES128-GCM-SHA256]\"]}}, \
         session_ticket_keys: {keys: [file(keys)]}, session_timeout: 60s, \
         full_scan_certs_on_sni_mismatch: true, disable_stateful_session_resumption: true",
    );
    let context = format!("{context}, transport_socket_connect_timeout: 3s");
    let tls = of_chain(&context);
    assert_eq!(tls.handshake_timeout, Some(Duration::from_secs(3)));
    let raw = "transport_socket: {typed_config: \
               {\"@type\": x/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}";
    let sample = Sample {
        chain: raw,
        cluster: raw,
        ..Sample::default()
    };
    assert!(
        sample.loaded().snapshot.listeners[0]
            .chains
            .first_chain()
            .tls
            .is_none()
    );
}

/// Fields of a context, and which of them is wrong.
const WRONG: [(&str, &str); 22] = [
    ("", ".common_tls_context.tls_certificates"),
    (
        "common_tls_context: {tls_certificates: [{certificate_chain: file(a.pem), private_key: file(b.key)}]}",
        ".common_tls_context.tls_certificates[0].private_key",
    ),
    (
        "common_tls_context: {tls_certificates: [{certificate_chain: file(none), private_key: file(b.key)}]}",
        ".common_tls_context.tls_certificates[0].certificate_chain.filename",
    ),
    (
        "common_tls_context: {tls_certificates: [{certificate_chain: file(garbage), private_key: file(b.key)}]}",
        ".common_tls_context.tls_certificates[0].certificate_chain",
    ),
    (
        "common_tls_context: {tls_certificates: [{private_key: file(b.key)}]}",
        ".common_tls_context.tls_certificates[0].certificate_chain",
    ),
    (
        "common_tls_context: {tls_certificate_sds_secret_configs: [{name: none}]}",
        ".common_tls_context.tls_certificate_sds_secret_configs[0].name",
    ),
    (
        "common_tls_context: {tls_certificate_sds_secret_configs: [{name: keys}]}",
        ".common_tls_context.tls_certificate_sds_secret_configs[0].name",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)]}, require_client_certificate: true",
        ".common_tls_context.validation_context",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], validation_context: {}}",
        ".common_tls_context.validation_context.trusted_ca",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], validation_context: {trusted_ca: file(garbage)}}",
        ".common_tls_context.validation_context.trusted_ca",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], validation_context: \
         {trusted_ca: file(ca.pem), verify_certificate_hash: [x]}}",
        ".common_tls_context.validation_context.verify_certificate_hash[0]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)]}, ocsp_staple_policy: MUST_STAPLE",
        ".common_tls_context.tls_certificates[0]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], tls_params: {cipher_suites: [\"[RC4|TLS_AES_128_GCM_SHA256]\"]}}",
        ".common_tls_context.tls_params.cipher_suites[0]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], tls_params: {ecdh_curves: [X25519, x]}}",
        ".common_tls_context.tls_params.ecdh_curves[1]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], tls_params: \
         {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}}",
        ".common_tls_context.tls_params.tls_minimum_protocol_version",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], alpn_protocols: [\"\"]}",
        ".common_tls_context.alpn_protocols[0]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)]}, session_ticket_keys: {keys: [file(garbage)]}",
        ".session_ticket_keys.keys[0]",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)]}, session_ticket_keys_sds_secret_config: {name: a}",
        ".session_ticket_keys_sds_secret_config.name",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], key_log: {}}",
        ".common_tls_context.key_log.path",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)], key_log: {path: /none/log}}",
        ".common_tls_context.key_log.path",
    ),
    // Which connections are logged cannot be chosen: a filter is refused, not ignored.
    (
        "common_tls_context: {tls_certificates: [cert(a)], key_log: {path: /tmp/log, \
         remote_address_range: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}",
        ".common_tls_context.key_log.remote_address_range",
    ),
    (
        "common_tls_context: {tls_certificates: [cert(a)]}, session_timeout: 604801s",
        ".session_timeout",
    ),
];

#[test]
fn what_is_wrong_towards_clients_is_told_at_its_field() {
    let (folder, _) = folder();
    folder.put("garbage", "x");
    let secrets = text(
        &folder,
        "{name: keys, session_ticket_keys: {keys: [file(keys)]}}, {name: a, tls_certificate: cert(a)}",
    );
    for (fields, path) in WRONG {
        let chain = downstream(&folder, fields);
        let sample = Sample {
            chain: &chain,
            secrets: &secrets,
            ..Sample::default()
        };
        let problems = sample.problems();
        let path = format!("{CHAIN}.transport_socket.typed_config{path}: ");
        assert_eq!(problems.len(), 1, "{fields}: {problems:?}");
        assert!(problems[0].starts_with(&path), "{problems:?}");
        // Neither in problems nor elsewhere is a key repeated.
        assert!(!problems[0].contains("PRIVATE KEY"), "{problems:?}");
    }
}

/// The problems of a sample whose only chain serves the secret `ours`, with these secrets.
fn problems_with(folder: &Folder, secrets: &str) -> Vec<String> {
    let chain = downstream(
        folder,
        "common_tls_context: {tls_certificate_sds_secret_configs: [{name: ours}]}",
    );
    let secrets = text(folder, secrets);
    let sample = Sample {
        chain: &chain,
        secrets: &secrets,
        ..Sample::default()
    };
    sample.problems()
}

#[test]
fn a_secret_that_cannot_be_used_is_not_told_to_be_absent() {
    let (folder, _) = folder();
    for (secrets, expected) in [
        (
            "{name: ours, tls_certificate: {certificate_chain: file(none), private_key: file(a.key)}}",
            &["secrets[0].tls_certificate.certificate_chain.filename: "][..],
        ),
        ("{name: ours}", &["secrets[0]: it has no type"]),
        (
            "{name: ours}, {name: ours, tls_certificate: cert(a)}",
            &[
                "secrets[0]: it has no type",
                "secrets[1].name: `ours` is already used",
            ],
        ),
        ("", &[".name: there is no secret `ours` in"]),
    ] {
        let problems = problems_with(&folder, secrets);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.contains(expected), "{problems:?}");
        }
    }
}

#[test]
fn all_that_is_wrong_with_a_certificate_is_told_at_once() {
    let (folder, _) = folder();
    folder.put("empty", "");
    for (sources, expected) in [
        (
            "certificate_chain: file(none), private_key: file(none)",
            ["certificate_chain.filename: ", "private_key.filename: "],
        ),
        (
            "certificate_chain: file(none), private_key: file(empty)",
            ["certificate_chain.filename: ", "/empty: is empty"],
        ),
        (
            "",
            ["certificate_chain: is missing", "private_key: is missing"],
        ),
    ] {
        let secret = format!("{{name: ours, tls_certificate: {{{sources}}}}}");
        let problems = problems_with(&folder, &secret);
        assert_eq!(problems.len(), 2, "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.contains(expected), "{problems:?}");
        }
    }
}

#[test]
fn the_file_that_is_wrong_is_named() {
    let (folder, _) = folder();
    folder.put("garbage", "x");
    for (secret, field, file, reason) in [
        (
            "tls_certificate: {certificate_chain: file(a.pem), private_key: file(b.key)}",
            "tls_certificate.private_key",
            "b.key",
            "does not belong to the certificate",
        ),
        (
            "tls_certificate: {certificate_chain: file(a.key), private_key: file(a.key)}",
            "tls_certificate.certificate_chain",
            "a.key",
            "no certificate found",
        ),
        (
            "validation_context: {trusted_ca: file(garbage)}",
            "validation_context.trusted_ca",
            "garbage",
            "no certificate found",
        ),
        (
            "validation_context: {trusted_ca: file(ca.pem), crl: file(ca.pem)}",
            "validation_context.crl",
            "ca.pem",
            "no list found",
        ),
        (
            "session_ticket_keys: {keys: [file(garbage)]}",
            "session_ticket_keys.keys[0]",
            "garbage",
            "is not 80 bytes long",
        ),
    ] {
        let problems = problems_with(&folder, &format!("{{name: ours, {secret}}}"));
        let file = folder.path(file);
        let expected = format!(
            "static_resources.secrets[0].{field}: {}: {reason}",
            file.display()
        );
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn what_does_not_go_together_is_told_at_the_fields_of_the_configuration() {
    let (folder, _) = folder();
    let path = format!("{CHAIN}.transport_socket.typed_config.common_tls_context");
    for (fields, expected) in [
        (
            "tls_params: {cipher_suites: [ECDHE-RSA-AES128-GCM-SHA256]}",
            "tls_params.cipher_suites: none of TLS 1.2 can be used with these certificates",
        ),
        (
            "tls_params: {tls_minimum_protocol_version: TLSv1_3, cipher_suites: [TLS_SM4_GCM_SM3]}",
            "tls_params.cipher_suites: none is left for these versions: those with SM4 need an SM2 \
             certificate, and there is another",
        ),
    ] {
        let chain = downstream(
            &folder,
            &format!("common_tls_context: {{tls_certificates: [cert(a)], {fields}}}"),
        );
        let sample = Sample {
            chain: &chain,
            ..Sample::default()
        };
        assert_eq!(sample.problems(), [format!("{path}.{expected}")]);
    }
}

#[test]
fn a_context_of_the_other_side_is_refused() {
    let (folder, _) = folder();
    let (down, up) = (downstream(&folder, ""), upstream(&folder, ""));
    let sample = Sample {
        chain: &up,
        cluster: &down,
        ..Sample::default()
    };
    let problems = sample.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems
            .iter()
            .all(|problem| problem.contains("is not possible here"))
    );
}

#[test]
fn secrets_have_names_of_their_own() {
    let (folder, _) = folder();
    for (secrets, expected) in [
        (
            "{tls_certificate: cert(a)}",
            "secrets[0].name: a name is missing",
        ),
        ("{name: a}", "secrets[0]: it has no type"),
        (
            "{name: a, tls_certificate: cert(a)}, {name: a, tls_certificate: cert(b)}",
            "secrets[1].name: `a` is already used",
        ),
        (
            "{name: a, tls_certificate: {certificate_chain: file(none), private_key: file(a.key)}}",
            "secrets[0].tls_certificate.certificate_chain.filename: ",
        ),
        (
            "{name: a, session_ticket_keys: {}}",
            "secrets[0].session_ticket_keys.keys: there has to be one",
        ),
        (
            "{name: a, validation_context: {max_verify_depth: 0}}",
            "secrets[0].validation_context.max_verify_depth: ",
        ),
    ] {
        let secrets = text(&folder, secrets);
        let sample = Sample {
            secrets: &secrets,
            ..Sample::default()
        };
        let problems = sample.problems();
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn protocols_that_the_codec_does_not_speak_are_told_of() {
    let (folder, _) = folder();
    for (manager, alpn, expected) in [
        ("", "h2, http/1.1, http/1.0", None),
        ("", "http/1.1, spdy/3", Some("[1]: offers `spdy/3`")),
        (
            "",
            "h2, http1.1",
            Some(
                "[1]: offers `http1.1`, which `codec_type: AUTO` does not speak; did you mean `http/1.1`?",
            ),
        ),
        ("codec_type: HTTP1", "http/1.1", None),
        (
            "codec_type: HTTP1",
            "h2, http/1.1",
            Some("[0]: offers `h2`"),
        ),
        ("codec_type: HTTP2", "h2", None),
        (
            "codec_type: HTTP2",
            "h2, http/1.1",
            Some("[1]: offers `http/1.1`"),
        ),
    ] {
        let fields = format!(
            "session_timeout: 604800s, common_tls_context: {{tls_certificates: [cert(a)], alpn_protocols: [{alpn}]}}"
        );
        let chain = downstream(&folder, &fields);
        let sample = Sample {
            chain: &chain,
            manager,
            ..Sample::default()
        };
        let warnings = sample.warnings();
        assert_eq!(
            warnings.len(),
            usize::from(expected.is_some()),
            "{warnings:?}"
        );
        if let Some(expected) = expected {
            assert!(
                warnings[0].contains(&format!("alpn_protocols{expected}")),
                "{warnings:?}"
            );
        }
    }
}

#[test]
fn sm4_without_vectors_is_told_of() {
    let (folder, _) = folder();
    let chain = downstream(
        &folder,
        "common_tls_context: {tls_certificates: [cert(a)], \
         tls_params: {cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_SM4_GCM_SM3]}}",
    );
    let sample = Sample {
        chain: &chain,
        ..Sample::default()
    };
    let warnings = sample.warnings();
    let is_told = warnings
        .iter()
        .any(|one| one.contains("cipher_suites: this CPU"));
    assert_eq!(is_told, !tls::has_vector_sm4(), "{warnings:?}");
}

#[test]
fn a_certificate_that_promises_a_staple_and_has_none_is_told_of() {
    let (folder, authority) = folder();
    let (chain, key) = authority.issue_with(&["a.test"], |params| {
        // A list of features with `status_request`, RFC 7633 §4.
        let feature = [1, 3, 6, 1, 5, 5, 7, 1, 24];
        let extension = CustomExtension::from_oid_content(&feature, vec![0x30, 3, 2, 1, 5]);
        params.custom_extensions.push(extension);
    });
    folder.put("a.pem", chain);
    folder.put("a.key", key);
    let chain = downstream(
        &folder,
        "common_tls_context: {tls_certificates: [cert(a), cert(b)]}",
    );
    let sample = Sample {
        chain: &chain,
        ..Sample::default()
    };
    let warnings = sample.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("tls_certificates[0]: promises"),
        "{warnings:?}"
    );
}
