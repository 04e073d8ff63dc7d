#!/usr/bin/env bash
# What a download and what seeding costs: bench.sh BINARY
#
# Where the comparison with other clients is checked out beside this project it is used; the
# project's own bench (examples/bench) stands in for it elsewhere, and measures what the
# comparison does not: one peer behind a round trip of 100 ms.
set -euo pipefail

binary=$(realpath "$1")
cd "$(dirname "$0")/.."
cargo build --release --example bench --example seeding
own=target/release/examples/bench
compare=../shared/bench/compare.py

if [ -f "$compare" ]; then
    run() { python3 "$compare" --femto "$binary" --runs 5 "$@"; }
else
    run() { "$own" "$binary" "$@"; }
fi
run
run --peers 50
run --peers 20 --piece 16777216
run --size 1048576 --piece 16384
"$own" "$binary" --round-trip 100
target/release/examples/seeding "$binary"
