//! HTTP/1.1 and 1.0 (RFC 9112).

use crate::{Codec, Detected, Limits, Protocol};

/// HTTP/1.1.
#[derive(Debug)]
pub struct Http1;

impl Protocol for Http1 {
    fn name(&self) -> &'static str {
        "http1"
    }
    fn detect(&self, _prefix: &[u8]) -> Detected {
        Detected::Yes
    }
    fn server(&self, _limits: &Limits) -> Box<dyn Codec> {
        unimplemented!()
    }
    fn client(&self, _limits: &Limits) -> Box<dyn Codec> {
        unimplemented!()
    }
}
