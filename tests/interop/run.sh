#!/usr/bin/env bash
# Runs the interop tests in two lanes. Those of the first have hosts and cables of their own, in network namespaces, and
# mostly wait: they run side by side. Those of the second share the addresses of this machine, and run one by one.
set -euo pipefail
cd "$(dirname "$0")/../.."

apart=(leaks:: gateways:: interface::)
skip=()
for module in "${apart[@]}"; do skip+=(--skip "$module"); done

cargo test --release --test interop --no-run
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --release --test interop -- --test-threads=8 "${apart[@]}" >"$log" 2>&1 &
first=$!
code=0
cargo test --release --test interop -- --test-threads=1 "${skip[@]}" || code=$?
wait "$first" || code=$?
echo "those with hosts of their own:"
cat "$log"
exit "$code"
