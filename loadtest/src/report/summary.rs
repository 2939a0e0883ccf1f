//! What was run, where and on what: the part of a report that is not measured.

use super::words;
use crate::{
    run::{Means, Target},
    workload::{Arrivals, Workload},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What was run.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Summary {
    /// Version of this program.
    pub version: String,
    /// Address and name of the target.
    pub target: String,
    /// The workload in words.
    pub workload: String,
    /// Engine, threads, CPUs and seed.
    pub engine: String,
    /// The machine that made the load.
    pub machine: Machine,
    /// Requests start when they are due, not when others end.
    pub is_open: bool,
    /// Requests a second that were to be started, on average; none: that cannot be said beforehand.
    pub asked_per_second: Option<f64>,
    /// When the run began, in seconds since 1970 (UTC), if whoever made the summary tells.
    pub begun_unix_s: Option<u64>,
}

impl Summary {
    /// Of what a run was made from; [`Self::begun_unix_s`] is left open.
    pub fn new(target: &Target, workload: &Workload, means: &Means, machine: Machine) -> Self {
        let address = target.address.to_string();
        let over = if target.tls.is_some() {
            " over TLS"
        } else {
            ""
        };
        let target = match target.authority.as_str() {
            "" => address,
            authority if authority == address => address,
            authority => format!("{address} as {authority}"),
        };
        let target = target + over;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            target,
            workload: words::workload(workload),
            engine: engine(means),
            machine,
            is_open: workload.arrivals.is_open(),
            asked_per_second: asked(workload),
            begun_unix_s: None,
        }
    }

    /// What a report says of the run before any figure, as name and text.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("target", self.target.clone()),
            ("workload", self.workload.clone()),
            ("engine", self.engine.clone()),
            ("machine", self.machine.words()),
        ];
        if let Some(begun) = self.begun_unix_s {
            facts.push(("begun", utc(begun)));
        }
        facts
    }
}

fn engine(means: &Means) -> String {
    let mut out = format!(
        "{}, {}",
        means.engine,
        words::count(means.threads as u64, "thread")
    );
    if !means.cpus.is_empty() {
        let cpus: Vec<String> = means.cpus.iter().map(usize::to_string).collect();
        let _ = write!(out, " on CPU {}", cpus.join(", "));
    }
    let _ = write!(out, ", seed {}", means.seed);
    out
}

/// The mean rate. With a count it says nothing of the run: its time ends with the last answer.
fn asked(workload: &Workload) -> Option<f64> {
    let rate = match &workload.arrivals {
        _ if workload.count.is_some() => return None,
        Arrivals::Closed => return None,
        Arrivals::Constant(rate) | Arrivals::Poisson(rate) => *rate,
        Arrivals::Ramp { from, to } => (from + to) / 2.0,
        Arrivals::Steps(rates) => rates.iter().sum::<f64>() / rates.len().max(1) as f64,
    };
    rate.is_finite().then_some(rate)
}

/// The machine that made the load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Machine {
    /// Release of the kernel; empty: unknown.
    pub kernel: String,
    /// Model of its CPUs; empty: unknown.
    pub cpu_model: String,
    /// CPUs that are online; 0: unknown.
    pub cpus: u32,
}

impl Machine {
    /// This machine; what cannot be read is unknown.
    pub fn read() -> Self {
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&file("/proc/sys/kernel/osrelease"), &file("/proc/cpuinfo"))
    }

    /// From the contents of `/proc/sys/kernel/osrelease` and `/proc/cpuinfo`.
    pub fn of(osrelease: &str, cpuinfo: &str) -> Self {
        let fields = || cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let find = |wanted: &str| {
            let mut values = fields().filter(|(name, _)| name.trim() == wanted);
            values.next().map(|(_, value)| value.trim().to_owned())
        };
        // Not every architecture names a model; some tell the whole machine's, some only numbers.
        let names = [
            "model name",
            "cpu model",
            "cpu",
            "uarch",
            "Model",
            "Hardware",
        ];
        let part = || Some(format!("CPU part {}", find("CPU part")?));
        let processors = fields().filter(|(name, _)| name.trim() == "processor");
        Self {
            kernel: osrelease.trim().to_owned(),
            cpu_model: names
                .iter()
                .find_map(|name| find(name))
                .or_else(part)
                .unwrap_or_default(),
            cpus: processors.count().try_into().unwrap_or(u32::MAX),
        }
    }

    pub(super) fn words(&self) -> String {
        let known = |text: &str| if text.is_empty() { "unknown" } else { text }.to_owned();
        let cpus = match self.cpus {
            0 => "CPUs unknown".to_owned(),
            cpus => words::count(cpus.into(), "CPU"),
        };
        let (kernel, model) = (known(&self.kernel), known(&self.cpu_model));
        format!("Linux {kernel}, {model}, {cpus}")
    }
}

