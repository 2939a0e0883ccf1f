//! What rustls says, in words where it shows types.

use rustls::{CertificateError, Error, OtherError};

pub(super) fn of(error: &Error) -> String {
    let Error::InvalidCertificate(why) = error else {
        return error.to_string();
    };
    if let CertificateError::Other(OtherError(why)) = why {
        return format!("invalid peer certificate: {why}");
    }
    if let CertificateError::NotValidForNameContext {
        expected,
        presented,
    } = why
    {
        let names = match presented.is_empty() {
            true => "it has no name".to_owned(),
            false => format!("only for {}", presented.join(", ")),
        };
        let expected = expected.to_str();
        return format!("invalid peer certificate: not valid for name {expected}, {names}");
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Refusal;

    #[test]
    fn refusals_are_told_in_words() {
        for (refusal, words) in [
            (
                Refusal::San,
                "no name of the certificate is one of those allowed",
            ),
            (Refusal::Hash, "no certificate hash matches"),
            (Refusal::Depth, "the certificate chain is too long"),
        ] {
            let expected = format!("invalid peer certificate: {words}");
            assert_eq!(of(&refusal.into()), expected);
        }
    }

    #[test]
    fn the_name_that_is_expected_is_told() {
        for (presented, names) in [
            (&["a.test", "10.0.0.1"][..], "only for a.test, 10.0.0.1"),
            (&[], "it has no name"),
        ] {
            let error = CertificateError::NotValidForNameContext {
                expected: "b.test".try_into().unwrap(),
                presented: presented.iter().map(|name| (*name).to_owned()).collect(),
            };
            let expected = format!("invalid peer certificate: not valid for name b.test, {names}");
            assert_eq!(of(&error.into()), expected);
        }
    }
}
