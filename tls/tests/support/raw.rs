//! rustls alone, buffered, as the peer that shares nothing with the record layer under test.

use super::{NAME, feed, seal};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use std::{
    io::{ErrorKind, Read, Write},
    sync::Arc,
};
use tls::Session;

/// A connection of rustls' own.
pub(crate) struct Raw(pub(crate) Connection);

impl Raw {
    pub(crate) fn client(config: ClientConfig) -> Self {
        let name = NAME.try_into().unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        Self(client.into())
    }

    pub(crate) fn server(config: ServerConfig) -> Self {
        Self(ServerConnection::new(Arc::new(config)).unwrap().into())
    }

    /// What it has to send.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut out).unwrap();
        }
        out
    }

    /// Gives it bytes; returns the data in them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut data = Vec::new();
        while !bytes.is_empty() {
            self.0.read_tls(&mut bytes).unwrap();
            self.0.process_new_packets()?;
            match self.0.reader().read_to_end(&mut data) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        Ok(data)
    }

    /// What it makes of data.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Vec<u8> {
        self.0.set_buffer_limit(None);
        self.0.writer().write_all(data).unwrap();
        self.take()
    }

    /// The handshake with one of our sessions; `first` is what that has written.
    pub(crate) fn establish(&mut self, session: &mut Session, first: &[u8]) {
        self.feed(first).unwrap();
        loop {
            let to_session = self.take();
            if to_session.is_empty() {
                break;
            }
            let got = feed(session, &to_session, usize::MAX);
            assert_eq!(got.fault, None);
            self.feed(&got.out).unwrap();
        }
        assert!(session.is_established() && !self.0.is_handshaking());
    }

    /// Data both ways.
    pub(crate) fn exchange(&mut self, session: &mut Session, data: &[u8]) {
        let sealed = self.seal(data);
        let got = feed(session, &sealed, usize::MAX);
        assert_eq!((got.fault, got.data), (None, data.to_vec()));
        self.feed(&got.out).unwrap();
        let sealed = seal(session, super::NOW, &[data]);
        assert_eq!(self.feed(&sealed).unwrap(), data);
    }
}
