#!/usr/bin/env python3
"""Kills downloads at random moments and sees what is left: crash.py PROGRAM [KILLS] [SEED]

Each download runs from `femtotorrent seed` through a relay of ours, which holds the rate and counts the bytes.
It is killed (SIGKILL) a few times, at a random number of bytes and a random moment after that, and then runs to
its end. Shown are the kills by scene, and what they cost. It fails if a download does not go on by itself, does
not end byte-identical, leaves a file behind, or fetches more again than can have been open or under way when it
was killed. Then pairs of downloads are started at the same moment: one works, and the other says so.

Needs no network and no other program. The same seed gives the same payloads, and kills at the same byte counts.
"""

import hashlib
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KIB, MIB = 1 << 10, 1 << 20
# What a block's head and the messages beside it add to the payload.
OVERHEAD = 1.01
DEADLINE = 120


class Relay(threading.Thread):
    """Passes connections on to a seed, at most `rate` bytes a second towards the download, and counts them."""

    def __init__(self, port, rate):
        super().__init__(daemon=True)
        self.upstream, self.rate, self.passed = port, rate, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.allowance, self.at = 0.0, time.monotonic()
        self.start()

    def run(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is self.listener:
                    self.connect(selector)
                elif key.fileobj.fileno() >= 0:  # its other end may have closed it just now
                    self.pass_on(selector, key.fileobj, *key.data)

    def connect(self, selector):
        near, _ = self.listener.accept()
        far = socket.create_connection(("127.0.0.1", self.upstream))
        # Little waits between the two, so that what was passed on was received.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KIB)
        for one, other, counts in (near, far, False), (far, near, True):
            one.settimeout(5)
            selector.register(one, selectors.EVENT_READ, (other, counts))

    def pass_on(self, selector, source, target, counts):
        try:
            data = source.recv(32 * KIB)
            if data and counts:
                self.wait_for(len(data))
            if data:
                target.sendall(data)
                self.passed += len(data) * counts
                return
        except OSError:
            pass
        for end in source, target:
            selector.unregister(end)
            end.close()

    def wait_for(self, length):
        now = time.monotonic()
        self.allowance = min(self.allowance + (now - self.at) * self.rate, 64 * KIB) - length
        self.at = now
        if self.allowance < 0:
            time.sleep(-self.allowance / self.rate)


class Scene:
    """A payload, its seeds, and where downloads of it are killed."""

    def __init__(self, name, lengths, piece, seeds, rate, near_end=False, options=()):
        self.name, self.lengths, self.piece = name, lengths, piece
        self.seeds, self.rate, self.near_end, self.options = seeds, rate, near_end, options

    def bound(self):
        """What can be fetched and not be on the disk at a kill: what was asked for, at most 500 blocks of each
        seed, and the pieces that wait to be written, at most 4 MiB but 4 to 64 pieces. So much is lost only
        where the disk stands still; the table shows what is."""
        waiting = min(max(4 * MIB // self.piece, 4), 64)
        return self.seeds * 500 * 16 * KIB + (self.seeds + waiting) * self.piece


def scenes(rng):
    small = [rng.randrange(1, 60 * KIB) for _ in range(400)]
    return [
        Scene("one large file, 256 KiB", [24 * MIB + 12345], 256 * KIB, 1, 24e6),
        Scene("one large file, 1 MiB, 4 seeds", [32 * MIB + 1], MIB, 4, 8e6),
        Scene("400 small files, 32 KiB", small, 32 * KIB, 1, 16e6),
        Scene("all room taken before, 512 KiB", [9 * MIB, 5, 0, 11 * MIB], 512 * KIB, 2, 12e6, options=["--allocate", "full"]),
        Scene("past several records, 1 MiB", [300 * MIB], MIB, 2, 150e6),
        Scene("around the end, 64 KiB", [rng.randrange(1, 90 * KIB) for _ in range(120)], 64 * KIB, 1, 24e6, near_end=True),
    ]


class Run:
    """The seeds of a scene and its downloads."""

    def __init__(self, program, scene, folder, rng):
        self.program, self.scene, self.folder, self.rng = program, scene, folder, rng
        self.source = os.path.join(folder, "source", "payload")
        self.out = os.path.join(folder, "out")
        os.makedirs(self.source)
        for number, length in enumerate(scene.lengths):
            with open(os.path.join(self.source, f"file-{number:04}"), "wb") as file:
                for start in range(0, length, MIB):
                    file.write(rng.randbytes(min(MIB, length - start)))
        self.torrent = os.path.join(folder, "payload.torrent")
        self.call("create", self.source, "-o", self.torrent, "--piece-length", str(scene.piece))
        self.digests = [hashlib.sha1(piece).digest() for piece in self.pieces(self.source)]
        self.total = sum(scene.lengths)
        self.seeding, self.relays = [], []
        for _ in range(scene.seeds):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            arguments = ["seed", self.torrent, "-d", os.path.dirname(self.source), "--port", str(port)]
            self.seeding.append(self.start(arguments))
            wait_for_port(port)
            self.relays.append(Relay(port, scene.rate))

    def environment(self):
        return dict(os.environ, XDG_CACHE_HOME=os.path.join(self.folder, "cache"), XDG_CONFIG_HOME="/dev/null")

    def call(self, *arguments):
        subprocess.run([self.program, *arguments], check=True, capture_output=True, env=self.environment())

    def start(self, arguments):
        quiet = ["--no-dht", "--no-lan", "--no-pex", "-q"]
        return subprocess.Popen([self.program, *arguments, *quiet], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, env=self.environment())

    def download(self):
        peers = [word for relay in self.relays for word in ("--peer", f"127.0.0.1:{relay.port}")]
        return self.start(["get", self.torrent, "-o", self.out, "--no-listen", "--timeout", "60", *peers, *self.scene.options])

    def passed(self):
        return sum(relay.passed for relay in self.relays)

    def pieces(self, folder):
        """The pieces of the payload as it is in this folder: None for one that is not all there."""
        piece, whole, left = b"", True, sum(self.scene.lengths)
        for number, length in enumerate(self.scene.lengths):
            path = os.path.join(folder, f"file-{number:04}")
            file = open(path, "rb") if os.path.exists(path) else None
            done = 0
            while done < length:
                want = min(self.scene.piece - len(piece), length - done)
                data = file.read(want) if file else b""
                whole &= len(data) == want
                piece += data + bytes(want - len(data))
                done, left = done + want, left - want
                if len(piece) == self.scene.piece or left == 0:
                    yield piece if whole else None
                    piece, whole = b"", True
            if file:
                file.close()

    def on_disk(self):
        """How many bytes of verified pieces are there."""
        found = self.pieces(os.path.join(self.out, "payload"))
        good = (len(piece) for piece, digest in zip(found, self.digests)
                if piece is not None and hashlib.sha1(piece).digest() == digest)
        return sum(good)

    def kill_at(self, target, pause):
        """Runs a download and kills it. Returns whether it was killed, and what it fetched."""
        before, process = self.passed(), self.download()
        deadline = time.monotonic() + DEADLINE
        while process.poll() is None and self.passed() - before < target:
            if time.monotonic() > deadline:
                fail(self.scene, "it stands still")
            time.sleep(0.001)
        time.sleep(pause)
        process.kill()
        process.wait()
        time.sleep(0.05)
        return process.returncode, self.passed() - before

    def one_download(self, kills):
        """Kills a download up to so often, and completes it. Returns the cost of each kill."""
        shutil.rmtree(self.out, ignore_errors=True)
        costs, there = [], 0
        for _ in range(kills):
            left = self.total - there
            # Near the end most kills are while files are synced and the marker is removed.
            target = self.rng.uniform(0.95, 1.0) * left if self.scene.near_end else self.rng.random() * left * 0.6
            pause = self.rng.random() * (0.06 if self.scene.near_end else 0.02)
            code, fetched = self.kill_at(target, pause)
            now = self.on_disk()
            if code == 0:
                if now != self.total:
                    fail(self.scene, "it said that it is done, and is not")
                break
            if code != -signal.SIGKILL:
                fail(self.scene, f"it ended by itself with {code}")
            if now < there:
                fail(self.scene, f"{there - now} bytes that were there are lost")
            costs.append(max(0, fetched / OVERHEAD - (now - there)))
            there = now
        before, process = self.passed(), self.download()
        _, said = process.communicate(timeout=DEADLINE)
        again = (self.passed() - before) / OVERHEAD - (self.total - there)
        if process.returncode != 0:
            fail(self.scene, f"the restart ended with {process.returncode}: {said}")
        if self.on_disk() != self.total:
            fail(self.scene, "it is not byte-identical")
        if os.listdir(self.out) != ["payload"] or len(os.listdir(os.path.join(self.out, "payload"))) != len(self.scene.lengths):
            fail(self.scene, f"it left {os.listdir(self.out)}")
        # What the restart fetched though it was there is due to the last kill.
        if costs:
            costs[-1] += max(0, again - 64 * KIB)
        return costs

    def pair(self):
        """Two downloads at the same moment."""
        pair = [self.download(), self.download()]
        ends = [(process.communicate(timeout=DEADLINE)[1], process.returncode) for process in pair]
        codes = sorted(code for _, code in ends)
        if codes != [0, 12] or not any("another process" in said for said, _ in ends):
            fail(self.scene, f"two at once: {ends}")

    def close(self):
        for process in self.seeding:
            process.kill()
            process.wait()


def wait_for_port(port):
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.02)
    sys.exit("the seed does not start")


def fail(scene, what):
    sys.exit(f"{scene.name}: {what}")


def main():
    program = os.path.abspath(sys.argv[1])
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    all_scenes = scenes(rng)
    print(f"{'scene':34} kills  downloads  fetched again a kill: mean, most  bound (KiB)")
    total = 0
    for number, scene in enumerate(all_scenes):
        folder = tempfile.mkdtemp(prefix="femtotorrent-crash-")
        run = Run(program, scene, folder, rng)
        try:
            costs, downloads = [], 0
            share = kills * (number + 1) // len(all_scenes) - total
            while len(costs) < share:
                costs += run.one_download(min(rng.randint(1, 5), share - len(costs)))
                downloads += 1
            most = max(costs, default=0)
            mean = sum(costs) / max(1, len(costs))
            print(f"{scene.name:34} {len(costs):5}  {downloads:9}  {mean / KIB:26.0f}  {most / KIB:4.0f}  {scene.bound() / KIB:5.0f}", flush=True)
            if most > scene.bound():
                fail(scene, f"{most:.0f} bytes were fetched again after a kill")
            total += len(costs)
            if number < 2:
                for _ in range(max(2, kills // 20)):
                    shutil.rmtree(run.out, ignore_errors=True)
                    run.pair()
        finally:
            run.close()
            shutil.rmtree(folder)
    print(f"{total} of {total} kills: each restart went on, ended byte-identical and left nothing; of {2 * max(2, kills // 20)} pairs, one worked")


if __name__ == "__main__":
    main()
