//! rustls alone, buffered and unbuffered.

use crate::{
    support::{NAME, client_config, raw::Raw, server_config},
    timed,
};
use rustls::{
    SupportedCipherSuite,
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError},
};
use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

/// One side of a handshake as far as it goes.
macro_rules! drive {
    ($connection:expr, $input:expr, $out:expr) => {
        loop {
            let status = $connection.process_tls_records(&mut $input);
            let discard = status.discard;
            let is_waiting = match status.state.unwrap() {
                ConnectionState::EncodeTlsData(mut data) => {
                    let start = $out.len();
                    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                        $out.resize(start + size.required_size, 0);
                        data.encode(&mut $out[start..]).unwrap();
                    }
                    false
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                _ => true,
            };
            $input.drain(..discard);
            if is_waiting {
                break;
            }
        }
    };
}

pub(crate) struct Buffered {
    client: Raw,
    server: Raw,
}

impl Buffered {
    pub(crate) fn new(suite: SupportedCipherSuite) -> Self {
        let mut client = Raw::client(client_config(&[suite]));
        let mut server = Raw::server(server_config(&[suite]));
        while client.0.is_handshaking() || server.0.is_handshaking() {
            server.feed(&client.take()).unwrap();
            client.feed(&server.take()).unwrap();
        }
        client.0.set_buffer_limit(None);
        Self { client, server }
    }

    /// Time to seal and to open.
    pub(crate) fn round(&mut self, data: &[u8], each: usize) -> [Duration; 2] {
        let mut wire = Vec::with_capacity((data.len() + 64) * each);
        let seal = timed(|| {
            for _ in 0..each {
                self.client.0.writer().write_all(data).unwrap();
                while self.client.0.wants_write() {
                    self.client.0.write_tls(&mut wire).unwrap();
                }
            }
        });
        let (mut bytes, mut got, mut buffer) = (&wire[..], 0, vec![0; data.len()]);
        let open = timed(|| {
            while !bytes.is_empty() {
                self.server.0.read_tls(&mut bytes).unwrap();
                self.server.0.process_new_packets().unwrap();
                while let Ok(len @ 1..) = self.server.0.reader().read(&mut buffer) {
                    got += len;
                }
            }
        });
        assert_eq!(got, data.len() * each);
        [seal, open]
    }
}

pub(crate) struct Unbuffered {
    client: UnbufferedClientConnection,
    server: UnbufferedServerConnection,
}

impl Unbuffered {
    pub(crate) fn new(suite: SupportedCipherSuite) -> Self {
        let name = NAME.try_into().unwrap();
        let client = UnbufferedClientConnection::new(Arc::new(client_config(&[suite])), name);
        let server = UnbufferedServerConnection::new(Arc::new(server_config(&[suite])));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            drive!(client, down, up);
            drive!(server, up, down);
        }
        Self { client, server }
    }

    /// Time to seal and to open.
    pub(crate) fn round(&mut self, data: &[u8], each: usize) -> [Duration; 2] {
        let mut wire = vec![0; (data.len() + 64) * each];
        let mut end = 0;
        let seal = timed(|| {
            for _ in 0..each {
                let status = self.client.process_tls_records(&mut []);
                let Ok(ConnectionState::WriteTraffic(mut traffic)) = status.state else {
                    panic!("the handshake is over");
                };
                end += traffic.encrypt(data, &mut wire[end..]).unwrap();
            }
        });
        let (mut used, mut got) = (0, 0);
        let open = timed(|| {
            while used < end {
                let status = self.server.process_tls_records(&mut wire[used..end]);
                if let Ok(ConnectionState::ReadTraffic(mut traffic)) = status.state {
                    while let Some(record) = traffic.next_record() {
                        got += record.unwrap().payload.len();
                    }
                }
                used += status.discard;
            }
        });
        // The last record is told when it is used up already.
        let status = self.server.process_tls_records(&mut []);
        if let Ok(ConnectionState::ReadTraffic(mut traffic)) = status.state {
            while let Some(record) = traffic.next_record() {
                got += record.unwrap().payload.len();
            }
        }
        assert_eq!(got, data.len() * each);
        [seal, open]
    }
}
