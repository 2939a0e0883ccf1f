//! Access logs.

use crate::{
    conn::ConnKey,
    stream::{Record, Stream},
    tcp::Tunnel,
    worker::Worker,
};

/// What a line says.
#[derive(Debug)]
pub struct LogFormat;

impl LogFormat {
    pub fn standard() -> Self {
        Self
    }
    pub fn text(_text: &str, _omit_empty: bool) -> Result<Self, String> {
        Ok(Self)
    }
    pub fn json(_fields: &prost_types::Struct, _omit_empty: bool) -> Result<Self, String> {
        Ok(Self)
    }
}

/// A worker's way to the log's writer.
#[derive(Debug, Default)]
pub struct LogRing;

impl Worker {
    pub(crate) fn log_stream(&mut self, _stream: &Stream) {}
    pub(crate) fn log_record(&mut self, _conn: ConnKey, _listener: usize, _record: &Record) {}
    pub(crate) fn log_tunnel(&mut self, _tunnel: &Tunnel) {}
}
