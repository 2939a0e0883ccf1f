//! The list of all filter types; adding a filter is one file and one line here.

use super::{HttpFilterConfig, ListenerFilterConfig, NetworkFilterConfig};
use crate::filters;
use std::sync::Arc;

/// A kind of filter, found by the type name of its configuration.
pub trait FilterType: Sync {
    /// The full name of the configuration message, e.g.
    /// `envoy.extensions.filters.http.fault.v3.HTTPFault`.
    fn type_url(&self) -> &'static str;
    /// Compiles an encoded configuration message.
    ///
    /// # Errors
    /// The field at fault and why; the configuration as a whole is refused.
    fn parse(&self, config: &[u8]) -> Result<Factory, ConfigError>;
}

/// What a filter type makes of a configuration.
#[derive(Debug)]
pub enum Factory {
    /// A stream filter.
    Http(Arc<dyn HttpFilterConfig>),
    /// A listener filter.
    Listener(Arc<dyn ListenerFilterConfig>),
    /// A network filter.
    Network(Arc<dyn NetworkFilterConfig>),
}

/// An error of meaning in a configuration message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field within the message, e.g. `delay.fixed_delay`; empty: the message itself.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ConfigError {
    /// An error of `field`.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Every filter type.
pub static FILTERS: &[&dyn FilterType] = &[
    &filters::http::fault::Fault,
    &filters::http::grpc_web::GrpcWeb,
];

/// The filter type of a configuration message.
pub fn find(type_name: &str) -> Option<&'static dyn FilterType> {
    FILTERS
        .iter()
        .copied()
        .find(|filter| filter.type_url() == type_name)
}
