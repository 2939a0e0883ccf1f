//! The command line.

mod args;
mod demo;
mod demo_tls;

use crate::{
    config::{self, Loaded, Quickstart},
    control::{self, Options},
};
use args::{Command, Source};
use std::{io::Write, path::Path, process::ExitCode};
use xds::Problem;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match args::parse(std::env::args_os()) {
        Ok(command) => run(command),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Check { file } => read(&file).map(|loaded| check(&file, &loaded)),
        Command::Demo { once, tls, options } => demo::run(once, tls, &options),
        Command::Expand { quickstart } => expand(&quickstart),
        Command::Run {
            source: Source::File(file),
            options,
        } => read(&file).and_then(|loaded| serve(loaded, &options)),
        Command::Run {
            source: Source::Quickstart(quickstart),
            options,
        } => quick(&quickstart).and_then(|loaded| serve(loaded, &options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(loaded: Loaded, options: &Options) -> Result<(), String> {
    let end = control::run(loaded, options, |_| std::future::pending());
    end.map_err(|error| format!("ringlb: {error}"))
}

/// Reads a configuration file; the error is a line for each problem.
fn read(file: &Path) -> Result<Loaded, String> {
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| format!("{name}: {error}"))?;
    let line = |problem: &Problem| format!("{name}:{problem}");
    let loaded = config::load(&text).map_err(|problems| lines(&problems, line))?;
    warn(&loaded, line);
    Ok(loaded)
}

/// A line for each problem.
fn lines(problems: &[Problem], line: impl Fn(&Problem) -> String) -> String {
    let lines: Vec<_> = problems.iter().map(line).collect();
    lines.join("\n")
}

/// Tells of what is allowed but surprising.
fn warn(loaded: &Loaded, line: impl Fn(&Problem) -> String) {
    for problem in &loaded.warnings {
        eprintln!("warning: {}", line(problem));
    }
}

/// Tells of certificates as `run` does when it starts, and that there is nothing else to tell.
fn check(file: &Path, loaded: &Loaded) {
    let now = engines::UnixTime::now().0;
    let stats = loaded.snapshot.secrets.stats();
    let expired: Vec<_> = stats.iter().flat_map(|one| one.warnings(now)).collect();
    for warning in &expired {
        eprintln!("warning: {warning}");
    }
    let found = match loaded.warnings.len() + expired.len() {
        0 => "no problem".to_owned(),
        1 => "1 warning".to_owned(),
        warnings => format!("{warnings} warnings"),
    };
    let (listeners, clusters) = (
        loaded.snapshot.listeners.len(),
        loaded.snapshot.clusters.len(),
    );
    eprintln!(
        "{}: {listeners} listeners, {clusters} clusters, {found}",
        file.display()
    );
}

/// Compiles the short form.
fn quick(quickstart: &Quickstart) -> Result<Loaded, String> {
    let bootstrap = quickstart
        .bootstrap()
        .map_err(|error| format!("ringlb: {error}"))?;
    let line = |problem: &Problem| format!("ringlb: {}", Quickstart::told(problem));
    let loaded = Loaded::new(bootstrap).map_err(|problems| lines(&problems, line))?;
    warn(&loaded, line);
    Ok(loaded)
}

fn expand(quickstart: &Quickstart) -> Result<(), String> {
    let loaded = quick(quickstart)?;
    let json = xds::to_public_json(&loaded.bootstrap, "envoy.config.bootstrap.v3.Bootstrap");
    let json = json.ok_or("ringlb: the configuration cannot be shown")?;
    print(&format!("{json}\n"))
}

/// Writes to standard output; whoever closed it early wants no more.
fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("ringlb: standard output: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
