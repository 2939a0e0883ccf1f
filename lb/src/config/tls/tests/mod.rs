mod downstream;
mod reload;
mod upstream;

use crate::scratch::{Authority, Folder};

const TLS: &str = "envoy.extensions.transport_sockets.tls.v3";

/// A folder with an authority `ca.pem`, certificates `a` and `b` of it, and `keys` for tickets.
fn folder() -> (Folder, Authority) {
    let (folder, authority) = (Folder::new(), Authority::new("ca"));
    folder.put("ca.pem", authority.pem());
    folder.put("keys", [1; 80]);
    folder.certificate(&authority, "a", &["a.test"]);
    folder.certificate(&authority, "b", &["b.test"]);
    (folder, authority)
}

/// With `@` for the folder: `cert(a)` and `file(x)` are what they say.
fn text(folder: &Folder, text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["a", "b"] {
        let both =
            format!("{{certificate_chain: file({name}.pem), private_key: file({name}.key)}}");
        text = text.replace(&format!("cert({name})"), &both);
    }
    let at = folder.at().display();
    while let Some((before, rest)) = text.split_once("file(") {
        let (name, after) = rest.split_once(')').unwrap();
        text = format!("{before}{{filename: {at}/{name}}}{after}");
    }
    text
}

/// Fields of a chain with a downstream context.
fn downstream(folder: &Folder, fields: &str) -> String {
    let fields = text(folder, fields);
    format!(
        "transport_socket: {{typed_config: {{\"@type\": x/{TLS}.DownstreamTlsContext, {fields}}}}}"
    )
}

/// Fields of a cluster with an upstream context.
fn upstream(folder: &Folder, fields: &str) -> String {
    let fields = text(folder, fields);
    format!(
        "transport_socket: {{typed_config: {{\"@type\": x/{TLS}.UpstreamTlsContext, {fields}}}}}"
    )
}
