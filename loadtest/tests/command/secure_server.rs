//! A small endpoint over TLS that does what no good one does, on the crate's sessions and blocking sockets.

use loadtest::serve::{self, SelfSigned, Service};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};
use tls::{ClientAuth, Provider, ServerContext, ServerSettings, Session, Trust, Version, What};

/// Within the validity of every certificate here.
pub(crate) const NOW: Duration = Duration::from_secs(1_900_000_000);

/// A file of a test's own, removed in the end.
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("loadtest-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `loadtest serve` over TLS, in this process: HTTP, echo, and the authority that vouches for both.
pub(crate) fn endpoint(name: &str) -> (engines::SockAddr, engines::SockAddr, TempFile) {
    let certificate = SelfSigned::localhost().unwrap();
    let versions = (Version::Tls12, Version::Tls13);
    let identity = certificate.identity().unwrap();
    let tls = serve::secure(identity, versions, Vec::new(), Vec::new()).unwrap();
    let any = engines::SockAddr::Inet(([127, 0, 0, 1], 0).into());
    let served = serve::start(&serve::Options {
        listeners: vec![(Service::Https, any.clone()), (Service::TlsEcho, any)],
        tls: Some(tls),
        defaults: serve::Defaults::default(),
        engine: Some(engines::EngineKind::Epoll),
        threads: 1,
        cpus: Vec::new(),
    });
    let addresses = served.unwrap().addresses;
    let [http, echo] = [0, 1].map(|at: usize| addresses[at].1.clone());
    (http, echo, TempFile::new(name, &certificate.chain))
}

/// How a connection ends behind its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// With `close_notify`.
    Told,
    /// Without.
    Cut,
}

/// Serves one request a connection: the answer, and the end. It agrees to no protocol and, with `client`,
/// wants a certificate that this authority vouches for.
pub(crate) fn start(answer: &'static str, end: End, client: Option<&str>) -> SocketAddr {
    let provider = Provider::system();
    let settings = ServerSettings {
        identities: vec![SelfSigned::localhost().unwrap().identity().unwrap()],
        alpn: Vec::new(),
        versions: (Version::Tls12, Version::Tls13),
        suites: Vec::new(),
        groups: Vec::new(),
        client_auth: match client {
            None => ClientAuth::None,
            Some(ca) => ClientAuth::Required(Trust {
                ca: Some(ca.into()),
                ..Trust::default()
            }),
        },
        tickets: None,
        sessions_max: 0,
        session_time: Duration::from_secs(60),
        scan_all: false,
        require_sni: false,
        must_staple: false,
        key_log: None,
    };
    let context = ServerContext::new(&provider, settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let context = context.clone();
            thread::spawn(move || serve(stream, &context, answer, end));
        }
    });
    address
}

fn serve(mut stream: TcpStream, context: &Arc<ServerContext>, answer: &str, end: End) {
    let (mut session, mut room) = (Session::accept(context), vec![0; 1 << 16]);
    loop {
        let Ok(len @ 1..) = stream.read(&mut room) else {
            return;
        };
        let (mut at, mut out, mut is_asked) = (0, Vec::new(), false);
        let mut is_broken = false;
        while at < len && !is_broken {
            match session.receive(NOW, &mut room[at..len], &mut out) {
                Ok(step) => {
                    at += step.used;
                    is_asked |= matches!(step.what, What::Data(_) | What::Joined(_));
                }
                Err(_) => is_broken = true,
            }
        }
        if stream.write_all(&out).is_err() || is_broken {
            return;
        }
        if is_asked {
            let mut sealed = vec![0; session.sealed_len(NOW, answer.len())];
            session
                .seal(NOW, &[answer.as_bytes()], &mut sealed)
                .unwrap();
            if matches!(end, End::Told) {
                session.close(&mut sealed);
            }
            let _ = stream.write_all(&sealed);
            return;
        }
    }
}
