#!/bin/sh
# Measures wsautopsy against tshark and against plain reading, on a generated capture.
#
#   scripts/bench-against-tshark.sh [MEGABYTES [small|full [ROUNDS]]]        default: 1000 small 5
#
# Prints medians in MB/s, ratios and peak memory, and how long an analysis of next to nothing takes. Fails if a program did
# not find what the capture holds. The captures are made under ${TMPDIR:-/tmp} and removed at the end. Needs cargo, python3,
# dd and tshark.
set -eu

megabytes=${1:-1000}
kind=${2:-small}
rounds=${3:-5}

cd "$(dirname "$0")/.."
cargo build --release --quiet --bin wsautopsy --example generate
programs=${CARGO_TARGET_DIR:-target}/release

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT INT TERM

# Of the same seed, so that the second is the beginning of the first: tshark needs too long for all of it.
"$programs/examples/generate" "$kind" "$megabytes" "$directory/whole.pcap" > "$directory/whole.json"
"$programs/examples/generate" "$kind" $((megabytes / 12)) "$directory/part.pcap" > "$directory/part.json"

python3 scripts/bench-rounds.py "$programs/wsautopsy" "$directory" "$rounds"
