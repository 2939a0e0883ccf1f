//! What must hold for any bytes; for the fuzz targets and the property tests.

mod choices;
#[cfg(feature = "simulation")]
mod handshake;
mod records;

use crate::{
    Session,
    hello::{self, Gather, Gathered, Hello},
};
#[cfg(feature = "simulation")]
pub use handshake::fuzz_handshake;
pub use records::fuzz_records;

/// No input panics; once something is told it stays so whatever follows, and it does not matter in which pieces the
/// bytes came.
pub fn fuzz_hello(bytes: &[u8]) {
    let mut gather = Gather::default();
    let whole = hello::read(bytes);
    for end in 0..=bytes.len() {
        let told = hello::read(&bytes[..end]);
        let gathered = gather.read(&bytes[..end]);
        assert_eq!(
            is_incomplete(&gathered),
            told == Hello::Incomplete,
            "{end} bytes"
        );
        if told != Hello::Incomplete {
            assert_eq!(told, whole, "after {end} of {} bytes", bytes.len());
            break;
        }
    }
}

/// Writes a record of any type, with any contents, as a peer that breaks the rules would: nothing is counted.
///
/// # Panics
/// The handshake is not over.
pub fn write_record(session: &mut Session, kind: u8, contents: &[u8], out: &mut Vec<u8>) {
    let traffic = session.traffic_mut().expect("the handshake is over");
    traffic.write(kind, contents, out);
}

/// Lets a session of TLS 1.3 change its keys before the next data, as if the peer had asked for it.
///
/// # Panics
/// The handshake is not over.
pub fn ask_update(session: &mut Session) {
    let traffic = session.traffic_mut().expect("the handshake is over");
    traffic.ask_update();
}

/// Sends a KeyUpdate that asks for one (RFC 8446 §4.6.3), as a peer that changes keys early would; nothing in TLS 1.2.
///
/// # Panics
/// The handshake is not over.
pub fn update_keys(session: &mut Session, out: &mut Vec<u8>) {
    let traffic = session.traffic_mut().expect("the handshake is over");
    traffic.update_keys(out);
}

fn is_incomplete(gathered: &Gathered) -> bool {
    match gathered {
        Gathered::Incomplete => true,
        Gathered::Message(_) | Gathered::Plain | Gathered::Malformed(_) => false,
    }
}
