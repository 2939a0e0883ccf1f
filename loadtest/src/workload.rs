//! What is asked of a target: read from a YAML file, or put together from the command line.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything about a load but where it goes to and which engine carries it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workload {
    /// What is spoken on a connection.
    pub protocol: Protocol,
    /// When requests start.
    pub arrivals: Arrivals,
    /// Connections kept open, over all threads; at least one a thread.
    pub connections: u32,
    /// Requests under way on one connection (streams of HTTP/2, pipelining in HTTP/1), 1 to 1024.
    pub streams: u32,
    /// A connection is closed after so many requests and another one opened; none: it is kept. In
    /// HTTP/1.1 the last of them says so.
    pub requests_per_connection: Option<u64>,
    /// Of a target over TLS: what new connections begin with.
    pub sessions: Sessions,
    /// How long requests are started once the warm-up is over; with `count` at most so long.
    #[serde(with = "humantime_serde")]
    pub duration: Duration,
    /// Requests to start, warm-up excluded; none: as many as the duration allows.
    pub count: Option<u64>,
    /// How long the load runs before anything is recorded.
    #[serde(with = "humantime_serde")]
    pub warm_up: Duration,
    /// How long the answers to requests already started are waited for in the end.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// An exchange (from its intended start) or a connect that takes longer has failed.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Bytes a second that each connection reads; none: as they come.
    pub read_rate: Option<u64>,
    /// Bodies are compared with their checksum (`crc32` of an expectation, else the answer's
    /// `x-body-crc32`), and what `loadtest serve` echoes with what was sent.
    pub verify: bool,
    /// The requests, chosen by weight.
    pub requests: Vec<Request>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            arrivals: Arrivals::Closed,
            connections: 64,
            streams: 1,
            requests_per_connection: None,
            sessions: Sessions::Full,
            duration: Duration::from_secs(10),
            count: None,
            warm_up: Duration::from_secs(1),
            grace: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            read_rate: None,
            verify: false,
            requests: vec![Request::default()],
        }
    }
}

/// Most requests a second that one thread is asked for.
pub const THREAD_RATE_MAX: f64 = 10e6;
/// Most requests under way on one connection.
pub const STREAMS_MAX: u32 = 1024;
/// Most connections of a run.
pub const CONNECTIONS_MAX: u32 = 1_000_000;
/// Longest duration, warm-up, grace or timeout.
pub const TIME_MAX: Duration = Duration::from_secs(366 * 86_400);

impl Workload {
    /// Whether `threads` threads can make this load.
    ///
    /// # Errors
    /// Every problem, each beginning with the name of the field that it is in.
    pub fn check(&self, threads: usize) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        let mut need = |holds: bool, problem: &dyn Fn() -> String| {
            if !holds {
                problems.push(problem());
            }
        };
        need(threads > 0, &|| "threads: at least 1".to_owned());
        let connections = self.connections as usize;
        need(connections >= threads.max(1), &|| {
            format!("connections: {connections} are fewer than the threads, {threads}")
        });
        need(self.connections <= CONNECTIONS_MAX, &|| {
            format!("connections: at most {CONNECTIONS_MAX}")
        });
        need((1..=STREAMS_MAX).contains(&self.streams), &|| {
            format!("streams: 1 to {STREAMS_MAX}, not {}", self.streams)
        });
        need(self.requests_per_connection != Some(0), &|| {
            "requests-per-connection: at least 1".to_owned()
        });
        need(self.count != Some(0), &|| "count: at least 1".to_owned());
        need(self.read_rate != Some(0), &|| {
            "read-rate: at least 1 byte a second".to_owned()
        });
        need(!self.duration.is_zero(), &|| "duration: above 0".to_owned());
        need(!self.timeout.is_zero(), &|| "timeout: above 0".to_owned());
        for (name, time) in [
            ("duration", self.duration),
            ("warm-up", self.warm_up),
            ("grace", self.grace),
            ("timeout", self.timeout),
        ] {
            need(time <= TIME_MAX, &|| format!("{name}: at most a year"));
        }
        let rates = self.arrivals.problems(THREAD_RATE_MAX * threads as f64);
        let requests = self.request_problems();
        problems.extend(rates);
        problems.extend(requests);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    fn request_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.requests.is_empty() {
            problems.push("requests: at least one".to_owned());
        }
        if self.requests.len() > REQUESTS_MAX {
            problems.push(format!("requests: at most {REQUESTS_MAX}"));
        }
        for (index, request) in self.requests.iter().enumerate() {
            let found = request.problems(self.protocol, self.verify);
            let named = found.into_iter();
            problems.extend(named.map(|problem| format!("requests[{index}].{problem}")));
        }
        problems
    }
}

/// Most kinds of requests in a mix.
pub const REQUESTS_MAX: usize = 10_000;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, by prior knowledge or agreed on with ALPN.
    Http2,
    /// gRPC: calls with one message each, over HTTP/2.
    Grpc,
    /// Bytes that come back as they were sent.
    Echo,
}

/// What new connections over TLS begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// A full handshake each.
    #[default]
    Full,
    /// The session of an earlier connection, where the target gave a ticket for it.
    Resumed,
}

/// When requests start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Arrivals {
    /// Each connection asks again as soon as it was answered; latency hides every stall.
    #[default]
    Closed,
    /// So many a second, evenly spaced.
    Constant(f64),
    /// So many a second on average, independent of each other.
    Poisson(f64),
    /// From one rate to another, changing evenly over the duration.
    Ramp { from: f64, to: f64 },
    /// One rate after the other, each for the same part of the duration.
    Steps(Vec<f64>),
}

impl Arrivals {
    /// Whether requests start when they are due, not when the target has answered others.
    pub fn is_open(&self) -> bool {
        *self != Self::Closed
    }

