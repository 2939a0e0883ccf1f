//! TLS 1.3 with SM2, SM3 and SM4 (RFC 8998) and Tongsuo, an OpenSSL that has its suites. `RINGLB_TONGSUO` is the path
//! of its program. What both have in common runs with OpenSSL too.

use crate::support::{
    Client, Origin, scratch,
    sm::{Suite, ask, echo, faults, serve, server, sm4_ccm, sm4_gcm, standard, tongsuo, tunnel},
    sm_chains::{CERTIFICATE_ID, Chain},
    tls::bulk,
    tls_config::{downstream, filled},
    tls_programs::{Program, has, run},
};
use engines::EngineKind;

on_each_engine!(
    a_share_of_another_group_is_tried_again,
    keys_change_under_way,
    long_bodies_pass_both_ways,
    openssl_is_met_in_both_roles,
    the_offer_chooses_the_certificate,
    tongsuo_is_met_in_both_roles,
);

fn openssl_is_met_in_both_roles(engine: EngineKind) {
    if has("openssl") {
        meet(engine, "openssl", &standard());
    }
}

fn tongsuo_is_met_in_both_roles(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    meet(engine, &program, &standard());
    let mut chains = vec![Chain::sm(), Chain::made_by(&program, None)];
    if has("openssl") {
        chains.push(Chain::made_by("openssl", Some(CERTIFICATE_ID)));
    }
    for chain in &chains {
        meet(engine, &program, &sm4_gcm().with(chain));
        meet(engine, &program, &sm4_ccm().with(chain));
    }
}

/// Both roles, both show certificates, sessions are resumed, the end is told.
fn meet(engine: EngineKind, program: &str, suite: &Suite) {
    let origin = Origin::echo("a");
    let proxy = serve(engine, &suite.down(), origin.at());
    let (at, session) = (proxy.at("http"), scratch("session").display().to_string());
    for (kept, told) in [("-sess_out", "New"), ("-sess_in", "Reused")] {
        let args = [suite.args, &[kept, &session], &suite.identity()].concat();
        let said = ask(program, at, &args);
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        assert!(
            said.contains(&format!("{told}, TLSv1.3, Cipher is {}", suite.name)),
            "{said}"
        );
        // What it says to close_notify; to an end without, it complains.
        assert!(said.ends_with("\nclosed\n"), "{said}");
        assert!(!said.contains("unexpected eof"), "{said}");
    }
    let without = ["-CAfile", &suite.chain.ca];
    let said = ask(program, at, &[suite.args, &without].concat());
    assert!(!said.contains("HTTP/1.1 200 OK"), "{said}");
    proxy.settle();
    // The other way round.
    let args = [suite.args, &["-Verify", "3", "-rev"], &suite.identity()].concat();
    let (server, there) = server(program, &args);
    let proxy = tunnel(engine, &suite.up(), there);
    for resumed in 0..2 {
        let mut client = Client::new(proxy.at("tcp"));
        client.send("backwards\n");
        assert_eq!(client.take(10), b"sdrawkcab\n");
        client.finish();
        assert!(client.is_closed());
        proxy.settle();
        assert_eq!(
            proxy.labelled("ringlb_tls_resumed_total{side=\"upstream\"}"),
            resumed
        );
        let line = server.line_with("CONNECTION CLOSED");
        assert!(!line.contains("ERROR"), "{line}");
    }
}

fn long_bodies_pass_both_ways(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let data = bulk(3 << 20);
    for suite in [sm4_gcm(), sm4_ccm()] {
        let origin = Origin::echo("a");
        let proxy = serve(engine, &suite.open(), origin.at());
        let at = proxy.at("http").to_string();
        let head = format!(
            "PUT / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            data.len()
        );
        let args = suite.client(&at, &["-quiet"]);
        let (_, answer, said) = run(&program, &args, &[head.as_bytes(), &data].concat());
        assert!(answer.ends_with(&data), "{} {said}", answer.len());
        assert!(!said.contains("unexpected eof"), "{said}");
        proxy.settle();
        // The other way round, by lines that are sent back from their ends.
        let args = [suite.args, &["-rev"], &suite.identity()].concat();
        let (_server, there) = server(&program, &args);
        let proxy = tunnel(engine, &suite.up_open(), there);
        let mut client = Client::new(proxy.at("tcp"));
        let line: Vec<u8> = (0..4000).map(|at| b'a' + (at % 26) as u8).collect();
        let mut back = line.clone();
        back.reverse();
        let lines = |line: &[u8]| [line, b"\n"].concat().repeat(16);
        for _ in 0..40 {
            client.send(lines(&line));
            assert!(client.take(16 * 4001) == lines(&back), "{}", suite.name);
        }
    }
}

