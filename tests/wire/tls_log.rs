//! What access logs tell of connections, and of TLS that does not come about.

use crate::support::{
    Client, Cluster, Origin, Proxy, Setup, scratch,
    tls::{Offer, offering},
    tls_config::{INSPECT, downstream, http_chain, log_to, tcp_chain},
    until,
};
use engines::EngineKind;
use std::path::Path;

on_each_engine!(each_connection_leaves_a_line);

/// Fields of a connection's line but its number.
const FORMAT: &str = "%CONNECTION_ID% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQUESTED_SERVER_NAME% %RESPONSE_FLAGS% \
     %RESPONSE_CODE_DETAILS% %DOWNSTREAM_TRANSPORT_FAILURE_REASON% %DOWNSTREAM_TLS_VERSION%";

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn each_connection_leaves_a_line(engine: EngineKind) {
    let origin = Origin::echo("a");
    let (connections, requests) = (scratch("connections.log"), scratch("requests.log"));
    let mutual = downstream(
        "require_client_certificate: true, common_tls_context: {tls_certificates: [cert(any)], \
         validation_context: {trusted_ca: file(ca.pem)}}",
    );
    let when = |name: &str| format!("filter_chain_match: {{server_names: [{name}]}}, {mutual}");
    let manager = log_to(&requests, "%CONNECTION_ID%");
    let routes = "[{match: {prefix: /}, route: {cluster: c}}]";
    let chains = [
        http_chain(&when("any.test"), &manager, routes),
        tcp_chain(&when("localhost, www.test"), "c"),
    ];
    let fields = format!("{} {INSPECT}", log_to(&connections, FORMAT));
    let proxy = Proxy::start(
        engine,
        &Setup::default()
            .listen_chains("tls", &fields, &chains)
            .cluster(&Cluster::default(), &[origin.at()])
            .yaml(),
    );
    let offer = |certificate| {
        offering(&Offer {
            certificate,
            ..Offer::default()
        })
    };
    let (alice, nobody) = (offer("alice"), offer(""));
    let at = proxy.at("tls");
    let required = "DPE tls_certificate_required tls_certificate_required:_";
    let refused =
        "DPE tls_certificate_bad tls_certificate_bad:_received_fatal_alert:_BadCertificate -";
    let cases = [
        (Some((&alice, "any.test")), "- - - TLSv1.3"),
        (Some((&nobody, "any.test")), required),
        // Its client ends without `close_notify`: of a tunnel that is no end.
        (Some((&alice, "localhost")), "DC tls_truncated - TLSv1.3"),
        // The certificate is for another name.
        (Some((&alice, "www.test")), refused),
        (Some((&nobody, "localhost")), required),
        (Some((&alice, "else.test")), "NR filter_chain_not_found - -"),
        (None, "NR filter_chain_not_found - -"),
    ];
    for (number, (hello, end)) in cases.into_iter().enumerate() {
        if let Some((offer, name)) = hello {
            if let Ok(mut client) = Client::try_secure(at, offer, name) {
                let _ = client.try_send("GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
                client.next_answer("GET");
                client.finish();
            }
        } else {
            let mut client = Client::new(at);
            client.send("GET / HTTP/1.1\r\n\r\n");
            client.is_closed();
        }
        until("the connection is logged", || {
            lines(&connections).len() > number
        });
        let line = &lines(&connections)[number];
        let name = hello.map_or("-", |(_, name)| name);
        let told = format!("{number} 127.0.0.1 {name} {end}");
        assert!(line.starts_with(&told), "{line}, not {told}");
    }
    until("the request is logged", || lines(&requests) == ["0"]);
    proxy.settle();
}
