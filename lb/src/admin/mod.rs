//! The admin interface: state, statistics and configuration of the process, read only, on its own
//! address. It runs on the control thread and never stops a worker.

mod clusters;
mod grpc_answers;
mod prometheus;
mod tls;

use crate::{
    control::{Running, StartError},
    http_service::{self, Message},
};
use std::{fmt::Write, net::SocketAddr};
use tokio::net::TcpListener;

/// Opens the admin address, if one is configured.
///
/// # Errors
/// It could not be listened on.
pub(crate) async fn open(
    running: &Running,
) -> Result<Option<(TcpListener, SocketAddr)>, StartError> {
    let Some(at) = running.snapshot.admin else {
        return Ok(None);
    };
    let failed = |error| StartError::Admin(at, error);
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, local)))
}

/// Answers until the process ends.
pub(crate) async fn serve(listener: TcpListener, running: Running) {
    http_service::serve(listener, move |request: Message| {
        let answer = answer(&running, &request);
        async move { answer }
    })
    .await;
}

fn answer(running: &Running, request: &Message) -> Message {
    let target = String::from_utf8_lossy(request.head.path()).into_owned();
    let path = target.split('?').next().unwrap_or_default();
    if !matches!(request.head.method(), b"GET" | b"HEAD") {
        return text(405, "only GET is allowed\n".into());
    }
    match path {
        "/" => text(200, INDEX.into()),
        "/ready" if running.is_draining() => text(503, "DRAINING\n".into()),
        "/ready" => text(200, "LIVE\n".into()),
        "/stats/prometheus" => {
            let body = prometheus::render(running);
            Message::answer(200, "text/plain; version=0.0.4", body.into_bytes())
        }
        "/config_dump" => config_dump(running),
        "/clusters" => text(200, clusters::render(running)),
        "/listeners" => text(200, listeners(running)),
        _ => text(404, format!("there is nothing at {path}\n{INDEX}")),
    }
}

const INDEX: &str = "\
/ready             whether the process serves
/stats/prometheus  statistics
/config_dump       the configuration that runs, as JSON
/clusters          clusters and their endpoints
/listeners         listeners and where they listen
";

fn text(status: u16, body: String) -> Message {
    Message::answer(status, "text/plain; charset=utf-8", body.into_bytes())
}

fn config_dump(running: &Running) -> Message {
    const NAME: &str = "envoy.config.bootstrap.v3.Bootstrap";
    match xds::to_public_json(&*running.bootstrap, NAME) {
        Some(json) => {
            let kind = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump";
            let body =
                format!("{{\"configs\": [{{\"@type\": \"{kind}\", \"bootstrap\": {json}}}]}}\n");
            Message::answer(200, "application/json", body.into_bytes())
        }
        None => text(500, "the configuration cannot be shown\n".into()),
    }
}

fn listeners(running: &Running) -> String {
    let mut out = String::new();
    for (listener, address) in running.snapshot.listeners.iter().zip(&running.addresses) {
        let _ = writeln!(out, "{}::{address}", listener.name);
    }
    out
}
