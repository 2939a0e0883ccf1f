//! What the sessions of a run's peers are made from: made for each run, as tickets are shared.

use super::{
    certificates::{self, Issued},
    plan::{Auth, Front, Plan, Tunnel},
};
use engines::Rng;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};
use tls::{
    Client, ClientAuth, ClientContext, ClientSettings, Provider, ServerContext, ServerSettings,
    Tickets, Version,
};

/// Where a peer is in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Towards the proxy, or what it has begun.
    Proxy,
    /// Past it, from end to end.
    Through,
}

/// A connection that is to be encrypted.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) context: Arc<ClientContext>,
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    /// The proxy must refuse it for its certificate, or for want of one.
    pub(crate) is_barred: bool,
    /// One of its records is changed on the way.
    pub(crate) is_spoiled: bool,
}

/// A listener whose connections are encrypted.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) good: Arc<ServerContext>,
    /// One with a certificate that must not be taken, presented now and then.
    pub(crate) bad: Option<Arc<ServerContext>>,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    Client,
    Stranger,
}

type Kind = (Who, Highest, &'static str);

/// The highest version, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Highest {
    Tls12,
    Tls13,
}

pub(crate) struct Contexts {
    plan: Plan,
    is_strict: bool,
    provider: Provider,
    clients: RefCell<BTreeMap<Kind, Arc<ClientContext>>>,
}

pub(crate) type SharedContexts = Option<Rc<Contexts>>;

impl Contexts {
    pub(crate) fn shared(
        plan: Option<&Plan>,
        is_strict: bool,
        provider: &Provider,
    ) -> SharedContexts {
        let contexts = |plan: &Plan| Self {
            plan: plan.clone(),
            is_strict,
            provider: provider.clone(),
            clients: RefCell::default(),
        };
        plan.map(|plan| Rc::new(contexts(plan)))
    }

    /// How a client of the HTTP listener connects; `alpn`: what it offers.
    pub(crate) fn visit(&self, alpn: &'static str, rng: &mut Rng) -> Option<Asking> {
        let is_plain = match self.plan.front {
            Front::Plain => true,
            Front::Either => rng.chance(1, 2),
            Front::Secure | Front::Named => false,
        };
        if is_plain {
            return None;
        }
        let who = match (self.plan.auth, rng.below(8)) {
            (_, 0) => Who::Nobody,
            (_, 1) => Who::Stranger,
            (Auth::Optional, 2 | 3) | (Auth::None, 2..) => Who::Nobody,
            (_, _) => Who::Client,
        };
        let is_barred = match (self.plan.auth, who) {
            (Auth::None, _) | (_, Who::Client) | (Auth::Optional, Who::Nobody) => false,
            (_, Who::Stranger) | (Auth::Required, Who::Nobody) => true,
        };
        let version = match rng.chance(1, 4) {
            true => Highest::Tls12,
            false => Highest::Tls13,
        };
        // HTTP/1 without ALPN, HTTP/2 without it by its preface.
        let alpn = if rng.chance(1, 6) { "" } else { alpn };
        Some(Asking {
            context: self.client((who, version, alpn)),
            name: ["a.test", "b.test"][rng.index(2)],
            place: Place::Proxy,
            is_barred,
            is_spoiled: !is_barred && rng.chance(1, 12),
        })
    }

    /// How a tunnel's client connects.
    pub(crate) fn tunnel(&self) -> Option<Asking> {
        let (name, place) = match self.plan.tunnel {
            Tunnel::Plain | Tunnel::Begun => return None,
            Tunnel::Ended | Tunnel::Both => ("a.test", Place::Proxy),
            Tunnel::Passed => ("endpoint.test", Place::Through),
        };
        Some(Asking {
            context: self.client((Who::Nobody, Highest::Tls13, "")),
            name,
            place,
            is_barred: false,
            is_spoiled: false,
        })
    }

    /// How the endpoints of HTTP listen: those of HTTP/2, or of HTTP/1.
    pub(crate) fn endpoint(&self, is_mux: bool) -> Option<Serving> {
        let (is_secure, alpn) = match is_mux {
            true => (self.plan.mux, "h2"),
            false => (self.plan.web, "http/1.1"),
        };
        let all = certificates::all();
        let bad = (!self.is_strict).then(|| self.server(&all.expired, alpn));
        is_secure.then(|| Serving {
            good: self.server(&all.endpoint, alpn),
            bad,
            place: Place::Proxy,
        })
    }

    /// How the tunnels' endpoints listen.
    pub(crate) fn tunnel_end(&self) -> Option<Serving> {
        let place = match self.plan.tunnel {
            Tunnel::Plain | Tunnel::Ended => return None,
            Tunnel::Begun | Tunnel::Both => Place::Proxy,
            Tunnel::Passed => Place::Through,
        };
        Some(Serving {
            good: self.server(&certificates::all().endpoint, ""),
            bad: None,
            place,
        })
    }

    fn client(&self, kind: Kind) -> Arc<ClientContext> {
        let mut clients = self.clients.borrow_mut();
        let context = clients.entry(kind).or_insert_with(|| {
            let (who, version, alpn) = kind;
            let all = certificates::all();
            let settings = ClientSettings {
                identity: match who {
                    Who::Nobody => None,
                    Who::Client => Some(all.client.identity()),
                    Who::Stranger => Some(all.stranger.identity()),
                },
                alpn: offer(alpn),
                versions: match version {
                    Highest::Tls12 => (Version::Tls12, Version::Tls12),
                    Highest::Tls13 => (Version::Tls12, Version::Tls13),
                },
                sessions_max: 8,
                ..asking()
            };
            ClientContext::new(&self.provider, settings).unwrap()
        });
        context.clone()
    }

    fn server(&self, issued: &Issued, alpn: &str) -> Arc<ServerContext> {
        let most = match self.plan.is_old {
            true => Version::Tls12,
            false => Version::Tls13,
        };
        let settings = ServerSettings {
            alpn: offer(alpn),
            versions: (Version::Tls12, most),
            client_auth: match self.plan.is_mutual && !alpn.is_empty() {
                true => ClientAuth::Required(certificates::all().trust()),
                false => ClientAuth::None,
            },
            tickets: Some(Tickets::random(&self.provider)),
            ..serving(issued)
        };
        ServerContext::new(&self.provider, settings).unwrap()
    }
}

fn offer(alpn: &str) -> Vec<Vec<u8>> {
    let names = [alpn].into_iter().filter(|name| !name.is_empty());
    names.map(|name| name.as_bytes().to_vec()).collect()
}

/// The simplest settings of a client that believes the authority.
pub(crate) fn asking() -> ClientSettings {
    ClientSettings {
        server: Client::Verified(certificates::all().trust()),
        identity: None,
        alpn: Vec::new(),
        versions: (Version::Tls12, Version::Tls13),
        suites: Vec::new(),
        groups: Vec::new(),
        sessions_max: 0,
        key_log: None,
    }
}

/// The simplest settings of a server.
pub(crate) fn serving(issued: &Issued) -> ServerSettings {
    ServerSettings {
        identities: vec![issued.identity()],
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
