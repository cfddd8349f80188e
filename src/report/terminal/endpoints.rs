//! The endpoints whose connections close in unusual ways.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Style, is_usual, tally};
use crate::close_code::CloseCode;
use crate::dataframe::{EndpointCodes, EndpointKey};
use crate::report::figures::{count, shown};

/// Nothing if there is only one endpoint, or if nothing is unusual.
pub(super) fn lines(codes: EndpointCodes, style: Style) -> Vec<String> {
    let mut seen = BTreeMap::<EndpointKey, Unusual>::new();
    for row in codes.rows() {
        let endpoint = seen.entry(row.endpoint).or_default();
        endpoint.closes = row.closes;
        if !is_usual(row.code) {
            endpoint.connections += row.connections;
            endpoint.codes.push((row.code, row.connections));
        }
    }
    if seen.len() < 2 {
        return Vec::new();
    }
    let mut seen: Vec<_> = seen.into_iter().filter(|(_, unusual)| unusual.connections > 0).collect();
    seen.sort_by_key(|(_, unusual)| Reverse(unusual.connections));
    let more = seen.len().saturating_sub(TOP);
    let mut lines: Vec<_> = seen.iter().take(TOP).map(|(endpoint, unusual)| line(endpoint, unusual, style)).collect();
    if !lines.is_empty() {
        let others = if more > 0 { format!(" (and {} more)", count(more as u64)) } else { String::new() };
        lines.insert(0, format!("{}{others}", style.bold("Where closes were unusual: not 1000, 1001 or 1005")));
    }
    lines
}

/// The unusual closes of an endpoint.
#[derive(Default)]
struct Unusual {
    connections: u64,
    closes: u64,
    codes: Vec<(CloseCode, u64)>,
}

fn line(endpoint: &EndpointKey, unusual: &Unusual, style: Style) -> String {
    let codes: Vec<_> = tally(unusual.codes.iter().map(|(code, _)| code.0)).iter().map(|(code, _)| *code).collect();
    let codes = match codes.as_slice() {
        [one] => format!("{one}"),
        [one, another] => format!("{one} and {another}"),
        [one, another, rest @ ..] => format!("{one}, {another} and {} more", rest.len()),
        [] => String::new(),
    };
    let figures = format!("{} of {}", count(unusual.connections), count(unusual.closes));
    let width = style.width.saturating_sub(figures.len() + codes.len() + 6);
    format!("  {figures}  {}: {codes}", shown(&name(endpoint), width))
}

/// The host with the path, and the server where the host does not say which it is.
fn name(endpoint: &EndpointKey) -> String {
    let (server, path) = (endpoint.server.to_string(), endpoint.path.as_deref().unwrap_or_default());
    match endpoint.host.as_deref() {
        Some(host) if host == server => format!("{host}{path}"),
        Some(host) => format!("{host}{path} at {server}"),
        None => format!("(no host){path} at {server}"),
    }
}

/// Endpoints that are shown.
const TOP: usize = 3;
