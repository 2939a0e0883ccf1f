//! Why TLS failed, on which side, and what the lines of requests and tunnels tell of that.

use super::*;
use crate::log::{file, lines, log_to};
use rustls::{
    CipherSuiteCommon, ServerConfig, SupportedCipherSuite, Tls12CipherSuite,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS12,
};
use std::path::Path;

const CUT: &str = "tls_truncated: the connection ended during the handshake";
const LATE: &str = "tls_handshake_timeout: the handshake took too long";
const FOREIGN: &str = "tls_no_hello: what came is not TLS";
const USED_UP: &str = "tls_keys_used_up: the keys have encrypted as many records as they may";

/// TLS on both sides; a line tells what happened, then why at the client, then why at the endpoint.
fn stage(is_tunnel: bool, path: &Path) -> Stage {
    let format = "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
         %DOWNSTREAM_TRANSPORT_FAILURE_REASON% %UPSTREAM_TRANSPORT_FAILURE_REASON%";
    Stage::new(&Script {
        manager: &log_to(path, format),
        chain: &secure_front(""),
        cluster: &towards(""),
        is_tunnel,
        ..Script::default()
    })
}

/// The line of what failed at the client.
fn at_client(flags: &str, why: &str) -> String {
    let detail = why.split(':').next().unwrap();
    format!("{flags} {detail} {} -", why.replace(' ', "_"))
}

/// The line of what failed at the endpoint.
fn at_endpoint(is_tunnel: bool, flags: &str, phase: &str, why: &str) -> String {
    let (detail, why) = (why.split(':').next().unwrap(), why.replace(' ', "_"));
    match is_tunnel {
        true => format!("{flags} {detail} - {why}"),
        false => {
            format!("{flags} upstream_reset_before_response_started{{{phase}|{why}}} - {why}")
        }
    }
}

/// A client that has begun its tunnel or asked.
fn asker(stage: &mut Stage) -> Scripted {
    let mut client = client(stage);
    client.say(stage, GET);
    stage.settle();
    client
}

/// A client that reads nothing: its close is a reset.
fn deaf(stage: &mut Stage, bytes: &[u8]) -> Sock {
    let client = stage.deaf_client();
    stage.send(client, bytes);
    stage.settle();
    client
}

fn hello(stage: &Stage) -> Vec<u8> {
    let mut hello = Vec::new();
    let context = asks(stage, asking());
    Talk::connect(&context, "a.test", stage.wall(), &mut hello);
    hello
}

#[test]
fn an_endpoint_that_breaks_its_handshake_off_is_told_however_it_does() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = stage(is_tunnel, &path);
        for (number, (is_deaf, why)) in [(true, CUT), (false, CUT), (false, LATE)]
            .into_iter()
            .enumerate()
        {
            stage.is_deaf = is_deaf;
            let client = asker(&mut stage);
            let endpoint = stage.accepted(number);
            match (is_deaf, why) {
                (true, _) => stage.close(endpoint),
                (false, CUT) => stage.finish(endpoint),
                (false, _) => stage.run(seconds(6)),
            }
            stage.settle();
            stage.close(client.sock);
            stage.settle();
        }
        assert_eq!(fault(&stage, "tls_truncated"), 2);
        let cluster = &stage.stats.clusters[0];
        assert_eq!(cluster.handshake_failures.get(), 2);
        assert_eq!(cluster.connect_failures.get(), 3);
        assert_eq!(cluster.connect_timeouts.get(), 1);
        stage.end();
        let expected =
            [CUT, CUT, LATE].map(|why| at_endpoint(is_tunnel, "UF", "connection_failure", why));
        assert_eq!(lines(&path), expected);
    }
}

#[test]
fn a_session_that_breaks_is_told_at_its_own_side() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = stage(is_tunnel, &path);
        for (number, is_down) in [true, false].into_iter().enumerate() {
            let mut client = asker(&mut stage);
            let mut endpoint = endpoint(&mut stage, number);
            settle(&mut stage, &mut [&mut client, &mut endpoint]);
            assert!(endpoint.text().starts_with("GET"));
            let broken = if is_down { &client } else { &endpoint };
            stage.send(broken.sock, [23, 3, 3, 0, 20, 0].repeat(5));
            settle(&mut stage, &mut [&mut client, &mut endpoint]);
            stage.close(client.sock);
            stage.settle();
        }
        stage.end();
        let why = "tls_bad_record: a record does not decrypt";
        let flags = if is_tunnel { "UPE" } else { "UC" };
        let expected = [
            at_client("DPE", why),
            at_endpoint(is_tunnel, flags, "connection_termination", why),
        ];
        assert_eq!(lines(&path), expected);
    }
}

