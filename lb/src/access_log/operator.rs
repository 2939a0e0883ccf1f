//! The operators of a format (`%RESPONSE_CODE%` …): reading their text, and taking their values.

use super::{
    Facts,
    grpc_status::{self, GrpcStyle},
    tls_value::TlsValue,
};
use crate::{addresses::Addresses, stream::is_of_connection, transport_failure::TransportFailure};
use codecs::Head;
use engines::SockAddr;
use std::{
    borrow::Cow,
    io::Write,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

/// An operator, with Envoy's name and meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Attempts,
    BytesReceived,
    BytesSent,
    ConnectionId,
    Details,
    Duration,
    /// Why TLS with the client failed.
    Failure,
    Flags,
    GrpcStatus(GrpcStyle),
    /// Our own address; `port`: with it.
    Local {
        port: bool,
    },
    LocalPort,
    /// The peer's address; `port`: with it.
    Peer {
        port: bool,
    },
    Protocol,
    Request(Field),
    RequestDuration,
    Response(Field),
    ResponseDuration,
    RouteName,
    ServerName,
    StartTime,
    Status,
    Tls(TlsValue),
    UpstreamCluster,
    UpstreamFailure,
    UpstreamHost,
    UpstreamTls(TlsValue),
    VirtualHost,
}

/// A header field: `%REQ(NAME?OTHER):LENGTH%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    other: Option<String>,
    length_max: Option<usize>,
}

const PLAIN: &[(&str, Operator)] = &[
    ("BYTES_RECEIVED", Operator::BytesReceived),
    ("BYTES_SENT", Operator::BytesSent),
    ("CONNECTION_ID", Operator::ConnectionId),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        Operator::Peer { port: true },
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        Operator::Peer { port: false },
    ),
    ("DOWNSTREAM_LOCAL_ADDRESS", Operator::Local { port: true }),
    (
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        Operator::Local { port: false },
    ),
    ("DOWNSTREAM_LOCAL_PORT", Operator::LocalPort),
    ("DOWNSTREAM_REMOTE_ADDRESS", Operator::Peer { port: true }),
    (
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        Operator::Peer { port: false },
    ),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Operator::Failure),
    ("DURATION", Operator::Duration),
    ("GRPC_STATUS", Operator::GrpcStatus(GrpcStyle::Camel)),
    (
        "GRPC_STATUS(CAMEL_STRING)",
        Operator::GrpcStatus(GrpcStyle::Camel),
    ),
    (
        "GRPC_STATUS(NUMBER)",
        Operator::GrpcStatus(GrpcStyle::Number),
    ),
    (
        "GRPC_STATUS(SNAKE_STRING)",
        Operator::GrpcStatus(GrpcStyle::Snake),
    ),
    (
        "GRPC_STATUS_NUMBER",
        Operator::GrpcStatus(GrpcStyle::Number),
    ),
    ("PROTOCOL", Operator::Protocol),
    ("REQUESTED_SERVER_NAME", Operator::ServerName),
    ("REQUEST_DURATION", Operator::RequestDuration),
    ("RESPONSE_CODE", Operator::Status),
    ("RESPONSE_CODE_DETAILS", Operator::Details),
    ("RESPONSE_DURATION", Operator::ResponseDuration),
    ("RESPONSE_FLAGS", Operator::Flags),
    ("ROUTE_NAME", Operator::RouteName),
    ("START_TIME", Operator::StartTime),
    ("UPSTREAM_CLUSTER", Operator::UpstreamCluster),
    ("UPSTREAM_HOST", Operator::UpstreamHost),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Operator::Attempts),
    (
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        Operator::UpstreamFailure,
    ),
    ("VIRTUAL_HOST_NAME", Operator::VirtualHost),
];

