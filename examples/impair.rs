//! Makes captures with holes and counts what is found in spite of them; docs/losses.md explains the figures.
//!
//! ```text
//! impair measure DAMAGE CONNECTIONS SEEDS [-v]      analyses captures in memory and prints the figures
//! impair write DAMAGE CONNECTIONS SEED FILE         writes a capture, and its Close frames as JSON lines to stdout
//! ```
//!
//! DAMAGE: loss-PERCENT, bursts-PERCENT, snap-BYTES, mid-stream, client-only, server-only.

#[path = "../tests/wsautopsy/impaired/mod.rs"]
mod impaired;

use std::process::ExitCode;

use impaired::{Damage, Figures, Impaired, Plan, make, score};
use wsautopsy::analyze::{Options, analyze};
use wsautopsy::capture::Input;
use wsautopsy::flow::Role;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["measure", damage, connections, seeds, verbose @ ..] => measure(damage, connections, seeds, verbose == ["-v"]),
        ["write", damage, connections, seed, path] => write(damage, connections, seed, path),
        _ => None,
    };
    if done.is_none() {
        eprintln!("usage: impair measure DAMAGE CONNECTIONS SEEDS [-v] | impair write DAMAGE CONNECTIONS SEED FILE");
    }
    if done.is_some() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn measure(damage: &str, connections: &str, seeds: &str, verbose: bool) -> Option<()> {
    let (damage, connections) = (damage_of(damage)?, connections.parse().ok()?);
    let mut sum = Figures::default();
    for seed in 1..=seeds.parse().ok()? {
        let impaired = make(&Plan { connections, damage, seed });
        let input = Input::reader("impaired.pcap", Box::new(std::io::Cursor::new(impaired.pcap.clone())));
        let analysis = analyze(vec![input], &Options::default(), &mut |_| ()).ok()?;
        sum += score(&analysis, &impaired, &mut |text| {
            if verbose {
                println!("seed {seed}: {text}");
            }
        });
    }
    println!("{sum:#?}");
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    println!(
        "Close frames found {:.3} %, real {:.4} %",
        share(sum.found, sum.surviving),
        share(sum.real, sum.reported)
    );
    println!("connections found {:.3} %", share(sum.connections_found, sum.connections));
    println!(
        "invalid texts found {:.3} %, behind holes {:.3} %, real {:.4} %",
        share(sum.invalid_found, sum.invalid),
        share(sum.invalid_again_found, sum.invalid_again),
        share(sum.invalid_real, sum.invalid_reported)
    );
    Some(())
}

fn write(damage: &str, connections: &str, seed: &str, path: &str) -> Option<()> {
    let plan = Plan { connections: connections.parse().ok()?, damage: damage_of(damage)?, seed: seed.parse().ok()? };
    let impaired = make(&plan);
    std::fs::write(path, &impaired.pcap).ok()?;
    tell(&impaired);
    Some(())
}

/// A line for each Close frame.
fn tell(impaired: &Impaired) {
    for (index, connection) in impaired.connections.iter().enumerate() {
        for (close, survives, _) in &connection.closes {
            let line = serde_json::json!({
                "port": impaired::client_of(index).1,
                "address": impaired::client_of(index).0,
                "sender": close.sender.name(),
                "code": close.code,
                "survives": survives,
            });
            println!("{line}");
        }
    }
}

fn damage_of(name: &str) -> Option<Damage> {
    let per_million = |percent: &str| percent.parse::<f64>().ok().map(|percent| (percent * 10_000.0) as u32);
    let (kind, number) = name.split_once('-')?;
    match (kind, number) {
        ("loss", percent) => Some(Damage::Loss { per_million: per_million(percent)?, burst: 1 }),
        ("bursts", percent) => Some(Damage::Loss { per_million: per_million(percent)?, burst: 8 }),
        ("snap", bytes) => Some(Damage::SnapLength(bytes.parse().ok()?)),
        ("mid", "stream") => Some(Damage::MidStream),
        ("client", "only") => Some(Damage::OneDirection(Role::Client)),
        ("server", "only") => Some(Damage::OneDirection(Role::Server)),
        _ => None,
    }
}
