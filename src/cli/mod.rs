//! The command line: subcommands, their help, progress and exit codes. The only user of clap and indicatif.

mod analyze;
mod carve;
mod explain;
mod progress;
mod source;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tells why WebSockets closed, from packet captures alone.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(analyze::Options),
    Carve(carve::Options),
    Explain(explain::Options),
}

/// How a run ended, beyond success and what stopped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Nothing could be analysed.
    NothingAnalysed,
    /// A condition of `--fail-on` holds.
    ConditionHolds,
}

/// Runs the program: 0 if all went well, 1 if nothing could be analysed or a result could not be written, 3 if a
/// `--fail-on` condition holds. Wrong usage has ended with 2 before.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.command {
        Command::Analyze(options) => analyze::run(&options),
        Command::Carve(options) => carve::run(&options),
        Command::Explain(options) => explain::run(&options),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NothingAnalysed) => ExitCode::from(1),
        Ok(Outcome::ConditionHolds) => ExitCode::from(3),
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
