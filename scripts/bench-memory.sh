#!/bin/sh
# Measures the peak memory of wsautopsy on generated captures: many connections that stay open, many that end, a long
# capture, one message without end.
#
#   scripts/bench-memory.sh [LONG_MEGABYTES]        default: 10000
#
# Prints the largest resident set of each run in MiB, and what a connection adds to that of a capture with next to none.
# Fails if an analysis did not find what its capture holds. Captures that are larger than a gigabyte go through a pipe,
# the others are made under ${TMPDIR:-/tmp} and removed at the end. Needs cargo and python3.
set -eu

long=${1:-10000}

cd "$(dirname "$0")/.."
cargo build --release --quiet --bin wsautopsy --example generate
programs=${CARGO_TARGET_DIR:-target}/release

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT INT TERM

python3 scripts/bench-memory.py "$programs/wsautopsy" "$programs/examples/generate" "$directory" "$long"
