//! What a seed stands for: the network, the configuration, the peers and their habits.

use crate::secure::Plan;
use engines::{BlockLimits, Faults, Rng};
use std::{fmt::Write, time::Duration};

/// Requests' bodies are at most so long.
pub(crate) const BODY_MAX: u64 = 60_000;

/// Where the messages of extensions are named.
pub(crate) const TYPES: &str = "type.googleapis.com/envoy.extensions";
const FAULT: &str = "filters.http.fault.v3.HTTPFault";

/// HTTP/2 beside HTTP/1: clients of it, and a cluster of it.
#[derive(Clone, Debug)]
pub(crate) struct Mux {
    pub(crate) clients: usize,
    /// Windows that the proxy gives to a client's connection, and to each of its streams.
    pub(crate) down: (i64, i64),
    /// The same for an endpoint.
    pub(crate) up: (i64, i64),
    /// Streams that a client may have, and that an endpoint is given.
    pub(crate) streams: (u32, u32),
    /// `hpack_table_size`.
    pub(crate) table: u32,
}

impl Mux {
    fn new(rng: &mut Rng) -> Self {
        let windows = |rng: &mut Rng| {
            let stream = [65_535, 65_535, 70_000, 1 << 18][rng.index(4)];
            let conn = [65_535, 65_535, stream, 1 << 20][rng.index(4)];
            (conn, stream)
        };
        let down = windows(rng);
        let (_, stream) = windows(rng);
        Self {
            clients: rng.between(1, 4) as usize,
            down,
            // Its streams' windows together: no stream can take all of it.
            up: (stream * 100, stream),
            streams: ([1, 2, 5, 100][rng.index(4)], [1, 2, 10, 100][rng.index(4)]),
            table: [0, 100, 4096, 65_536][rng.index(4)],
        }
    }

    fn options(&self, windows: (i64, i64), streams: u32) -> String {
        let (table, (conn, stream)) = (self.table, windows);
        format!(
            "http2_protocol_options: {{hpack_table_size: {table}, max_concurrent_streams: {streams}, \
            initial_stream_window_size: {stream}, initial_connection_window_size: {conn}, allow_connect: true}}"
        )
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// Nothing fails: every well-behaved request deserves a complete answer.
    pub(crate) is_strict: bool,
    pub(crate) faults: Faults,
    pub(crate) blocks: BlockLimits,
    pub(crate) workers: usize,
    pub(crate) endpoints: usize,
    pub(crate) clients: usize,
    pub(crate) tunnels: usize,
    /// `max_connections` of the cluster.
    pub(crate) connections_max: Option<u32>,
    pub(crate) buffer_limit: u32,
    pub(crate) policy: &'static str,
    /// Blocks are few and the first clients are deaf: they hold all blocks that they may.
    pub(crate) is_famine: bool,
    /// When the workers are told to drain.
    pub(crate) drain_at: Option<Duration>,
    pub(crate) mux: Option<Mux>,
    pub(crate) secure: Option<Plan>,
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        let rng = &mut rng;
        let is_strict = rng.chance(3, 5);
        let mut faults = if is_strict {
            Faults::rough(rng)
        } else {
            Faults::hostile(rng)
        };
        // Small windows over slow links would only make runs long.
        faults.window = faults.window.max(2048);
        let small = 1 << rng.between(8, 12);
        let blocks = BlockLimits {
            small_bytes: small,
            small_count: 1 << rng.between(3, 6),
            large_bytes: small << rng.between(0, 3),
            large_count: 1 << rng.between(3, 6),
            reserve_count: 1 << rng.between(2, 4),
            write_bytes: 4096,
            write_count: 8,
            long_bytes: 16 << 10,
            long_count: 4,
            socket_max: 1 << rng.between(0, 3),
        };
        let scenario = Self {
            seed,
            is_strict,
            faults,
            blocks,
            workers: rng.between(1, 2) as usize,
            endpoints: rng.between(1, 3) as usize,
            clients: rng.between(1, 8) as usize,
            tunnels: rng.below(4) as usize,
            connections_max: rng.chance(1, 4).then(|| rng.between(1, 4) as u32),
            // Small ones make long answers of short ones.
            buffer_limit: 1 << rng.between(9, 17).min(rng.between(9, 17)),
            policy: ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"][rng.index(3)],
            is_famine: false,
            drain_at: rng
                .chance(1, 5)
                .then(|| Duration::from_millis(rng.below(2000))),
            mux: None,
            secure: None,
        };
        if rng.chance(1, 8) {
            scenario.with_famine()
        } else {
            scenario
        }
    }

