//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998) between two processes, and beside what everybody has.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, scratch,
    sm::{echo, sm4_ccm, sm4_gcm, standard, tunnel},
    sm_chains::Chain,
    tls::{Endpoint, Offer, bulk, der, offering},
    tls_config::{downstream, filled, log_to, tcp_chain, to, upstream},
    tls_pki::pki,
    tls_programs::{has, run},
    until,
};
use engines::EngineKind;

on_each_engine!(
    certificates_of_both_kinds_lie_on_one_listener,
    processes_speak_every_suite_with_each_other,
);

/// One process is the client, the other the server; both show certificates, sessions are resumed.
fn processes_speak_every_suite_with_each_other(engine: EngineKind) {
    let log = scratch("suites.log");
    let origin = echo();
    let suites = [standard(), sm4_gcm(), sm4_ccm()];
    let mut far = Setup::default();
    for suite in &suites {
        let chain = tcp_chain(&suite.down(), "c").replace(
            "stat_prefix: t,",
            &format!(
                "stat_prefix: t, {}",
                log_to(&log, "%DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_PEER_SUBJECT%")
            ),
        );
        far = far.listen_chains(suite.name, "", &[chain]);
    }
    let far = Proxy::start(
        engine,
        &far.cluster(&Cluster::default(), &[origin.at()]).yaml(),
    );
    let mut near = Setup::default();
    for suite in &suites {
        let context = suite.up();
        near = near
            .listen_chains(suite.name, "", &[tcp_chain("", suite.name)])
            .cluster(
                &Cluster {
                    name: suite.name,
                    cluster: &context,
                },
                &[far.at(suite.name)],
            );
    }
    let near = Proxy::start(engine, &near.yaml());
    let data = bulk(300_000);
    for suite in &suites {
        for number in 0..3 {
            let mut client = Client::new(near.at(suite.name));
            let mut back = Vec::new();
            for part in data.chunks(50_000) {
                client.send(part);
                back.extend(client.take(part.len()));
            }
            assert!(back == data, "{} {number}", suite.name);
            client.finish();
            assert!(client.is_closed());
        }
    }
    near.settle();
    far.settle();
    for (proxy, side) in [(&near, "upstream"), (&far, "downstream")] {
        let resumed = proxy.labelled(&format!("ringlb_tls_resumed_total{{side=\"{side}\"}}"));
        assert_eq!(resumed, 6, "{side}");
    }
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    until("all is logged", || lines().lines().count() == 9);
    for (suite, name) in suites.iter().zip(["any", "leaf", "leaf"]) {
        let line = format!("{} CN={name}", suite.name);
        assert_eq!(
            lines().lines().filter(|other| **other == line).count(),
            3,
            "{line}\n{}",
            lines()
        );
    }
}

/// A client that knows nothing of SM gets what it can check.
fn certificates_of_both_kinds_lie_on_one_listener(engine: EngineKind) {
    let origin = Origin::echo("a");
    let pairs = [sm4_gcm().pair(), filled("cert(any)")];
    let mut far = Setup::default();
    for (name, pairs) in [
        ("sm-first", pairs.join(", ")),
        ("sm-last", [&*pairs[1], &pairs[0]].join(", ")),
    ] {
        let context = downstream(&format!(
            "common_tls_context: {{tls_certificates: [{pairs}]}}"
        ));
        far = far.listen_chains(name, "", &[to(&context, "c")]);
    }
    let far = Proxy::start(
        engine,
        &far.cluster(&Cluster::default(), &[origin.at()]).yaml(),
    );
    let only_sm = upstream(&format!(
        "sni: localhost, common_tls_context: {{tls_params: {{cipher_suites: [TLS_SM4_GCM_SM3]}}, \
         validation_context: {{trusted_ca: {{filename: {}}}}}}}",
        Chain::sm().ca
    ));
    for listener in ["sm-first", "sm-last"] {
        for name in ["localhost", "any.test", "127.0.0.1"] {
            let mut client = Client::secure(far.at(listener), &offering(&Offer::default()), name);
            assert_eq!(client.agreed().certificate, der("any"));
            assert_eq!(client.get("/").status, 200);
        }
        if has("curl") {
            let url = format!("https://localhost:{}/curl", far.at(listener).port());
            let ca = format!("{}/ca.pem", pki());
            let (good, answer, said) = run("curl", &["-sS", "--cacert", &ca, &url], b"");
            assert!(good, "{said}");
            assert_eq!(answer, b"a /curl ");
        }
        let near = tunnel(engine, &only_sm, far.at(listener));
        assert_eq!(
            Client::new(near.at("tcp")).get("/sm").text(),
            "a /sm ",
            "{listener}"
        );
    }
    // An endpoint without SM is refused by who wants nothing else.
    let plain = Origin::secure(
        &Endpoint {
            certificate: "any",
            ..Endpoint::default()
        },
        |_, _| false,
    );
    let near = tunnel(engine, &only_sm, plain.at());
    assert!(Client::new(near.at("tcp")).is_closed());
    assert!(near.metric("ringlb_cluster_handshake_failures_total") > 0);
}
