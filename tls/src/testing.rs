//! Certificates and handshakes for tests.

use crate::{
    Certificate, Client, ClientAuth, ClientContext, ClientSettings, Identity, Now, Offer, Provider,
    ServerContext, ServerSettings, Trust, Version, time,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::server::Acceptor;
use rustls::{ClientConnection, Connection, Error, pki_types::ServerName};
use std::{sync::Arc, time::Duration};

/// All certificates are valid from a day before it to a day after it, if nothing else is said.
pub(crate) const NOW: Now = Duration::from_secs(1_790_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) const RSA: &str = include_str!("../testdata/rsa.pkcs8.pem");

pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) pem: String,
    pub(crate) key: String,
    pub(crate) serial: SerialNumber,
}

pub(crate) fn set_validity(params: &mut CertificateParams, from: Now, to: Now) {
    params.not_before = date_time_ymd(1970, 1, 1) + from;
    params.not_after = date_time_ymd(1970, 1, 1) + to;
}

fn params(name: &str, sans: &[&str]) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|san| (*san).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    set_validity(&mut params, NOW - DAY, NOW + DAY);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    pub(crate) fn with(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        edit(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// An intermediate CA.
    pub(crate) fn sub(&self, name: &str) -> Self {
        self.sub_with(name, |_| {})
    }

    pub(crate) fn sub_with(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::signed_by(params, key, &self.0).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn identity(&self) -> Identity {
        let key = self.0.key().serialize_pem();
        Identity::from_pem(self.pem().as_bytes(), key.as_bytes()).unwrap()
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn leaf(&self, sans: &[&str]) -> Issued {
        self.issue(KeyPair::generate().unwrap(), sans, |_| {})
    }

    pub(crate) fn issue(
        &self,
        key: KeyPair,
        sans: &[&str],
        edit: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let mut params = params("leaf", sans);
        let serial = SerialNumber::from(0x00c0_ffee);
        params.serial_number = Some(serial.clone());
        edit(&mut params);
        Issued {
            pem: params.signed_by(&key, &self.0).unwrap().pem(),
            serial: params.serial_number.unwrap_or(serial),
            key: key.serialize_pem(),
        }
    }

    /// A list that is current for a day.
    pub(crate) fn crl(&self, revoked: &[&SerialNumber], next_update: Now) -> String {
        let epoch = date_time_ymd(1970, 1, 1);
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).clone(),
            revocation_time: epoch + (NOW - DAY),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: epoch + (NOW - 3 * DAY),
            next_update: epoch + next_update,
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

impl Issued {
    pub(crate) fn identity(&self) -> Identity {
        Identity::from_pem(self.pem.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// With intermediate certificates.
    pub(crate) fn identity_by(&self, cas: &[&Ca]) -> Identity {
        let chain = cas
            .iter()
            .fold(self.pem.clone(), |chain, ca| chain + &ca.pem());
        Identity::from_pem(chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::clone(self.identity().certificate())
    }
}

/// The simplest settings of a server.
pub(crate) fn serving(identities: Vec<Identity>) -> ServerSettings {
    ServerSettings {
        identities,
        alpn: Vec::new(),
        versions: (Version::Tls12, Version::Tls13),
        suites: Vec::new(),
        groups: Vec::new(),
        client_auth: ClientAuth::None,
        tickets: None,
        sessions_max: 0,
        session_time: Duration::from_secs(3600),
        scan_all: false,
        require_sni: false,
        must_staple: false,
        key_log: None,
    }
}

/// The simplest settings of a client.
pub(crate) fn asking(server: Client) -> ClientSettings {
    ClientSettings {
        server,
        identity: None,
        alpn: Vec::new(),
        versions: (Version::Tls12, Version::Tls13),
        suites: Vec::new(),
        groups: Vec::new(),
        sessions_max: 0,
        key_log: None,
    }
}

pub(crate) fn trust(ca: &Ca) -> Trust {
    Trust {
        ca: Some(ca.pem().into_bytes()),
        ..Trust::default()
    }
}

pub(crate) fn server(settings: ServerSettings) -> Arc<ServerContext> {
    ServerContext::new(&Provider::system(), settings).unwrap()
}

pub(crate) fn client(settings: ClientSettings) -> Arc<ClientContext> {
    ClientContext::new(&Provider::system(), settings).unwrap()
}

/// Both ends of a connection whose handshake is over.
pub(crate) struct Pair {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
    pub(crate) offer: Offer,
    /// All that was sent.
    pub(crate) wire: Vec<u8>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    Client(Error),
    Server(Error),
}

/// A handshake, at a time.
pub(crate) fn shake(
    server: &ServerContext,
    client: &ClientContext,
    name: &str,
    now: Now,
) -> Result<Pair, Failure> {
    shake_with(server, client, name, true, now)
}

pub(crate) fn shake_with(
    server: &ServerContext,
    client: &ClientContext,
    name: &str,
    checks_name: bool,
    now: Now,
) -> Result<Pair, Failure> {
    time::pass(now);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let config = client.config(checks_name).clone();
    let client = ClientConnection::new(config, name).map_err(Failure::Client)?;
    let mut client = Connection::from(client);
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    let mut acceptor = Acceptor::default();
    acceptor.read_tls(&mut wire.as_slice()).unwrap();
    let accepted = acceptor
        .accept()
        .map_err(|(error, _)| Failure::Server(error))?
        .unwrap();
    let offer = offer(&accepted.client_hello());
    let accepted = accepted.into_connection(server.config(&offer).clone());
    let mut server = Connection::from(accepted.map_err(|(error, _)| Failure::Server(error))?);
    // Tickets follow the handshake.
    while client.wants_write() || server.wants_write() {
        transfer(&mut server, &mut client, &mut wire).map_err(Failure::Client)?;
        transfer(&mut client, &mut server, &mut wire).map_err(Failure::Server)?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Pair {
        client,
        server,
        offer,
        wire,
    })
}

/// Carries what one end has to send to the other.
fn transfer(from: &mut Connection, to: &mut Connection, wire: &mut Vec<u8>) -> Result<(), Error> {
    let start = wire.len();
    while from.wants_write() {
        from.write_tls(wire).unwrap();
    }
    #[cfg(feature = "sm")]
    crate::sm::flight::mend_all(&mut wire[start..]);
    let mut sent = &wire[start..];
    while !sent.is_empty() {
        to.read_tls(&mut sent).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

fn offer(hello: &rustls::server::ClientHello<'_>) -> Offer {
    let groups = hello.named_groups().unwrap_or_default();
    Offer {
        sni: hello.server_name().map(Into::into),
        alpn: Vec::new(),
        version_max: 0x0304,
        suites: hello
            .cipher_suites()
            .iter()
            .map(|suite| (*suite).into())
            .collect(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        schemes: hello
            .signature_schemes()
            .iter()
            .map(|scheme| (*scheme).into())
            .collect(),
        has_early_data: false,
    }
}
