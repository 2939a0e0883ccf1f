//! What the proxies lead to: `loadtest serve` as a child.

use super::certificates::{GROUP, SUITE};
use super::process::{LOOK, Pinned, STOPPED, rest};
use crate::run::Stop;
use std::{path::Path, time::Duration};

/// How long it may take to listen.
const START_TIME: Duration = Duration::from_secs(10);

/// The endpoint of all proxies.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) process: Pinned,
    /// Its HTTP and its echo listener.
    pub(super) http: u16,
    pub(super) echo: u16,
    /// The same as the first, over TLS.
    pub(super) https: u16,
}

impl Endpoint {
    /// Starts it on one CPU.
    ///
    /// # Errors
    /// It does not start; with what it said.
    pub(super) fn start(cpu: usize, dir: &Path, stop: &Stop) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| format!("our own file: {error}"))?;
        let mut argv = vec![own.display().to_string()];
        let rest_of = format!(
            "serve --threads 1 --http 127.0.0.1:0 --echo 127.0.0.1:0 --https 127.0.0.1:0 \
             --tls-version 1.3 --tls-suite {SUITE} --tls-group {GROUP}"
        );
        argv.extend(rest_of.split(' ').map(str::to_owned));
        let process = Pinned::spawn(&argv, cpu, dir)?;
        for _ in 0..START_TIME.as_millis() / LOOK.as_millis() {
            let said = process.last_words();
            let found = ["http", "echo", "https"].map(|name| port(&said, name));
            if let [Some(http), Some(echo), Some(https)] = found {
                return Ok(Self {
                    process,
                    http,
                    echo,
                    https,
                });
            }
            if rest(stop) {
                return Err(STOPPED.to_owned());
            }
        }
        Err(format!(
            "the endpoint does not listen: {}",
            process.last_words()
        ))
    }
}

/// The port of `listening NAME ADDRESS`, once the line is complete.
fn port(said: &str, name: &str) -> Option<u16> {
    let begin = format!("listening {name} ");
    let mut found = said.lines().filter_map(|line| line.strip_prefix(&begin));
    found.next()?.rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_by_name() {
        let said = "listening http 127.0.0.1:81\nlistening echo [::1]:82\n";
        assert_eq!(
            (port(said, "http"), port(said, "echo")),
            (Some(81), Some(82))
        );
        assert_eq!(
            (port(said, "sink"), port("listening http 1", "http")),
            (None, None)
        );
    }
}
