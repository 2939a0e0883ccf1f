//! Distinguished names in the form of RFC 2253, as OpenSSL's `XN_FLAG_RFC2253` has it.

use der::{Encode, Tag, Tagged, asn1::Any, asn1::ObjectIdentifier};
use std::fmt::Write;
use x509_cert::{attr::AttributeTypeAndValue, name::Name};

const COMMON_NAME: &str = "2.5.4.3";

const SHORT_NAMES: &[(&str, &str)] = &[
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The most specific part first.
pub(super) fn write(name: &Name) -> String {
    let mut text = String::new();
    let rdns: Vec<_> = name.iter_rdn().collect();
    for rdn in rdns.into_iter().rev() {
        let mut separator = if text.is_empty() { "" } else { "," };
        for attribute in rdn.iter() {
            text.push_str(separator);
            write_attribute(&mut text, attribute);
            separator = "+";
        }
    }
    text
}

/// The last common name, the most specific.
pub(super) fn common_name(name: &Name) -> Option<String> {
    let is_one = |attribute: &&AttributeTypeAndValue| {
        attribute.oid == ObjectIdentifier::new_unwrap(COMMON_NAME)
    };
    let all = name.iter_rdn().flat_map(|rdn| rdn.iter()).filter(is_one);
    let last = all.last()?;
    decode(&last.value)
}

fn write_attribute(text: &mut String, attribute: &AttributeTypeAndValue) {
    let oid = attribute.oid.to_string();
    let short = SHORT_NAMES.iter().find(|row| row.0 == oid);
    let value = short.and_then(|_| decode(&attribute.value));
    text.push_str(short.map_or(oid.as_str(), |row| row.1));
    text.push('=');
    match value {
        Some(value) => escape(text, &value),
        None => {
            text.push('#');
            for byte in attribute.value.to_der().unwrap_or_default() {
                let _ = write!(text, "{byte:02X}");
            }
        }
    }
}

/// The text of a string type; `None`: another type, or broken.
fn decode(value: &Any) -> Option<String> {
    let bytes = value.value();
    let tag = value.tag();
    if [
        Tag::Utf8String,
        Tag::PrintableString,
        Tag::Ia5String,
        Tag::NumericString,
    ]
    .contains(&tag)
    {
        return std::str::from_utf8(bytes).ok().map(str::to_owned);
    }
    if tag == Tag::TeletexString {
        return Some(bytes.iter().copied().map(char::from).collect());
    }
    if tag == Tag::BmpString && bytes.len().is_multiple_of(2) {
        let units = bytes
            .chunks_exact(2)
            .map(|two| u16::from_be_bytes([two[0], two[1]]));
        return char::decode_utf16(units).collect::<Result<_, _>>().ok();
    }
    None
}

/// RFC 2253 §2.4; control characters and bytes above 0x7f in hexadecimal.
fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        let is_edge = byte == b' ' && (at == 0 || at == last) || byte == b'#' && at == 0;
        if !(b' '..0x7f).contains(&byte) {
            let _ = write!(text, "\\{byte:02X}");
            continue;
        }
        if is_edge || b",+\"\\<>;".contains(&byte) {
            text.push('\\');
        }
        text.push(char::from(byte));
    }
}
