//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998), and the same exchange with what everybody has.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, scratch,
    tls::{Endpoint, Offer, bulk, der, offering},
    tls_config::{downstream, filled, log_to, tcp_chain, upstream},
    tls_pki::pki,
    tls_programs::{Program, has, run},
    until,
};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::SocketAddr,
};

/// `ca.pem`, and `leaf` for `localhost` in both roles.
const SM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tls/testdata/sm");

/// What both sides speak, and the certificate that both show.
struct Suite {
    /// Arguments of `s_client` and `s_server`.
    args: &'static [&'static str],
    /// Of `common_tls_context`.
    params: &'static str,
    name: &'static str,
    ca: String,
    chain: String,
    key: String,
}

fn standard() -> Suite {
    Suite {
        args: &["-tls1_3"],
        params: "cipher_suites: [TLS_AES_128_GCM_SHA256]",
        name: "TLS_AES_128_GCM_SHA256",
        ca: format!("{}/ca.pem", pki()),
        chain: format!("{}/any.pem", pki()),
        key: format!("{}/any.key", pki()),
    }
}

fn sm4_gcm() -> Suite {
    Suite {
        args: &[
            "-tls1_3",
            "-enable_sm_tls13_strict",
            "-groups",
            "SM2",
            "-ciphersuites",
            "TLS_SM4_GCM_SM3",
        ],
        params: "cipher_suites: [TLS_SM4_GCM_SM3], ecdh_curves: [curveSM2]",
        name: "TLS_SM4_GCM_SM3",
        ca: format!("{SM}/ca.pem"),
        chain: format!("{SM}/leaf.pem"),
        key: format!("{SM}/leaf.key.pem"),
    }
}

fn sm4_ccm() -> Suite {
    Suite {
        args: &[
            "-tls1_3",
            "-enable_sm_tls13_strict",
            "-groups",
            "SM2",
            "-ciphersuites",
            "TLS_SM4_CCM_SM3",
        ],
        params: "cipher_suites: [TLS_SM4_CCM_SM3]",
        name: "TLS_SM4_CCM_SM3",
        ..sm4_gcm()
    }
}

impl Suite {
    /// The common context of either side: whom the other has to be vouched for by, and who we are.
    fn common(&self) -> String {
        format!(
            "common_tls_context: {{tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, {}}}, \
             tls_certificates: [{}], validation_context: {{trusted_ca: {{filename: {}}}}}}}",
            self.params,
            self.pair(),
            self.ca
        )
    }

    fn pair(&self) -> String {
        format!(
            "{{certificate_chain: {{filename: {}}}, private_key: {{filename: {}}}}}",
            self.chain, self.key
        )
    }

    fn down(&self) -> String {
        downstream(&format!(
            "require_client_certificate: true, {}",
            self.common()
        ))
    }

    fn up(&self) -> String {
        upstream(&format!("sni: localhost, {}", self.common()))
    }
}

/// Sends back what came.
fn echo() -> Origin {
    Origin::raw(|mut stream| {
        let mut room = [0; 64 << 10];
        while let Ok(len @ 1..) = stream.read(&mut room) {
            if stream.write_all(&room[..len]).is_err() {
                break;
            }
        }
    })
}

