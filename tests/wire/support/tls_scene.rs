//! A process whose clients break rules, beside one that does not.

use super::{
    Client, Cluster, Origin, Proxy, Setup,
    tls_config::{serving, tcp_chain, to},
};
use engines::EngineKind;

/// A proxy and a neighbour with a connection of its own.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    neighbour: Client,
    _origin: Origin,
}

impl Scene {
    /// Listeners `tls`, which leads to HTTP, and `tcp`.
    pub(crate) fn new(engine: EngineKind, more: &[(&str, String)]) -> Self {
        let origin = Origin::echo("a");
        let mut setup = Setup::default()
            .listen_chains("tls", "", &[to(&serving(&["any"]), "c")])
            .listen_chains("tcp", "", &[tcp_chain(&serving(&["any"]), "c")]);
        for (name, context) in more {
            setup = setup.listen_chains(name, "", &[to(context, "c")]);
        }
        let setup = setup.cluster(&Cluster::default(), &[origin.at()]);
        let proxy = Proxy::start(engine, &setup.yaml());
        let neighbour = Client::any(proxy.at("tls"));
        Self {
            proxy,
            neighbour,
            _origin: origin,
        }
    }

    /// Sessions that failed for this.
    pub(crate) fn faults(&self, detail: &str) -> u64 {
        self.proxy
            .labelled(&format!("ringlb_tls_faults_total{{detail=\"{detail}\"}}"))
    }

    /// The neighbour is served, and nothing stays behind.
    pub(crate) fn check(mut self) {
        assert_eq!(self.neighbour.get("/after").status, 200);
        drop(self.neighbour);
        self.proxy.settle();
    }
}
