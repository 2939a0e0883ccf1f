//! RFC 8998 on the wire: its suites, the programs that speak them, and who changes a byte on the way.

use super::{
    Cluster, Origin, Proxy, Setup,
    sm_chains::Chain,
    tls_config::{downstream, tcp_chain, to, upstream},
    tls_programs::{Program, has_named},
};
use engines::EngineKind;
use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

/// What both sides speak, and the certificate that both show.
#[derive(Clone)]
pub(crate) struct Suite {
    /// Arguments of `s_client` and `s_server`.
    pub(crate) args: &'static [&'static str],
    /// Of `common_tls_context`.
    pub(crate) params: &'static str,
    pub(crate) name: &'static str,
    pub(crate) chain: Chain,
}

pub(crate) fn standard() -> Suite {
    Suite {
        args: &["-tls1_3"],
        params: "cipher_suites: [TLS_AES_128_GCM_SHA256]",
        name: "TLS_AES_128_GCM_SHA256",
        chain: Chain::standard(),
    }
}

pub(crate) fn sm4_gcm() -> Suite {
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
        chain: Chain::sm(),
    }
}

pub(crate) fn sm4_ccm() -> Suite {
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
        chain: Chain::sm(),
    }
}

impl Suite {
    pub(crate) fn with(mut self, chain: &Chain) -> Self {
        self.chain = chain.clone();
        self
    }

    /// The common context of either side: whom the other has to be vouched for by, and who we are.
    fn common(&self) -> String {
        format!(
            "common_tls_context: {{tls_params: {{tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3, {}}}, \
             tls_certificates: [{}], validation_context: {{trusted_ca: {{filename: {}}}}}}}",
            self.params,
            self.pair(),
            self.chain.ca
        )
    }

    pub(crate) fn pair(&self) -> String {
        let Chain { chain, key, .. } = &self.chain;
        format!("{{certificate_chain: {{filename: {chain}}}, private_key: {{filename: {key}}}}}")
    }

    /// Towards clients, which have to show a certificate.
    pub(crate) fn down(&self) -> String {
        downstream(&format!(
            "require_client_certificate: true, {}",
            self.common()
        ))
    }

    /// Towards clients, of which nothing is asked.
    pub(crate) fn open(&self) -> String {
        downstream(&format!(
            "common_tls_context: {{tls_params: {{{}}}, tls_certificates: [{}]}}",
            self.params,
            self.pair()
        ))
    }

    pub(crate) fn up(&self) -> String {
        upstream(&format!("sni: localhost, {}", self.common()))
    }

    /// Towards endpoints, to which nothing is shown.
    pub(crate) fn up_open(&self) -> String {
        upstream(&format!(
            "sni: localhost, common_tls_context: {{tls_params: {{{}}}, validation_context: {{trusted_ca: {{filename: {}}}}}}}",
            self.params, self.chain.ca
        ))
    }

    /// Arguments of `s_client` that believes the chain and shows nothing.
    pub(crate) fn client<'a>(&'a self, at: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        s_client(
            at,
            &[self.args, &["-CAfile", &self.chain.ca], more].concat(),
        )
    }

    /// Whom `s_client` and `s_server` believe and who they are.
    pub(crate) fn identity(&self) -> Vec<&str> {
        let Chain {
            ca,
            chain,
            between,
            key,
        } = &self.chain;
        let mut args = vec![
            "-CAfile",
            ca,
            "-verify_return_error",
            "-cert",
            chain,
            "-key",
            key,
        ];
        if !between.is_empty() {
            args.extend(["-cert_chain", between]);
        }
        args
    }
}

/// A process with a listener of HTTP named `http` and one of TCP named `tcp`, over the same endpoint.
pub(crate) fn serve(engine: EngineKind, context: &str, origin: SocketAddr) -> Proxy {
    let yaml = Setup::default()
        .listen_chains("http", "", &[to(context, "c")])
        .listen_chains("tcp", "", &[tcp_chain(context, "c")])
        .cluster(&Cluster::default(), &[origin])
        .yaml();
    Proxy::start(engine, &yaml)
}

/// A process whose listener `tcp` leads there, with this context.
pub(crate) fn tunnel(engine: EngineKind, cluster: &str, there: SocketAddr) -> Proxy {
    let cluster = Cluster { name: "c", cluster };
    let yaml = Setup::default()
        .listen_chains("tcp", "", &[tcp_chain("", "c")])
        .cluster(&cluster, &[there])
        .yaml();
    Proxy::start(engine, &yaml)
}

/// Tongsuo's program.
pub(crate) fn tongsuo() -> Option<String> {
    has_named("RINGLB_TONGSUO", "version")
}

/// Asks for a page of a listener.
pub(crate) fn ask(program: &str, at: SocketAddr, args: &[&str]) -> String {
    Program::start(program, &s_client(&at.to_string(), args)).ask()
}

/// Of a client that asks for `localhost`.
fn s_client<'a>(at: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    let target = ["s_client", "-connect", at, "-servername", "localhost"];
    [&target, args].concat()
}

/// Of `s_server`: the program and where it listens.
pub(crate) fn server(program: &str, args: &[&str]) -> (Program, SocketAddr) {
    let from = ["s_server", "-accept", "127.0.0.1:0"];
    let server = Program::start(program, &[&from, args].concat());
    let line = server.line_with("ACCEPT ");
    let at = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    (server, at)
}

/// TLS sessions that failed, whatever the reason.
pub(crate) fn faults(proxy: &Proxy) -> u64 {
    let page = proxy.page("/stats/prometheus");
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("ringlb_tls_faults_total{"));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// Sends back what came.
pub(crate) fn echo() -> Origin {
    Origin::raw(|mut stream| {
        let mut room = [0; 64 << 10];
        while let Ok(len @ 1..) = stream.read(&mut room) {
            if stream.write_all(&room[..len]).is_err() {
                break;
            }
        }
    })
}

/// Passes all on to an address, but changes the last byte of the first bytes that are longer than this: a record of
/// data, if no flight is as long. `is_upload`: of those that a client sends.
pub(crate) fn changing(there: SocketAddr, longer_than: usize, is_upload: bool) -> Origin {
    Origin::raw(move |client| {
        let server = TcpStream::connect(there).unwrap();
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let thread = std::thread::spawn(move || pass(back.0, back.1, !is_upload, longer_than));
        pass(client, server, is_upload, longer_than);
        thread.join().unwrap();
    })
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut changes: bool, longer_than: usize) {
    let mut room = [0; 64 << 10];
    while let Ok(len @ 1..) = from.read(&mut room) {
        if changes && len > longer_than {
            room[len - 1] ^= 1;
            changes = false;
        }
        if to.write_all(&room[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
