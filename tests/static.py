#!/usr/bin/env python3
"""Proves that a binary is whole by itself: static.py BINARY BYTES [RUNNER]

In a network namespace of its own, with a root folder that holds nothing but the binary and one
torrent: it starts, reads the torrent, resolves a name by asking the name server at 127.0.0.1 (what a
host without /etc/resolv.conf means), fetches the torrent over HTTP by that name, downloads its payload
from a seeder that a tracker of that name introduces, speaks TLS far enough to refuse a certificate
that no root it carries has signed, tries a download for the doctor, and runs a program after one; one
without TLS says that it has none. One for another processor is run by RUNNER, such as
qemu-aarch64-static. Fails as well if the binary is over BYTES. Needs util-linux
(unshare), chroot and openssl, and root or user namespaces; where those are not permitted it says so
and proves the size alone.
"""
import fcntl
import hashlib
import http.server
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

SAMPLE = pathlib.Path(__file__).resolve().parent.parent / "sample-torrents" / "factors.torrent"
PAYLOAD = SAMPLE.parent / "payload" / "factors.txt"
INFO_HASH = "c051eb982c35f47bb9c351778c3746bf993f45e6"
NAME = "tracker.example.org"


def raise_loopback():
    """`ip link set lo up` without needing ip."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 1 | 64)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def name_server(asked):
    """Answers every question for an IPv4 address with 127.0.0.1, and others with nothing."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def answer():
        while True:
            query, client = server.recvfrom(512)
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            asked.append(".".join(labels))
            question, kind = query[12:at + 5], query[at + 1:at + 3]
            record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if kind == b"\0\1" else b""
            counts = struct.pack(">4H", 1, bool(record), 0, 0)
            server.sendto(query[:2] + b"\x81\x80" + counts + question + record, client)

    threading.Thread(target=answer, daemon=True).start()


def torrent():
    """The sample, announced to the tracker that we are."""
    url = f"http://{NAME}/announce".encode()
    return b"d8:announce%d:%s4:info%se" % (len(url), url, info())


def info():
    """The info dictionary, which is the last thing in the sample."""
    body = SAMPLE.read_bytes()
    return body[body.index(b"4:info") + 6:-1]


def seeder():
    """Seeds the sample's payload (BEP 3) to every client that connects, and returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    payload = PAYLOAD.read_bytes()
    piece_length = int(info().split(b"12:piece lengthi")[1].split(b"e")[0])
    pieces = -(-len(payload) // piece_length)
    bits = bytearray(-(-pieces // 8))
    for piece in range(pieces):
        bits[piece // 8] |= 0x80 >> piece % 8

    def frame(kind, body=b""):
        return struct.pack(">IB", 1 + len(body), kind) + body

    def serve(stream):
        stream.read(68)
        reply = b"\x13BitTorrent protocol" + bytes(8) + hashlib.sha1(info()).digest() + b"-XX0000-seeder000000"
        stream.write(reply + frame(5, bytes(bits)) + frame(1))
        stream.flush()
        while head := stream.read(4):
            message = stream.read(struct.unpack(">I", head)[0])
            if message[:1] == b"\6":
                index, begin, length = struct.unpack(">III", message[1:])
                at = index * piece_length + begin
                stream.write(frame(7, message[1:9] + payload[at:at + length]))
                stream.flush()

    def accept():
        while True:
            with listener.accept()[0] as peer:
                serve(peer.makefile("rwb"))

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/announce"):
            body = b"d8:intervali60e5:peers6:\x7f\0\0\1%se" % struct.pack(">H", self.server.seeder)
        else:
            body = torrent()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class WebServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that breaks off a handshake is what we are here to see."""


def web_server(port, seeder_port, context=None):
    server = WebServer(("127.0.0.1", port), Web)
    server.seeder = seeder_port
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def certificate(folder):
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                    "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def prove(binary, folder, runner=None):
    root = folder / "root"
    root.mkdir()
    shutil.copy(binary, root / "femtotorrent")
    shutil.copy(SAMPLE, root / "factors.torrent")

    before = []
    if runner:
        shutil.copy(shutil.which(runner), root / "runner")
        before = ["/runner"]
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")

    def run(*arguments):
        done = subprocess.run([chroot, root, *before, "/femtotorrent", *arguments], env={}, timeout=300,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def expect(claim, good, output):
        print(f"{'ok' if good else 'FAILED'}: {claim}", flush=True)
        if not good:
            sys.exit(f"it printed:\n{output}")

    raise_loopback()
    asked = []
    name_server(asked)
    seeder_port = seeder()
    web_server(80, seeder_port)
    web_server(443, seeder_port, certificate(folder))

    code, output = run("--version")
    expect("starts in an empty root folder", code == 0 and "femtotorrent" in output, output)
    code, output = run("show", "--json", "/factors.torrent")
    expect("reads a torrent", code == 0 and INFO_HASH in output, output)
    code, output = run("show", "--json", f"http://{NAME}/factors.torrent")
    expect("resolves a name and fetches by it", code == 0 and INFO_HASH in output and NAME in asked, output)
    code, output = run("get", f"http://{NAME}/factors.torrent", "-o", "/out")
    written = root / "out" / "factors.txt"
    good = code == 0 and written.exists() and written.read_bytes() == PAYLOAD.read_bytes()
    expect("downloads from a peer that a tracker introduces by name", good, output)
    code, output = run("show", "--json", f"https://{NAME}/factors.torrent")
    if "this build has no TLS" in output:
        return expect("has no TLS, and says so", code == 28, output)
    expect("refuses a certificate by the roots it carries", code != 0 and "certificate" in output.lower(), output)
    peer = f"127.0.0.1:{seeder_port}"
    code, output = run("doctor", "/factors.torrent", "-d", "/", "--peer", peer, "--no-dht", "--no-map-port")
    expect("tries a download without /dev/null", code == 0, output)
    if not runner:
        # Without a word it has nothing to do, and says so with 28.
        code, output = run("get", "/factors.torrent", "-o", "/hook", "--peer", peer, "--on-complete", "/femtotorrent")
        expect("runs a program without /dev/null", code == 0 and "exit status: 28" in output, output)


def main():
    if sys.argv[1] == "--inside":
        return prove(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), *sys.argv[4:])
    binary, most = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    size = binary.stat().st_size
    print(f"{binary.name}: {size} bytes, at most {most}")
    if size > most:
        sys.exit("the static binary has outgrown its limit")
    apart = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
        print("skipped: this host permits no network namespace, so only the size is proven")
        return
    with tempfile.TemporaryDirectory(prefix="static-") as folder:
        done = subprocess.run([*apart, sys.executable, __file__, "--inside", binary, folder, *sys.argv[3:]],
                              timeout=1200)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
