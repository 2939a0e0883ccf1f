//! What proxies are compared under: read from YAML, or one of those that are built in.

use crate::workload::{Protocol, Workload};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Duration};

/// One comparison.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// By which it is asked for: lower-case letters, digits and dashes.
    pub name: String,
    /// What it is, in a few words.
    pub title: String,
    /// Which of a proxy's listeners gets the load.
    pub listener: Listener,
    /// Which figure it is about.
    pub kind: Kind,
    /// How often each proxy is measured, 1 to 100.
    #[serde(default = "rounds")]
    pub rounds: u32,
    /// Of `latency`: the rate, as a share of what the best proxy reached; above 0, at most 1.
    #[serde(default = "share")]
    pub share: f64,
    /// The load.
    pub workload: Workload,
}

/// A listener that every proxy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listener {
    /// HTTP/2 with calls of gRPC, to the HTTP endpoint over HTTP/2.
    Grpc,
    /// HTTP/2 by prior knowledge, to the HTTP endpoint over HTTP/1.1.
    H2c,
    /// The same, to the HTTP endpoint over HTTP/2.
    H2cH2c,
    /// HTTP/1.1, to the HTTP endpoint.
    Http,
    /// TCP, to the HTTP endpoint for workloads of HTTP, else to the echo endpoint.
    Tcp,
    /// HTTP/1.1 or HTTP/2 over TLS, by ALPN, to the HTTP endpoint over HTTP/1.1; an ECDSA certificate, and no
    /// tickets.
    Tls,
    /// The same with an RSA certificate.
    TlsRsa,
    /// The same over RFC 8998: SM2, SM3 and SM4.
    TlsSm,
    /// The same as `tls`, with tickets.
    TlsTickets,
    /// The same as `tls`, to the HTTP endpoint over TLS.
    TlsTls,
}

/// What a proxy's configuration has only where a load needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Listeners whose clients speak HTTP/2.
    Http2,
    /// Listeners whose clients speak TLS.
    Tls,
    /// The one whose clients speak RFC 8998.
    Sm,
}

impl Listener {
    /// The part of a configuration that it stands in, if it is not in every one.
    pub fn part(self) -> Option<Part> {
        match self {
            Self::Grpc | Self::H2c | Self::H2cH2c => Some(Part::Http2),
            Self::Tls | Self::TlsRsa | Self::TlsTickets | Self::TlsTls => Some(Part::Tls),
            Self::TlsSm => Some(Part::Sm),
            Self::Http | Self::Tcp => None,
        }
    }
}

/// What is compared first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// CPU time a GB.
    Bulk,
    /// CPU time a connection, and connections a second.
    Connections,
    /// The same with a handshake of TLS on each.
    Handshakes,
    /// Latency at a rate below the limit; the limit is found first.
    Latency,
    /// Memory that the workload's connections add.
    Memory,
    /// Memory that connections hold whose readers are slower than what comes, and CPU time a GB.
    Readers,
    /// CPU time a request, and requests a second at the limit.
    Requests,
}

const fn rounds() -> u32 {
    3
}

const fn share() -> f64 {
    0.7
}

/// Most rounds of a scenario.
const ROUNDS_MAX: u32 = 100;

/// What the command line says instead of the scenarios.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Of every scenario.
    pub rounds: Option<u32>,
    /// Measured time of a round.
    pub duration: Option<Duration>,
    /// Time before it.
    pub warm_up: Option<Duration>,
    /// Requests of a round.
    pub count: Option<u64>,
}

const BUILT_IN: [&str; 30] = [
    include_str!("../../scenarios/h1-small.yaml"),
    include_str!("../../scenarios/h1-small-4.yaml"),
    include_str!("../../scenarios/h1-small-256.yaml"),
    include_str!("../../scenarios/h1-small-512.yaml"),
    include_str!("../../scenarios/h1-16k.yaml"),
    include_str!("../../scenarios/h1-64k.yaml"),
    include_str!("../../scenarios/h1-1m.yaml"),
    include_str!("../../scenarios/h1-mixed.yaml"),
    include_str!("../../scenarios/h1-upload.yaml"),
    include_str!("../../scenarios/h1-close.yaml"),
    include_str!("../../scenarios/h1-endless.yaml"),
    include_str!("../../scenarios/h2c-small.yaml"),
    include_str!("../../scenarios/h2c-64k.yaml"),
    include_str!("../../scenarios/h2c-h2c.yaml"),
    include_str!("../../scenarios/grpc-unary.yaml"),
    include_str!("../../scenarios/tls-small.yaml"),
    include_str!("../../scenarios/tls-64k.yaml"),
    include_str!("../../scenarios/tls-bulk.yaml"),
    include_str!("../../scenarios/sm-bulk.yaml"),
    include_str!("../../scenarios/tls-tls.yaml"),
    include_str!("../../scenarios/h2-small.yaml"),
    include_str!("../../scenarios/tls-handshake.yaml"),
    include_str!("../../scenarios/tls-handshake-rsa.yaml"),
    include_str!("../../scenarios/tls-resumed.yaml"),
    include_str!("../../scenarios/tcp-small.yaml"),
    include_str!("../../scenarios/tcp-bulk.yaml"),
    include_str!("../../scenarios/tcp-connections.yaml"),
    include_str!("../../scenarios/latency.yaml"),
    include_str!("../../scenarios/idle-10k.yaml"),
    include_str!("../../scenarios/slow-readers.yaml"),
];