/// Seconds since 1970 as date and time: `2026-02-28 23:59:59 UTC`.
fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    // Years begin in March, so that a leap day is the last of its year; 146,097 days are 400 years.
    let day = days.saturating_add(719_468);
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engines::{EngineKind, SockAddr};

    fn summary(authority: &str, arrivals: Arrivals, cpus: Vec<usize>) -> Summary {
        let target = Target {
            address: SockAddr::Inet(([127, 0, 0, 1], 80).into()),
            authority: authority.into(),
            tls: None,
        };
        let workload = Workload {
            arrivals,
            ..Workload::default()
        };
        let means = Means {
            engine: EngineKind::Uring,
            threads: 2,
            cpus,
            seed: 7,
        };
        Summary::new(&target, &workload, &means, Machine::default())
    }

    #[test]
    fn it_says_where_to_and_with_what() {
        for (authority, target) in [
            ("", "127.0.0.1:80"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("example.org", "127.0.0.1:80 as example.org"),
        ] {
            assert_eq!(summary(authority, Arrivals::Closed, vec![]).target, target);
        }
        let engine = |cpus| summary("", Arrivals::Closed, cpus).engine;
        assert_eq!(engine(vec![]), "uring, 2 threads, seed 7");
        assert_eq!(engine(vec![0, 3]), "uring, 2 threads on CPU 0, 3, seed 7");
    }

    #[test]
    fn the_asked_rate_is_the_mean() {
        for (arrivals, asked) in [
            (Arrivals::Closed, None),
            (Arrivals::Constant(100.0), Some(100.0)),
            (Arrivals::Poisson(5.0), Some(5.0)),
            (
                Arrivals::Ramp {
                    from: 0.0,
                    to: 100.0,
                },
                Some(50.0),
            ),
            (Arrivals::Steps(vec![1.0, 2.0, 6.0]), Some(3.0)),
            (Arrivals::Steps(vec![]), Some(0.0)),
            (Arrivals::Constant(f64::NAN), None),
        ] {
            let summary = summary("", arrivals.clone(), vec![]);
            assert_eq!(summary.asked_per_second, asked, "{arrivals:?}");
            assert_eq!(summary.is_open, arrivals != Arrivals::Closed);
        }
        let counted = Workload {
            arrivals: Arrivals::Constant(100.0),
            count: Some(10),
            ..Workload::default()
        };
        assert_eq!(asked(&counted), None);
    }

    #[test]
    fn a_machine_is_read_from_what_the_kernel_tells() {
        let x86 = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: Fast CPU @ 3 GHz\n";
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        for (osrelease, cpuinfo, words) in [
            (
                "6.8.0-45\n",
                x86,
                "Linux 6.8.0-45, Fast CPU @ 3 GHz, 2 CPUs",
            ),
            ("6.1", arm, "Linux 6.1, CPU part 0xd0c, 1 CPU"),
            ("", "", "Linux unknown, unknown, CPUs unknown"),
            ("6.1", "garbage\n:\n::", "Linux 6.1, unknown, CPUs unknown"),
        ] {
            assert_eq!(Machine::of(osrelease, cpuinfo).words(), words);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, date) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(unix_s), date);
        }
        assert!(utc(u64::MAX).ends_with(" UTC"));
    }
}
