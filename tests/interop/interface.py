#!/usr/bin/env python3
"""Proves that `--bind DEVICE` fails closed and goes on: unshare -rnm --fork --pid --mount-proc --kill-child interface.py BINARY

Two hosts, each a network namespace, have two ways to each other: `vpn0` here is `vpn1` there, and `plain0`, over which
the default route leads, is `plain1`. What leaves by `plain0` is captured. A download by `--bind vpn0` loses its
interface in the middle, and gets another one of the same name with another number and another address: it ends whole,
and nothing has left by `plain0`. Then a seed lives through the same. It is reached at its new address, by its port and
over the local network, and not by the other way. Needs iproute2 and util-linux.
"""
import os
import pathlib
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time

BINARY = sys.argv[1]
PATIENCE = 60
PORT = 7001
OUTGOING = 4


def run(*command):
    subprocess.run(command, check=True)


class Host:
    """The other host: a namespace that lives as long as a process in it."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == own:
            time.sleep(0.01)

    def command(self, *command):
        return ["nsenter", "-n", "-t", str(self.process.pid), *command]


def connect(there, ours, theirs, address, other):
    """Makes a pair of interfaces, one for each host."""
    run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", str(there.process.pid))
    run("ip", "address", "add", f"{address}/24", "dev", ours)
    run(*there.command("ip", "address", "add", f"{other}/24", "dev", theirs))
    run("ip", "link", "set", ours, "up")
    run(*there.command("ip", "link", "set", theirs, "up"))


class Capture:
    """What leaves by an interface, but for what the system says by itself (ARP, ICMPv6)."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind((interface, 3))
        self.socket.setblocking(False)

    def packets(self):
        found = []
        while True:
            try:
                packet, (_, protocol, kind, *_) = self.socket.recvfrom(2048)
            except BlockingIOError:
                return found
            if kind == OUTGOING and (protocol == 0x0800 or protocol == 0x86DD and packet[6] in (6, 17)):
                found.append(packet)


class Program:
    """femtotorrent, whose lines can be waited for."""

    def __init__(self, *arguments, there=None):
        command = [BINARY, *map(str, arguments)]
        self.process = subprocess.Popen(
            there.command(*command) if there else command,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def expect(self, words):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                sys.exit(f"{words!r} was not said, but:\n{''.join(self.seen)}")
            self.seen.append(line)
            if words in line:
                return

    def finish(self):
        code = self.process.wait(PATIENCE)
        while (line := self.lines.get()) is not None:
            self.seen.append(line)
        return code

    def count(self, words):
        return sum(words in line for line in self.seen)


def received(interface):
    return int(pathlib.Path(f"/sys/class/net/{interface}/statistics/rx_bytes").read_text())


def fetch(*arguments, folder, whole, there=None):
    program = Program("get", TORRENT, "-o", folder, *arguments, there=there)
    code = program.finish()
    assert code == 0, (code, "".join(program.seen))
    assert (folder / "payload").read_bytes() == whole


kept = tempfile.TemporaryDirectory()
folder = pathlib.Path(kept.name)
os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
os.environ["XDG_CONFIG_HOME"] = "/dev/null"
whole = os.urandom(24 << 20)
(folder / "payload").write_bytes(whole)
TORRENT = folder / "payload.torrent"
run(BINARY, "create", str(folder / "payload"), "-o", str(TORRENT))
run("mount", "-t", "sysfs", "sysfs", "/sys")
# The system's resolver cannot be bound: let it ask this host alone.
run("mount", "--bind", "/dev/null", os.path.realpath("/etc/resolv.conf"))

run("ip", "link", "set", "lo", "up")
there = Host()
run(*there.command("ip", "link", "set", "lo", "up"))
connect(there, "plain0", "plain1", "10.8.0.1", "10.8.0.2")
run("ip", "route", "add", "default", "via", "10.8.0.2")
connect(there, "vpn0", "vpn1", "10.9.0.1", "10.9.0.2")
seed = Program("seed", TORRENT, "-d", folder, "--port", PORT, "--no-dht", "--no-lan", there=there)
seed.expect("seeding")
capture = Capture("plain0")

alone = ["--no-dht", "--no-lan", "--no-listen"]
run("ip", "link", "add", "down0", "type", "veth", "peer", "name", "down1")
pathlib.Path("/proc/sys/net/ipv6/conf/down0/disable_ipv6").write_text("1")
for words in ["is down", "has no address yet"]:
    refused = Program("get", TORRENT, "-o", folder / "refused", "--bind", "down0", *alone)
    assert refused.finish() == 6 and refused.count(words) == 1, "".join(refused.seen)
    run("ip", "link", "set", "down0", "up")
fetch("--peer", f"10.8.0.2:{PORT}", *alone, folder=folder / "control", whole=whole)
assert len(capture.packets()) > 10, "the capture sees nothing"

program = Program(
    "get", TORRENT, "-o", folder / "one", "--bind", "vpn0", "--down-limit", "2M",
    "--peer", f"10.9.0.2:{PORT}", "--peer", f"10.8.0.2:{PORT}", "--tracker", "udp://10.8.0.2:6969/announce",
    "--tracker", "http://10.8.0.2:6969/announce", "--dht-node", "10.8.0.2:6881")
before = received("vpn0")
while received("vpn0") < before + (4 << 20):
    time.sleep(0.05)
run("ip", "link", "delete", "vpn0")
program.expect("vpn0 is gone")
time.sleep(4)
assert program.process.poll() is None, "".join(program.seen)
connect(there, "vpn0", "vpn1", "10.9.0.7", "10.9.0.2")
program.expect("vpn0 is back, with 10.9.0.7")
began = time.monotonic()
assert program.finish() == 0, "".join(program.seen)
print(f"the download went on and was done {time.monotonic() - began:.1f} s later", flush=True)
assert (folder / "one" / "payload").read_bytes() == whole
assert program.count("vpn0 is gone") == program.count("vpn0 is back") == 1, "".join(program.seen)
leaked = capture.packets()
assert not leaked, leaked[:3]

ours = Program("seed", TORRENT, "-d", folder, "--bind", "vpn0", "--port", PORT + 1, "--no-dht")
ours.expect("seeding")
run("ip", "link", "delete", "vpn0")
ours.expect("vpn0 is gone")
connect(there, "vpn0", "vpn1", "10.9.0.9", "10.9.0.2")
ours.expect("vpn0 is back, with 10.9.0.9")
time.sleep(2)
fetch("--peer", f"10.9.0.9:{PORT + 1}", *alone, folder=folder / "two", whole=whole, there=there)
fetch("--bind", "vpn1", "--no-dht", folder=folder / "three", whole=whole, there=there)
leaked = capture.packets()
assert not leaked, leaked[:3]
attempt = f"import socket; socket.create_connection(('10.8.0.1', {PORT + 1}), 5)"
refused = subprocess.run(there.command(sys.executable, "-c", attempt), stderr=subprocess.PIPE, text=True)
assert "Refused" in refused.stderr, refused.stderr
for one in (ours, seed):
    one.process.terminate()
    one.process.wait(PATIENCE)
there.process.stdin.close()
print("nothing left by another way")