/// One process is the client, the other the server; both show certificates, sessions are resumed.
#[test]
fn processes_speak_every_suite_with_each_other() {
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
        EngineKind::Epoll,
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
    let near = Proxy::start(EngineKind::Epoll, &near.yaml());
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

/// A process whose listener `tcp` leads there, with this context.
fn tunnel(cluster: &str, there: SocketAddr) -> Proxy {
    let cluster = Cluster { name: "c", cluster };
    let yaml = Setup::default()
        .listen_chains("tcp", "", &[tcp_chain("", "c")])
        .cluster(&cluster, &[there])
        .yaml();
    Proxy::start(EngineKind::Epoll, &yaml)
}

/// A client that knows nothing of SM gets what it can check.
#[test]
fn certificates_of_both_kinds_lie_on_one_listener() {
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
        far = far.listen_chains(name, "", &[crate::support::tls_config::to(&context, "c")]);
    }
    let far = Proxy::start(
        EngineKind::Epoll,
        &far.cluster(&Cluster::default(), &[origin.at()]).yaml(),
    );
    let only_sm = upstream(&format!(
        "sni: localhost, common_tls_context: {{tls_params: {{cipher_suites: [TLS_SM4_GCM_SM3]}}, \
         validation_context: {{trusted_ca: {{filename: {SM}/ca.pem}}}}}}"
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
        let near = tunnel(&only_sm, far.at(listener));
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
    let near = tunnel(&only_sm, plain.at());
    assert!(Client::new(near.at("tcp")).is_closed());
    assert!(near.metric("ringlb_cluster_handshake_failures_total") > 0);
}

/// A program with OpenSSL's commands in both roles: mutual authentication, and a session that is resumed.
fn meet(program: &str, suite: &Suite) {
    let origin = Origin::echo("a");
    let down = crate::support::tls_config::to(&suite.down(), "c");
    let setup = Setup::default().listen_chains("tls", "", &[down]);
    let setup = setup.cluster(&Cluster::default(), &[origin.at()]);
    let proxy = Proxy::start(EngineKind::Epoll, &setup.yaml());
    let (at, session) = (
        proxy.at("tls").to_string(),
        scratch("session").display().to_string(),
    );
    let ours = [
        "-CAfile",
        &suite.ca,
        "-verify_return_error",
        "-cert",
        &suite.chain,
        "-key",
        &suite.key,
    ];
    for (kept, told) in [("-sess_out", "New"), ("-sess_in", "Reused")] {
        let to = [
            "s_client",
            "-connect",
            &at,
            "-servername",
            "localhost",
            kept,
            &session,
        ];
        let said = Program::start(program, &[&to, suite.args, &ours].concat()).ask();
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        assert!(
            said.contains(&format!("{told}, TLSv1.3, Cipher is {}", suite.name)),
            "{said}"
        );
    }
    let without = [
        "s_client",
        "-connect",
        &at,
        "-servername",
        "localhost",
        "-CAfile",
        &suite.ca,
    ];
    let said = Program::start(program, &[&without, suite.args].concat()).ask();
    assert!(!said.contains("HTTP/1.1 200 OK"), "{said}");
    // The other way round.
    let from = ["s_server", "-accept", "127.0.0.1:0", "-Verify", "3", "-rev"];
    let server = Program::start(program, &[&from, suite.args, &ours].concat());
    let line = server.line_with("ACCEPT ");
    let there = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let proxy = tunnel(&suite.up(), there);
    for resumed in 0..2 {
        let mut client = Client::new(proxy.at("tcp"));
        client.send("backwards\n");
        assert_eq!(client.take(10), b"sdrawkcab\n");
        client.finish();
        drop(client);
        proxy.settle();
        assert_eq!(
            proxy.labelled("ringlb_tls_resumed_total{side=\"upstream\"}"),
            resumed
        );
    }
}

#[test]
fn openssl_is_met_in_both_roles() {
    if has("openssl") {
        meet("openssl", &standard());
    }
}

/// `RINGLB_TONGSUO`: the path of Tongsuo's `openssl`.
#[test]
#[ignore = "needs Tongsuo, see docs/testing.md"]
fn tongsuo_is_met_in_both_roles() {
    let program =
        std::env::var("RINGLB_TONGSUO").expect("RINGLB_TONGSUO is the path of Tongsuo's openssl");
    meet(&program, &standard());
    meet(&program, &sm4_gcm());
    meet(&program, &sm4_ccm());
}

/// `RINGLB_GMSSL`: the path of `gmssl`. Its server takes only keys of its own making, so it is the client.
#[test]
#[ignore = "needs GmSSL, see docs/testing.md"]
fn gmssl_is_served() {
    let program = std::env::var("RINGLB_GMSSL").expect("RINGLB_GMSSL is the path of gmssl");
    let origin = Origin::echo("a");
    let suite = sm4_gcm();
    let context = downstream(&format!(
        "common_tls_context: {{tls_certificates: [{}]}}",
        suite.pair()
    ));
    let yaml = Setup::default()
        .listen_chains("tls", "", &[crate::support::tls_config::to(&context, "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let proxy = Proxy::start(EngineKind::Epoll, &yaml);
    let port = proxy.at("tls").port().to_string();
    let args = [
        "tls13_client",
        "-host",
        "127.0.0.1",
        "-port",
        &port,
        "-cacert",
        &suite.ca,
    ];
    let mut client = Program::start(&program, &args);
    client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    client.line_with("HTTP/1.1 200 OK");
}
