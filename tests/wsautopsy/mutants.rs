//! Mutants of the samples: damage of every kind, in every format and compression, makes no panic and no rows of noise.

use std::path::Path;

use wsautopsy::analyze::Analysis;

use crate::analysis_of;
use crate::builder::{Capture, Conversation, input};
use crate::mutation::{Mutant, Packing, Random, Truth, lost};
use crate::{CLIENT, SERVER};

/// A capture and its analysis.
struct Source {
    bytes: Vec<u8>,
    analysis: Analysis,
}

impl Source {
    fn of(bytes: Vec<u8>) -> Self {
        let analysis = analysis_of(vec![input("sound", bytes.clone())]);
        Self { bytes, analysis }
    }

    fn truth(&self) -> (&[u8], &Analysis) {
        (&self.bytes, &self.analysis)
    }
}

fn samples() -> Vec<Source> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut paths: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng"));
    paths.sort();
    paths.into_iter().map(|path| Source::of(std::fs::read(path).unwrap())).collect()
}

/// Conversations that are no WebSockets: text and random bytes over HTTP, and a protocol of lines.
fn without_websockets() -> Source {
    let mut random = Random::new(7);
    let conversations = (0..40_u16).map(|index| {
        let start = Conversation::from_port(30_000 + index).wait(i64::from(index)).syn();
        let bytes: Vec<u8> = (0..2_000).map(|_| random.below(256) as u8).collect();
        let text = "no frame in sight, ".repeat(40);
        let conversation = if index % 2 == 0 {
            let page = start.client("GET /page HTTP/1.1\r\nHost: page.example\r\n\r\n");
            page.server("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        } else {
            start.server("220 mail.example\r\n").client("EHLO client.example\r\n")
        };
        conversation.segments(SERVER, &bytes, 300).segments(CLIENT, text.as_bytes(), 50).ack(SERVER).fins(SERVER)
    });
    Source::of(Capture::merged(conversations).pcap())
}

#[test]
fn mutants_of_samples_give_no_rows_of_noise() {
    let sources = samples();
    let mut connections = 0;
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let [one, other] = [0; 2].map(|_| &sources[random.below(sources.len())]);
        let packing = Packing::ALL[random.below(Packing::ALL.len())];
        let mutant = Mutant::of(&one.bytes, &other.bytes, &mut random);
        let packed = packing.pack(&mutant.bytes, 5_000);
        let analysis = analysis_of(vec![input("mutant", packed.clone())]);
        let truth = Truth::of(vec![one.truth(), other.truth()]);
        assert_eq!(truth.complaints(&analysis, &packed), [""; 0], "seed {seed}");
        let before = analysis_of(vec![input("before", one.bytes[..mutant.sound].to_vec())]);
        assert_eq!(lost(&before, &analysis), [""; 0], "seed {seed}");
        connections += analysis.connections.len();
    }
    assert!(connections > 600, "damage hides too much for this to test anything: {connections}");
}

#[test]
fn mutants_of_archives_give_no_rows_of_noise() {
    let sources = samples();
    let mut connections = 0;
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let one = &sources[random.below(sources.len())];
        let packing = Packing::ALL[1 + random.below(Packing::ALL.len() - 1)];
        let mutant = Mutant::of(&packing.pack(&one.bytes, 2_000), &[], &mut random);
        let analysis = analysis_of(vec![input("mutant", mutant.bytes.clone())]);
        assert_eq!(Truth::of(vec![one.truth()]).complaints(&analysis, &mutant.bytes), [""; 0], "seed {seed}");
        connections += analysis.connections.len();
    }
    assert!(connections > 100, "{connections}");
}

#[test]
fn mutants_of_captures_without_websockets_have_none() {
    let source = without_websockets();
    assert_eq!((source.analysis.connections.len(), source.analysis.captures[0].conversations.len()), (0, 40));
    for seed in 0..200 {
        let mutant = Mutant::of(&source.bytes, &[], &mut Random::new(seed));
        let analysis = analysis_of(vec![input("mutant", mutant.bytes.clone())]);
        assert_eq!(Truth::of(vec![source.truth()]).complaints(&analysis, &mutant.bytes), [""; 0], "seed {seed}");
    }
}
