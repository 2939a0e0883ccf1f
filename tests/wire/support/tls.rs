//! Peers with TLS by rustls: clients that may break its rules, and endpoints.

use super::{
    Client, Origin,
    origin::{Request, read_request},
    tls_pki::pki_file,
};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, HandshakeKind, ProtocolVersion,
    RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring as with_ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use std::{
    io::{self, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

pub(crate) const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
pub(crate) const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
pub(crate) const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// What a client offers. It trusts `ca.pem`.
pub(crate) struct Offer<'a> {
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    pub(crate) alpn: &'a [&'a str],
    /// Its certificate, of the shared folder.
    pub(crate) certificate: &'a str,
}

impl Default for Offer<'_> {
    fn default() -> Self {
        Self {
            versions: BOTH,
            alpn: &[],
            certificate: "",
        }
    }
}

/// Everything in AES-128, which [`Sealer`] speaks.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = with_ring::default_provider();
    let is_short = |suite: &rustls::SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        name.contains("AES_128_GCM")
    };
    provider.cipher_suites.retain(is_short);
    provider.into()
}

fn identity(name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let (chain, key) = (
        pki_file(&format!("{name}.pem")),
        pki_file(&format!("{name}.key")),
    );
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
    let chain = chain.collect::<Result<_, _>>().unwrap();
    (
        chain,
        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    )
}

pub(crate) fn offering(offer: &Offer<'_>) -> Arc<ClientConfig> {
    let ca = CertificateDer::from_pem_slice(pki_file("ca.pem").as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(offer.versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if offer.certificate.is_empty() {
        builder.with_no_client_auth()
    } else {
        let (chain, key) = identity(offer.certificate);
        builder.with_client_auth_cert(chain, key).unwrap()
    };
    config.alpn_protocols = offer
        .alpn
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config.enable_secret_extraction = true;
    config.into()
}

/// What a client has agreed on.
#[derive(Debug, PartialEq)]
pub(crate) struct Agreed {
    pub(crate) version: ProtocolVersion,
    pub(crate) alpn: Option<String>,
    pub(crate) is_resumed: bool,
    pub(crate) certificate: Vec<u8>,
}

impl Client {
    /// With TLS, the handshake being over.
    pub(crate) fn secure(to: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        Self::try_secure(to, config, name).unwrap()
    }

    /// The same, which the other side may refuse.
    pub(crate) fn try_secure(
        to: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let mut client = Self::new(to);
        let name = ServerName::try_from(name.to_owned()).unwrap();
        client.go_on(ClientConnection::new(config.clone(), name).unwrap())?;
        Ok(client)
    }

    /// Goes on with a handshake that is under way.
    pub(crate) fn go_on(&mut self, mut tls: ClientConnection) -> io::Result<()> {
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)?;
        }
        self.tls = Some(tls.into());
        Ok(())
    }

    /// One that asks for `any.test`.
    pub(crate) fn any(to: SocketAddr) -> Self {
        Self::secure(to, &offering(&Offer::default()), "any.test")
    }

    pub(crate) fn agreed(&self) -> Agreed {
        let tls = self.tls.as_ref().unwrap();
        let alpn = tls.alpn_protocol().map(<[u8]>::to_vec);
        Agreed {
            version: tls.protocol_version().unwrap(),
            alpn: alpn.map(|name| String::from_utf8(name).unwrap()),
            is_resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: tls.peer_certificates().unwrap()[0].to_vec(),
        }
    }

    /// Says `close_notify` and keeps reading.
    pub(crate) fn say_end(&mut self) {
        let tls = self.tls.as_mut().unwrap();
        tls.send_close_notify();
        while tls.wants_write() {
            tls.write_tls(&mut self.stream).unwrap();
        }
    }

    /// Sends a KeyUpdate.
    pub(crate) fn update_keys(&mut self) -> io::Result<()> {
        let tls = self.tls.as_mut().unwrap();
        tls.refresh_traffic_keys().unwrap();
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Leaves the rules: what goes out from now on is up to the caller. TLS 1.3.
    pub(crate) fn unbound(mut self) -> (TcpStream, Sealer) {
        let tls = self.tls.take().unwrap();
        let secrets = tls.dangerous_extract_secrets().unwrap();
        (self.stream, Sealer::new(secrets.tx))
    }
}

/// Makes any record of TLS 1.3.
pub(crate) struct Sealer {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Sealer {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
            panic!("another suite was agreed on")
        };
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap();
        Self {
            key: LessSafeKey::new(key),
            iv: iv.as_ref().try_into().unwrap(),
            sequence,
        }
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        let count = self.sequence.to_be_bytes();
        nonce[4..].iter_mut().zip(count).for_each(|(a, b)| *a ^= b);
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    /// A record of this type; 21: alert, 22: handshake, 23: data.
    pub(crate) fn record(&mut self, kind: u8, data: &[u8]) -> Vec<u8> {
        let mut body = [data, &[kind]].concat();
        let len = u16::try_from(body.len() + 16).unwrap().to_be_bytes();
        let head = [23, 3, 3, len[0], len[1]];
        let nonce = self.next_nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(head), &mut body)
            .unwrap();
        [&head[..], &body].concat()
    }
}

