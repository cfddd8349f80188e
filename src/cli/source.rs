//! What the subcommands that read captures share: which captures, how they are analysed, and what was
//! wrong with them.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::Args;
use wsautopsy::analyze::{Analysis, Filter, Host, Options, WebSocketServer};
use wsautopsy::capture::Input;
use wsautopsy::error::{Error, Result};
use wsautopsy::flow::Timestamp;
use wsautopsy::tls::Secrets;

/// How captures are analysed.
#[derive(Debug, Args)]
pub(super) struct Analysing {
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
    /// TLS secrets (SSLKEYLOGFILE) to decrypt with; may be given more than once. Those in captures are found by themselves.
    #[arg(long, value_name = "FILE")]
    keylog: Vec<PathBuf>,
    /// A server of WebSockets: failed TLS handshakes with it count as 1015. Those that serve WebSockets in the captures are
    /// known by themselves. May be given more than once.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server)]
    websocket_server: Vec<WebSocketServer>,
    /// Threads to work with; one for each core if not given.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

impl Analysing {
    /// The options that the arguments say.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] if a key log cannot be read.
    pub(super) fn options(&self) -> Result<Options> {
        let filter = Filter {
            ports: self.port.clone(),
            hosts: self.host.iter().map(|host| Host::parse(host)).collect(),
            paths: self.path.clone(),
            since: self.since,
            until: self.until,
        };
        let mut secrets = Secrets::default();
        for path in &self.keylog {
            let log = std::fs::read(path).map_err(|source| Error::Open { path: path.display().to_string(), source })?;
            secrets.add_key_log(&log);
        }
        Ok(Options { threads: self.threads, filter, secrets, websocket_servers: self.websocket_server.clone() })
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

fn server(text: &str) -> std::result::Result<WebSocketServer, String> {
    WebSocketServer::parse(text).ok_or_else(|| "expected a name or address, with or without a port".to_owned())
}

fn moment(text: &str) -> std::result::Result<Timestamp, String> {
    let whole = if text.len() == "2026-01-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole)
        .map_err(|error| format!("expected a time such as 2026-01-31T12:00:00Z: {error}"))?;
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).map(Timestamp::from_nanos).map_err(|_| "too far in the future".to_owned())
}
