//! What ends TLS with Tongsuo over RFC 8998: what does not fit, what was changed on the way, a drain.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup,
    sm::{ask, changing, echo, faults, serve, server, sm4_ccm, sm4_gcm, standard, tongsuo, tunnel},
    sm_chains::Chain,
    tls::bulk,
    tls_config::to,
    tls_programs::{Program, run},
    until,
};
use engines::EngineKind;
use nix::sys::signal::Signal;
use std::{
    io::Write,
    net::TcpStream,
    sync::{Mutex, mpsc},
};

on_each_engine!(
    a_changed_byte_is_noticed,
    a_drain_lets_transfers_end,
    what_does_not_fit_is_refused,
);

fn what_does_not_fit_is_refused(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let origin = Origin::echo("a");
    let (suite, other) = (sm4_gcm(), sm4_gcm().with(&Chain::made_by(&program, None)));
    let aes = ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"];
    let clients = [
        (
            suite.open(),
            [
                suite.args,
                &["-CAfile", &other.chain.ca, "-verify_return_error"],
            ]
            .concat(),
        ),
        (suite.down(), [suite.args, &other.identity()].concat()),
        (suite.open(), aes.to_vec()),
        (suite.open(), vec!["-tls1_2"]),
        (standard().open(), suite.args.to_vec()),
    ];
    for (context, args) in clients {
        let proxy = serve(engine, &context, origin.at());
        let said = ask(&program, proxy.at("http"), &args);
        assert!(!said.contains("HTTP/1.1"), "{args:?}: {said}");
        until("it is counted", || faults(&proxy) == 1);
        proxy.settle();
    }
    assert!(origin.requests().is_empty());
    // The other way round.
    let usual = standard();
    let foreign = [&aes[..], &usual.identity()].concat();
    let servers = [
        (other.up_open(), [suite.args, &suite.identity()].concat()),
        (
            suite.up(),
            [suite.args, &["-Verify", "3"], &other.identity()].concat(),
        ),
        (suite.up_open(), [&aes[..], &suite.identity()].concat()),
        (suite.up_open(), foreign),
    ];
    for (context, mut args) in servers {
        args.push("-rev");
        let (_server, there) = server(&program, &args);
        let proxy = tunnel(engine, &context, there);
        let mut client = Client::new(proxy.at("tcp"));
        let _ = client.try_send("backwards\n");
        assert!(client.is_closed(), "{args:?}");
        assert!(faults(&proxy) > 0, "{args:?}");
    }
}

fn a_changed_byte_is_noticed(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let line = "long ".repeat(1000) + "\n";
    for suite in [sm4_gcm(), sm4_ccm()] {
        let origin = echo();
        let proxy = serve(engine, &suite.open(), origin.at());
        let between = changing(proxy.at("tcp"), 4500, true);
        let at = between.at().to_string();
        let args = suite.client(&at, &["-quiet"]);
        let (_, got, said) = run(&program, &args, line.as_bytes());
        assert!(got.is_empty());
        assert!(said.contains("bad record mac"), "{said}");
        let fault = "ringlb_tls_faults_total{detail=\"tls_bad_record\"}";
        until("it is counted", || proxy.labelled(fault) == 1);
        // The other way round: what the server sends back.
        let args = [suite.args, &["-rev"], &suite.identity()].concat();
        let (_server, there) = server(&program, &args);
        let between = changing(there, 4500, false);
        let proxy = tunnel(engine, &suite.up_open(), between.at());
        let mut client = Client::new(proxy.at("tcp"));
        client.send(&line);
        assert!(client.is_closed());
        assert_eq!(proxy.labelled(fault), 1);
    }
}

/// A download and an upload are half done when the process is told to end.
fn a_drain_lets_transfers_end(engine: EngineKind) {
    let Some(program) = tongsuo() else { return };
    let suite = sm4_gcm();
    let (half, len) = (2 << 20, 4 << 20);
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let origin = Origin::new(move |request, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n");
        let data = bulk(len);
        if request.method() == "PUT" {
            assert!(request.body == data);
        } else {
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&data[..half]);
            let _ = wait.lock().unwrap().recv();
            return stream.write_all(&data[half..]).is_ok();
        }
        stream.write_all(&[head.as_bytes(), &data].concat()).is_ok()
    });
    let yaml = Setup::default()
        .listen_chains("http", "", &[to(&suite.open(), "c")])
        .cluster(&Cluster::default(), &[origin.at()])
        .yaml();
    let mut proxy = Proxy::start(engine, &yaml);
    let at = proxy.at("http").to_string();
    let args = suite.client(&at, &["-quiet"]);
    let (mut down, mut up) = (
        Program::start(&program, &args),
        Program::start(&program, &args),
    );
    down.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    let data = bulk(len);
    up.send(format!(
        "PUT / HTTP/1.1\r\nhost: h\r\ncontent-length: {len}\r\n\r\n"
    ));
    up.send(&data[..half]);
    until("both are under way", || {
        proxy.metric("ringlb_listener_requests_active") == 2 && !origin.requests().is_empty()
    });
    proxy.signal(Signal::SIGTERM);
    until("no more connections are taken", || {
        TcpStream::connect(proxy.at("http")).is_err()
    });
    go.send(()).unwrap();
    up.send(&data[half..]);
    for program in [down, up] {
        let all = program.rest_bytes();
        let body = all.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert!(all[body..] == data, "{} of {len}", all.len() - body);
    }
    assert_eq!(proxy.wait().0.code(), Some(0));
}
