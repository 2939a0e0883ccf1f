//! What other tools count on the same target is what it served, as is what we count. How long they say
//! that it took is printed beside ours: two tools on a machine that does other things too differ.

use crate::{
    process::{count, measured},
    server::{Habit, OK, Server, endpoint},
};
use std::process::Command;

const CONNECTIONS: u64 = 4;
const REQUESTS: &str = "2000";

/// Answers that a tool counted, and a time in ns.
type Said = (u64, f64);

fn ours(url: &str, quantile: &str) -> Said {
    let json = measured(&["run", url, "-c", "4", "-n", REQUESTS, "--warm-up", "0s"]);
    let time = json["service_ns"][quantile].as_f64().unwrap();
    (count(&json, "completed"), time)
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
    h2load_with(&["--h1"], url)
}

fn h2load_with(more: &[&str], url: &str) -> Option<Said> {
    let common = ["-t1", "-c4", "-n", REQUESTS, url];
    let text = output("h2load", &[more, &common].concat())?;
    let line = |begin: &str| {
        let mut lines = text.lines().map(str::trim_start);
        lines.find_map(|line| line.strip_prefix(begin)).unwrap()
    };
    let words: Vec<&str> = line("requests:").split_whitespace().collect();
    let succeeded = words[words.iter().position(|at| *at == "succeeded,").unwrap() - 1];
    let mean = line("time for request:").split_whitespace().nth(2).unwrap();
    Some((succeeded.parse().unwrap(), ns(mean)))
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

/// Requests that the target has seen since it was asked last.
fn served(server: &Server) -> u64 {
    server.seen.try_iter().count() as u64
}

/// What was counted is what was served, but for at most `open` requests that were under way.
fn agree(name: &str, theirs: fn(&str) -> Option<Said>, quantile: &str, open: u64) {
    let server = Server::start(Habit::Http(OK));
    let url = format!("http://{}/", server.address);
    let our = ours(&url, quantile);
    assert_eq!((our.0, served(&server)), (2000, 2000));
    let Some(their) = theirs(&url) else {
        return;
    };
    let all = served(&server);
    assert!(
        (their.0..=their.0 + open).contains(&all),
        "{name} counted {} of {all}",
        their.0
    );
    let (ratio, ours, theirs) = (our.1 / their.1, our.1 / 1e3, their.1 / 1e3);
    eprintln!("{name}: {quantile} {theirs:.1} µs, ours {ours:.1} µs, ratio {ratio:.2}");
}

#[test]
fn wrk_counts_the_same() {
    // It stops in the middle of its requests.
    agree("wrk", wrk, "p50", CONNECTIONS);
}

#[test]
fn h2load_counts_the_same() {
    agree("h2load", h2load, "mean", 0);
}

#[test]
fn h2load_counts_the_same_over_http2() {
    let place = endpoint().to_string();
    let (host, path) = (format!("http://{place}"), "/bytes/5000");
    for streams in ["1", "32"] {
        let load = ["-c", "4", "-n", REQUESTS, "--warm-up", "0s"];
        let url = format!("h2c://{place}{path}");
        let args = ["run", &url, "--streams", streams, "--verify"];
        let json = measured(&[&args[..], &load].concat());
        assert_eq!(
            (count(&json, "completed"), count(&json, "connected")),
            (2000, 4)
        );
        let ours = json["service_ns"]["mean"].as_f64().unwrap();
        let Some((succeeded, theirs)) = h2load_with(&["-m", streams], &(host.clone() + path))
        else {
            return;
        };
        assert_eq!(succeeded, 2000);
        let (ratio, ours, theirs) = (ours / theirs, ours / 1e3, theirs / 1e3);
        eprintln!("h2load, {streams}: mean {theirs:.1} µs, ours {ours:.1} µs, ratio {ratio:.2}");
    }
}
