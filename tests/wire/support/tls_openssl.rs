//! Sessions as `openssl` keeps them in files (`SSL_SESSION` in DER, in PEM).

use base64::{Engine, prelude::BASE64_STANDARD};

/// `max_early_data [15] EXPLICIT INTEGER`, 2^30.
const MAX_EARLY_DATA: [u8; 8] = [0xaf, 6, 2, 4, 0x40, 0, 0, 0];

/// The same session with a ticket that is said to allow early data.
pub(crate) fn allow_early_data(pem: &str) -> String {
    let lines = pem.lines().map(str::trim);
    let text: String = lines.filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(text).unwrap();
    let (head, _) = element(&der);
    let (mut fields, mut at) = (der[head..].to_vec(), 0);
    // Fields come in the order of their tags; a session without the field allows none.
    while at < fields.len() && fields[at] < MAX_EARLY_DATA[0] {
        let (head, len) = element(&fields[at..]);
        at += head + len;
    }
    assert_ne!(
        fields.get(at),
        Some(&MAX_EARLY_DATA[0]),
        "the ticket allows it"
    );
    fields.splice(at..at, MAX_EARLY_DATA);
    let len = u16::try_from(fields.len()).unwrap().to_be_bytes();
    let der = [&[0x30, 0x82, len[0], len[1]][..], &fields].concat();
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(str::from_utf8);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    let name = "SSL SESSION PARAMETERS";
    format!(
        "-----BEGIN {name}-----\n{}\n-----END {name}-----\n",
        lines.join("\n")
    )
}

/// Bytes of an element's tag and length, and of its contents.
fn element(der: &[u8]) -> (usize, usize) {
    match der[1] {
        len @ ..0x80 => (2, len.into()),
        long => {
            let bytes = &der[2..][..usize::from(long & 0x7f)];
            let len = bytes
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            (2 + bytes.len(), len)
        }
    }
}
