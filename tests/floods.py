#!/usr/bin/env python3
"""What floods cost a download: floods.py BINARY [--kinds A,B] [--peers 2,5,50] [--small] [--two] [--udp] [--seed] [--mib 64] ...

An honest seeder, which is the same program, gives 64 MiB at 8 MB/s. Beside it peers connect that send one kind
of message as fast as they can, and come back as soon as they are disconnected. Printed are peak memory, CPU
and time of the download, and each as a ratio to a quiet one in the same run. All of it happens in a network
namespace of its own, in which every address of 11/8 and 10/8 is this host: that is a part of the internet, and addresses
of our own host or network are never kept out, since one of them may stand for everybody: with --near the flood comes
from this host, with --lan from a network beside us. With --two the torrent is of version 2. Those that
lie about metadata and hashes are met with --magnet alone. With --udp the floods of packets reach the
DHT too. It needs root or user namespaces, `unshare` and `ip`.
A flood costs most in its first seconds: --mib 512 shows what it costs in a minute. All of it takes half an hour.
"""

import argparse
import hashlib
import os
import random
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import flood_torrent
from flood_liars import LIES, Liar
from flood_messages import floods, frame

RATE = 8_000_000
PORT = 51413
NETWORK = "127" if "--near" in sys.argv else "10" if "--lan" in sys.argv else "11"
CLIENT = f"{NETWORK}.255.0.1"
SEEDER = f"{NETWORK}.254.0.1"
MODERN = bytes([0, 0, 0, 0, 0, 0x10, 0, 4])


# Floods that are no messages: lives of peers, and packets.
LIVES = (
    "loris", "crowd-of-loris", "connect", "connect-from-many", "half-handshake", "half-handshake-from-many",
    "http", "http-from-many", "half-key-exchange", "half-key-exchange-from-many", "wrong-keys", "wrong-keys-from-many",
    "other-torrent", "other-torrent-from-many", "short-requests", *LIES,
)  # fmt: skip
DATAGRAMS = (
    "utp-syn", "utp-syn-from-many", "utp-garbage", "utp-data-from-many", "dht-query", "dht-query-from-many",
    "dht-garbage", "local-discovery",
)  # fmt: skip


