//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998) and clients of GmSSL. `RINGLB_GMSSL` is the path of its program, 3.2 or
//! later. Its server is not met: it takes no ClientHello with `status_request` as RFC 6066 has it.

use crate::support::{
    Origin, Proxy, scratch,
    sm::{Suite, echo, faults, serve, sm4_ccm, sm4_gcm, standard},
    sm_chains::{CERTIFICATE_ID, Chain, succeed},
    tls::bulk,
    tls_config::{downstream, filled},
    tls_programs::{has, has_named, run},
    until,
};
use engines::EngineKind;
use std::fs;

on_each_engine!(
    both_suites_are_spoken_over_both_chains,
    keys_change_under_way,
    long_bodies_pass_both_ways,
    the_offer_chooses_the_certificate,
    what_does_not_fit_is_refused,
);

const PASS: &str = "of-a-test";

/// GmSSL's program and what it has made. OpenSSL makes the keys of listeners, as GmSSL writes encrypted ones only, in a
/// form of its own.
struct GmSsl {
    program: String,
    folder: String,
    /// Of OpenSSL.
    ours: Chain,
}

impl GmSsl {
    fn found() -> Option<Self> {
        let program = has_named("RINGLB_GMSSL", "version")?;
        let folder = scratch("gmssl").display().to_string();
        fs::create_dir_all(&folder).unwrap();
        has("openssl").then(|| Self {
            program,
            folder,
            ours: Chain::made_by("openssl", Some(CERTIFICATE_ID)),
        })
    }

    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Runs a command in which `@x` stands for file `x` of the folder.
    fn make(&self, program: &str, line: &str) {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(name) => self.at(name),
            None => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        succeed(program, &words);
    }

    /// A command of GmSSL's that takes a key.
    fn keyed(&self, line: &str) {
        self.make(&self.program, &format!("{line} -pass {PASS}"));
    }

    /// Root and intermediate of GmSSL. The certificate is for a key of OpenSSL's that has asked for it; `client.pem` is
    /// for GmSSL's own `client.key`.
    fn chain(&self) -> Chain {
        for name in ["root", "sub", "client"] {
            self.keyed(&format!("sm2keygen -out @{name}.key"));
        }
        self.keyed(
            "certgen -CN root -days 30 -key @root.key -key_usage keyCertSign -key_usage cRLSign -ca -out @root.crt",
        );
        for name in ["sub", "client"] {
            self.keyed(&format!(
                "reqgen -CN {name} -key @{name}.key -out @{name}.req"
            ));
        }
        let (key, id) = (&self.ours.key, CERTIFICATE_ID);
        let line = format!("req -new -key {key} -subj /CN=leaf -sm3 -sigopt {id} -out @leaf.req");
        self.make("openssl", &line);
        for (name, by, what) in [
            (
                "sub",
                "root",
                "-key_usage keyCertSign -path_len_constraint 0 -ca",
            ),
            (
                "leaf",
                "sub",
                "-key_usage digitalSignature -subject_dns_name localhost",
            ),
            (
                "client",
                "sub",
                "-key_usage digitalSignature -ext_key_usage clientAuth",
            ),
        ] {
            let files =
                format!("-in @{name}.req -out @{name}.crt -cacert @{by}.crt -key @{by}.key");
            self.keyed(&format!("reqsign -days 30 {files} {what}"));
        }
        let read = |name: &str| fs::read_to_string(self.at(name)).unwrap();
        for name in ["leaf", "client"] {
            let chain = read(&format!("{name}.crt")) + &read("sub.crt");
            fs::write(self.at(&format!("{name}.pem")), chain).unwrap();
        }
        Chain {
            ca: self.at("root.crt"),
            chain: self.at("leaf.pem"),
            between: self.at("sub.crt"),
            key: self.ours.key.clone(),
        }
    }

    /// Runs its client: all that is said, what was received last.
    fn client(&self, proxy: &Proxy, listener: &str, suite: &Suite, args: &[&str]) -> Vec<u8> {
        let port = proxy.at(listener).port().to_string();
        let to = [
            "tls13_client",
            "-host",
            "127.0.0.1",
            "-port",
            &port,
            "-server_name",
            "localhost",
            "-cipher_suite",
            suite.name,
            "-supported_group",
            "sm2p256v1",
            "-sig_alg",
            "sm2sig_sm3",
        ];
        let trust = ["-cacert", &suite.chain.ca];
        run(&self.program, &[&to[..], &trust, args].concat(), b"").1
    }
}

fn ends_with(got: &[u8], what: &str) -> bool {
    got.ends_with(what.as_bytes())
}

