//! Analyses damaged captures by the thousand, and says what went wrong.
//!
//! ```text
//! cargo run --release --example mutate -- [MUTANTS [DIRECTORY [SEED]]]      20000 of samples from seed 0 if not given
//! ```
//!
//! Each mutant is analysed in this process, alone, by one thread. It must not panic, take longer than
//! [`slowest`] allows, hold more memory than [`MEMORY`], give rows for connections that nobody had ([`Truth`]), or lose
//! a handshake that lies before the damage. Memory is what Linux says was resident at most during the analysis, above
//! what was before it; on other systems it is not measured. Exit codes: 0 all is well, 1 something is not, 2 wrong usage.

// The tests use more of it.
#[path = "../tests/wsautopsy/mutation.rs"]
mod mutation;

use std::io::Cursor;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutation::{Mutant, Packing, Random, Truth, lost};
use wsautopsy::analyze::{Analysis, Options, analyze};
use wsautopsy::capture::Input;
use wsautopsy::dataframe::{TableOptions, Tables};

/// Bytes that the analysis of one mutant may hold: what it has is bounded by a few batches and by the largest window of a
/// decompressor.
const MEMORY: u64 = 256 << 20;

/// How long the analysis of a mutant may take whose sound captures took that `long` together. The search for the next
/// record behind damage costs more than to walk from one to the next.
fn slowest(long: Duration) -> Duration {
    Duration::from_millis(500) + 20 * long
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| arguments.get(index).map_or(Some(default), |text| text.parse().ok());
    let (Some(mutants), Some(seed), true) = (number(0, 20_000), number(2, 0), arguments.len() <= 3) else {
        eprintln!("usage: mutate [MUTANTS [DIRECTORY [SEED]]]");
        return ExitCode::from(2);
    };
    let sources = sources(Path::new(arguments.get(1).map_or("samples", String::as_str)));
    if sources.is_empty() {
        eprintln!("error: no captures");
        return ExitCode::from(2);
    }
    let mut run = Run::default();
    for seed in seed..seed + mutants {
        run.one(&sources, seed);
    }
    println!(
        "{mutants} mutants of {} captures, {} connections, {} of them without handshake, {} Close frames",
        sources.len(),
        run.connections,
        run.without_handshake,
        run.close_frames
    );
    println!(
        "slowest: {:?} (seed {}); most memory: {} KiB (seed {})",
        run.time.0, run.time.1, run.memory.0, run.memory.1
    );
    println!("{} complaints", run.complaints);
    ExitCode::from(u8::from(run.complaints > 0))
}

/// A sound capture.
struct Source {
    path: PathBuf,
    bytes: Vec<u8>,
    analysis: Analysis,
    took: Duration,
}

/// The captures in `directory` and below.
fn sources(directory: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut entries: Vec<_> =
        directory.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources.extend(self::sources(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let (begin, analysis) = (Instant::now(), analysis(bytes.clone()));
            let took = begin.elapsed();
            if analysis.captures.iter().any(|capture| capture.file.format.is_some()) {
                sources.push(Source { path, bytes, analysis, took });
            }
        }
    }
    sources
}

fn analysis(bytes: Vec<u8>) -> Analysis {
    let input = Input::reader("mutant", Box::new(Cursor::new(bytes)));
    analyze(vec![input], &Options { threads: 1, ..Options::default() }, &mut |_| ()).expect("a thread")
}

/// What was seen so far.
#[derive(Default)]
struct Run {
    connections: usize,
    without_handshake: usize,
    close_frames: usize,
    complaints: usize,
    time: (Duration, u64),
    memory: (u64, u64),
}

impl Run {
    /// Makes and analyses the mutant of this `seed`.
    fn one(&mut self, sources: &[Source], seed: u64) {
        let mut random = Random::new(seed);
        let [one, other] = [0; 2].map(|_| &sources[random.below(sources.len())]);
        let packing = Packing::ALL[random.below(Packing::ALL.len())];
        let size = [usize::MAX, 4_000][random.below(2)];
        // Damage before compression, or of what is compressed.
        let (mutant, stored) = if random.below(2) == 0 {
            let mutant = Mutant::of(&one.bytes, &other.bytes, &mut random);
            let stored = packing.pack(&mutant.bytes, size);
            (Some(mutant), stored)
        } else {
            (None, Mutant::of(&packing.pack(&one.bytes, size), &[], &mut random).bytes)
        };
        let (begin, before) = (Instant::now(), reset_peak());
        let analysed = panic::catch_unwind(|| {
            let analysis = analysis(stored.clone());
            Tables::new(&analysis, &TableOptions::default()).expect("tables");
            analysis
        });
        let (took, peak) = (begin.elapsed(), peak().saturating_sub(before));
        self.time = self.time.max((took, seed));
        self.memory = self.memory.max((peak, seed));
        let is_spliced = mutant.as_ref().is_some_and(|mutant| mutant.is_spliced);
        let mut complaints = Vec::new();
        if took > slowest(one.took + other.took) {
            complaints.push(format!("slow: {took:?}, {:?} if sound", one.took));
        }
        if peak > MEMORY >> 10 {
            complaints.push(format!("large: {peak} KiB"));
        }
        match &analysed {
            Err(_) => complaints.push("panic".to_owned()),
            Ok(analysis) => {
                self.count(analysis);
                let other = if is_spliced { other } else { one };
                let truth = Truth::of(vec![(&one.bytes, &one.analysis), (&other.bytes, &other.analysis)]);
                complaints.extend(truth.complaints(analysis, &stored));
                if let (Some(mutant), 0) = (&mutant, seed % 4) {
                    complaints.extend(lost(&self::analysis(one.bytes[..mutant.sound].to_vec()), analysis));
                }
            }
        }
        self.complaints += complaints.len();
        for complaint in complaints {
            println!("seed {seed}, {} as {packing:?}: {complaint}", one.path.display());
        }
    }

    fn count(&mut self, analysis: &Analysis) {
        self.connections += analysis.connections.len();
        let missing = wsautopsy::connection::Handshake::Missing;
        self.without_handshake += analysis.connections.iter().filter(|record| record.handshake == missing).count();
        self.close_frames += analysis.connections.iter().map(|record| record.close_frames.len()).sum::<usize>();
    }
}

/// Makes the peak of resident memory what is resident now, and says how much that is in KiB.
fn reset_peak() -> u64 {
    // What the number does: proc(5), /proc/pid/clear_refs.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    peak()
}

/// The most memory that was resident, in KiB; 0 where nothing tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
