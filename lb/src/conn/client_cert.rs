//! What endpoints are told of a connection's client, kept for its next requests.

use super::Conn;
use crate::{config::ClientCertForwarding, limits};
use std::rc::Rc;

/// A text, and what it was rendered by.
#[derive(Clone, Debug)]
pub(super) struct ClientCertText {
    config: ClientCertForwarding,
    text: Rc<str>,
}

impl Conn {
    /// What is told of the client's certificate, which stays the same as long as the connection lasts: rendered by the
    /// first request, and kept if that is no more than [`limits::CLIENT_CERT_BYTES_MAX`].
    pub(crate) fn client_cert(
        &mut self,
        config: ClientCertForwarding,
        render: impl FnOnce() -> String,
    ) -> Rc<str> {
        if let Some(kept) = self.kept_client_cert().filter(|kept| kept.config == config) {
            return kept.text.clone();
        }
        let text: Rc<str> = render().into();
        if text.len() <= limits::CLIENT_CERT_BYTES_MAX {
            let kept = ClientCertText {
                config,
                text: text.clone(),
            };
            self.keep_client_cert(kept);
        }
        text
    }
}
