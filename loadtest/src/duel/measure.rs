//! One round: a proxy is started, loaded, its counters are read, and it is ended.

use super::{
    certificates::{self, Certificates, GROUP, SM_GROUP, SM_SUITE, SUITE},
    counters,
    dir::Dir,
    endpoint::Endpoint,
    figure::Figure,
    limit::Limit,
    peer::{Peer, Ports, Site},
    process::{Pinned, free_ports},
    report::Round,
    scenario::{Kind, Part, Scenario},
};
use crate::{
    outcome::{Outcome, Tally},
    run::{self, Means, Stop, Target, Watch},
    workload::{Protocol, Request, Workload},
};
use engines::{EngineKind, SockAddr};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// Connections and requests that a proxy has had before its memory is looked at.
const USED_CONNECTIONS: u32 = 64;
const USED_REQUESTS: u64 = 2000;

/// What all rounds have in common.
pub(super) struct Bench<'a> {
    pub(super) proxy_cpu: usize,
    /// The generator's CPUs, in turn; the endpoint runs on the last.
    pub(super) load_cpus: Vec<usize>,
    pub(super) engine: EngineKind,
    pub(super) seed: u64,
    pub(super) endpoint: Endpoint,
    pub(super) certificates: Certificates,
    pub(super) dir: Dir,
    pub(super) stop: &'a Stop,
}

impl Bench<'_> {
    /// Measures one proxy once.
    ///
    /// # Errors
    /// The proxy does not start, or the load cannot be made.
    pub(super) fn round(
        &self,
        scenario: &Scenario,
        peer: &Peer,
        seed: u64,
    ) -> Result<Round, String> {
        let dir = self.dir.sub(&peer.label)?;
        let workload = &scenario.workload;
        let ports = Ports {
            listeners: free_ports()?,
            endpoints: self.endpoints(scenario),
        };
        let part = scenario.listener.part();
        let site = Site {
            ports,
            connections: workload.connections,
            parts: part.as_slice(),
            certificates: &self.certificates,
        };
        let argv = peer.prepare(&dir, &site)?;
        let proxy = Pinned::spawn(&argv, self.proxy_cpu, &dir)?;
        let port = ports.of(scenario.listener);
        proxy.await_port(port, self.stop)?;
        let target = target(port, part)?;
        let means = self.means(seed);
        let before = match scenario.kind {
            Kind::Memory | Kind::Readers => {
                Some(self.used_memory(&target, workload, &means, proxy.pid())?)
            }
            Kind::Bulk | Kind::Connections | Kind::Handshakes | Kind::Latency | Kind::Requests => {
                None
            }
        };
        let mut marks = Marks {
            pids: [proxy.pid(), self.endpoint.process.pid()],
            begin: None,
            end: None,
        };
        let run = run::run(&target, workload, &means, self.stop, &mut marks);
        let outcome = run.map_err(|error| match proxy.last_words() {
            said if said.is_empty() => error.to_string(),
            said => format!("{error}; it said: {said}"),
        })?;
        if proxy.has_ended() {
            return Err(format!("ended under the load: {}", proxy.last_words()));
        }
        if self.endpoint.process.has_ended() {
            return Err("the endpoint ended under the load".to_owned());
        }
        let (Some(begin), Some(end)) = (marks.begin, marks.end) else {
            return Err(super::process::STOPPED.to_owned());
        };
        Ok(self.figures(scenario, &outcome, [begin, end], before))
    }

    fn endpoints(&self, scenario: &Scenario) -> [u16; 3] {
        let tcp = match scenario.workload.protocol {
            Protocol::Grpc | Protocol::Http1 | Protocol::Http2 => self.endpoint.http,
            Protocol::Echo => self.endpoint.echo,
        };
        [self.endpoint.http, tcp, self.endpoint.https]
    }

    fn means(&self, seed: u64) -> Means {
        let cpus = super::generator_cpus(&self.load_cpus);
        Means {
            engine: self.engine,
            threads: cpus.len(),
            cpus: cpus.to_vec(),
            seed: self.seed ^ seed,
        }
    }

    /// Memory of a proxy that has had a little traffic, so that what it keeps from its first requests on
    /// is no connection's.
    fn used_memory(
        &self,
        target: &Target,
        workload: &Workload,
        means: &Means,
        pid: i32,
    ) -> Result<f64, String> {
        let little = little(workload.protocol);
        let run = run::run(target, &little, means, self.stop, &mut Unwatched);
        run.map_err(|error| error.to_string())?;
        Ok(counters::pss_bytes(pid) as f64)
    }

    fn figures(
        &self,
        scenario: &Scenario,
        outcome: &Outcome,
        [begin, end]: [Mark; 2],
        before: Option<f64>,
    ) -> Round {
        let wall = end.at.saturating_duration_since(begin.at).as_secs_f64();
        let measured = outcome.measured.as_secs_f64();
        let answers = (end.tally.completed - begin.tally.completed) as f64;
        let gb = (end.tally.received_bytes - begin.tally.received_bytes) as f64 / 1e9;
        let cpu = end.cpu[0] - begin.cpu[0];
        let percentile = |p| outcome.latency.value_at_quantile(p) as f64 / 1e6;
        let handshake = |p| {
            let all = outcome.handshakes.as_ref();
            all.map_or(f64::NAN, |all| all.time.value_at_quantile(p) as f64 / 1e6)
        };
        let busy = |seconds: f64| 100.0 * seconds / wall;
        let (generator, endpoint) = (
            100.0 * outcome.generator.busy,
            busy(end.cpu[1] - begin.cpu[1]),
        );
        let load = match self.load_cpus.len() {
            1 => generator + endpoint,
            _ => generator.max(endpoint),
        };
        let failed = outcome.tally.failed as f64;
        let connections = f64::from(scenario.workload.connections);
        let value = |figure| match figure {
            Figure::CpuPerRequest | Figure::CpuPerConnection => cpu * 1e6 / answers,
            Figure::CpuPerGb => cpu / gb,
            Figure::RequestsPerSecond | Figure::ConnectionsPerSecond => {
                outcome.tally.completed as f64 / measured
            }
            Figure::GbPerSecond => gb / wall,
            Figure::P50 => percentile(0.5),
            Figure::P99 => percentile(0.99),
            Figure::P999 => percentile(0.999),
            Figure::HandshakeP50 => handshake(0.5),
            Figure::HandshakeP99 => handshake(0.99),
            Figure::Resumed => resumed_percent(outcome),
            Figure::BytesPerConnection => (end.pss - before.unwrap_or(end.pss)) / connections,
            Figure::ProxyBusy => busy(cpu),
            Figure::LoadBusy => load,
            Figure::Failed => 100.0 * failed / outcome.tally.started.max(1) as f64,
        };
        let all = scenario
            .figures()
            .iter()
            .map(|figure| (*figure, value(*figure)));
        let figures: BTreeMap<Figure, f64> = all.filter(|(_, value)| value.is_finite()).collect();
        Round {
            figures,
            errors: outcome.errors.clone(),
            limit: Limit::of(&scenario.workload, busy(cpu), load),
            answers: end.tally.completed - begin.tally.completed,
            is_cut: outcome.is_cut,
        }
    }
}

