//! The whole analysis, from the bytes of a capture in memory to its connections, on one thread and on two.
//!
//! What it finds is compared with what the generator of the capture knows.

mod generate;

use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use generate::{Kind, Plan, Truth};
use wsautopsy::analyze::{Options, analyze};
use wsautopsy::capture::Input;

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 2], sample_count = 15, sample_size = 1)]
fn small_messages(bencher: Bencher, threads: usize) {
    static CAPTURE: LazyLock<(Vec<u8>, Truth)> = LazyLock::new(|| capture(Kind::Small));
    whole_file(bencher, &CAPTURE, threads);
}

#[divan::bench(args = [1, 2], sample_count = 15, sample_size = 1)]
fn full_segments(bencher: Bencher, threads: usize) {
    static CAPTURE: LazyLock<(Vec<u8>, Truth)> = LazyLock::new(|| capture(Kind::Full));
    whole_file(bencher, &CAPTURE, threads);
}

fn capture(kind: Kind) -> (Vec<u8>, Truth) {
    generate::in_memory(&Plan { kind, bytes: generate::measured_bytes(), seed: 1 })
}

fn whole_file(bencher: Bencher, (bytes, truth): &'static (Vec<u8>, Truth), threads: usize) {
    bencher.counter(BytesCount::of_slice(bytes)).bench_local(|| {
        let input = Input::reader("generated", Box::new(bytes.as_slice()));
        let analysis =
            analyze(vec![input], &Options { threads, ..Options::default() }, &mut |_| ()).expect("threads start");
        assert_eq!(Truth::found(&analysis), *truth);
    });
}
