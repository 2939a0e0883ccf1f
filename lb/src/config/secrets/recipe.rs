//! What a secret is made from, and what it is.

use crate::config::{data, tls::trust};
use prost::Message;
use sha1::{Digest, Sha1};
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};
use xds::api::envoy::{
    config::core::v3::{DataSource, data_source::Specifier},
    extensions::transport_sockets::tls::v3::{
        CertificateValidationContext, Secret, TlsCertificate, TlsSessionTicketKeys, secret,
    },
};
use zeroize::Zeroizing;

/// What a secret is made from.
#[derive(Clone)]
pub(in crate::config) enum Recipe {
    Certificate(TlsCertificate),
    Tickets(TlsSessionTicketKeys),
    Trust(CertificateValidationContext),
}

/// What it is.
#[derive(Clone)]
pub(in crate::config) enum Value {
    Certificate(tls::Identity),
    /// Keys of 80 bytes each.
    Tickets(Vec<Zeroizing<Vec<u8>>>),
    /// With the bytes of its files in place of their names.
    Trust(Box<CertificateValidationContext>),
}

/// A field of a secret that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Fault {
    pub(in crate::config) field: String,
    pub(in crate::config) reason: String,
}

/// Sources that a certificate cannot do without.
const REQUIRED: [&str; 2] = ["certificate_chain", "private_key"];

/// What stands for the bytes of all sources: whether they changed.
pub(super) type Print = [u8; 20];

