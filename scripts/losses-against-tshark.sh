#!/bin/sh
# Counts what wsautopsy and tshark find in captures with holes, of which everything is known, and prints a table.
#
#   scripts/losses-against-tshark.sh [CONNECTIONS [SEEDS [DAMAGE...]]]        default: 6000 3, every damage
#
# docs/losses.md explains it. The captures are made under ${TMPDIR:-/tmp} and removed. Needs cargo, python3 and tshark.
# PROFILE=dev builds without optimisation.
set -eu

connections=${1:-6000}
seeds=${2:-3}
[ $# -gt 2 ] && shift 2 || shift $#
profile=${PROFILE:-release}

cd "$(dirname "$0")/.."
cargo build --profile "$profile" --quiet --bin wsautopsy --example impair
[ "$profile" = dev ] && profile=debug
programs=${CARGO_TARGET_DIR:-target}/$profile

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT INT TERM

python3 scripts/losses-against-tshark.py "$programs" "$directory" "$connections" "$seeds" "$@"