fn both_suites_are_spoken_over_both_chains(engine: EngineKind) {
    let Some(gmssl) = GmSsl::found() else { return };
    let theirs = gmssl.chain();
    let origin = Origin::echo("a");
    for suite in [sm4_gcm(), sm4_ccm()] {
        for chain in [&gmssl.ours, &theirs] {
            let suite = suite.clone().with(chain);
            let proxy = serve(engine, &suite.open(), origin.at());
            let session = scratch("session").display().to_string();
            for kept in ["-sess_out", "-sess_in"] {
                let args = ["-psk_dhe_ke", kept, &session, "-get", "/x"];
                let got = gmssl.client(&proxy, "http", &suite, &args);
                assert!(
                    ends_with(&got, "a /x "),
                    "{}",
                    String::from_utf8_lossy(&got)
                );
            }
            let resumed = "ringlb_tls_resumed_total{side=\"downstream\"}";
            assert_eq!(proxy.labelled(resumed), 1);
            proxy.settle();
        }
        // With a certificate of its own, and without.
        let suite = suite.with(&theirs);
        let proxy = serve(engine, &suite.down(), origin.at());
        let (chain, key) = (gmssl.at("client.pem"), gmssl.at("client.key"));
        let shown = ["-cert", &chain, "-key", &key, "-pass", PASS, "-get", "/x"];
        let got = gmssl.client(&proxy, "http", &suite, &shown);
        assert!(
            ends_with(&got, "a /x "),
            "{}",
            String::from_utf8_lossy(&got)
        );
        let got = gmssl.client(&proxy, "http", &suite, &["-get", "/x"]);
        assert!(!ends_with(&got, "a /x "));
        let fault = "ringlb_tls_faults_total{detail=\"tls_certificate_required\"}";
        until("it is counted", || proxy.labelled(fault) == 1);
    }
}

/// A file with a request that has a long body.
fn put(body: &[u8]) -> String {
    let head = format!(
        "PUT / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let file = scratch("put").display().to_string();
    fs::write(&file, [head.as_bytes(), body].concat()).unwrap();
    file
}

fn long_bodies_pass_both_ways(engine: EngineKind) {
    let Some(gmssl) = GmSsl::found() else { return };
    let data = bulk(3 << 20);
    for suite in [sm4_gcm(), sm4_ccm()] {
        let suite = suite.with(&gmssl.ours);
        let origin = Origin::echo("a");
        let proxy = serve(engine, &suite.open(), origin.at());
        let got = gmssl.client(&proxy, "http", &suite, &["-in", &put(&data)]);
        assert!(origin.requests()[0].body == data);
        assert!(got.ends_with(&data), "{}", got.len());
    }
}

/// It asks for new keys every few records, ringlb answers with its own.
fn keys_change_under_way(engine: EngineKind) {
    let Some(gmssl) = GmSsl::found() else { return };
    let data = bulk(1 << 20);
    for suite in [sm4_gcm(), sm4_ccm()] {
        let suite = suite.with(&gmssl.ours);
        let origin = Origin::echo("a");
        let proxy = serve(engine, &suite.open(), origin.at());
        let args = ["-key_update_seq_num", "20", "-in", &put(&data)];
        let got = gmssl.client(&proxy, "http", &suite, &args);
        assert!(origin.requests()[0].body == data);
        assert!(got.ends_with(&data), "{}", got.len());
    }
}

fn the_offer_chooses_the_certificate(engine: EngineKind) {
    let Some(gmssl) = GmSsl::found() else { return };
    let origin = Origin::echo("a");
    let suite = sm4_gcm().with(&gmssl.ours);
    let pairs = [suite.pair(), filled("cert(any)")];
    for pairs in [pairs.join(", "), [&*pairs[1], &pairs[0]].join(", ")] {
        let context = downstream(&format!(
            "common_tls_context: {{tls_certificates: [{pairs}]}}"
        ));
        let proxy = serve(engine, &context, origin.at());
        let got = gmssl.client(&proxy, "http", &suite, &["-get", "/x"]);
        assert!(
            ends_with(&got, "a /x "),
            "{}",
            String::from_utf8_lossy(&got)
        );
    }
}

fn what_does_not_fit_is_refused(engine: EngineKind) {
    let Some(gmssl) = GmSsl::found() else { return };
    let origin = echo();
    let suite = sm4_gcm().with(&gmssl.ours);
    let other = suite
        .clone()
        .with(&Chain::made_by("openssl", Some(CERTIFICATE_ID)));
    for (context, asked, is_cut) in [
        // Whom it does not believe it leaves without a word.
        (suite.open(), &other, true),
        (suite.open(), &sm4_ccm().with(&gmssl.ours), false),
        (standard().open(), &suite, false),
    ] {
        let proxy = serve(engine, &context, origin.at());
        let got = gmssl.client(&proxy, "http", asked, &["-get", "/x"]);
        assert!(!ends_with(&got, "a /x "));
        until("it is counted", || faults(&proxy) == 1);
        let cut = proxy.labelled("ringlb_tls_faults_total{detail=\"tls_truncated\"}");
        assert_eq!(cut, u64::from(is_cut));
        proxy.settle();
    }
    assert_eq!(origin.connections(), 0);
}
