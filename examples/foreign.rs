//! Searches other protocols, and files, for WebSockets whose beginning is missing: there are none. Prints how many bytes of
//! each were searched, how many WebSockets were believed to be there, and how fast that went.
//!
//! ```text
//! cargo run --release --example foreign -- MEGABYTES [DIRECTORY...]
//! ```
//!
//! MEGABYTES are made of each protocol; of the files in each directory all are searched.

#[path = "../tests/wsautopsy/foreign.rs"]
mod foreign;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use foreign::{Protocol, Random, believed, believed_in};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [megabytes, directories @ ..] = arguments.as_slice() else { return usage() };
    let Ok(megabytes) = megabytes.parse::<u64>() else { return usage() };
    let mut found = 0;
    for protocol in Protocol::ALL {
        let begin = Instant::now();
        let count = believed(protocol, megabytes * 1_000_000, 1);
        println!("{protocol:?}: {megabytes} MB, {count} found, {:.1} s", begin.elapsed().as_secs_f64());
        found += count;
    }
    for directory in directories {
        let mut sum = (0, 0);
        search_files(Path::new(directory), &mut Random(1), &mut sum);
        println!("{directory}: {} MB, {} found", sum.0 / 1_000_000, sum.1);
        found += sum.1;
    }
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn usage() -> ExitCode {
    eprintln!("usage: foreign MEGABYTES [DIRECTORY...]");
    ExitCode::from(2)
}

/// Every file below `directory`, in pieces that are looked at as a whole.
fn search_files(directory: &Path, random: &mut Random, sum: &mut (u64, usize)) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => search_files(&entry.path(), random, sum),
            Ok(kind) if kind.is_file() => {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                for piece in bytes.chunks(900_000) {
                    sum.0 += piece.len() as u64;
                    // One direction alone is never believed.
                    let (one, other) = piece.split_at(piece.len() / 2);
                    let found = believed_in(&[one.to_vec(), other.to_vec()], random);
                    if found > 0 {
                        println!("found in {}", entry.path().display());
                    }
                    sum.1 += found;
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}
