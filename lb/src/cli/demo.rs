//! `ringlb demo`: the balancer's main job on endpoints of its own.

use super::demo_tls::Certificate;
use crate::{
    config::{Listen, Loaded, Pair, Quickstart},
    control::{self, Options, Running},
    http_service::{self, Client, Message},
};
use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
};
use tls::ClientContext;

const ENDPOINTS: usize = 3;
/// Requests of `--once`, over so many connections.
const REQUESTS: usize = 30;
const CONNECTIONS: usize = 3;

/// Serves until a signal, or once.
pub(super) fn run(once: bool, tls: bool, options: &Options) -> Result<(), String> {
    let failed = |error: io::Error| format!("ringlb demo: {error}");
    let certificate = tls.then(Certificate::new).transpose();
    let certificate = certificate.map_err(|reason| format!("ringlb demo: {reason}"))?;
    let context = certificate.as_ref().map(Certificate::client).transpose()?;
    let mut endpoints = Vec::new();
    for number in 1..=ENDPOINTS {
        endpoints.push(endpoint(number).map_err(failed)?);
    }
    let loaded = configuration(&endpoints, certificate.as_ref())?;
    let outcome = Arc::new(Mutex::new(None));
    let result = outcome.clone();
    let end = control::run(loaded, options, move |running| async move {
        if !once {
            introduce(&running, certificate.as_ref());
            return std::future::pending().await;
        }
        let counts = send_requests(&running, context.as_ref()).await;
        *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
    });
    end.map_err(|error| format!("ringlb demo: {error}"))?;
    let outcome = outcome
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    outcome.map_or(Ok(()), |counts| report(counts.map_err(failed)?, &endpoints))
}

/// An endpoint on a thread of its own; it says its name.
fn endpoint(number: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let body = move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            let answer = move |request: Message| {
                let path = String::from_utf8_lossy(request.head.path()).into_owned();
                let body = format!("hello from endpoint {number}, you asked for {path}\n");
                let mut answer = Message::answer(200, "text/plain", body.into_bytes());
                answer
                    .head
                    .fields
                    .append(b"x-endpoint", number.to_string().as_bytes());
                async move { answer }
            };
            http_service::serve(listener, answer).await;
        });
    };
    std::thread::Builder::new()
        .name(format!("endpoint-{number}"))
        .spawn(body)?;
    Ok(at)
}

fn configuration(
    endpoints: &[SocketAddr],
    certificate: Option<&Certificate>,
) -> Result<Loaded, String> {
    let to = endpoints.iter().map(SocketAddr::to_string).collect();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let scheme = if certificate.is_some() {
        "https"
    } else {
        "http"
    };
    let mut listen = Listen::new(&format!("{scheme}://{any}"), to);
    let pairs = certificate.map(Certificate::pair).into_iter();
    listen.certificates = pairs.map(|(chain, key)| Pair::Inline(chain, key)).collect();
    let quickstart = Quickstart {
        listeners: vec![listen],
        admin: Some(any),
    };
    let bootstrap = quickstart.bootstrap().map_err(|error| error.to_string())?;
    Loaded::new(bootstrap).map_err(|problems| format!("{problems:?}"))
}

fn introduce(running: &Running, certificate: Option<&Certificate>) {
    let address = running
        .addresses
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let command = match certificate {
        None => format!("curl -i http://{address}/"),
        Some(certificate) => {
            let file = certificate.file().display();
            let fingerprint = certificate.fingerprint();
            eprintln!("certificate, SHA-256 {fingerprint}");
            format!("curl -i --cacert {file} https://{address}/")
        }
    };
    eprintln!("{ENDPOINTS} endpoints answer in turn; try it:\n\n    {command}\n");
    eprintln!("Ctrl-C ends it.");
}

/// Sends the requests; how many each endpoint answered.
async fn send_requests(
    running: &Running,
    tls: Option<&Arc<ClientContext>>,
) -> io::Result<BTreeMap<String, usize>> {
    let address = running.addresses.first().and_then(engines::SockAddr::inet);
    let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut counts = BTreeMap::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::connect(address, tls).await?;
        for number in 0..REQUESTS / CONNECTIONS {
            let request = Message::get(&address.to_string(), &format!("/{number}"));
            let answer = client.ask(&request).await?;
            let name = answer.head.fields.get(b"x-endpoint").unwrap_or(b"none");
            *counts
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_default() += 1;
            if answer.head.status != 200 {
                return Err(io::Error::other(format!("status {}", answer.head.status)));
            }
        }
    }
    Ok(counts)
}

fn report(counts: BTreeMap<String, usize>, endpoints: &[SocketAddr]) -> Result<(), String> {
    let mut text = format!("{REQUESTS} requests over {CONNECTIONS} connections:\n");
    for (number, at) in (1..).zip(endpoints) {
        let count = counts.get(&number.to_string()).copied().unwrap_or(0);
        let bar = "#".repeat(count);
        let _ = writeln!(text, "  endpoint {number} ({at})  {count:3}  {bar}");
    }
    super::print(&text)?;
    if counts.len() == endpoints.len() {
        Ok(())
    } else {
        Err("ringlb demo: not every endpoint was asked".into())
    }
}
