//! Configurations for tests: one listener, route and cluster, with fields added to each.

use super::{Loaded, load};

/// Fields of the connection manager, of its only route's action, of the only cluster: in YAML's flow
/// style, separated by commas.
#[derive(Clone, Copy, Default)]
pub(super) struct Sample<'a> {
    pub(super) manager: &'a str,
    pub(super) route: &'a str,
    pub(super) cluster: &'a str,
}

/// Where the fields of each are.
pub(super) const MANAGER: &str =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";
pub(super) const CLUSTER: &str = "static_resources.clusters[0]";

impl Sample<'_> {
    fn text(self) -> String {
        let Self {
            manager,
            route,
            cluster,
        } = self;
        format!(
            r#"static_resources:
  listeners:
  - name: web
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - typed_config: {{
          "@type": x/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: web,
          route_config: {{virtual_hosts: [{{name: all, domains: ["*"], routes: [
            {{match: {{prefix: /}}, route: {{cluster: c, {route}}}}}]}}]}},
          http_filters: [{{typed_config: {{"@type": x/envoy.extensions.filters.http.router.v3.Router}}}}],
          {manager}}}
  clusters:
  - {{name: c, load_assignment: {{}}, {cluster}}}
"#
        )
    }

    /// What it compiles to.
    pub(super) fn loaded(self) -> Loaded {
        load(&self.text()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// What is wrong with it, as `FIELD: REASON`.
    pub(super) fn problems(self) -> Vec<String> {
        let problems = load(&self.text()).err().unwrap_or_default();
        let told = |problem: &xds::Problem| format!("{}: {}", problem.path, problem.reason);
        problems.iter().map(told).collect()
    }
}