impl Recipe {
    /// The recipe of a named secret; `None`: it is empty.
    pub(super) fn of(secret: &Secret) -> Option<Self> {
        Some(match secret.r#type.as_ref()? {
            secret::Type::TlsCertificate(inner) => Self::Certificate(inner.clone()),
            secret::Type::SessionTicketKeys(inner) => Self::Tickets(inner.clone()),
            secret::Type::ValidationContext(inner) => Self::Trust(inner.clone()),
        })
    }

    fn encoded(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match self {
            Self::Certificate(from) => from.encode_to_vec(),
            Self::Tickets(from) => from.encode_to_vec(),
            Self::Trust(from) => from.encode_to_vec(),
        })
    }

    /// Its sources, with their fields.
    fn sources(&self) -> Vec<(String, &DataSource)> {
        let fields: Vec<(&str, &Option<DataSource>)> = match self {
            Self::Certificate(from) => vec![
                ("certificate_chain", &from.certificate_chain),
                ("private_key", &from.private_key),
                ("ocsp_staple", &from.ocsp_staple),
            ],
            Self::Trust(from) => vec![("trusted_ca", &from.trusted_ca), ("crl", &from.crl)],
            Self::Tickets(from) => {
                let keys = from.keys.iter().enumerate();
                return keys.map(|(i, key)| (format!("keys[{i}]"), key)).collect();
            }
        };
        let mut found = Vec::new();
        for (field, source) in fields {
            found.extend(source.as_ref().map(|source| (field.to_owned(), source)));
        }
        found
    }

    /// Reads it: what stands for the bytes that were read, and what is made of them.
    ///
    /// # Errors
    /// All that is wrong with its sources, or what is wrong with them together.
    pub(super) fn read(&self) -> (Print, Result<Value, Vec<Fault>>) {
        let (mut hash, mut wrong, mut read) = (Sha1::new(), Vec::new(), Vec::new());
        for field in self.absent() {
            wrong.push(Fault::new(field, "is missing"));
        }
        for (field, source) in self.sources() {
            let bytes = match data::read(source) {
                Ok(bytes) => bytes,
                Err((inner, reason)) => {
                    let field = format!("{field}.{inner}");
                    hash.update(&reason);
                    wrong.push(Fault { field, reason });
                    continue;
                }
            };
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&*bytes);
            if bytes.is_empty() && REQUIRED.contains(&&*field) {
                wrong.push(Fault::new(&field, "is empty"));
            }
            read.push((field, bytes));
        }
        // What it says besides bytes counts, too.
        hash.update(&*self.encoded());
        let value = match wrong.is_empty() {
            true => self.value(read).map_err(|fault| vec![fault]),
            false => Err(wrong),
        };
        let named =
            |faults: Vec<Fault>| faults.into_iter().map(|fault| self.named(fault)).collect();
        (hash.finalize().into(), value.map_err(named))
    }

    /// The same with the name of the file that is wrong, if it is one.
    fn named(&self, fault: Fault) -> Fault {
        let sources = self.sources();
        let source = sources.iter().find(|(field, _)| *field == fault.field);
        match source.and_then(|(_, source)| source.specifier.as_ref()) {
            Some(Specifier::Filename(name)) => Fault {
                reason: format!("{name}: {}", fault.reason),
                ..fault
            },
            Some(
                Specifier::EnvironmentVariable(_)
                | Specifier::InlineBytes(_)
                | Specifier::InlineString(_),
            )
            | None => fault,
        }
    }

    /// The required sources that it does not name.
    fn absent(&self) -> Vec<&'static str> {
        let has = |field: &str| self.sources().iter().any(|(other, _)| other == field);
        let is_absent = |field: &&str| matches!(self, Self::Certificate(_)) && !has(field);
        REQUIRED.into_iter().filter(is_absent).collect()
    }

    fn value(&self, read: Vec<(String, Zeroizing<Vec<u8>>)>) -> Result<Value, Fault> {
        let take = |wanted: &str| {
            read.iter()
                .find(|(field, _)| field == wanted)
                .map(|(_, bytes)| bytes)
        };
        match self {
            Self::Certificate(_) => {
                let [chain, key] = REQUIRED.map(|field| take(field).map_or(&[][..], |bytes| bytes));
                let identity = tls::Identity::from_pem(chain, key);
                let stapled = identity.and_then(|identity| match take("ocsp_staple") {
                    Some(response) => identity.with_ocsp(response),
                    None => Ok(identity),
                });
                let wrong = |error| Fault::of_setting(&error);
                stapled.map(Value::Certificate).map_err(wrong)
            }
            Self::Tickets(_) => {
                let keys: Vec<_> = read.into_iter().map(|(_, bytes)| bytes).collect();
                let wrong = keys.iter().position(|key| key.len() != 80);
                match (wrong, keys.is_empty()) {
                    (Some(index), _) => Err(Fault::new(
                        &format!("keys[{index}]"),
                        "is not 80 bytes long",
                    )),
                    (None, true) => Err(Fault::new("keys", "there has to be one")),
                    (None, false) => Ok(Value::Tickets(keys)),
                }
            }
            Self::Trust(from) => {
                let inline = |field: &str| take(field).map(|bytes| inline(bytes.to_vec()));
                let trust = CertificateValidationContext {
                    trusted_ca: inline("trusted_ca"),
                    crl: inline("crl"),
                    ..from.clone()
                };
                trust::check(&trust)?;
                Ok(Value::Trust(Box::new(trust)))
            }
        }
    }

    /// The name of the first file, if there is one.
    pub(super) fn file_name(&self) -> Option<String> {
        self.files().next().map(str::to_owned)
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        let sources = self.sources().into_iter();
        sources.filter_map(|(_, source)| match &source.specifier {
            Some(Specifier::Filename(name)) => Some(name.as_str()),
            Some(
                Specifier::EnvironmentVariable(_)
                | Specifier::InlineBytes(_)
                | Specifier::InlineString(_),
            )
            | None => None,
        })
    }

    /// Where a change may be one of it; nowhere if it has no file.
    pub(super) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for file in self.files() {
            data::directories(Path::new(file), &mut found);
        }
        if found.is_empty() {
            return found;
        }
        let own = match self {
            Self::Certificate(from) => from.watched_directory.as_ref(),
            Self::Trust(from) => from.watched_directory.as_ref(),
            Self::Tickets(_) => None,
        };
        let sources = self.sources().into_iter();
        let theirs = sources.filter_map(|(_, source)| source.watched_directory.as_ref());
        for directory in own.into_iter().chain(theirs) {
            // The file in it that is replaced is not known; any will do.
            data::directories(&Path::new(&directory.path).join("any"), &mut found);
        }
        found
    }
}

fn inline(bytes: Vec<u8>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(bytes)),
        watched_directory: None,
    }
}

impl fmt::Debug for Recipe {
    /// Which kind it is; a message that is shown would show its keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate(_) => "Recipe(certificate)",
            Self::Tickets(_) => "Recipe(tickets)",
            Self::Trust(_) => "Recipe(trust)",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl Fault {
    pub(in crate::config) fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            reason: reason.into(),
        }
    }

    /// The field of a configuration that a setting comes from.
    pub(in crate::config) fn of_setting(error: &tls::SettingsError) -> Self {
        let field = error.field.as_str();
        let trust = ["client_auth.", "server."];
        let inner = trust.iter().find_map(|part| field.strip_prefix(part));
        let field = match inner.unwrap_or(field) {
            "chain" => "certificate_chain",
            "key" => "private_key",
            "ca" => "trusted_ca",
            "sans" => "match_typed_subject_alt_names",
            "suites" => "cipher_suites",
            "groups" => "ecdh_curves",
            other => other,
        };
        Self::new(field, error.reason.as_str())
    }
}
