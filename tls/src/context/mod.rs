//! What the sessions of a listener, or of a cluster, share.

mod client;
mod key_log;
mod server;

pub use client::ClientContext;
pub use server::ServerContext;

#[cfg(test)]
mod tests {
    use crate::testing::{Ca, NOW, asking, client, server, serving, shake, trust};
    use crate::{Client, Version};
    use rustls::ProtocolVersion;

    #[test]
    fn both_ends_agree_on_the_highest_version_that_both_allow() {
        let ca = Ca::new("ca");
        let server = server(serving(vec![ca.leaf(&["a.test"]).identity()]));
        for (highest, version) in [
            (Version::Tls13, ProtocolVersion::TLSv1_3),
            (Version::Tls12, ProtocolVersion::TLSv1_2),
        ] {
            let mut settings = asking(Client::Verified(trust(&ca)));
            settings.versions.1 = highest;
            let pair = shake(&server, &client(settings), "a.test", NOW)
                .ok()
                .unwrap();
            assert_eq!(pair.client.protocol_version(), Some(version));
        }
    }
}
