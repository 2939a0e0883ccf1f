//! Early data (RFC 8446 §2.3) is taken from nobody, but whoever has the ticket of a server that takes it may send some.

mod support;

use rustls::{Connection, client::Resumption};
use std::io::Write;
use support::{NAME, client_config, feed, raw::Raw, server_config, server_settings};
use tls::{ClientAuth, Provider, ServerContext, Session, Tickets};

/// As much as OpenSSL, and whatever is made with it, lets its clients send.
const ANOTHERS_LIMIT: u32 = 16 << 10;

/// rustls on both sides, until nobody has anything to say.
fn shake(client: &mut Raw, server: &mut Raw) {
    loop {
        let (up, down) = (client.take(), server.take());
        if up.is_empty() && down.is_empty() {
            return;
        }
        server.feed(&up).expect("rustls with itself");
        client.feed(&down).expect("rustls with itself");
    }
}

#[test]
fn early_data_is_skipped_in_records_of_any_size() {
    let provider = Provider::system();
    let mut settings = server_settings(ClientAuth::None);
    settings.tickets = Some(Tickets::random(&provider));
    let context = ServerContext::new(&provider, settings).unwrap();
    let mut offering = client_config(&[]);
    offering.resumption = Resumption::in_memory_sessions(8);
    offering.enable_early_data = true;
    let mut another = server_config(&[]);
    another.max_early_data_size = ANOTHERS_LIMIT;
    for (len, count) in [
        (16, 1),
        (16_000, 1),
        (4000, 2),
        (4000, 4),
        (1400, 11),
        (200, 20),
    ] {
        shake(
            &mut Raw::client(offering.clone()),
            &mut Raw::server(another.clone()),
        );
        let mut client = Raw::client(offering.clone());
        let Connection::Client(early) = &mut client.0 else {
            panic!("{NAME} has a client");
        };
        for _ in 0..count {
            let mut writer = early.early_data().expect("a ticket that allows it");
            writer.write_all(&vec![7; len]).unwrap();
        }
        let mut session = Session::accept(&context);
        client.establish(&mut session, &[]);
        let Connection::Client(early) = &client.0 else {
            panic!("{NAME} has a client");
        };
        assert!(!early.is_early_data_accepted(), "{len} {count}");
        client.exchange(&mut session, b"what counts");
        assert_eq!(feed(&mut session, &[], 1).fault, None);
    }
}
