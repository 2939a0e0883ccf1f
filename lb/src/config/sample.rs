//! Configurations for tests: one listener, route and cluster, with fields added to each.

use super::{Loaded, load};

/// Fields of the connection manager, of its only route's action, of the only cluster, and of others: in
/// YAML's flow style, separated by commas.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample<'a> {
    pub(super) manager: &'a str,
    pub(super) route: &'a str,
    pub(super) cluster: &'a str,
    /// `load_assignment.endpoints[0].lb_endpoints` of the cluster.
    pub(super) endpoints: &'a str,
    /// Fields of the first filter chain.
    pub(super) chain: &'a str,
    /// Further filter chains.
    pub(super) chains: &'a str,
    /// Fields of the listener.
    pub(super) listener: &'a str,
    /// `static_resources.secrets`.
    pub(super) secrets: &'a str,
}

/// Where the fields of each are.
pub(super) const MANAGER: &str =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";
pub(super) const CHAIN: &str = "static_resources.listeners[0].filter_chains[0]";
pub(super) const CLUSTER: &str = "static_resources.clusters[0]";

impl Sample<'_> {
    fn text(self) -> String {
        let Self {
            manager,
            route,
            cluster,
            endpoints,
            chain,
            chains,
            listener,
            secrets,
        } = self;
        format!(
            r#"static_resources:
  secrets: [{secrets}]
  listeners:
  - {{name: web, address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}, filter_chains: [
      {{filters: [{{typed_config: {{
          "@type": x/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: web,
          route_config: {{virtual_hosts: [{{name: all, domains: ["*"], routes: [
            {{match: {{prefix: /}}, route: {{cluster: c, {route}}}}}]}}]}},
          http_filters: [{{typed_config: {{"@type": x/envoy.extensions.filters.http.router.v3.Router}}}}],
          {manager}}}}}],
       {chain}}},
      {chains}],
    {listener}}}
  clusters:
  - {{name: c, load_assignment: {{endpoints: [{{lb_endpoints: [{endpoints}]}}]}}, {cluster}}}
"#
        )
    }

    /// What it compiles to.
    pub(super) fn loaded(self) -> Loaded {
        load(&self.text()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// What is surprising about it, as `FIELD: REASON`.
    pub(super) fn warnings(self) -> Vec<String> {
        self.loaded().warnings.iter().map(told).collect()
    }

    /// What is wrong with it, as `FIELD: REASON`.
    pub(super) fn problems(self) -> Vec<String> {
        let problems = load(&self.text()).err().unwrap_or_default();
        problems.iter().map(told).collect()
    }
}

fn told(problem: &xds::Problem) -> String {
    format!("{}: {}", problem.path, problem.reason)
}
