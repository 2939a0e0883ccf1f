//! What the sessions of a run are made from.

use crate::{
    Client, ClientAuth, ClientContext, ClientSettings, Identity, Provider, ServerContext,
    ServerSettings, Suite, Tickets, Trust, Version,
};
use std::{sync::Arc, time::Duration};

const SEED: u64 = 6;

/// What both ends agree on if nobody disturbs them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) version: Version,
    /// RFC 8998, where the build has it.
    is_sm: bool,
    /// The client presents a certificate.
    pub(super) is_mutual: bool,
    /// There was a session before, whose ticket the client presents.
    pub(super) is_resumed: bool,
}

impl Plan {
    pub(super) fn of(mode: u8) -> Self {
        let is_sm = cfg!(feature = "sm") && mode & 4 != 0;
        Self {
            version: match mode & 8 != 0 && !is_sm {
                true => Version::Tls12,
                false => Version::Tls13,
            },
            is_sm,
            is_mutual: mode & 16 != 0,
            is_resumed: mode & 32 != 0,
        }
    }

    /// Of the session before the one that is resumed.
    pub(super) fn first(mut self) -> Self {
        self.is_resumed = false;
        self
    }
}

/// A listener and a cluster that speak with each other.
pub(super) struct Contexts {
    pub(super) server: Arc<ServerContext>,
    pub(super) client: Arc<ClientContext>,
}

impl Contexts {
    /// Of the same plan, they always draw the same.
    pub(super) fn new(plan: &Plan) -> Self {
        thread_local! {
            static PROVIDER: Provider = Provider::seeded(SEED);
        }
        PROVIDER.with(|provider| {
            provider.rewind();
            let server = ServerContext::new(provider, serving(plan, provider));
            let client = ClientContext::new(provider, asking(plan));
            Self {
                server: server.expect("settings that can be used"),
                client: client.expect("settings that can be used"),
            }
        })
    }
}

fn serving(plan: &Plan, provider: &Provider) -> ServerSettings {
    ServerSettings {
        identities: vec![identity(plan)],
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        versions: (Version::Tls12, plan.version),
        suites: Vec::new(),
        groups: Vec::new(),
        client_auth: match plan.is_mutual {
            true => ClientAuth::Required(trust(plan)),
            false => ClientAuth::None,
        },
        tickets: Some(Tickets::random(provider)),
        sessions_max: 4,
        session_time: Duration::from_secs(3600),
        scan_all: false,
        require_sni: false,
        must_staple: false,
        key_log: None,
    }
}

fn asking(plan: &Plan) -> ClientSettings {
    const SM4_GCM: Suite = Suite(0x00c6);
    ClientSettings {
        server: Client::Verified(trust(plan)),
        identity: plan.is_mutual.then(|| identity(plan)),
        alpn: vec![b"http/1.1".to_vec(), b"h2".to_vec()],
        versions: (Version::Tls12, Version::Tls13),
        suites: plan.is_sm.then_some(SM4_GCM).into_iter().collect(),
        groups: Vec::new(),
        sessions_max: 4,
        key_log: None,
    }
}

fn identity(plan: &Plan) -> Identity {
    let (chain, key) = match plan.is_sm {
        true => (
            &include_bytes!("../../../testdata/sm/leaf.pem")[..],
            &include_bytes!("../../../testdata/sm/leaf.key.pem")[..],
        ),
        false => (
            &include_bytes!("../../../testdata/ed25519.cert.pem")[..],
            &include_bytes!("../../../testdata/ed25519.key.pem")[..],
        ),
    };
    Identity::from_pem(chain, key).expect("a certificate with its key")
}

fn trust(plan: &Plan) -> Trust {
    let ca: &[u8] = match plan.is_sm {
        true => include_bytes!("../../../testdata/sm/ca.pem"),
        // It vouches for itself.
        false => include_bytes!("../../../testdata/ed25519.cert.pem"),
    };
    Trust {
        ca: Some(ca.to_vec()),
        ..Trust::default()
    }
}
