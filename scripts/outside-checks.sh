#!/bin/bash
# Compares the program with tshark on the bundled samples; installs tshark where it is missing (Debian, as root). Given a
# directory of captures with an index of what is in them, compares it with that too: see compare-with-index.py.
#
#   scripts/outside-checks.sh [BINARY [DIRECTORY INDEX.csv]]      target/debug/wsautopsy if not given

set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-${CARGO_TARGET_DIR:-target}/debug/wsautopsy}

if ! command -v tshark > /dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends tshark
fi
python3 scripts/compare-with-tshark.py "$binary" samples
if [ $# -eq 3 ]; then
  python3 scripts/compare-with-index.py "$binary" "$2" "$3"
fi
