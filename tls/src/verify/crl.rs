//! Certificate revocation lists (RFC 5280 §5).

use crate::{Now, SettingsError, pem};
use der::Decode;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_cert::crl::CertificateList;

/// A list.
#[derive(Debug)]
pub(super) struct Crl {
    pub(super) list: CertRevocationList<'static>,
    /// When it is outdated.
    next_update: Option<Now>,
}

impl Crl {
    fn read(der: &[u8]) -> Result<Self, String> {
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| error.to_string())?;
        let parsed = <CertificateList>::from_der(der).map_err(|error| error.to_string())?;
        let next_update = parsed.tbs_cert_list.next_update;
        Ok(Self {
            list: list.into(),
            next_update: next_update.map(|time| time.to_unix_duration()),
        })
    }

    pub(super) fn is_current(&self, now: Now) -> bool {
        self.next_update.is_none_or(|next| now <= next)
    }
}

/// Reads lists, as PEM or one as DER.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Crl>, SettingsError> {
    let wrong = |why: String| SettingsError::new("crl", why);
    if bytes.first() == Some(&0x30) {
        let list = Crl::read(bytes).map_err(|why| wrong(format!("cannot be used: {why}")))?;
        return Ok(vec![list]);
    }
    let sections = pem::sections(bytes).map_err(wrong)?;
    let lists = sections
        .iter()
        .filter(|section| section.label == "X509 CRL");
    let number = |(i, section): (usize, &pem::Section<'_>)| {
        Crl::read(&section.der)
            .map_err(|why| wrong(format!("list {} cannot be used: {why}", i + 1)))
    };
    let lists = lists
        .enumerate()
        .map(number)
        .collect::<Result<Vec<_>, _>>()?;
    if lists.is_empty() {
        return Err(wrong("no list found".into()));
    }
    Ok(lists)
}
