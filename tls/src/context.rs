//! What the sessions of a listener, or of a cluster, share.

use crate::{ClientSettings, Provider, ServerSettings, SettingsError};
use std::sync::Arc;

/// What the sessions of one listener share.
pub struct ServerContext {
    config: Arc<rustls::ServerConfig>,
}

/// What the sessions to the endpoints of one cluster share.
pub struct ClientContext {
    config: Arc<rustls::ClientConfig>,
}

/// Keys of session tickets: the first seals, all open. Shared by all workers, and by contexts that replace one another.
pub struct Tickets {}

impl ServerContext {
    /// For tests of sessions: any configuration of rustls.
    #[doc(hidden)]
    pub fn from_config(mut config: rustls::ServerConfig) -> Arc<Self> {
        config.enable_secret_extraction = true;
        config.time_provider = Arc::new(crate::time::PassedTime);
        Arc::new(Self {
            config: config.into(),
        })
    }

    /// The configuration for a client that offers this.
    pub(crate) fn config(&self, _offer: &crate::Offer) -> &Arc<rustls::ServerConfig> {
        &self.config
    }

    /// # Errors
    /// A setting that cannot be used.
    pub fn new(provider: &Provider, settings: ServerSettings) -> Result<Arc<Self>, SettingsError> {
        let _ = (provider, settings);
        todo!()
    }
}

impl ClientContext {
    /// For tests of sessions: any configuration of rustls.
    #[doc(hidden)]
    pub fn from_config(mut config: rustls::ClientConfig) -> Arc<Self> {
        config.enable_secret_extraction = true;
        config.time_provider = Arc::new(crate::time::PassedTime);
        Arc::new(Self {
            config: config.into(),
        })
    }

    pub(crate) fn config(&self) -> &Arc<rustls::ClientConfig> {
        &self.config
    }

    /// # Errors
    /// A setting that cannot be used.
    pub fn new(provider: &Provider, settings: ClientSettings) -> Result<Arc<Self>, SettingsError> {
        let _ = (provider, settings);
        todo!()
    }
}

impl Tickets {
    /// A random key, replaced by [`Self::rotate`].
    pub fn random(provider: &Provider) -> Arc<Self> {
        let _ = provider;
        todo!()
    }

    /// Keys of 80 bytes (`session_ticket_keys`), the first seals.
    ///
    /// # Errors
    /// None, or one that is not 80 bytes long.
    pub fn from_keys(keys: &[Vec<u8>]) -> Result<Arc<Self>, SettingsError> {
        let _ = keys;
        todo!()
    }

    /// Takes other keys; see [`Self::from_keys`].
    ///
    /// # Errors
    /// As [`Self::from_keys`]; the keys stay what they were.
    pub fn replace(&self, keys: &[Vec<u8>]) -> Result<(), SettingsError> {
        let _ = keys;
        todo!()
    }

    /// Makes a new random key the one that seals; those before open for `session_time` on. Does nothing to keys
    /// that were given.
    pub fn rotate(&self, now: crate::Now) {
        let _ = now;
        todo!()
    }
}