    /// The same with HTTP/2 clients and endpoints in it.
    pub(crate) fn mixed(seed: u64) -> Self {
        let mut rng = Rng::seeded(seed ^ 0x6832);
        let mut scenario = Self::new(seed);
        scenario.clients = rng.below(4) as usize;
        scenario.tunnels = 0;
        if scenario.is_famine {
            // One socket must not be able to hold all blocks.
            scenario.is_famine = false;
            scenario.blocks.socket_max = 2;
        }
        scenario.mux = Some(Mux::new(&mut rng));
        if rng.chance(3, 4) {
            scenario.secure = Some(Plan::new(&mut rng));
            scenario.tunnels = rng.below(3) as usize;
        }
        scenario
    }

    /// The test that runs it.
    pub(crate) fn test(&self) -> &'static str {
        match self.mux {
            None => "seeds::http1",
            Some(_) => "seeds::mixed",
        }
    }

    /// What requests' paths begin with.
    pub(crate) fn kinds(&self) -> &'static [&'static str] {
        match self.mux {
            None => &["r", "r", "r", "r", "retry", "delay", "abort", "none"],
            Some(_) => &[
                "r", "r", "m", "m", "m", "retry", "again", "delay", "abort", "none",
            ],
        }
    }

    fn with_famine(mut self) -> Self {
        self.blocks = BlockLimits {
            small_bytes: 512,
            small_count: 8,
            large_bytes: 4096,
            large_count: 8,
            socket_max: 8,
            ..self.blocks
        };
        self.faults.window = 8192;
        (self.workers, self.clients, self.buffer_limit) = (1, 8, 1 << 16);
        (self.connections_max, self.is_famine) = (None, true);
        self
    }

    /// No request of a well-behaved client may take longer; what others do cannot matter.
    pub(crate) fn patience(&self) -> Duration {
        let segment = self.faults.latency.1 + self.faults.jitter;
        let windows = BODY_MAX / (self.faults.window as u64).min(self.buffer_limit.into()) + 1;
        // A handshake passes a window in pieces, on either side.
        let handshakes = if self.secure.is_some() { 100 } else { 0 };
        let segments = u32::try_from(windows * 24 + 40 + handshakes);
        // A window is opened in pieces at worst, and a body passes it twice.
        Duration::from_secs(10) + segment * segments.unwrap_or(u32::MAX)
    }

    /// How long those are deaf that do not read.
    pub(crate) fn deafness(&self) -> Duration {
        self.patience() * 10
    }

    /// Where the workers listen: HTTP, then TCP.
    pub(crate) fn yaml(&self) -> String {
        let breaker = self.connections_max.map_or(String::new(), |max| {
            format!("circuit_breakers: {{thresholds: [{{max_connections: {max}}}]}}")
        });
        let http1 = "explicit_http_config: {http_protocol_options: {}}";
        let (web, raw) = (
            self.cluster("web", 8000, &breaker, http1),
            self.cluster("raw", 9000, "", http1),
        );
        let (mut mux, mut down) = (String::new(), String::new());
        if let Some(options) = &self.mux {
            let protocol = options.options(options.up, options.streams.1);
            let protocol = format!("explicit_http_config: {{{protocol}}}");
            mux = self.cluster("mux", 8100, &breaker, &protocol);
            down = options.options(options.down, options.streams.0);
        }
        let idle = if self.is_strict { "0s" } else { "60s" };
        let (limit, routes) = (self.buffer_limit, self.routes());
        let secure = self.secure.as_ref();
        let (looks, chain, chains) = secure.map(Plan::front_yaml).unwrap_or_default();
        let (tunnel_looks, tunnel_chain) = secure.map(Plan::tunnel_yaml).unwrap_or_default();
        format!(
            "static_resources:
  listeners:
  - name: http
    address: {{socket_address: {{address: 10.0.0.2, port_value: 80}}}}
    per_connection_buffer_limit_bytes: {limit}
    {looks}
    filter_chains:
    - name: first
      {chain}
      filters: &filters
      - name: manager
        typed_config:
          \"@type\": {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          stream_idle_timeout: {idle}
          common_http_protocol_options: {{idle_timeout: 300s}}
          {down}
          route_config: {{name: r, virtual_hosts: [{{name: v, domains: ['*'], routes: [{routes}]}}]}}
          http_filters:
          - {{name: fault, disabled: true, typed_config: {{\"@type\": {TYPES}.{FAULT}}}}}
          - {{name: router, typed_config: {{\"@type\": {TYPES}.filters.http.router.v3.Router}}}}
{chains}  - name: tcp
    address: {{socket_address: {{address: 10.0.0.2, port_value: 81}}}}
    {tunnel_looks}
    filter_chains:
    - name: first
      {tunnel_chain}
      filters:
      - name: proxy
        typed_config:
          \"@type\": {TYPES}.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: raw
  clusters:
{web}{raw}{mux}"
        )
    }

    fn cluster(&self, name: &str, first_port: usize, breaker: &str, protocol: &str) -> String {
        let endpoints = (first_port..first_port + self.endpoints).map(|port| {
            format!("{{endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: {port}}}}}}}}}")
        });
        let endpoints = endpoints.collect::<Vec<_>>().join(", ");
        let (policy, limit) = (self.policy, self.buffer_limit);
        let plan = self.secure.as_ref();
        let socket = plan.and_then(|plan| plan.cluster_yaml(name));
        let socket = socket.unwrap_or_default();
        let agreed = protocol.replacen("explicit_http_config", "auto_config", 1);
        let is_agreed = plan.is_some_and(|plan| plan.is_agreed(name));
        let protocol = if is_agreed { &agreed } else { protocol };
        format!(
            "  - name: {name}
    type: STATIC
    lb_policy: {policy}
    connect_timeout: 5s
    per_connection_buffer_limit_bytes: {limit}
    {breaker}
    {socket}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": {TYPES}.upstreams.http.v3.HttpProtocolOptions
        common_http_protocol_options: {{idle_timeout: 60s}}
        {protocol}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"
        )
    }

    /// What the first part of a request's path means.
    fn routes(&self) -> String {
        let timeout = if self.is_strict { "0s" } else { "20s" };
        let fault = |what: &str| {
            format!(", typed_per_filter_config: {{fault: {{\"@type\": {TYPES}.{FAULT}, {what}}}}}")
        };
        let abort = fault("abort: {http_status: 418, percentage: {numerator: 100}}");
        let delay = fault("delay: {fixed_delay: 0.05s, percentage: {numerator: 100}}");
        let retry = ", retry_policy: {retry_on: '5xx,reset,connect-failure', num_retries: 2}";
        let mut routes = String::new();
        let all = [
            ("abort", "web", "", &*abort),
            ("delay", "web", "", &*delay),
            ("retry", "web", retry, ""),
            ("r", "web", "", ""),
            ("again", "mux", retry, ""),
            ("m", "mux", "", ""),
        ];
        let known = if self.mux.is_some() { 6 } else { 4 };
        for (prefix, cluster, action, filters) in &all[..known] {
            let _ = write!(
                routes,
                "{{match: {{prefix: /{prefix}/}}, route: {{cluster: {cluster}, timeout: {timeout}{action}}}{filters}}}, "
            );
        }
        routes
    }
}
