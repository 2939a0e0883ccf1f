//! The ClientHello as it is read before anybody answers it.

mod support;

use proptest::prelude::*;
use support::{client_config, raw::Raw};
use tls::{
    Offer,
    hello::{Hello, read},
    limits::HELLO_BYTES_MAX,
};

/// What a hello is made of: each extension with its contents.
#[derive(Clone, Debug)]
struct Parts {
    version: u16,
    suites: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            version: 0x0303,
            suites: vec![0x0a0a, 0x1301, 0xc02b],
            extensions: vec![
                (0xaaaa, vec![]),
                (0, name_list(b"Www.Example.")),
                (10, numbers(&[0x2a2a, 29, 23])),
                (13, numbers(&[0x0403, 0x0708])),
                (16, protocols(&[b"\xba\xba", b"h2", b"http/1.1"])),
                (43, [&[6], &pairs(&[0x3a3a, 0x0304, 0x0303])[..]].concat()),
                (0x1a1a, vec![0]),
            ],
        }
    }
}

impl Parts {
    fn with(mut self, kind: u16, value: Vec<u8>) -> Self {
        self.extensions.retain(|(other, _)| *other != kind);
        self.extensions.push((kind, value));
        self
    }

    /// The handshake message.
    fn message(&self) -> Vec<u8> {
        let each = self.extensions.iter();
        let each = each.flat_map(|(kind, value)| [pairs(&[*kind]), vector16(value)].concat());
        let extensions: Vec<u8> = each.collect();
        let body = [
            &pairs(&[self.version])[..],
            &[7; 32],
            &[0],
            &vector16(&pairs(&self.suites)),
            &[1, 0],
            &vector16(&extensions),
        ]
        .concat();
        message(1, &body)
    }