class Flood:
    """The peers that flood, until it is ended."""

    def __init__(self, kind, messages, count, scene, target):
        self.ends, self.target, self.connections, self.held = threading.Event(), target, 0, []
        self.hello = b"\x13BitTorrent protocol" + MODERN + scene.info_hash
        self.from_many = kind.endswith("-from-many")
        self.kind = kind.removesuffix("-from-many")
        lives = {
            "loris": self.loris,
            "crowd-of-loris": self.crowd,
            "connect": self.connect,
            "half-handshake": self.half,
            "http": lambda peer: peer.sendall(b"GET /announce?info_hash=%00 HTTP/1.1\r\nHost: us\r\n\r\n" * 100),
            "half-key-exchange": self.half_exchange,
            "wrong-keys": self.wrong_keys,
            "short-requests": self.short_requests,
            "other-torrent": lambda peer: peer.sendall(self.hello[:28] + bytes(20) + b"-EV0001-" + os.urandom(12)),
        }
        if kind in LIES:
            lives[kind] = lambda peer: Liar(kind, peer, scene.metadata).live(self.hello)
        life = lives.get(self.kind, self.flood)
        self.first, self.again = messages or (b"", b"")
        if self.again:
            self.again *= max(1, 65536 // len(self.again))
        # Two in one network, as an attacker has.
        self.threads = [
            threading.Thread(
                target=self.send_packets if kind in DATAGRAMS else self.live,
                args=(life, f"{NETWORK}.{1 + i // 2}.0.{1 + i % 2}"),
                daemon=True,
            )
            for i in range(count)
        ]
        for thread in self.threads:
            thread.start()

    def live(self, life, at):
        while not self.ends.is_set():
            if self.from_many:
                at = f"{NETWORK}." + ".".join(str(random.randrange(1, 250)) for _ in range(3))
            try:
                with socket.socket() as peer:
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    peer.bind((at, 0))
                    peer.settimeout(20)
                    peer.connect(self.target)
                    self.connections += 1
                    life(peer)
            except OSError:
                self.ends.wait(0.05)

    def flood(self, peer):
        peer.sendall(self.hello + b"-EV0001-" + os.urandom(12) + self.first)
        reader = threading.Thread(target=swallow, args=(peer,), daemon=True)
        reader.start()
        while not self.ends.is_set():
            peer.sendall(self.again)

    def loris(self, peer):
        for byte in self.hello + b"-EV0001-" + os.urandom(12) + bytes(1000):
            peer.sendall(bytes([byte]))
            if self.ends.wait(1):
                return

    def connect(self, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.ends.wait(0.001)

    def half(self, peer):
        peer.sendall(self.hello[:30])
        self.held.append(peer.dup())
        self.ends.wait(0.02)

    def half_exchange(self, peer):
        """A key, and nothing more."""
        peer.sendall(os.urandom(96))
        self.held.append(peer.dup())
        self.ends.wait(0.02)

    def wrong_keys(self, peer):
        peer.sendall(os.urandom(96 + 200 + 800))
        while peer.recv(65536):
            pass

    def short_requests(self, peer):
        """Of a byte each, and it reads the answers."""
        peer.sendall(self.hello + b"-EV0001-" + os.urandom(12) + frame(15) + frame(2))
        heard = b""
        while frame(1) not in heard:
            heard = heard[-4:] + hear(peer)
        asked = b"".join(frame(6, bytes([0, 0, 0, 0, 0, 0, 0, at, 0, 0, 0, 1])) for at in range(100))
        while not self.ends.is_set():
            peer.sendall(asked)
            missing = 100 * 14
            while missing > 0:
                missing -= len(hear(peer))

    def crowd(self, peer):
        """Twenty connections at a time for each such peer, each of which says a byte a second."""
        peers = [peer]
        for number in range(1, 20):
            other = socket.socket()
            other.bind((f"{NETWORK}.{random.randrange(1, 250)}.{random.randrange(250)}.{number}", 0))
            other.settimeout(5)
            other.connect(self.target)
            peers.append(other)
        self.connections += 19
        for byte in self.hello + b"-EV0001-" + os.urandom(12) + frame(15) + bytes(1000):
            for one in list(peers):
                try:
                    one.sendall(bytes([byte]))
                except OSError:
                    peers.remove(one)
            if self.ends.wait(1) or not peers:
                break
        for one in peers:
            one.close()

    def packet(self):
        number = os.urandom(2)
        hour = b"\0\0\0\0" + bytes(4) + b"\0\x10\0\0" + os.urandom(2) + bytes(2)
        if self.kind == "utp-syn":
            return b"\x41\0" + number + hour
        if self.kind == "utp-data":
            return b"\x01\0" + number + hour + bytes(1000)
        if self.kind == "dht-query":
            name, more = random.choice([(b"ping", b""), (b"find_node", b"6:target20:" + os.urandom(20)),
                (b"get_peers", b"9:info_hash20:" + os.urandom(20))])  # fmt: skip
            return b"d1:ad2:id20:%s%se1:q%d:%s1:t2:%s1:y1:qe" % (os.urandom(20), more, len(name), name, number)
        if self.kind == "dht-garbage":
            return b"d1:ad" + b"l" * 1000 + b"e"
        if self.kind == "local-discovery":
            return (b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n"
                b"Infohash: %s\r\n\r\n\r\n" % self.hello[28:48].hex().encode())  # fmt: skip
        return os.urandom(random.randrange(1, 1400))

    def send_packets(self, _, at):
        """To the UDP port, or to the group of the local network."""
        target = ("239.192.152.143", 6771) if self.kind == "local-discovery" else self.target
        while not self.ends.is_set():
            if self.from_many:
                at = f"{NETWORK}." + ".".join(str(random.randrange(1, 250)) for _ in range(3))
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                sender.bind((at, 0))
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(at))
                for _ in range(20):
                    try:
                        sender.sendto(self.packet(), target)
                        self.connections += 1
                    except OSError:
                        pass

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join(5)
        for peer in self.held:
            peer.close()


def hear(peer):
    heard = peer.recv(65536)
    if not heard:
        raise OSError("the connection is over")
    return heard


def swallow(peer):
    try:
        while peer.recv(65536):
            pass
    except OSError:
        pass


def peak_memory(process):
    try:
        with open(f"/proc/{process}/status") as file:
            return max((int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM")), default=0)
    except OSError:
        return 0


def processor_time(process):
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Scene:
    """A torrent, its payload and its seeder."""

    def __init__(self, binary, folder, piece_length, options):
        self.binary, self.folder, two, length = binary, folder, options.two, options.mib << 20
        self.pieces = length // piece_length
        self.quiet = [] if options.udp and options.seed else ["--no-dht", "--no-lan"]
        seeds = os.path.join(folder, "seeds")
        os.mkdir(seeds)
        chance = random.Random(7)
        payload = b"".join(chance.randbytes(1 << 20) for _ in range(length >> 20))
        with open(os.path.join(seeds, "payload"), "wb") as file:
            file.write(payload)
        make = flood_torrent.version_two if two else flood_torrent.version_one
        torrent, self.info_hash, self.root, self.metadata, self.link = make(payload, piece_length)
        self.torrent = os.path.join(folder, "payload.torrent")
        with open(self.torrent, "wb") as file:
            file.write(torrent)
        self.digest = hashlib.sha1(payload).digest()
        self.seeds = seeds
        self.start_seeder()

    def start_seeder(self):
        command = [self.binary, "seed", self.torrent, "-d", self.seeds, "--port", "6881", "--bind", SEEDER]
        os.environ["XDG_CONFIG_HOME"] = "/dev/null"
        self.seeder = subprocess.Popen(command + ["--up-limit", str(RATE), *self.quiet, "-q"])
        time.sleep(1)

    def download(self, kind, messages, count, options):
        """One download under this flood: its exit code, peak MiB, CPU seconds, seconds, and connections. Where
        the seeder is attacked, memory and CPU are the seeder's."""
        if options.seed:
            self.end()
            self.start_seeder()
        out = tempfile.mkdtemp(dir=self.folder)
        what = self.link if options.magnet else self.torrent
        command = [self.binary, "get", what, "-o", out, "--peer", f"{SEEDER}:6881", "--port", str(PORT)]
        command += ["--bind", CLIENT, "--timeout", "120"]
        command += [] if options.udp else ["--no-dht", "--no-lan"]
        command += ["-vv"] if options.log else ["-q"]
        log = open(options.log, "ab") if options.log else None
        if options.magnet:
            self.seeder.send_signal(19)
        limit = None
        if options.files:
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (options.files, options.files))
        began = time.monotonic()
        client = subprocess.Popen(command, stderr=log, stdout=log, preexec_fn=limit)
        target = (SEEDER, 6881) if options.seed else (CLIENT, PORT)
        flood = Flood(kind, messages, count, self, target) if count else None
        if options.magnet:
            time.sleep(3)
            self.seeder.send_signal(18)
        peak, ended = 0, (0, 0, None)
        while not ended[0]:
            # The system's own account begins with what this script has.
            peak = max(peak, peak_memory(self.seeder.pid if options.seed else client.pid))
            time.sleep(0.02)
            if time.monotonic() - began > 150:
                client.kill()
            ended = os.wait4(client.pid, os.WNOHANG)
        _, status, usage = ended
        seconds = time.monotonic() - began
        client.returncode = code = os.waitstatus_to_exitcode(status)
        if flood:
            flood.end()
        if code == 0:
            with open(os.path.join(out, "payload"), "rb") as file:
                assert hashlib.sha1(file.read()).digest() == self.digest, "the payload is wrong"
        shutil.rmtree(out)
        cpu = processor_time(self.seeder.pid) if options.seed else usage.ru_utime + usage.ru_stime
        return code, peak, cpu, seconds, flood.connections if flood else 0

    def end(self):
        self.seeder.send_signal(18)
        self.seeder.terminate()
        self.seeder.wait()


def in_namespace():
    """Starts this script again in a network namespace in which all of 11/8 and 10/8 is this host."""
    if os.environ.get("FLOODS") == "inside":
        return
    os.environ["FLOODS"] = "inside"
    script = 'ip link set lo up && for n in 10 11; do ip route add local $n.0.0.0/8 dev lo; done && exec "$@"'
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = ["unshare", "--net", *root, "sh", "-c", script, "sh", sys.executable, *sys.argv]
    os.execvp(unshare[0], unshare)


def main():
    names = [*floods(256, bytes(32)), *LIVES, *DATAGRAMS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--kinds", default=",".join(names), help=", ".join(names))
    parser.add_argument("--peers", default="2,5,50", help="how many peers flood")
    parser.add_argument("--small", action="store_true", help="256 pieces of 256 KiB, not 65,536 of 1 KiB")
    parser.add_argument("--mib", type=int, default=64, help="length of the payload")
    parser.add_argument("--two", action="store_true", help="version 2, 4,096 pieces of 16 KiB")
    parser.add_argument("--near", action="store_true", help="flood from this host, which is never kept out")
    parser.add_argument("--lan", action="store_true", help="flood from our own network, which is never kept out")
    parser.add_argument("--magnet", action="store_true", help="3 s of the flood before the metadata can come")
    parser.add_argument("--udp", action="store_true", help="with the DHT and the local network, quiet too")
    parser.add_argument("--seed", action="store_true", help="flood the seeder, and measure that")
    parser.add_argument("--files", type=int, help="ulimit -n of the download")
    parser.add_argument("--log", help="append the log of each download to this file")
    options = parser.parse_args()
    in_namespace()
    folder = tempfile.mkdtemp(prefix="floods-")
    piece_length = 256 * 1024 if options.small else 16 * 1024 if options.two else 1024
    scene = Scene(os.path.realpath(options.binary), folder, piece_length, options)
    try:
        messages = floods(scene.pieces, scene.root)
        quiet = scene.download("quiet", None, 0, options)
        print(f"{'flood':16} {'peers':>5} {'code':>4} {'MiB':>6} {'x':>5} {'CPU s':>6} {'x':>5} {'s':>6} {'x':>5} connections")
        runs = [("quiet", 0)] + [(kind, int(n)) for kind in options.kinds.split(",") for n in options.peers.split(",")]
        for kind, count in runs:
            code, memory, cpu, seconds, connections = (
                scene.download(kind, messages.get(kind), count, options) if count else quiet
            )
            print(
                f"{kind:16} {count:5} {code:4} {memory:6.1f} {memory / quiet[1]:5.2f} {cpu:6.2f} {cpu / quiet[2]:5.2f}"
                f" {seconds:6.1f} {seconds / quiet[3]:5.2f} {connections}",
                flush=True,
            )
    finally:
        scene.end()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