    /// The first rate, which is also that of the warm-up; none of a closed loop.
    pub fn first_rate(&self) -> Option<f64> {
        match self {
            Self::Closed => None,
            Self::Constant(rate) | Self::Poisson(rate) => Some(*rate),
            Self::Ramp { from, .. } => Some(*from),
            Self::Steps(rates) => rates.first().copied(),
        }
    }

    fn problems(&self, rate_max: f64) -> Vec<String> {
        let (rates, least): (Vec<f64>, f64) = match self {
            Self::Closed => return Vec::new(),
            Self::Constant(rate) | Self::Poisson(rate) => (vec![*rate], f64::MIN_POSITIVE),
            Self::Ramp { from, to } if *from == 0.0 && *to == 0.0 => {
                return vec!["arrivals: a ramp from 0 to 0 starts nothing".to_owned()];
            }
            Self::Ramp { from, to } => (vec![*from, *to], 0.0),
            Self::Steps(rates) if rates.is_empty() => {
                return vec!["arrivals: at least one step".to_owned()];
            }
            Self::Steps(rates) => (rates.clone(), f64::MIN_POSITIVE),
        };
        let bad = rates.into_iter();
        let bad = bad.filter(|rate| !(rate.is_finite() && (least..=rate_max).contains(rate)));
        bad.map(|rate| {
            format!(
                "arrivals: {rate} requests a second are impossible (above 0, at most {rate_max})"
            )
        })
        .collect()
    }
}

/// One kind of request, and what its answer has to be.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// How often it is chosen, beside the others' weights; above 0.
    pub weight: u32,
    /// The method.
    pub method: String,
    /// Path with query, beginning with `/`.
    pub path: String,
    /// Fields in their order; `host` overrides the target's.
    pub headers: Vec<(String, String)>,
    /// Bytes of body, of a pattern that repeats only after a MiB; with `echo` and `grpc` the message.
    pub body: u64,
    /// The body goes out without its length told: in HTTP/1.1 in chunks.
    pub chunked: bool,
    /// What else than a status below 400 makes the answer right.
    pub expect: Expect,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            weight: 1,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: 0,
            chunked: false,
            expect: Expect::default(),
        }
    }
}

/// Most bytes of a gRPC message: its length is told in 32 bits.
pub const MESSAGE_BYTES_MAX: u64 = u32::MAX as u64;

/// Fields that the codec writes itself.
const OWN_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "content_length",
    "transfer_encoding",
];

impl Request {
    fn problems(&self, protocol: Protocol, verify: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if self.weight == 0 {
            problems.push("weight: above 0".to_owned());
        }
        if self.expect.crc32.is_some() && !verify {
            problems.push("expect.crc32: needs `verify`".to_owned());
        }
        if let Some(status @ 17..) = self.expect.grpc_status {
            problems.push(format!("expect.grpc-status: 0 to 16, not {status}"));
        }
        match protocol {
            Protocol::Echo if self.body == 0 => {
                problems.push("body: an echo needs at least 1 byte (--body BYTES)".to_owned());
            }
            Protocol::Echo => {}
            Protocol::Http1 | Protocol::Http2 => self.http_problems(&mut problems),
            Protocol::Grpc => {
                self.http_problems(&mut problems);
                self.grpc_problems(&mut problems);
            }
        }
        if protocol != Protocol::Grpc && self.expect.asks_grpc() {
            problems.push("expect: grpc-status and messages are of gRPC alone".to_owned());
        }
        problems
    }

    fn grpc_problems(&self, problems: &mut Vec<String>) {
        let path = self.path.split('?').next().unwrap_or_default();
        let names = path
            .strip_prefix('/')
            .and_then(|path| path.rsplit_once('/'));
        if !names.is_some_and(|(service, method)| !service.is_empty() && !method.is_empty()) {
            let path = &self.path;
            problems.push(format!("path: `{path}` is no /package.Service/Method"));
        }
        if self.method != "GET" && self.method != "POST" {
            problems.push("method: a call of gRPC is a POST".to_owned());
        }
        if self.body > MESSAGE_BYTES_MAX {
            problems.push(format!(
                "body: a message has at most {MESSAGE_BYTES_MAX} bytes"
            ));
        }
    }

    fn http_problems(&self, problems: &mut Vec<String>) {
        if !is_token(&self.method) || self.method == "CONNECT" {
            let method = &self.method;
            problems.push(format!("method: `{method}` cannot be asked"));
        }
        let is_visible = self.path.bytes().all(|byte| byte.is_ascii_graphic());
        if !self.path.starts_with('/') || !is_visible {
            let path = &self.path;
            problems.push(format!(
                "path: `{path}` has to begin with `/` and be visible ASCII"
            ));
        }
        for (name, value) in &self.headers {
            if !is_token(name)
                || value
                    .bytes()
                    .any(|byte| byte.is_ascii_control() && byte != b'\t')
            {
                problems.push(format!("headers: `{name}: {value}` cannot be sent"));
            } else if OWN_FIELDS.contains(&name.to_ascii_lowercase().as_str()) {
                problems.push(format!("headers: `{name}` is written by loadtest itself"));
            }
        }
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let is_mark = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

/// What an answer has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The status of HTTP.
    pub status: Option<u16>,
    /// Bytes of body; of gRPC, of all messages without their prefixes.
    pub bytes: Option<u64>,
    /// CRC-32 (IEEE) of the same bytes; needs `verify`.
    pub crc32: Option<u32>,
    /// The status of gRPC, 0 to 16; none: 0.
    pub grpc_status: Option<u8>,
    /// Messages of gRPC.
    pub messages: Option<u64>,
}

impl Expect {
    fn asks_grpc(&self) -> bool {
        self.grpc_status.is_some() || self.messages.is_some()
    }
}
