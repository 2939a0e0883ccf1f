//! PEM (RFC 7468). What was decoded is wiped when it is dropped, as it may be a key.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// A section.
pub(crate) struct Section<'a> {
    /// `CERTIFICATE`, `PRIVATE KEY` …
    pub(crate) label: &'a str,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The sections of a text, whose bytes outside of sections do not count.
///
/// # Errors
/// A section that does not end, or is not base64; told by its number, from 1 on.
pub(crate) fn sections(text: &[u8]) -> Result<Vec<Section<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, BEGIN.as_bytes()) {
        let number = found.len() + 1;
        let (section, after) = section(&rest[at + BEGIN.len()..])
            .map_err(|why| format!("PEM section {number}: {why}"))?;
        found.push(section);
        rest = after;
    }
    Ok(found)
}

/// Reads a section after its `-----BEGIN `; gives what follows it too.
fn section(text: &[u8]) -> Result<(Section<'_>, &[u8]), &'static str> {
    let end = find(text, DASHES.as_bytes()).ok_or("its first line has no end")?;
    let label = std::str::from_utf8(&text[..end]).map_err(|_| "its label is not text")?;
    let body = &text[end + DASHES.len()..];
    let tail = format!("-----END {label}-----");
    let end = find(body, tail.as_bytes()).ok_or("it has no end")?;
    if label.contains("ENCRYPTED") || find(&body[..end], b",ENCRYPTED").is_some() {
        return Err("it is encrypted, give the key without a passphrase");
    }
    let der = decode(&body[..end]).ok_or("not base64")?;
    Ok((Section { label, der }, &body[end + tail.len()..]))
}

fn decode(base64: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut packed = Zeroizing::new(Vec::with_capacity(base64.len()));
    packed.extend(base64.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; packed.len().div_ceil(4) * 3]);
    let len = STANDARD.decode_slice(packed.as_slice(), &mut der).ok()?;
    der.truncate(len);
    Some(der)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Writes a section, with a final newline.
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "-----END " + label + "-----\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again_and_text_between_does_not_count() {
        let text = format!(
            "Subject: x\n{}\r\n# next\n{}",
            write("A", &[7; 100]).replace('\n', "\r\n"),
            write("B C", b"")
        );
        let sections = sections(text.as_bytes()).unwrap();
        let found: Vec<_> = sections.iter().map(|s| (s.label, s.der.len())).collect();
        assert_eq!(found, [("A", 100), ("B C", 0)]);
        assert_eq!(sections[0].der.as_slice(), [7; 100]);
    }

    #[test]
    fn broken_sections_are_told_by_number() {
        let good = write("A", b"x");
        for (text, why) in [
            ("-----BEGIN A", "its first line has no end"),
            ("-----BEGIN A-----\nAAAA\n", "it has no end"),
            ("-----BEGIN A-----\nA?\n-----END A-----", "not base64"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----",
                "it is encrypted, give the key without a passphrase",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----",
                "it is encrypted, give the key without a passphrase",
            ),
        ] {
            let error = sections(format!("{good}{text}").as_bytes()).err().unwrap();
            assert_eq!(error, format!("PEM section 2: {why}"));
        }
    }
}
