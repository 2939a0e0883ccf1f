//! RFC 8998 beside what everybody speaks. The SM2 chain was made by OpenSSL.

use super::*;
use crate::{Now, Offer};

const CHAIN: &[u8] = include_bytes!("../../../testdata/sm2.cert.pem");
const KEY: &[u8] = include_bytes!("../../../testdata/sm2.key.pem");
const CA: &[u8] = include_bytes!("../../../testdata/sm2.ca.pem");

const SM4_GCM: &str = "TLS_SM4_GCM_SM3";
const AES_128: &str = "TLS_AES_128_GCM_SHA256";

fn sm2() -> Identity {
    Identity::from_pem(CHAIN, KEY).unwrap()
}

fn now() -> Now {
    sm2().not_before()
}

fn sm_trust() -> Trust {
    Trust {
        ca: Some(CA.to_vec()),
        ..Trust::default()
    }
}

/// A client of such suites, that believes the SM2 CA.
fn believing(names: &[&str]) -> crate::ClientSettings {
    let mut settings = asking(Client::Verified(sm_trust()));
    settings.suites = suites(names);
    settings
}

fn code(pair: &Pair) -> u16 {
    suite(pair).into()
}

#[test]
fn a_client_that_prefers_sm4_gets_the_sm2_certificate_and_others_the_other() {
    let ca = Ca::new("ca");
    let standard = ca.issue(KeyPair::generate().unwrap(), &["a.test"], |params| {
        crate::testing::set_validity(params, now(), now() + DAY);
    });
    for identities in [
        vec![standard.identity(), sm2()],
        vec![sm2(), standard.identity()],
    ] {
        let mut settings = serving(identities);
        settings.client_auth = ClientAuth::Optional(sm_trust());
        let server = server(settings);
        for (names, chosen) in [
            (&[SM4_GCM][..], 0x00C6),
            (&["TLS_SM4_CCM_SM3"], 0x00C7),
            (&[SM4_GCM, AES_128], 0x00C6),
            (&[AES_128, SM4_GCM], 0x1301),
            (&[], 0x1301),
        ] {
            let mut believing = believing(names);
            if chosen == 0x1301 {
                believing.server = Client::Verified(trust(&ca));
            }
            let pair = shake(&server, &client(believing), "a.test", now())
                .ok()
                .unwrap();
            assert_eq!(code(&pair), chosen, "{names:?}");
            let presented = pair.client.peer_certificates().unwrap()[0].to_vec();
            assert_eq!(server.local(&pair.offer).unwrap().der(), presented);
        }
    }
}

#[test]
fn a_client_that_prefers_sm4_gets_a_certificate_for_the_name_that_it_asks_for() {
    let ca = Ca::new("ca");
    let standard = |names: &[&str]| {
        let issued = ca.issue(KeyPair::generate().unwrap(), names, |params| {
            crate::testing::set_validity(params, now(), now() + DAY);
        });
        issued.identity()
    };
    let sm = sm2().with_names(&["sm.test", "*.w.test"]);
    let context = server(serving(vec![standard(&["b.test", "*.s.test"]), sm]));
    let both: &[u16] = &[0x00C6, 0x1301];
    for (sni, suites, is_sm) in [
        (None, both, true),
        (Some("sm.test"), both, true),
        (Some("SM.test."), both, true),
        (Some("x.w.test"), both, true),
        (Some("b.test"), both, false),
        (Some("x.s.test"), both, false),
        (Some("x.x.s.test"), both, true),
        (Some("unknown.test"), both, true),
        // It has no other choice, and may look at other things than the name.
        (Some("b.test"), &[0x00C6], true),
        (Some("b.test"), &[0x00C6, 0xC02B], true),
    ] {
        let offer = Offer {
            sni: sni.map(Into::into),
            suites: suites.to_vec(),
            groups: vec![41, 29],
            schemes: vec![0x0708, 0x0403],
            ..Offer::default()
        };
        let local = context.local(&offer).unwrap();
        assert_eq!(&local == sm2().certificate(), is_sm, "{sni:?}");
    }
}

