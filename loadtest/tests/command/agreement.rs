//! What other tools measure on the same target is what we measure, as far as two tools can agree.

use crate::{
    process::{count, measured},
    server::{Habit, OK, Server},
};
use std::process::Command;

/// How far two figures may be apart on a machine that does other things too.
const FACTOR: f64 = 4.0;

/// What a tool says of a second of closed load on four connections: requests, and a time in ns.
type Said = (f64, f64);

fn ours(url: &str, quantile: &str) -> Said {
    let json = measured(&["run", url, "-c", "4", "-d", "1s", "--warm-up", "0s"]);
    let time = json["service_ns"][quantile].as_f64().unwrap();
    (count(&json, "completed") as f64, time)
}

/// The output of a tool; none, with a word, if it is not there.
fn output(program: &str, args: &[&str]) -> Option<String> {
    match Command::new(program).args(args).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) => {
            eprintln!("{program} is skipped: {error}");
            None
        }
    }
}

fn wrk(url: &str) -> Option<Said> {
    let text = output("wrk", &["-t1", "-c4", "-d1s", "--latency", url])?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let behind = |word: &str| words[words.iter().position(|at| *at == word).unwrap() + 1];
    let requests = words[words.iter().position(|at| *at == "requests").unwrap() - 1];
    Some((requests.parse().unwrap(), ns(behind("50%"))))
}

fn h2load(url: &str) -> Option<Said> {
    let text = output("h2load", &["--h1", "-t1", "-c4", "-D1", url])?;
    let line = |begin: &str| {
        let mut lines = text.lines().map(str::trim_start);
        lines.find_map(|line| line.strip_prefix(begin)).unwrap()
    };
    let requests = line("requests:").split_whitespace().next().unwrap();
    let mean = line("time for request:").split_whitespace().nth(2).unwrap();
    Some((requests.parse().unwrap(), ns(mean)))
}

/// `1.50ms` in ns.
fn ns(time: &str) -> f64 {
    let number = time.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &time[number.len()..] {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        unit => panic!("{unit} in {time}"),
    };
    number.parse::<f64>().unwrap() * unit
}

/// Of a few rounds each tool's best: what else the machine did is in the others.
fn agree(theirs: fn(&str) -> Option<Said>, quantile: &str) {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}/", server.address);
    let best = |a: Said, b: Said| (a.0.max(b.0), a.1.min(b.1));
    let (mut their, mut our) = ((0.0, f64::MAX), (0.0, f64::MAX));
    for _ in 0..2 {
        let Some(said) = theirs(&url) else {
            return;
        };
        their = best(their, said);
        our = best(our, ours(&url, quantile));
    }
    for (ours, theirs) in [(our.0, their.0), (our.1, their.1)] {
        let ratio = ours / theirs;
        assert!(
            (1.0 / FACTOR..FACTOR).contains(&ratio),
            "{our:?} for {their:?}"
        );
    }
}

#[test]
fn wrk_measures_the_same() {
    agree(wrk, "p50");
}

#[test]
fn h2load_measures_the_same() {
    agree(h2load, "mean");
}
