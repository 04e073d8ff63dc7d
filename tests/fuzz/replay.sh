#!/usr/bin/env bash
# Runs each input of tests/fuzz/corpus once through its target. Needs no fuzzer and no instrumentation, so it says
# nothing about what is new, but what broke once does not break again unnoticed.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz/replay
TMPDIR=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
# The first name is that of the package.
for target in $(sed -n 's/^name = "\(.*\)"/\1/p' tests/fuzz/Cargo.toml | tail -n +2); do
    folder=tests/fuzz/corpus/$target/
    [ -d "$folder" ] || { echo "$target has no inputs in $folder" >&2; exit 1; }
    log=target/fuzz/replay/$target.log
    # Waits in wall time, which a busy machine stretches.
    target/fuzz/replay/debug/"$target" -timeout=120 -verbosity=0 "$folder"* >"$log" 2>&1 || {
        cat "$log"
        echo "$target broke on an input of $folder" >&2
        exit 1
    }
    printf '%s: %d inputs\n' "$target" "$(ls "$folder" | wc -l)"
done
