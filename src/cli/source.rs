//! What the subcommands that read captures share: which captures, what of them counts, and what was wrong with them.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Args;
use wsautopsy::analyze::{Analysis, Filter, Host};
use wsautopsy::capture::Input;
use wsautopsy::flow::Timestamp;

/// What of the captures is looked into.
#[derive(Debug, Args)]
pub(super) struct Narrowing {
    /// Only TCP connections with this port at either end; may be given more than once.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// Only connections with this address at either end, or this name in the request's Host field; may be given more
    /// than once.
    #[arg(long, value_name = "ADDRESS|NAME")]
    host: Vec<String>,
    /// Only connections whose path begins so; may be given more than once.
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Only packets captured at this time or later, such as 2026-01-31T12:00:00Z; UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only packets captured before this time; UTC.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

impl Narrowing {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            ports: self.port.clone(),
            hosts: self.host.iter().map(|host| Host::parse(host)).collect(),
            paths: self.path.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

/// The inputs that `captures` name, and whether some of them could not be found out.
pub(super) fn inputs(captures: &[PathBuf]) -> (Vec<Input>, bool) {
    let mut inputs = Vec::new();
    let mut failed = false;
    for path in captures {
        if path.as_os_str() == "-" {
            inputs.push(Input::stdin());
            continue;
        }
        match Input::expand(path) {
            Ok(found) => inputs.extend(found),
            Err(error) => {
                failed = true;
                anstream::eprintln!("error: {error}");
            }
        }
    }
    (inputs, failed)
}

/// Tells what was wrong with captures: whether some could not be analysed at all.
pub(super) fn warn(analysis: &Analysis, quiet: bool) -> bool {
    let mut failed = false;
    for capture in &analysis.captures {
        let lost = capture.file.format.is_none();
        failed |= lost;
        for problem in &capture.file.problems {
            if lost {
                anstream::eprintln!("error: {problem}");
            } else if !quiet {
                anstream::eprintln!("warning: {problem}");
            }
        }
    }
    failed
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == "2026-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole)
        .map_err(|error| format!("expected a time such as 2026-01-31T12:00:00Z: {error}"))?;
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).map(Timestamp::from_nanos).map_err(|_| "too far in the future".to_owned())
}
