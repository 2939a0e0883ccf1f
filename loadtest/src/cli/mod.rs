//! The command line: one file a command.

mod cpus;
mod duel;
mod engine;
mod find_limit;
mod load;
mod pinned;
mod progress;
mod results;
mod run;
mod serve;
mod signals;
mod sink;
mod target;
mod tell;
mod tls;

use clap::ArgMatches;
use std::process::ExitCode;

/// A command of `loadtest`.
struct Command {
    arguments: fn() -> clap::Command,
    execute: fn(&ArgMatches) -> Result<ExitCode, String>,
}

const COMMANDS: [Command; 5] = [
    Command {
        arguments: run::arguments,
        execute: run::execute,
    },
    Command {
        arguments: serve::arguments,
        execute: serve::execute,
    },
    Command {
        arguments: find_limit::arguments,
        execute: find_limit::execute,
    },
    Command {
        arguments: duel::arguments,
        execute: duel::execute,
    },
    Command {
        arguments: pinned::arguments,
        execute: pinned::execute,
    },
];

/// The `loadtest` command. Exit codes: 0 done, 1 failed (with a message on stderr), 2 wrong arguments.
pub fn main() -> ExitCode {
    let matches = match arguments().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let found = matches.subcommand().and_then(|(name, matches)| {
        let command = COMMANDS
            .iter()
            .find(|command| (command.arguments)().get_name() == name);
        command.map(|command| (command.execute)(matches))
    });
    match found {
        Some(Ok(code)) => code,
        Some(Err(message)) => {
            tell::tell(format_args!("loadtest: {message}"));
            ExitCode::FAILURE
        }
        None => ExitCode::from(2),
    }
}

fn arguments() -> clap::Command {
    clap::Command::new("loadtest")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An open-loop load generator, an endpoint, and a duel of proxies")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|command| (command.arguments)()))
}
