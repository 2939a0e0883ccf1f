//! The live line: what happened in the last second, rewritten in place on a terminal.

use crate::{outcome::Tally, run::Watch};
use std::io::{IsTerminal, Write, stderr};

/// Shows a run on stderr.
#[derive(Debug, Default)]
pub(super) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
    before: Tally,
    seconds: u64,
    is_warm: bool,
}

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self {
            is_quiet,
            is_terminal: stderr().is_terminal(),
            ..Self::default()
        }
    }

    fn show(&mut self, tally: &Tally) {
        let line = line(&self.before, tally);
        let phase = if self.is_warm { "" } else { " (warm-up)" };
        self.before = *tally;
        let seconds = self.seconds;
        // A line that cannot be shown is no reason to stop measuring.
        let _ = match self.is_terminal {
            true => write!(stderr(), "\r\x1b[K{seconds:>4} s  {line}{phase}"),
            false => writeln!(stderr(), "{seconds:>4} s  {line}{phase}"),
        };
    }
}

impl Watch for Progress {
    fn begin(&mut self, so_far: &Tally) {
        self.is_warm = true;
        self.seconds = 0;
        self.before = *so_far;
    }

    fn tick(&mut self, so_far: &Tally) {
        self.seconds += 1;
        if !self.is_quiet {
            self.show(so_far);
        }
    }

    fn end(&mut self, _so_far: &Tally) {
        if !self.is_quiet && self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn line(before: &Tally, now: &Tally) -> String {
    let under_way = now
        .started
        .saturating_sub(now.completed + now.failed + now.unfinished);
    let megabytes = (now.received_bytes - before.received_bytes) as f64 / 1e6;
    let mut line = format!(
        "{} started, {} answered, {under_way} under way, {megabytes:.1} MB/s",
        now.started - before.started,
        now.completed - before.completed,
    );
    let failed = now.failed - before.failed;
    if failed > 0 {
        line += &format!(", {failed} failed");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_new() {
        let before = Tally {
            started: 10,
            completed: 9,
            received_bytes: 1_000_000,
            ..Tally::default()
        };
        let now = Tally {
            started: 30,
            completed: 20,
            failed: 2,
            received_bytes: 2_500_000,
            ..Tally::default()
        };
        let want = "20 started, 11 answered, 8 under way, 1.5 MB/s, 2 failed";
        assert_eq!(line(&before, &now), want);
    }
}