/// Opens what the peer has sealed, in TLS 1.3.
pub(crate) struct Opener(Sealer);

impl Opener {
    /// The next record's type and contents; `None` at the end of the connection.
    pub(crate) fn next(&mut self, stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        stream.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut body).ok()?;
        let nonce = self.0.next_nonce();
        let opened = self.0.key.open_in_place(nonce, Aad::from(head), &mut body);
        let mut contents = opened.unwrap().to_vec();
        let kind = contents.pop().unwrap();
        Some((kind, contents))
    }
}

/// What an endpoint with TLS is.
#[derive(Default)]
pub(crate) struct Endpoint<'a> {
    pub(crate) certificate: &'a str,
    pub(crate) alpn: &'a [&'a str],
    /// Clients have to show a certificate of `ca.pem`.
    pub(crate) is_mutual: bool,
    /// It leaves without `close_notify`.
    pub(crate) is_rude: bool,
}

impl Origin {
    /// An endpoint that answers with `answer`, until that says no.
    pub(crate) fn secure(
        of: &Endpoint<'_>,
        answer: impl Fn(&Request, &mut dyn Write) -> bool + Send + Sync + 'static,
    ) -> Self {
        let is_rude = of.is_rude;
        Self::secure_raw(of, move |tls| {
            let mut tls = BufReader::new(tls);
            while let Some(request) = read_request(&mut tls) {
                if !answer(&request, tls.get_mut()) {
                    break;
                }
            }
            if !is_rude {
                tls.get_mut().conn.send_close_notify();
                let _ = tls.get_mut().flush();
            }
        })
    }

    /// Hands each connection to `serve`.
    pub(crate) fn secure_raw(
        of: &Endpoint<'_>,
        serve: impl Fn(&mut StreamOwned<ServerConnection, TcpStream>) + Send + Sync + 'static,
    ) -> Self {
        let config = server(of);
        Self::raw(move |stream| {
            let tls = ServerConnection::new(config.clone()).unwrap();
            serve(&mut StreamOwned::new(tls, stream));
        })
    }

    /// Shakes hands in TLS 1.3, then leaves the rules to `serve`.
    pub(crate) fn secure_unbound(
        of: &Endpoint<'_>,
        serve: impl Fn(TcpStream, Sealer, Opener) + Send + Sync + 'static,
    ) -> Self {
        let mut config = Arc::unwrap_or_clone(server(of));
        config.enable_secret_extraction = true;
        let config = Arc::new(config);
        Self::raw(move |mut stream| {
            let mut tls = ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() || tls.wants_write() {
                if tls.complete_io(&mut stream).is_err() {
                    return;
                }
            }
            let secrets = tls.dangerous_extract_secrets().unwrap();
            let (sealer, opener) = (Sealer::new(secrets.tx), Sealer::new(secrets.rx));
            serve(stream, sealer, Opener(opener));
        })
    }
}

fn server(of: &Endpoint<'_>) -> Arc<ServerConfig> {
    let (chain, key) = identity(of.certificate);
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(BOTH)
        .unwrap();
    let builder = if of.is_mutual {
        let ca = CertificateDer::from_pem_slice(pki_file("ca.pem").as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = of
        .alpn
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config.into()
}

/// A certificate's bytes, of the shared folder.
pub(crate) fn der(name: &str) -> Vec<u8> {
    identity(name).0[0].to_vec()
}

/// Bytes that differ from place to place.
pub(crate) fn bulk(len: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).map(|i| (i * 7 % 251) as u8).collect();
    let mut bytes = period.repeat(len / period.len() + 1);
    bytes.truncate(len);
    bytes
}