/// The scenarios that are built in, in the order in which they are reported.
///
/// # Errors
/// One of them is wrong, which a test rules out.
pub fn built_in() -> Result<Vec<Scenario>, String> {
    let all = BUILT_IN.iter().map(|text| Scenario::parse(text));
    all.collect()
}

impl Scenario {
    /// A scenario by its built-in name, or from a file.
    ///
    /// # Errors
    /// There is neither, or the file is wrong, with line and column.
    pub fn find(name: &str) -> Result<Self, String> {
        if let Some(found) = built_in()?.into_iter().find(|known| known.name == name) {
            return Ok(found);
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(format!(
                "`{name}` is neither a scenario (see --list) nor a file"
            ));
        }
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// What is wrong, with line and column where it has one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        scenario.check().map(|()| scenario)
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            name,
            rounds,
            share,
            ..
        } = self;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!(
                "name `{name}`: lower-case letters, digits and dashes only"
            ));
        }
        if !(1..=ROUNDS_MAX).contains(rounds) {
            return Err(format!(
                "{name}: rounds: {rounds} is not within 1 to {ROUNDS_MAX}"
            ));
        }
        let is_secure = matches!(self.listener.part(), Some(Part::Tls | Part::Sm));
        if is_secure && self.workload.protocol == Protocol::Echo {
            return Err(format!("{name}: protocol: HTTP alone is spoken over TLS"));
        }
        if self.kind == Kind::Handshakes && !is_secure {
            return Err(format!(
                "{name}: kind: a listener without TLS has no handshakes"
            ));
        }
        if !(*share > 0.0 && *share <= 1.0) {
            return Err(format!(
                "{name}: share: {share} is not above 0 and at most 1"
            ));
        }
        Ok(())
    }

    /// Takes over what the command line says.
    pub fn override_with(&mut self, overrides: &Overrides) {
        self.rounds = overrides.rounds.unwrap_or(self.rounds);
        let workload = &mut self.workload;
        workload.duration = overrides.duration.unwrap_or(workload.duration);
        workload.warm_up = overrides.warm_up.unwrap_or(workload.warm_up);
        workload.count = overrides.count.or(workload.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_right_and_have_names_of_their_own() {
        let mut names: Vec<String> = Vec::new();
        for scenario in built_in().unwrap() {
            assert!(!names.contains(&scenario.name), "{}", scenario.name);
            assert!(scenario.title.len() <= 60, "{}", scenario.title);
            assert_eq!(Scenario::find(&scenario.name), Ok(scenario.clone()));
            names.push(scenario.name);
        }
        assert_eq!(names.len(), BUILT_IN.len());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let text = "name: a\ntitle: b\nlistener: http\nkind: requests\nworkload: {}\n";
        assert!(Scenario::parse(text).is_ok());
        for (from, to, told) in [
            ("title: b", "titel: b", "line 2 column 1"),
            ("http", "udp", "line 3 column 11"),
            ("{}", "{connections: many}", "line 5 column 25"),
            ("{}", "{conections: 3}", "line 5 column 12"),
            ("kind: requests", "kind: requests\nrounds: 0", "rounds: 0"),
            ("kind: requests", "kind: requests\nshare: 1.5", "share: 1.5"),
            ("name: a", "name: A b", "`A b`"),
            ("kind: requests", "kind: handshakes", "no handshakes"),
            (
                "http\nkind: requests\nworkload: {}",
                "tls\nkind: requests\nworkload: {protocol: echo}",
                "HTTP alone",
            ),
        ] {
            let error = Scenario::parse(&text.replace(from, to)).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn the_command_line_comes_before_the_scenario() {
        let mut scenario = Scenario::find("h1-small").unwrap();
        let before = scenario.clone();
        scenario.override_with(&Overrides::default());
        assert_eq!(scenario, before);
        scenario.override_with(&Overrides {
            rounds: Some(9),
            count: Some(5),
            ..Overrides::default()
        });
        assert_eq!((scenario.rounds, scenario.workload.count), (9, Some(5)));
        assert_eq!(scenario.workload.duration, before.workload.duration);
    }

    #[test]
    fn slow_readers_get_more_than_any_socket_holds() {
        let Workload {
            read_rate,
            warm_up,
            duration,
            requests,
            ..
        } = Scenario::find("slow-readers").unwrap().workload;
        let read = read_rate.unwrap() * (warm_up + duration).as_secs();
        // Twice the kernel's default limits of send and receive buffers, and what is read meanwhile.
        let held = 2 * (4 + 6) * 1024 * 1024;
        let bytes: Vec<&str> = requests
            .iter()
            .filter_map(|r| r.path.strip_prefix("/bytes/"))
            .collect();
        assert!(
            bytes
                .iter()
                .all(|n| n.parse::<u64>().unwrap() > held + read)
        );
        assert_eq!(bytes.len(), requests.len());
    }
}
