//! Writes a capture to measure with, and prints as JSON what is in it.
//!
//! ```text
//! cargo run --release --example generate -- small|full|open|short|message MEGABYTES FILE [SEED]
//! ```

#[path = "../benches/generate/mod.rs"]
mod generate;

use std::fs::File;
use std::process::ExitCode;

use generate::{Kind, Plan, Truth};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((plan, path)) = plan(&arguments) else {
        eprintln!("usage: generate small|full|open|short|message MEGABYTES FILE [SEED]");
        return ExitCode::from(2);
    };
    match File::create(path).and_then(|mut file| generate::write(&plan, &mut file)) {
        Ok(truth) => {
            println!("{}", json(&truth));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {path}: {error}");
            ExitCode::from(1)
        }
    }
}

fn plan(arguments: &[String]) -> Option<(Plan, &str)> {
    let [kind, megabytes, path, seed @ ..] = arguments else { return None };
    let seed = seed.first().map_or(Some(1), |seed| seed.parse().ok())?;
    let bytes = megabytes.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    Some((Plan { kind: Kind::parse(kind)?, bytes, seed }, path))
}

fn json(truth: &Truth) -> serde_json::Value {
    let name = |code: &Option<u16>| code.map_or_else(|| "empty".to_owned(), |code| code.to_string());
    let frames: serde_json::Map<_, _> =
        truth.close_frames.iter().map(|(code, count)| (name(code), (*count).into())).collect();
    serde_json::json!({
        "packets": truth.packets,
        "bytes": truth.bytes,
        "connections": truth.connections,
        "close_codes": truth.close_codes,
        "close_frames": frames,
        "messages": truth.messages,
        "invalid_texts": truth.invalid_texts,
    })
}
