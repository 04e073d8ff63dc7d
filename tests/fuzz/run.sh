#!/usr/bin/env bash
# Runs fuzz targets one after the other: run.sh SECONDS [TARGET...]. Ends with 1 where one found
# something, after all have run.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=$1
shift
fuzz=(--sanitizer none --fuzz-dir tests/fuzz --target-dir target/fuzz/build)
corpus=target/fuzz/corpus
found=target/fuzz/found

command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
mkdir -p "$found"
tests/fuzz/seeds.py "$corpus"
for folder in tests/fuzz/corpus/*/; do
    mkdir -p "$corpus/$(basename "$folder")"
    cp "$folder"* "$corpus/$(basename "$folder")"
done
# Where some are named, the others are not built: all of them take many minutes.
if [ $# -gt 0 ]; then
    for target in "$@"; do cargo fuzz build "${fuzz[@]}" "$target"; done
else
    cargo fuzz build "${fuzz[@]}"
    mapfile -t targets < <(cargo fuzz list --fuzz-dir tests/fuzz)
fi
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
status=0
for target in "${@:-${targets[@]}}"; do
    printf '\n=== %s\n' "$target"
    # Both limits are in wall time, which a busy machine stretches: the lower one reports, the higher
    # one ends the run.
    cargo fuzz run "${fuzz[@]}" "$target" "$corpus/$target" -- \
        -max_total_time="$seconds" -timeout=30 -report_slow_units=1 -max_len=20000 -dict="$corpus/words.dict" \
        -artifact_prefix="$found/$target-" -print_final_stats=1 -verbosity=0 || status=1
done
exit $status