#[test]
fn clients_are_verified_by_sm2_and_checked_again() {
    let mut settings = serving(vec![sm2()]);
    settings.client_auth = ClientAuth::Required(sm_trust());
    let server = server(settings);
    let mut presenting = believing(&[]);
    presenting.identity = Some(sm2());
    let pair = shake(&server, &client(presenting), "a.test", now())
        .ok()
        .unwrap();
    assert_eq!(code(&pair), 0x00C6);
    let chain = pair.server.peer_certificates().unwrap().to_vec();
    assert!(server.recheck(&chain, now()).is_ok());
    assert!(server.recheck(&chain, now() + 10_000 * DAY).is_err());
    let absent = shake(&server, &client(believing(&[SM4_GCM])), "a.test", now());
    assert!(matches!(
        absent.err(),
        Some(Failure::Server(rustls::Error::NoCertificatesPresented))
    ));
}

/// Records by their type: 20 for ChangeCipherSpec, 22 for hellos, 23 for all that is encrypted.
fn records(mut wire: &[u8], kind: u8) -> usize {
    let mut count = 0;
    while let [of, 3, 1 | 3, high, low, rest @ ..] = wire {
        count += usize::from(*of == kind);
        wire = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert!(wire.is_empty());
    count
}

/// GmSSL reads no second one of a record.
#[test]
fn each_message_of_a_handshake_has_a_record_of_its_own() {
    let mut settings = serving(vec![sm2()]);
    settings.tickets = Some(Tickets::random(&Provider::system()));
    settings.client_auth = ClientAuth::Required(sm_trust());
    let server = server(settings);
    let mut presenting = believing(&[]);
    presenting.identity = Some(sm2());
    presenting.sessions_max = 8;
    let client = client(presenting);
    // EncryptedExtensions, CertificateRequest, and of both sides Certificate, CertificateVerify and Finished; a ticket.
    for (encrypted, kind) in [(9, HandshakeKind::Full), (4, HandshakeKind::Resumed)] {
        let pair = shake(&server, &client, "a.test", now()).ok().unwrap();
        assert_eq!(pair.client.handshake_kind(), Some(kind));
        assert_eq!(records(&pair.wire, 22), 2);
        assert_eq!(records(&pair.wire, 23), encrypted);
    }
}

#[test]
fn sessions_of_sm4_are_resumed() {
    let mut settings = serving(vec![sm2()]);
    settings.tickets = Some(Tickets::random(&Provider::system()));
    let server = server(settings);
    let mut settings = believing(&[SM4_GCM]);
    settings.sessions_max = 8;
    let client = client(settings);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let pair = shake(&server, &client, "a.test", now()).ok().unwrap();
        assert_eq!(pair.client.handshake_kind(), Some(kind));
    }
}

#[test]
fn a_broken_sm2_chain_is_refused() {
    let server = server(serving(vec![sm2()]));
    let mut other = believing(&[SM4_GCM]);
    other.server = Client::Verified(trust(&Ca::new("sm-ca")));
    assert!(shake(&server, &client(other), "a.test", now()).is_err());
    let wrong_name = shake(&server, &client(believing(&[SM4_GCM])), "b.test", now());
    assert!(wrong_name.is_err());
}

#[test]
fn sm2_needs_tls_1_3() {
    let mut settings = serving(vec![sm2()]);
    settings.versions = (Version::Tls12, Version::Tls12);
    let made = ServerContext::new(&Provider::system(), settings);
    let why = "suites: none is left for an SM2 certificate, which needs TLS 1.3 with TLS_SM4_GCM_SM3 or \
               TLS_SM4_CCM_SM3";
    assert_eq!(made.err().unwrap().to_string(), why);
    let mut settings = asking(Client::Unverified);
    settings.versions = (Version::Tls12, Version::Tls12);
    settings.identity = Some(sm2());
    let made = ClientContext::new(&Provider::system(), settings);
    let why = "identity: SM2 is not supported, or not by these versions and suites";
    assert_eq!(made.err().unwrap().to_string(), why);
}

#[test]
fn suites_of_sm4_need_an_sm2_certificate() {
    let mut settings = serving(vec![Ca::new("ca").leaf(&["a.test"]).identity()]);
    settings.versions = (Version::Tls13, Version::Tls13);
    settings.suites = vec![Suite::parse(SM4_GCM).unwrap()];
    let made = ServerContext::new(&Provider::system(), settings);
    let why = "suites: none is left for these versions: those with SM4 need an SM2 certificate, and there is another";
    assert_eq!(made.err().unwrap().to_string(), why);
}
