//! Clusters and their endpoints.

use super::{
    ClusterConfig,
    compile::{Compiler, at},
    listener::buffer_limit,
    tls::Sockets,
};
use crate::cluster::{Endpoint, LbPolicy, Thresholds};
use std::{sync::Arc, time::Duration};
use xds::api::envoy::config::{
    cluster::v3::{CircuitBreakers, Cluster, cluster},
    core::v3::HealthStatus,
    endpoint::v3::{LbEndpoint, lb_endpoint},
};

impl Compiler {
    /// Gives every cluster its index, before anything refers to one.
    pub(super) fn name_clusters(&mut self, clusters: &[Cluster]) {
        for (index, cluster) in clusters.iter().enumerate() {
            let path = at("static_resources.clusters", index);
            let wrong = Self::unique(&path, &cluster.name, index, &mut self.clusters);
            self.problems.extend(wrong);
        }
    }

    pub(super) fn cluster(&mut self, path: &str, from: &Cluster) -> Option<Arc<ClusterConfig>> {
        let http = self.upstream_http(path, from);
        let options = http.common;
        let connect = format!("{path}.connect_timeout");
        let sockets = self.sockets(path, from, http.protocol);
        let hour = Some(Duration::from_secs(3600));
        Some(Arc::new(ClusterConfig {
            name: from.name.clone(),
            policy: self.policy(path, from),
            connect_timeout: self.duration(
                &connect,
                from.connect_timeout.as_ref(),
                Duration::from_secs(5),
            ),
            idle_timeout: self.timeout(&http.idle_path, options.idle_timeout.as_ref(), hour),
            requests_max: options.max_requests_per_connection.unwrap_or(0),
            buffer_limit: buffer_limit(from.per_connection_buffer_limit_bytes),
            thresholds: self.thresholds(path, from.circuit_breakers.as_ref()),
            endpoints: self.endpoints(path, from, &sockets),
            protocol: http.protocol,
            limits: codecs::Limits {
                fields_max: options.max_headers_count.unwrap_or(100),
                http2: http.http2,
                ..codecs::Limits::default()
            },
            keepalive: http.keepalive,
        }))
    }

    fn policy(&mut self, path: &str, from: &Cluster) -> LbPolicy {
        match from.lb_policy() {
            cluster::LbPolicy::LeastRequest => {
                let Some(cluster::LbConfig::LeastRequestLbConfig(config)) = &from.lb_config else {
                    return LbPolicy::LeastRequest { choices: 2 };
                };
                let path = format!("{path}.least_request_lb_config.choice_count");
                let choices = self.number(&path, config.choice_count, 2, 2..=u32::MAX);
                LbPolicy::LeastRequest { choices }
            }
            cluster::LbPolicy::Random => LbPolicy::Random,
            cluster::LbPolicy::RoundRobin => LbPolicy::RoundRobin,
        }
    }

    fn thresholds(&mut self, path: &str, from: Option<&CircuitBreakers>) -> Thresholds {
        let list = from.map_or(&[][..], |breakers| &breakers.thresholds);
        if list.len() > 1 {
            let path = format!("{path}.circuit_breakers.thresholds");
            self.wrong(&path, "at most one is supported, for the default priority");
        }
        let Some(from) = list.first() else {
            return Thresholds::default();
        };
        let default = Thresholds::default();
        Thresholds {
            connections: from.max_connections.map_or(default.connections, u64::from),
            pending: from.max_pending_requests.map_or(default.pending, u64::from),
            requests: from.max_requests.map_or(default.requests, u64::from),
            retries: from.max_retries.map_or(default.retries, u64::from),
        }
    }

    fn endpoints(
        &mut self,
        path: &str,
        cluster: &Cluster,
        sockets: &Sockets<'_>,
    ) -> Vec<Arc<Endpoint>> {
        let path = format!("{path}.load_assignment");
        let Some(from) = &cluster.load_assignment else {
            self.wrong(&path, "a STATIC cluster needs its endpoints");
            return Vec::new();
        };
        if !from.cluster_name.is_empty() && from.cluster_name != cluster.name {
            let reason = format!("`{}` is not this cluster's name", from.cluster_name);
            self.wrong(&format!("{path}.cluster_name"), reason);
        }
        let mut endpoints = Vec::new();
        for (i, locality) in from.endpoints.iter().enumerate() {
            for (j, endpoint) in locality.lb_endpoints.iter().enumerate() {
                let path = format!("{path}.endpoints[{i}].lb_endpoints[{j}]");
                endpoints.extend(self.endpoint(&path, endpoint, sockets));
            }
        }
        endpoints
    }

    fn endpoint(
        &mut self,
        path: &str,
        from: &LbEndpoint,
        sockets: &Sockets<'_>,
    ) -> Option<Arc<Endpoint>> {
        let Some(lb_endpoint::HostIdentifier::Endpoint(inner)) = &from.host_identifier else {
            self.wrong(path, "`endpoint` is missing");
            return None;
        };
        let address = self.address(&format!("{path}.endpoint.address"), inner.address.as_ref())?;
        if address.inet().is_some_and(|address| address.port() == 0) {
            self.wrong(
                &format!("{path}.endpoint.address"),
                "an endpoint's port cannot be 0",
            );
        }
        let weight_path = format!("{path}.load_balancing_weight");
        let weight = self.number(&weight_path, from.load_balancing_weight, 1, 1..=u32::MAX);
        let tls = sockets.of(from.metadata.as_ref());
        let tls_path = format!("{path}.endpoint");
        let tls = self.endpoint_tls(&tls_path, inner, &address, tls);
        let hostname = Some(inner.hostname.as_str()).filter(|name| !name.is_empty());
        let mut endpoint = Endpoint::new(address, weight);
        endpoint.hostname = hostname.map(Box::from);
        endpoint.tls = tls;
        let unusable = [
            HealthStatus::Unhealthy,
            HealthStatus::Draining,
            HealthStatus::Timeout,
        ];
        endpoint.set_usable(!unusable.contains(&from.health_status()));
        Some(Arc::new(endpoint))
    }
}