fn keys_change_under_way(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    for suite in [standard(), sm4_gcm(), sm4_ccm()] {
        let origin = echo();
        let proxy = serve(engine, &suite.open(), origin.at());
        let at = proxy.at("tcp").to_string();
        let mut client = Program::start(&program, &suite.client(&at, &[]));
        // `K` asks for new keys of the other direction too.
        for (number, command) in ["K", "k", "K", "K"].iter().enumerate() {
            client.line_with(if number == 0 {
                "Verify return code"
            } else {
                "echo"
            });
            client.send(format!("{command}\n"));
            client.line_with("KEYUPDATE");
            client.send(format!("echo {number}\n"));
        }
        client.line_with("echo 3");
        drop(client);
        proxy.settle();
        // The other way round.
        let args = [suite.args, &["-msg"], &suite.identity()].concat();
        let (mut server, there) = server(&program, &args);
        let proxy = tunnel(engine, &suite.up_open(), there);
        let mut client = Client::new(proxy.at("tcp"));
        for command in ["K", "k", "K"] {
            client.send("there\n");
            server.line_with("there");
            server.send(format!("{command}\n"));
            server.line_with(", KeyUpdate");
            server.send("back\n");
            assert_eq!(client.take(5), b"back\n");
        }
        client.send("end\n");
        server.line_with("end");
        assert_eq!(faults(&proxy), 0);
    }
}

fn a_share_of_another_group_is_tried_again(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let suite = sm4_gcm();
    let origin = Origin::echo("a");
    let proxy = serve(engine, &suite.open(), origin.at());
    for groups in ["P-256:SM2", "X25519:SM2"] {
        let args = [
            "-tls1_3",
            "-groups",
            groups,
            "-ciphersuites",
            "TLS_SM4_GCM_SM3",
            "-CAfile",
            &suite.chain.ca,
            "-verify_return_error",
            "-msg",
        ];
        let said = ask(&program, proxy.at("http"), &args);
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        assert_eq!(said.matches(", ServerHello").count(), 2, "{said}");
    }
    // The other way round.
    let args = [suite.args, &["-rev", "-msg"], &suite.identity()].concat();
    let (server, there) = server(&program, &args);
    let first = Suite {
        params: "cipher_suites: [TLS_SM4_GCM_SM3], ecdh_curves: [X25519, curveSM2]",
        ..suite
    };
    let proxy = tunnel(engine, &first.up_open(), there);
    let mut client = Client::new(proxy.at("tcp"));
    client.send("backwards\n");
    assert_eq!(client.take(10), b"sdrawkcab\n");
    for _ in 0..2 {
        server.line_with(", ClientHello");
    }
}

/// An SM2 certificate, one of ECDSA and one of RSA: what a client can verify, and what it wants most.
fn the_offer_chooses_the_certificate(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let origin = Origin::echo("a");
    let sm = sm4_gcm().pair();
    let pairs = filled(&format!("{sm}, cert(any), cert(www-rsa)"));
    let context = downstream(&format!(
        "common_tls_context: {{tls_certificates: [{pairs}]}}"
    ));
    let proxy = serve(engine, &context, origin.at());
    let at = proxy.at("http").to_string();
    let both = "TLS_SM4_GCM_SM3:TLS_AES_128_GCM_SHA256";
    for (args, suite, name) in [
        (&["-ciphersuites", both][..], "TLS_SM4_GCM_SM3", "leaf"),
        (
            &["-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_SM4_GCM_SM3"],
            "TLS_AES_128_GCM_SHA256",
            "any",
        ),
        (
            &["-ciphersuites", both, "-groups", "X25519:P-256"],
            "TLS_AES_128_GCM_SHA256",
            "any",
        ),
        (
            &["-ciphersuites", both, "-sigalgs", "ECDSA+SHA256"],
            "TLS_AES_128_GCM_SHA256",
            "any",
        ),
        (
            &["-ciphersuites", both, "-sigalgs", "RSA-PSS+SHA256"],
            "TLS_AES_128_GCM_SHA256",
            "www-rsa",
        ),
        (
            &[
                "-ciphersuites",
                both,
                "-sigalgs",
                "RSA-PSS+SHA256:sm2sig_sm3",
            ],
            "TLS_SM4_GCM_SM3",
            "leaf",
        ),
        (&["-tls1_2"], "ECDHE-ECDSA-AES128-GCM-SHA256", "any"),
    ] {
        let target = ["s_client", "-connect", &at, "-noservername"];
        let said = Program::start(&program, &[&target, args].concat()).ask();
        assert!(said.contains("HTTP/1.1 200 OK"), "{args:?}: {said}");
        assert!(
            said.contains(&format!("Cipher is {suite}\n")),
            "{args:?}: {said}"
        );
        assert!(
            said.contains(&format!("subject=CN={name}\n"))
                || said.contains(&format!("subject=CN = {name}\n")),
            "{args:?}: {said}"
        );
    }
}
