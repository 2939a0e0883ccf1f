//! A workload in words.

use super::unit;
use crate::workload::{Arrivals, Protocol, Request, Sessions, Workload};
use std::time::Duration;

/// Requests that are told one by one, and characters of a path that are.
const REQUESTS: usize = 4;
const PATH: usize = 80;
const STEPS: usize = 8;

/// All that matters of a workload, as one line.
pub(super) fn workload(workload: &Workload) -> String {
    let mut parts = vec![
        arrivals(&workload.arrivals),
        connections(workload),
        span(workload),
    ];
    if let Some(requests) = workload.requests_per_connection {
        parts.push(format!(
            "a new connection after {}",
            count(requests, "request")
        ));
    }
    if workload.sessions == Sessions::Resumed {
        parts.push("sessions resumed".to_owned());
    }
    if let Some(rate) = workload.read_rate {
        parts.push(format!(
            "each connection reads {}/s",
            unit::bytes(rate as f64)
        ));
    }
    if workload.verify {
        parts.push("bodies verified".to_owned());
    }
    let told = workload.requests.iter().take(REQUESTS);
    let is_mix = workload.requests.len() > 1;
    let mut requests: Vec<String> = told
        .map(|one| request(one, workload.protocol, is_mix))
        .collect();
    if let Some(more @ 1..) = workload.requests.len().checked_sub(REQUESTS) {
        requests.push(format!("{more} more"));
    }
    format!("{}: {}", parts.join(", "), requests.join("; "))
}

/// A number with its noun: `1 thread`, `2 threads`.
pub(super) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", unit::count(count))
}

fn arrivals(arrivals: &Arrivals) -> String {
    match arrivals {
        Arrivals::Closed => "each answer starts the next request (closed)".to_owned(),
        Arrivals::Constant(rate) => format!("{} requests/s evenly", unit::number_short(*rate)),
        Arrivals::Poisson(rate) => {
            format!(
                "{} requests/s at random (Poisson)",
                unit::number_short(*rate)
            )
        }
        Arrivals::Ramp { from, to } => {
            let (from, to) = (unit::number_short(*from), unit::number_short(*to));
            format!("{from} to {to} requests/s in a ramp")
        }
        Arrivals::Steps(rates) => {
            let told = rates
                .iter()
                .take(STEPS)
                .map(|rate| unit::number_short(*rate));
            let mut told: Vec<String> = told.collect();
            if rates.len() > STEPS {
                told.push("…".to_owned());
            }
            format!("{} requests/s in steps", told.join(" → "))
        }
    }
}

fn connections(workload: &Workload) -> String {
    let protocol = workload.protocol.name();
    let connections = count(workload.connections.into(), "connection");
    let streams = match workload.streams {
        0 | 1 => String::new(),
        streams => format!(" with up to {streams} requests each"),
    };
    format!("{protocol} over {connections}{streams}")
}

fn span(workload: &Workload) -> String {
    let time = |time: Duration| unit::time_short(time.as_nanos() as f64);
    let mut out = match workload.count {
        Some(requests) => {
            format!(
                "{}, at most {}",
                count(requests, "request"),
                time(workload.duration)
            )
        }
        None => format!("for {}", time(workload.duration)),
    };
    if !workload.warm_up.is_zero() {
        out += &format!(" after {} of warm-up", time(workload.warm_up));
    }
    out
}

fn request(request: &Request, protocol: Protocol, is_mix: bool) -> String {
    let mut out = match protocol {
        Protocol::Echo => format!("messages of {}", unit::bytes(request.body as f64)),
        Protocol::Grpc => {
            let path = cut(&request.path);
            format!("calls of {path} with {}", unit::bytes(request.body as f64))
        }
        Protocol::Http1 | Protocol::Http2 => http(request),
    };
    if is_mix {
        out += &format!(" (weight {})", request.weight);
    }
    out
}

fn http(request: &Request) -> String {
    let mut out = format!("{} {}", request.method, cut(&request.path));
    if request.body > 0 {
        let how = if request.chunked { " in chunks" } else { "" };
        out += &format!(" with {}{how}", unit::bytes(request.body as f64));
    }
    out
}

fn cut(path: &str) -> String {
    let mut told: String = path.chars().take(PATH).collect();
    if told.len() < path.len() {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_workload_is_short() {
        assert_eq!(
            workload(&Workload::default()),
            "each answer starts the next request (closed), HTTP/1.1 over 64 connections, \
             for 10 s after 1 s of warm-up: GET /"
        );
    }

    #[test]
    fn all_that_is_set_is_told() {
        let request = |path: &str, weight| Request {
            method: "POST".into(),
            path: path.into(),
            weight,
            body: 2048,
            chunked: true,
            ..Request::default()
        };
        let all = Workload {
            arrivals: Arrivals::Ramp {
                from: 100.0,
                to: 5000.0,
            },
            connections: 1,
            streams: 8,
            requests_per_connection: Some(1),
            sessions: Sessions::Resumed,
            count: Some(1000),
            warm_up: Duration::ZERO,
            read_rate: Some(1024),
            verify: true,
            requests: vec![request("/a", 3), request(&"/".repeat(100), 1)],
            ..Workload::default()
        };
        let path = "/".repeat(80);
        assert_eq!(
            workload(&all),
            format!(
                "100 to 5,000 requests/s in a ramp, HTTP/1.1 over 1 connection with up to 8 requests \
                 each, 1,000 requests, at most 10 s, a new connection after 1 request, sessions \
                 resumed, each connection reads 1.00 KiB/s, bodies verified: POST /a with 2.00 KiB in chunks (weight 3); \
                 POST {path}… with 2.00 KiB in chunks (weight 1)"
            )
        );
    }

    #[test]
    fn a_long_list_ends() {
        let many = Workload {
            arrivals: Arrivals::Steps(vec![1000.0; 100]),
            requests: vec![Request::default(); 1000],
            ..Workload::default()
        };
        let told = workload(&many);
        assert!(told.len() < 400, "{told}");
        assert!(told.ends_with("; 996 more"), "{told}");
        let echo = Workload {
            protocol: Protocol::Echo,
            requests: vec![],
            ..Workload::default()
        };
        assert!(workload(&echo).contains("echo over 64 connections"));
    }
}
