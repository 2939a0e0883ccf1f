//! Key exchange on the curve of SM2: ECDHE in group curveSM2 (RFC 8998 §3.3.1).

use elliptic_curve::ecdh::diffie_hellman;
use rustls::crypto::{
    ActiveKeyExchange, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::{PublicKey, SecretKey};
use zeroize::Zeroizing;

const CURVE_SM2: NamedGroup = NamedGroup::Unknown(41);

/// RFC 8446 §4.2.8.2: the form of a point, and its coordinates.
const UNCOMPRESSED: u8 = 4;
const POINT_BYTES: usize = 65;

/// One draw in 2^32 is no scalar of the curve; a source that fails so often gives no random bytes.
const DRAWS_MAX: usize = 8;

/// Group curveSM2; its keys are drawn from `random`.
#[derive(Debug)]
pub(super) struct CurveSm2 {
    pub(super) random: &'static dyn SecureRandom,
}

impl CurveSm2 {
    fn draw(&self) -> Result<SecretKey, GetRandomFailed> {
        for _ in 0..DRAWS_MAX {
            let mut bytes = Zeroizing::new([0; 32]);
            self.random.fill(bytes.as_mut())?;
            if let Ok(secret) = SecretKey::from_slice(bytes.as_ref()) {
                return Ok(secret);
            }
        }
        Err(GetRandomFailed)
    }
}

impl SupportedKxGroup for CurveSm2 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = self.draw()?;
        let public = secret.public_key().to_sec1_point(false).as_bytes().into();
        Ok(Box::new(Exchange { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        CURVE_SM2
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

struct Exchange {
    secret: SecretKey,
    public: Box<[u8]>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.len() != POINT_BYTES || peer[0] != UNCOMPRESSED {
            return Err(invalid());
        }
        // This refuses what is not on the curve; the cofactor is 1, so there is no small subgroup.
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| invalid())?;
        let secret = Zeroizing::new(self.secret.to_nonzero_scalar());
        let shared = diffie_hellman(&*secret, peer.as_affine());
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        CURVE_SM2
    }
}