#[test]
fn an_endpoint_that_takes_our_certificate_for_none_is_told() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = stage(is_tunnel, &path);
        let mut client = asker(&mut stage);
        let settings = ServerSettings {
            client_auth: ClientAuth::Required(certificates::all().trust()),
            ..serving(&certificates::all().endpoint)
        };
        // In TLS 1.3 our handshake is over before it looks.
        let context = ServerContext::new(&stage.provider, settings).unwrap();
        let mut endpoint = Scripted::endpoint(&stage, 0, &context);
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        stage.close(client.sock);
        stage.settle();
        stage.end();
        let why = "tls_certificate_required: received fatal alert: certificate_required";
        let flags = if is_tunnel { "UPE" } else { "UC" };
        let expected = at_endpoint(is_tunnel, flags, "connection_termination", why);
        assert_eq!(lines(&path), [expected]);
    }
}

#[test]
fn a_tunnel_whose_client_resets_it_tells_what_came_before() {
    let path = file();
    let mut stage = stage(true, &path);
    // Within the handshake; behind an alert, with which it has failed; before anything was said.
    let hello = hello(&stage);
    for bytes in [&hello[..], GET.as_bytes()] {
        let client = deaf(&mut stage, bytes);
        stage.close(client);
        stage.settle();
    }
    let silent = deaf(&mut stage, b"");
    stage.close(silent);
    stage.settle();
    assert_eq!(fault(&stage, "tls_truncated"), 1);
    assert_eq!(fault(&stage, "tls_no_hello"), 1);
    assert_eq!(stage.stats.listeners[0].handshake_failures.get(), 2);
    assert_eq!(stage.stats.listeners[0].connections_active.get(), 0);
    stage.end();
    let expected = [
        at_client("DPE", CUT),
        at_client("DPE", FOREIGN),
        "DC - - -".to_owned(),
    ];
    assert_eq!(lines(&path), expected);
}

/// A server whose keys are for so many records.
fn short_lived(stage: &Stage, records_max: u64) -> Arc<ServerContext> {
    let mut provider = ring::default_provider();
    let suite = ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let SupportedCipherSuite::Tls12(suite) = suite else {
        panic!("a suite of TLS 1.2");
    };
    let limited: &'static Tls12CipherSuite = Box::leak(Box::new(Tls12CipherSuite {
        common: CipherSuiteCommon {
            suite: suite.common.suite,
            hash_provider: suite.common.hash_provider,
            confidentiality_limit: records_max,
        },
        prf_provider: suite.prf_provider,
        kx: suite.kx,
        sign: suite.sign,
        aead_alg: suite.aead_alg,
    }));
    provider.cipher_suites = vec![limited.into()];
    let own = &certificates::all().a;
    let chain = CertificateDer::from_pem_slice(own.pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    serves(stage, own).with_config(config)
}

#[test]
fn keys_that_are_used_up_are_our_fault_and_told() {
    for is_tunnel in [false, true] {
        let path = file();
        let mut stage = stage(is_tunnel, &path);
        let chain = stage.snapshot.listeners[0].chains.get(0);
        let context = short_lived(&stage, 8);
        chain.tls.as_ref().unwrap().context.put(context);
        let mut client = asker(&mut stage);
        let mut endpoint = endpoint(&mut stage, 0);
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        assert!(endpoint.text().starts_with("GET"));
        endpoint.say(
            &mut stage,
            "HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n",
        );
        for _ in 0..40 {
            endpoint.say(&mut stage, [b'x'; 10_000]);
            settle(&mut stage, &mut [&mut client, &mut endpoint]);
        }
        assert!(stage.has_ended(client.sock));
        stage.close(client.sock);
        stage.settle();
        assert_eq!(fault(&stage, "tls_keys_used_up"), 1);
        stage.end();
        assert_eq!(lines(&path), [at_client("LR", USED_UP)]);
    }
}

#[test]
fn an_answer_that_ends_early_is_told_to_have_begun() {
    let path = file();
    let mut stage = stage(false, &path);
    let mut client = asker(&mut stage);
    let mut endpoint = endpoint(&mut stage, 0);
    endpoint.say(
        &mut stage,
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    );
    settle(&mut stage, &mut [&mut client]);
    stage.close(endpoint.sock);
    settle(&mut stage, &mut [&mut client]);
    assert!(client.text().ends_with("half") && stage.has_ended(client.sock));
    stage.end();
    let line = "UC upstream_reset_after_response_started{connection_termination} - -";
    assert_eq!(lines(&path), [line]);
}

#[test]
fn who_answers_a_cut_with_an_alert_is_not_to_blame() {
    for is_down in [true, false] {
        let path = file();
        let mut stage = stage(true, &path);
        let mut client = asker(&mut stage);
        let mut endpoint = endpoint(&mut stage, 0);
        settle(&mut stage, &mut [&mut client, &mut endpoint]);
        let (cutting, other) = match is_down {
            true => (&client, &endpoint),
            false => (&endpoint, &client),
        };
        stage.finish(cutting.sock);
        stage.settle();
        assert!(stage.has_ended(other.sock));
        // As OpenSSL does, when it finds its session cut.
        stage.send(other.sock, [23, 3, 3, 0, 20, 0].repeat(5));
        stage.settle();
        stage.end();
        let flag = if is_down { "DC" } else { "UC" };
        assert_eq!(lines(&path), [format!("{flag} tls_truncated - -")]);
    }
}
