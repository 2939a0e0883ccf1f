//! TLS from the command line.

use crate::support::{
    Client, Command, Origin, Proxy,
    tls::{Endpoint, Offer, offering},
    tls_pki::pki,
    tls_programs::{has, run},
};

fn file(name: &str) -> String {
    format!("{}/{name}", pki())
}

fn start(args: &str) -> Proxy {
    let admin = format!("run --workers 1 --admin 127.0.0.1:0 {args}");
    Command::new(&admin.split_whitespace().collect::<Vec<_>>()).start()
}

/// The first listener.
fn at(proxy: &Proxy) -> std::net::SocketAddr {
    let line = proxy
        .told
        .iter()
        .find(|line| line.starts_with("listening "))
        .unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_line_is_enough_for_https() {
    let origin = Origin::echo("a");
    let pair = format!("--cert {} --key {}", file("any.pem"), file("any.key"));
    let proxy = start(&format!(
        "--listen https://127.0.0.1:0 {pair} --to {}",
        origin.at()
    ));
    for alpn in [&["http/1.1"][..], &["h2"], &[]] {
        let offer = offering(&Offer {
            alpn,
            ..Offer::default()
        });
        let mut client = Client::secure(at(&proxy), &offer, "localhost");
        assert_eq!(client.agreed().alpn.as_deref(), alpn.first().copied());
        if alpn != ["h2"] {
            assert_eq!(client.get("/quick").text(), "a /quick ");
        }
    }
    if has("curl") {
        let url = format!("https://localhost:{}/curl", at(&proxy).port());
        let (good, answer, said) = run(
            "curl",
            &["-sS", "--http2", "--cacert", &file("ca.pem"), &url],
            b"",
        );
        assert!(good && answer == b"a /curl ", "{said}");
    }
    // Clients have to be vouched for, and two certificates are told apart by name.
    let more = format!("--cert {} --key {}", file("www.pem"), file("www.key"));
    let line = format!(
        "--listen https://127.0.0.1:0 {pair} {more} --client-ca {} --to {}",
        file("ca.pem"),
        origin.at()
    );
    let proxy = start(&line);
    for (certificate, is_served) in [("alice", true), ("", false), ("stranger", false)] {
        for name in ["www.test", "any.test"] {
            let offer = offering(&Offer {
                certificate,
                ..Offer::default()
            });
            let mut client = Client::secure(at(&proxy), &offer, name);
            let _ = client.try_send("GET / HTTP/1.1\r\nhost: h\r\n\r\n");
            assert_eq!(
                client.next_answer("GET").is_some(),
                is_served,
                "{certificate}"
            );
        }
    }
}

#[test]
fn clients_of_http_1_0_are_served() {
    let origin = Origin::echo("a");
    let pair = format!("--cert {} --key {}", file("any.pem"), file("any.key"));
    let line = format!("--listen https://127.0.0.1:0 {pair} --to {}", origin.at());
    let proxy = start(&line);
    for (alpn, agreed) in [
        (&["http/1.0"][..], "http/1.0"),
        (&["http/1.0", "http/1.1"], "http/1.1"),
        (&["http/0.9", "http/1.0"], "http/1.0"),
    ] {
        let offer = offering(&Offer {
            alpn,
            ..Offer::default()
        });
        let mut client = Client::secure(at(&proxy), &offer, "localhost");
        assert_eq!(client.agreed().alpn.as_deref(), Some(agreed), "{alpn:?}");
        let answer = client.ask("GET /old HTTP/1.0\r\nhost: h\r\n\r\n");
        assert_eq!((answer.status, answer.text().as_str()), (200, "a /old "));
    }
    if has("curl") {
        let url = format!("https://localhost:{}/curl", at(&proxy).port());
        let args = ["-sSv", "--http1.0", "--cacert", &file("ca.pem"), &url];
        let (good, answer, said) = run("curl", &args, b"");
        assert!(good && answer == b"a /curl ", "{said}");
        assert!(said.contains("server accepted http/1.0"), "{said}");
    }
}

#[test]
fn endpoints_with_https_are_verified() {
    let endpoint = |certificate: &str| {
        Origin::secure(
            &Endpoint {
                certificate,
                ..Endpoint::default()
            },
            |_, out| {
                out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .is_ok()
            },
        )
    };
    let (named, addressed) = (endpoint("origin"), endpoint("any"));
    let ca = file("ca.pem");
    for (to, more, status) in [
        // By its address, which `any` is for.
        (&addressed, format!("--ca {ca}"), 200),
        (&addressed, String::new(), 503),
        (&named, format!("--ca {ca}"), 503),
        (&named, format!("--ca {ca} --sni origin.test"), 200),
        (&named, "--insecure".to_owned(), 200),
    ] {
        let proxy = start(&format!(
            "--listen http://127.0.0.1:0 --to https://{} {more}",
            to.at()
        ));
        assert_eq!(Client::new(at(&proxy)).get("/").status, status, "{more}");
    }
    // A tunnel on both sides.
    let (cert, key) = (file("any.pem"), file("any.key"));
    let proxy = start(&format!(
        "--listen tls://127.0.0.1:0 --cert {cert} --key {key} --to tls://{} --ca {ca}",
        addressed.at()
    ));
    assert_eq!(Client::any(at(&proxy)).get("/").text(), "ok");
}

#[test]
fn what_is_printed_holds_no_key() {
    let (cert, key) = (file("any.pem"), file("any.key"));
    let line = format!(
        "expand --listen https://:8443 --cert {cert} --key {key} --to https://127.0.0.1:1 --ca {}",
        file("ca.pem")
    );
    let (code, yaml, told) = Command::new(&line.split(' ').collect::<Vec<_>>()).finish();
    assert_eq!(code, Some(0), "{told}");
    assert!(
        yaml.contains(&key)
            && yaml.contains("DownstreamTlsContext")
            && yaml.contains("UpstreamTlsContext"),
        "{yaml}"
    );
    assert!(!yaml.contains("PRIVATE KEY"), "{yaml}");
    // What is printed runs.
    let config = crate::support::scratch("expanded.yaml");
    std::fs::write(&config, yaml).unwrap();
    let (code, _, told) = Command::new(&["check", "-c", &config.display().to_string()]).finish();
    assert_eq!(code, Some(0), "{told}");
    // Nor does the admin page, whether by name or in the file itself.
    let secret = std::fs::read_to_string(&key).unwrap();
    let inline = secret
        .lines()
        .map(|line| format!("                  {line}\n"))
        .collect::<String>();
    let yaml = crate::support::Setup::default()
        .listen_chains(
            "tls",
            "",
            &[crate::support::tls_config::to(
                &crate::support::tls_config::serving(&["any"]),
                "c",
            )],
        )
        .cluster(
            &crate::support::Cluster::default(),
            &["127.0.0.1:1".parse().unwrap()],
        )
        .yaml();
    let yaml = yaml.replace(
        &format!("{{filename: {key}}}"),
        &format!("{{inline_string: \"{}\"}}", secret.replace('\n', "\\n")),
    );
    assert!(yaml.contains("PRIVATE KEY") && !inline.is_empty());
    let proxy = Proxy::start(engines::EngineKind::Epoll, &yaml);
    let dump = proxy.page("/config_dump");
    let middle = secret.lines().nth(1).unwrap();
    assert!(dump.contains("DownstreamTlsContext"), "{dump}");
    assert!(
        !dump.contains("PRIVATE KEY") && !dump.contains(middle),
        "{dump}"
    );
}

#[test]
fn mistakes_are_told_at_once() {
    let (cert, key) = (file("any.pem"), file("any.key"));
    for (line, words) in [
        (
            "--listen https://127.0.0.1:0 --to 127.0.0.1:1".to_owned(),
            "--cert",
        ),
        (
            format!("--listen https://127.0.0.1:0 --cert {cert} --to 127.0.0.1:1"),
            "--key",
        ),
        (
            format!(
                "--listen https://127.0.0.1:0 --cert {cert} --key {} --to 127.0.0.1:1",
                file("www.key")
            ),
            "www.key: does not belong to the certificate",
        ),
        (
            format!("--listen https://127.0.0.1:0 --cert {cert} --key /nowhere --to 127.0.0.1:1"),
            "/nowhere",
        ),
        (
            format!("--listen https://127.0.0.1:0 --cert {key} --key {key} --to 127.0.0.1:1"),
            "certificate",
        ),
        (
            format!("--listen http://127.0.0.1:0 --cert {cert} --key {key} --to 127.0.0.1:1"),
            "https://",
        ),
    ] {
        let line = format!("run {line}");
        let (code, _, told) = Command::new(&line.split(' ').collect::<Vec<_>>()).finish();
        assert!(code.is_some_and(|code| code != 0), "{line}");
        assert!(told.contains(words), "{line}: {told}");
        assert!(
            !told.contains("PRIVATE KEY") && !told.contains("panicked"),
            "{told}"
        );
    }
}

#[test]
fn the_demo_speaks_tls() {
    let (code, out, told) = Command::new(&["demo", "--tls", "--once"]).finish();
    assert_eq!(code, Some(0), "{told}");
    for number in 1..=3 {
        assert!(out.contains(&format!("{number}")), "{out}");
    }
    assert!(out.contains("30"), "{out}");
}
