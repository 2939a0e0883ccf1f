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
    /// Requests under way on one connection (pipelining in HTTP/1), 1 to 1024.
    pub streams: u32,
    /// A connection is closed after so many requests and another one opened; none: it is kept. With 1
    /// the request says that it is the last one.
    pub requests_per_connection: Option<u64>,
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

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// Bytes that come back as they were sent.
    Echo,
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
    /// Bytes of body, of a pattern that repeats only after a MiB; with `echo` the message.
    pub body: u64,
    /// The body goes out in chunks rather than with its length.
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

/// What an answer has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// The status.
    pub status: Option<u16>,
    /// Bytes of body.
    pub bytes: Option<u64>,
    /// CRC-32 (IEEE) of the body; needs `verify`.
    pub crc32: Option<u32>,
}