/// Not a number where there was no handshake.
fn resumed_percent(outcome: &Outcome) -> f64 {
    let all = outcome.handshakes.as_ref();
    all.map_or(f64::NAN, |all| {
        100.0 * all.resumed as f64 / all.count() as f64
    })
}

/// The same of every scenario: what it asks for itself may have no end.
fn little(protocol: Protocol) -> Workload {
    let request = match protocol {
        Protocol::Grpc | Protocol::Http1 | Protocol::Http2 => Request {
            path: "/bytes/100".to_owned(),
            ..Request::default()
        },
        Protocol::Echo => Request {
            body: 100,
            ..Request::default()
        },
    };
    Workload {
        protocol,
        connections: USED_CONNECTIONS,
        count: Some(USED_REQUESTS),
        warm_up: Duration::ZERO,
        requests: vec![request],
        ..Workload::default()
    }
}

fn target(port: u16, part: Option<Part>) -> Result<Target, String> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let tls = match part {
        Some(Part::Tls) => Some(certificates::tls(SUITE, GROUP)?),
        Some(Part::Sm) => Some(certificates::tls(SM_SUITE, SM_GROUP)?),
        Some(Part::Http2) | None => None,
    };
    Ok(Target {
        address: SockAddr::from(at),
        authority: at.to_string(),
        tls,
    })
}

/// What was counted at a moment.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    tally: Tally,
    /// CPU seconds of the proxy and of the endpoint.
    cpu: [f64; 2],
    /// The proxy's memory, in bytes.
    pss: f64,
}

/// Reads the counters when the measured part begins and ends.
struct Marks {
    pids: [i32; 2],
    begin: Option<Mark>,
    end: Option<Mark>,
}

impl Marks {
    fn read(&self, tally: &Tally) -> Mark {
        let cpu = self.pids.map(counters::cpu_seconds);
        Mark {
            at: now(),
            tally: *tally,
            cpu,
            pss: 0.0,
        }
    }
}

impl Watch for Marks {
    fn begin(&mut self, so_far: &Tally) {
        self.begin = Some(self.read(so_far));
    }

    fn end(&mut self, so_far: &Tally) {
        let mut mark = self.read(so_far);
        mark.pss = counters::pss_bytes(self.pids[0]) as f64;
        self.end = Some(mark);
    }
}

/// Nobody looks.
struct Unwatched;

impl Watch for Unwatched {}

/// What is measured is another process: no engine knows how long that took.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_is_warmed_with_can_be_made_and_ends() {
        for protocol in [
            Protocol::Http1,
            Protocol::Http2,
            Protocol::Grpc,
            Protocol::Echo,
        ] {
            let little = little(protocol);
            assert_eq!(little.check(1), Ok(()));
            assert_eq!(little.count, Some(USED_REQUESTS));
            assert!(little.read_rate.is_none());
        }
    }
}
