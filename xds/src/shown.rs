//! How messages show themselves to programmers: without what may be a secret.

use crate::api::envoy::config::core::v3::{
    DataSource, TransportSocket, data_source::Specifier, transport_socket::ConfigType,
};
use std::fmt;

impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.specifier {
            Some(Specifier::Filename(name)) => write!(f, "DataSource(file {name})"),
            Some(Specifier::EnvironmentVariable(name)) => write!(f, "DataSource(variable {name})"),
            Some(Specifier::InlineBytes(_) | Specifier::InlineString(_)) => {
                f.write_str("DataSource(inline)")
            }
            None => f.write_str("DataSource"),
        }
    }
}

impl fmt::Debug for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Specifier")
    }
}

impl fmt::Debug for TransportSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ConfigType::TypedConfig(any)) = &self.config_type else {
            return f.write_str("TransportSocket");
        };
        // Its context is bytes, keys among them.
        write!(f, "TransportSocket({})", any.type_url)
    }
}

impl fmt::Debug for ConfigType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfigType")
    }
}