impl Operator {
    /// Reads what stands between two `%`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, found)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Ok(found.clone());
        }
        if let Some(value) = text.strip_prefix("DOWNSTREAM_").and_then(TlsValue::parse) {
            return Ok(Self::Tls(value));
        }
        if let Some(value) = text.strip_prefix("UPSTREAM_").and_then(TlsValue::parse) {
            return Ok(Self::UpstreamTls(value));
        }
        if let Some(rest) = text.strip_prefix("REQ(") {
            return Field::parse(rest).map(Self::Request).ok_or(unknown(text));
        }
        if let Some(rest) = text.strip_prefix("RESP(") {
            return Field::parse(rest).map(Self::Response).ok_or(unknown(text));
        }
        Err(unknown(text))
    }

    /// Writes the raw value to `out`: a tag, then what the tag says.
    pub(super) fn take(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        let record = facts.record;
        let some_millis = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
        match self {
            Self::Attempts => number(out, record.endpoint.map(|_| u64::from(record.retries) + 1)),
            Self::BytesReceived => number(out, Some(record.request_bytes)),
            Self::BytesSent => number(out, Some(record.response_bytes)),
            Self::ConnectionId => number(out, facts.connection_id.map(u64::from)),
            Self::Details => details(out, facts),
            Self::Failure => failure(out, facts.failure),
            Self::Duration => number(out, some_millis(Some(facts.duration))),
            Self::Flags => written(out, |to| {
                let mut before = "";
                for name in record.flags.names() {
                    let _ = write!(to, "{before}{name}");
                    before = ",";
                }
            }),
            Self::GrpcStatus(style) => grpc_status::take(record, *style, out),
            Self::Local { port } => address(out, facts.addresses.map(Addresses::local), *port),
            Self::LocalPort => {
                let local = facts.addresses.and_then(|both| both.local().inet());
                number(out, local.map(|at| at.port().into()));
            }
            Self::Peer { port } => address(out, facts.addresses.map(Addresses::peer), *port),
            Self::Protocol => text(
                out,
                facts
                    .request
                    .map_or(&b""[..], |h| h.version.name().as_bytes()),
            ),
            Self::Request(field) => text(out, field.of(facts.request)),
            Self::RequestDuration => number(out, some_millis(record.request_done.get())),
            Self::Response(field) => text(out, field.of(facts.response)),
            Self::ResponseDuration => number(out, some_millis(record.response_started.get())),
            Self::RouteName => {
                let route = record.route.map(|id| facts.epoch.route(facts.place, id));
                text(out, route.map_or(&b""[..], |route| route.name.as_bytes()));
            }
            Self::ServerName => text(out, facts.server_name.unwrap_or_default().as_bytes()),
            Self::StartTime => {
                let start = facts.wall.0.saturating_sub(facts.duration);
                moment(out, Some(start));
            }
            Self::Status => number(out, Some(record.status.into())),
            Self::Tls(value) => value.take(facts.tls, out),
            Self::UpstreamCluster => text(out, upstream_cluster(facts)),
            Self::UpstreamFailure => failure(out, facts.up_failure),
            Self::UpstreamHost => address(out, upstream_host(facts), true),
            Self::UpstreamTls(value) => value.take(facts.up_tls, out),
            Self::VirtualHost => text(out, virtual_host(facts)),
        }
    }
}

fn upstream_cluster<'a>(facts: &Facts<'a>) -> &'a [u8] {
    let cluster = facts.record.cluster;
    let name = cluster.map(|index| &facts.epoch.cluster(index as usize).name);
    name.map_or(&b""[..], |name| name.as_bytes())
}

/// Why a transport socket failed.
fn failure(out: &mut Vec<u8>, failure: Option<&TransportFailure>) {
    let reason = failure.map(TransportFailure::in_one_word);
    text(out, reason.unwrap_or_default().as_bytes());
}

/// Where TLS with the endpoint was not established or broke, they tell why.
fn details(out: &mut Vec<u8>, facts: &Facts<'_>) {
    let detail = facts.record.detail;
    match (facts.up_failure, detail.strip_suffix('}')) {
        (Some(failure), Some(open)) if is_of_connection(detail) => {
            let whole = format!("{open}|{}}}", failure.in_one_word());
            text(out, whole.as_bytes());
        }
        (_, _) => text(out, detail.as_bytes()),
    }
}

fn upstream_host<'a>(facts: &Facts<'a>) -> Option<Cow<'a, SockAddr>> {
    let record = facts.record;
    let cluster = facts.epoch.cluster(record.cluster? as usize);
    let endpoint = cluster.endpoints.get(record.endpoint? as usize)?;
    Some(Cow::Borrowed(&endpoint.address))
}

fn virtual_host<'a>(facts: &Facts<'a>) -> &'a [u8] {
    let host = facts.record.route.map(|id| {
        let hosts = facts.epoch.http(facts.place).routes.hosts();
        &hosts[id.host as usize]
    });
    host.map_or(&b""[..], |host| host.name.as_bytes())
}

