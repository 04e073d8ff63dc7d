#!/usr/bin/env bash
# Installs the programs that the interop tests, the proof of the static binary, and the tests of the completions and of
# the manual page need, and only what is missing.
set -euo pipefail

venv=$(cd "$(dirname "$0")/../.." && pwd)/target/interop-venv
has_libtorrent() { "$1" -c 'import libtorrent' 2>/dev/null; }

missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }
need aria2c aria2
need opentracker opentracker
need nginx nginx-light
need transmission-daemon transmission-daemon
need transmission-create transmission-cli
need transmission-show transmission-cli
need danted dante-server
need squid squid
need tinyproxy tinyproxy-bin
need python3 python3
need tshark tshark
need openssl openssl
need musl-gcc musl-tools
need i686-linux-gnu-gcc gcc-i686-linux-gnu libc6-dev-i386-cross
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
need qemu-aarch64-static qemu-user-static
need zsh zsh
need fish fish
need mandoc mandoc
need groff groff-base
need unshare util-linux
need ip iproute2
need nft nftables
need miniupnpd miniupnpd-nftables
has_libtorrent python3 || python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
fi

# A distribution's Python refuses pip (PEP 668), so libtorrent gets a folder of its own, which the
# Makefile puts first on PATH.
if ! has_libtorrent python3 && ! has_libtorrent "$venv/bin/python3"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install libtorrent
fi
