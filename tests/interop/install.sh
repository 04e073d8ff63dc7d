#!/usr/bin/env bash
# Installs the foreign programs that the interop tests drive, and only what is missing.
set -euo pipefail

declare -A packages=(
    [aria2c]=aria2
    [opentracker]=opentracker
    [transmission-daemon]=transmission-daemon
    [transmission-create]=transmission-cli
    [python3]=python3
)
missing=()
for program in "${!packages[@]}"; do
    command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi

has_libtorrent() { "$1" -c 'import libtorrent' 2>/dev/null; }
venv=$(cd "$(dirname "$0")/../.." && pwd)/target/interop-venv
if ! has_libtorrent python3 && ! has_libtorrent "$venv/bin/python3"; then
    python3 -m pip install libtorrent || {
        # A distribution's Python refuses pip (PEP 668): the Makefile puts this one first on PATH.
        python3 -m venv "$venv"
        "$venv/bin/pip" install libtorrent
    }
fi