    fn bytes(&self) -> Vec<u8> {
        records(&self.message(), usize::MAX)
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [&[kind, len[1], len[2], len[3]], body].concat()
}

/// A message in records of so many bytes, of TLS 1.0 as clients write it.
fn records(message: &[u8], step: usize) -> Vec<u8> {
    let records = message.chunks(step.min(1 << 14));
    let records = records.flat_map(|part| [&[22, 3, 1], &vector16(part)[..]].concat());
    records.collect()
}

fn pairs(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

fn vector16(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    vector16(&pairs(numbers))
}

fn name_list(name: &[u8]) -> Vec<u8> {
    vector16(&[&[0], &vector16(name)[..]].concat())
}

fn protocols(names: &[&[u8]]) -> Vec<u8> {
    let each = names
        .iter()
        .flat_map(|name| [&[name.len() as u8], *name].concat());
    vector16(&each.collect::<Vec<_>>())
}

fn offer() -> Offer {
    Offer {
        sni: Some("www.example".into()),
        alpn: vec![b"h2"[..].into(), b"http/1.1"[..].into()],
        version_max: 0x0304,
        suites: vec![0x1301, 0xc02b],
        groups: vec![29, 23],
        schemes: vec![0x0403, 0x0708],
        has_early_data: false,
    }
}

fn malformed(bytes: &[u8]) -> Option<&'static str> {
    match read(bytes) {
        Hello::Malformed { reason, .. } => Some(reason),
        Hello::Incomplete | Hello::Offer(_) | Hello::Plain => None,
    }
}

#[test]
fn all_that_is_offered_is_told_without_grease() {
    assert_eq!(
        read(&Parts::default().bytes()),
        Hello::Offer(offer().into())
    );
}

#[test]
fn a_client_without_extensions_offers_what_its_version_and_suites_say() {
    for (version, has_extensions) in [(0x0301, false), (0x0302, true), (0x0303, true)] {
        let parts = Parts {
            version,
            extensions: vec![],
            ..Parts::default()
        };
        let mut body = parts.message()[4..].to_vec();
        if !has_extensions {
            body.truncate(body.len() - 2);
        }
        let want = Offer {
            version_max: version,
            suites: vec![0x1301, 0xc02b],
            ..Offer::default()
        };
        let bytes = records(&message(1, &body), usize::MAX);
        assert_eq!(read(&bytes), Hello::Offer(want.into()));
    }
}

#[test]
fn what_rustls_sends_is_understood() {
    let mut config = client_config(&[]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let Hello::Offer(offer) = read(&Raw::client(config).take()) else {
        panic!("no offer");
    };
    assert_eq!(offer.sni.as_deref(), Some(support::NAME));
    assert_eq!(
        (offer.version_max, &offer.alpn[..]),
        (0x0304, &[b"h2"[..].into()][..])
    );
    assert!(offer.suites.contains(&0x1301) && offer.groups.contains(&29));
}

#[test]
fn other_protocols_are_plain_and_ssl_2_is_not() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0",
        b"\x16\x02",
        b"\0",
        b"\x80\x2e\x02",
    ] {
        assert_eq!(read(bytes), Hello::Plain, "{}", bytes.escape_ascii());
    }
    let ssl2 = b"\x80\x2e\x01\x03\x01\x00\x15";
    assert_eq!(malformed(ssl2), Some("an SSL 2.0 ClientHello"));
    for len in [0, 1, 2, 3] {
        assert_eq!(read(&ssl2[..len]), Hello::Incomplete, "{len} bytes");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let parts = Parts::default;
    let twice = Parts {
        extensions: vec![(0x2b2b, vec![]), (5, vec![]), (0x2b2b, vec![])],
        ..parts()
    };
    let server_name = |name: &[u8]| parts().with(0, name_list(name)).bytes();
    let two = vector16(&[&[0], &vector16(b"a")[..], &[0], &vector16(b"b")].concat());
    let tail = [&parts().message()[4..], &[0]].concat();
    for (bytes, reason) in [
        (twice.bytes(), "an extension that comes twice"),
        (server_name(b"a..b"), "server_name is not a host name"),
        (server_name(b"a\0b"), "server_name is not a host name"),
        (parts().with(0, two).bytes(), "two host names"),
        (
            parts().with(16, protocols(&[b""])).bytes(),
            "an empty protocol name",
        ),
        (
            parts().with(10, vector16(&[0, 29, 0])).bytes(),
            "a list of numbers with half of one",
        ),
        (
            parts().with(13, vec![0, 9]).bytes(),
            "the ClientHello ends too early",
        ),
        (
            parts().with(43, vec![2, 3, 4, 0]).bytes(),
            "bytes behind an extension",
        ),
        (
            records(&message(1, &tail), 99),
            "bytes behind the ClientHello's extensions",
        ),
        (
            records(&message(2, &[]), 99),
            "the first message is not a ClientHello",
        ),
        (b"\x16\x03\x01\0\0".to_vec(), "an empty handshake record"),
        (
            b"\x16\x03\x01\x40\x01".to_vec(),
            "a record of more than 16 KiB",
        ),
        (
            b"\x16\x03\x01\0\x01\x01\x17\x03\x03\0\x01".to_vec(),
            "another record within the ClientHello",
        ),
        (
            b"\x16\x03\x01\0\x04\x01\x01\0\0".to_vec(),
            "the ClientHello is too long",
        ),
        (
            records(&parts().with(21, vec![0; 30_000]).message(), 1),
            "the ClientHello is too long",
        ),
    ] {
        assert_eq!(malformed(&bytes), Some(reason));
    }
}

#[test]
fn a_long_hello_is_read_up_to_the_limit() {
    let with_padding = |len| Parts::default().with(21, vec![0; len]);
    let spare = HELLO_BYTES_MAX - with_padding(0).bytes().len() - 4 * 5;
    let bytes = with_padding(spare).bytes();
    assert!(bytes.len() <= HELLO_BYTES_MAX);
    assert_eq!(read(&bytes), Hello::Offer(offer().into()));
}

#[test]
fn addresses_are_no_names() {
    for address in [&b"192.0.2.1"[..], b"2001:db8::1"] {
        let Hello::Offer(offer) = read(&Parts::default().with(0, name_list(address)).bytes())
        else {
            panic!("no offer");
        };
        assert_eq!(offer.sni, None);
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/tls_hello");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        tls::fuzz::fuzz_hello(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

proptest! {
    #[test]
    fn every_split_over_records_and_packets_gives_the_same(step in 1usize..600, cut in 0usize..8000) {
        let bytes = records(&Parts::default().message(), step);
        let cut = cut % bytes.len();
        prop_assert_eq!(read(&bytes[..cut]), Hello::Incomplete);
        prop_assert_eq!(read(&bytes), Hello::Offer(offer().into()));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        tls::fuzz::fuzz_hello(&bytes);
    }

    #[test]
    fn no_damage_panics(at in 0usize..200, byte: u8, step in 1usize..300, cut in 0usize..300) {
        let mut message = Parts::default().message();
        let at = at % message.len();
        message[at] = byte;
        let bytes = records(&message, step);
        tls::fuzz::fuzz_hello(&bytes);
        tls::fuzz::fuzz_hello(&bytes[..cut.min(bytes.len())]);
    }
}