fn unknown(text: &str) -> String {
    format!("`%{text}%` is unknown or not supported")
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        let (names, length) = text.rsplit_once(')')?;
        let length_max = match length.strip_prefix(':') {
            Some(length) => Some(length.parse().ok()?),
            None if length.is_empty() => None,
            None => return None,
        };
        let (name, other) = names
            .split_once('?')
            .map_or((names, None), |(a, b)| (a, Some(b)));
        if name.is_empty() || other == Some("") {
            return None;
        }
        let other = other.map(str::to_ascii_lowercase);
        Some(Self {
            name: name.to_ascii_lowercase(),
            other,
            length_max,
        })
    }

    fn of<'a>(&self, head: Option<&'a Head>) -> &'a [u8] {
        let Some(head) = head else { return b"" };
        let named = |name: &str| -> &'a [u8] {
            match name {
                ":method" => head.method(),
                ":path" => head.path(),
                ":authority" | "host" => head.authority(),
                ":scheme" => head.scheme(),
                name => head.fields.get(name.as_bytes()).unwrap_or_default(),
            }
        };
        let mut value = named(&self.name);
        if value.is_empty()
            && let Some(other) = &self.other
        {
            value = named(other);
        }
        &value[..value.len().min(self.length_max.unwrap_or(usize::MAX))]
    }
}

const NONE: u8 = 0;
const NUMBER: u8 = 1;
const TEXT: u8 = 2;
const TIME: u8 = 3;
const INET: u8 = 4;
const IP: u8 = 5;

pub(super) fn number(out: &mut Vec<u8>, value: Option<u64>) {
    match value {
        Some(value) => {
            out.push(NUMBER);
            out.extend_from_slice(&value.to_le_bytes());
        }
        None => out.push(NONE),
    }
}

/// Since the Unix epoch.
pub(super) fn moment(out: &mut Vec<u8>, at: Option<Duration>) {
    number(out, at.map(|at| at.as_millis() as u64));
    if at.is_some() {
        let tag = out.len() - 9;
        out[tag] = TIME;
    }
}

pub(super) fn text(out: &mut Vec<u8>, value: &[u8]) {
    written(out, |to| to.extend_from_slice(value));
}

/// A text that `write` appends; none if it appends nothing.
fn written(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[TEXT, 0, 0, 0, 0]);
    write(out);
    let len = out.len() - start - 5;
    if len == 0 {
        out.truncate(start);
        out.push(NONE);
    } else {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        out[start + 1..start + 5].copy_from_slice(&len.to_le_bytes());
    }
}

/// The common kind is copied; the writer makes a text of it.
fn address(out: &mut Vec<u8>, address: Option<Cow<'_, SockAddr>>, port: bool) {
    if let Some(SockAddr::Inet(SocketAddr::V4(at))) = address.as_deref() {
        out.push(if port { INET } else { IP });
        out.extend_from_slice(&at.ip().octets());
        if port {
            out.extend_from_slice(&at.port().to_le_bytes());
        }
        return;
    }
    written(out, |to| {
        let _ = match address.as_deref() {
            Some(SockAddr::Inet(at)) if !port => write!(to, "{}", at.ip()),
            Some(address) => write!(to, "{address}"),
            None => Ok(()),
        };
    });
}

/// A raw value, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Inet(SocketAddrV4),
    Ip(Ipv4Addr),
    Number(u64),
    Text(&'a [u8]),
    /// Milliseconds since 1970.
    Time(u64),
}

/// Takes one value off the front of `bytes`; `None`: the operator had none.
pub(super) fn read<'a>(bytes: &mut &'a [u8]) -> Option<Value<'a>> {
    let (tag, rest) = bytes.split_first()?;
    let (value, rest) = match *tag {
        NUMBER | TIME => {
            let (number, rest) = rest.split_first_chunk::<8>()?;
            let number = u64::from_le_bytes(*number);
            (
                if *tag == TIME {
                    Value::Time(number)
                } else {
                    Value::Number(number)
                },
                rest,
            )
        }
        TEXT => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            (Value::Text(text), rest)
        }
        INET | IP => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            let ip = Ipv4Addr::from_octets(*ip);
            if *tag == INET {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                let port = u16::from_le_bytes(*port);
                (Value::Inet(SocketAddrV4::new(ip, port)), rest)
            } else {
                (Value::Ip(ip), rest)
            }
        }
        _ => {
            *bytes = rest;
            return None;
        }
    };
    *bytes = rest;
    Some(value)
}
