"""Does anything go past the proxy? Runs femtotorrent in a network namespace and looks at every packet that leaves it.

usage: leaks.py FEMTOTORRENT [OPTION...]

The namespace has one cable, with routes to everywhere over IPv4 and IPv6, and a name server that can be asked over it.
At the other end is a proxy, and nothing else answers; all that comes over the cable is looked at. The torrent names what
could tempt a client: trackers over HTTP, HTTPS and UDP, nodes of the DHT, web seeds; and the user names peers by name. With
`--proxy`, only TCP to the proxy may come, and the payload must arrive. Without, a run has to show packets of each kind:
else this test would see nothing.

The options go to femtotorrent, instead of the runs that this does by itself. Needs root.
"""

import hashlib, os, pathlib, select, signal, socket, struct, subprocess, sys, tempfile, threading, time

FEMTO = str(pathlib.Path(sys.argv[1]).resolve())
NAME = f"femto-leak-{os.getpid()}"
OUTER, INNER = f"fo{os.getpid() % 100000}", f"fi{os.getpid() % 100000}"
# Several of these may run at once.
PROXY, CLIENT, NAMES = (f"10.213.{os.getpid() % 250}.{host}" for host in (1, 2, 53))
PORT = 1080
PEER, NAMED = "192.0.2.7:6881", "seed.example:6881"
# ETH_P_ALL: frames of every protocol.
EVERYTHING = 3
KINDS = {"names": "DNS", "udp": "UDP", "multicast": "multicast", "tcp": "TCP past the proxy"}


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def bencode(value):
    match value:
        case int(): return b"i%de" % value
        case bytes(): return b"%d:%s" % (len(value), value)
        case str(): return bencode(value.encode())
        case list(): return b"l" + b"".join(map(bencode, value)) + b"e"
        case dict(): return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Namespace:
    """The namespace, and the cable to it."""

    def __enter__(self):
        etc = pathlib.Path("/etc/netns") / NAME
        etc.mkdir(parents=True)
        (etc / "resolv.conf").write_text(f"nameserver {NAMES}\noptions timeout:1 attempts:1\n")
        run("ip", "netns", "add", NAME)
        run("ip", "link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAME)
        run("ip", "addr", "add", f"{PROXY}/24", "dev", OUTER)
        run("ip", "link", "set", OUTER, "up")
        inside = lambda *command: run("ip", "-n", NAME, *command)
        inside("link", "set", "lo", "up")
        inside("addr", "add", f"{CLIENT}/24", "dev", INNER)
        inside("addr", "add", "2001:db8:7::2/64", "dev", INNER, "nodad")
        inside("link", "set", INNER, "up")
        inside("route", "add", "default", "via", PROXY)
        inside("-6", "route", "add", "default", "dev", INNER)
        # The name server has a neighbour's address, so that questions to it come over the cable.
        outer = pathlib.Path(f"/sys/class/net/{OUTER}/address").read_text().strip()
        inside("neigh", "replace", NAMES, "lladdr", outer, "dev", INNER)
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", NAME])
        subprocess.run(["ip", "link", "del", OUTER], stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", f"/etc/netns/{NAME}"])


class Wire(threading.Thread):
    """Looks at all that comes over the cable, and sorts it."""

    def __init__(self):
        super().__init__(daemon=True)
        # Of no protocol until it is bound: else it would take in what other cables carry meanwhile.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((OUTER, EVERYTHING))
        self.seen, self.good, self.ends = {}, 0, False
        self.start()

    def run(self):
        while not self.ends:
            if select.select([self.socket], [], [], 0.1)[0]:
                frame, (_, _, direction, *_) = self.socket.recvfrom(65535)
                if direction != socket.PACKET_OUTGOING:
                    self.look(frame)

    def look(self, frame):
        protocol, rest = struct.unpack(">H", frame[12:14])[0], frame[14:]
        if protocol == 0x0806:
            # The kernel asks for the neighbour that a packet goes to, so this is one packet of another host.
            to = socket.inet_ntoa(rest[24:28])
            return None if to == PROXY else self.note("tcp", f"ARP for {to}")
        if protocol == 0x0800:
            kind, to, body = rest[9], socket.inet_ntoa(rest[16:20]), rest[(rest[0] & 15) * 4:]
        elif protocol == 0x86DD:
            kind, to, body = rest[6], socket.inet_ntop(socket.AF_INET6, rest[24:40]), rest[40:]
            # Of itself the kernel looks for routers and neighbours, and joins the groups for that.
            if kind == 58 and 133 <= body[0] <= 136:
                return None
            if kind == 0:
                groups = body[8 + 8:] if body[8] == 143 else b""
                return None if b"\xef\xc0" not in groups else self.note("multicast", "joins ff15::efc0:988f")
        else:
            return self.note("udp", f"protocol {protocol:x}")
        if kind == 6:
            port = struct.unpack(">H", body[2:4])[0]
            if (to, port) == (PROXY, PORT):
                self.good += 1
                return None
            return self.note("tcp", f"{to}:{port}")
        multicast = int(to.split(".")[0]) >= 224 if "." in to else to.startswith("ff")
        if kind == 17:
            port = struct.unpack(">H", body[2:4])[0]
            return self.note("names" if port == 53 else "multicast" if multicast else "udp", f"{to}:{port}")
        return self.note("multicast" if multicast else "udp", f"{to}, protocol {kind}")

    def note(self, kind, what):
        self.seen.setdefault(kind, set()).add(what)

    def close(self):
        time.sleep(0.3)
        self.ends = True
        self.join()
        self.socket.close()


class Proxy(threading.Thread):
    """SOCKS5 and HTTP. It leads the peer to the seed, answers for the tracker, and knows nothing else."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.seed, self.asked = seed, []
        self.socket = socket.create_server((PROXY, PORT))
        self.start()

    def run(self):
        while True:
            stream, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        with stream:
            try:
                self.answer(stream, stream.makefile("rb", 0))
            except (OSError, struct.error, IndexError):
                pass

    def answer(self, stream, read):
        exactly = lambda count: b"".join(iter(lambda: read.read(1), b"") if count < 0 else [read.read(1) for _ in range(count)])
        if stream.recv(1, socket.MSG_PEEK) == b"\5":
            exactly(exactly(2)[1])
            stream.sendall(b"\5\0")
            kind = exactly(4)[3]
            host = {1: lambda: socket.inet_ntoa(exactly(4)), 4: lambda: f"[{socket.inet_ntop(socket.AF_INET6, exactly(16))}]",
                    3: lambda: exactly(exactly(1)[0]).decode()}[kind]()
            host += ":%d" % struct.unpack(">H", exactly(2))
            yes, no, head = b"\5\0\0\1" + bytes(6), b"\5\4\0\1" + bytes(6), None
        else:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += exactly(1)
            words = head.decode().split()
            host = words[1] if words[0] == "CONNECT" else words[1].split("/")[2] + ":80"
            yes, no = b"HTTP/1.1 200 Yes\r\n\r\n", b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
            head = None if words[0] == "CONNECT" else head
        self.asked.append(host)
        if host in (PEER, NAMED):
            with socket.create_connection(self.seed) as there:
                stream.sendall(yes)
                threading.Thread(target=self.pump, args=(there, stream), daemon=True).start()
                self.pump(stream, there)
        elif host == "tracker.example:80":
            if head is None:
                stream.sendall(yes)
                while not (head := (head or b"") + exactly(1)).endswith(b"\r\n\r\n"):
                    pass
            ip, port = PEER.split(":")
            peers = socket.inet_aton(ip) + struct.pack(">H", int(port))
            body = bencode({"interval": 1800, "peers": peers})
            stream.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        else:
            stream.sendall(no)

    def pump(self, source, target):
        try:
            while part := source.recv(65536):
                target.sendall(part)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Sockets(threading.Thread):
    """Looks which sockets the namespace has while a run goes on: at which a packet could come in, or leave."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.found = process, set()
        self.start()

    def run(self):
        ours = os.readlink("/proc/self/ns/net")
        while self.process.poll() is None:
            try:
                if os.readlink(f"/proc/{self.process.pid}/ns/net") == ours:
                    # It is not in the namespace yet.
                    continue
            except OSError:
                break
            for table in ("tcp", "tcp6", "udp", "udp6"):
                try:
                    lines = pathlib.Path(f"/proc/{self.process.pid}/net/{table}").read_text().splitlines()[1:]
                except OSError:
                    continue
                # 0A is a socket that listens.
                self.found |= {f"{table} {line.split()[1]}" for line in lines if table.startswith("udp") or line.split()[3] == "0A"}
            time.sleep(0.01)


def look_at(folder, torrent, options, limit):
    """Runs a download to its end, or for so long, and says what came over the cable and what listened."""
    output = pathlib.Path(tempfile.mkdtemp(dir=folder))
    wire = Wire()
    command = ["ip", "netns", "exec", NAME, FEMTO, "get", str(torrent), "-o", str(output), "-v", "--down-limit", "600K",
               *options]
    environment = {**os.environ, "XDG_CACHE_HOME": str(output / "cache"), "XDG_CONFIG_HOME": "/dev/null"}
    log = open(output / "log", "w")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    sockets = Sockets(process)
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        process.terminate()
        code = process.wait(20) and None
    sockets.join()
    wire.close()
    return wire, sockets.found, code, output, (output / "log").read_text()


def main(folder):
    payload = os.urandom(3_000_000)
    seeds = folder / "seed"
    seeds.mkdir()
    (seeds / "payload.bin").write_bytes(payload)
    pieces = b"".join(hashlib.sha1(payload[at:at + 65536]).digest() for at in range(0, len(payload), 65536))
    info = {"name": "payload.bin", "length": len(payload), "piece length": 65536, "pieces": pieces}
    trackers = ["http://tracker.example/announce", "https://tracker.example/announce", "udp://198.51.100.9:6969/announce",
                "udp://udp.example:80/announce", "http://198.51.100.11/announce", "http://[2001:db8::11]/announce"]
    torrent = folder / "x.torrent"
    torrent.write_bytes(bencode({
        "announce": trackers[0], "announce-list": [[one] for one in trackers], "info": info,
        "nodes": [["node.example", 6881], ["198.51.100.10", 6881]],
        "url-list": ["http://web.example/payload.bin", "http://198.51.100.12/payload.bin"]}))
    bare = folder / "bare.torrent"
    bare.write_bytes(bencode({"info": info}))
    hash = hashlib.sha1(bencode(info)).hexdigest()
    magnet = f"magnet:?xt=urn:btih:{hash}&tr=http%3A%2F%2Ftracker.example%2Fannounce&tr=udp%3A%2F%2Fudp.example%3A80" \
             "&x.pe=far.example:6881&x.pe=198.51.100.13:6881&ws=http%3A%2F%2Fweb.example%2Fpayload.bin"
    peers = ["--peer", NAMED, "--peer", "198.51.100.14:6881", "--peer", "[2001:db8::14]:6881"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seeder = subprocess.Popen([FEMTO, "seed", str(bare), "-d", str(seeds), "--port", str(port), "--no-dht", "--no-lan",
                               "--bind", "127.0.0.1", "-q", "--proxy", "none"])
    faults = []
    try:
        with Namespace():
            time.sleep(2)
            proxy = Proxy(("127.0.0.1", port))
            ways = [["--proxy", f"socks5h://{PROXY}:{PORT}"], ["--proxy", f"http://{PROXY}:{PORT}"],
                    ["--proxy", f"socks5h://{PROXY}:{PORT}", "--bind", CLIENT, "--seed", "--seed-time", "0.02"]]
            ways = [sys.argv[2:]] if sys.argv[2:] else ways
            for way in ways:
                for named in (torrent, magnet):
                    title = f"{' '.join(way)} {str(named)[:9]}"
                    wire, listening, code, output, log = look_at(folder, named, [*way, *peers], 90)
                    arrived = (output / "payload.bin").exists() and (output / "payload.bin").read_bytes() == payload
                    wrong = [f"{KINDS[kind]}: {', '.join(sorted(what))}" for kind, what in wire.seen.items()]
                    wrong += [f"a socket that a packet can come in at: {one}" for one in sorted(listening)]
                    wrong += [] if code == 0 and arrived and wire.good else [f"the payload did not arrive: code {code}\n{log}"]
                    print(f"{title}: {wire.good} packets to the proxy, {'; '.join(wrong) or 'and nothing else'}", flush=True)
                    faults += wrong
                    if faults:
                        return faults
            print("asked of the proxy:", *sorted(set(proxy.asked)))
            assert {NAMED, PEER, "tracker.example:80"} <= set(proxy.asked), proxy.asked
            if not sys.argv[2:]:
                wire, listening, *_ = look_at(folder, torrent, ["--proxy", "none", *peers], 12)
                print("without a proxy:", {kind: sorted(what)[:4] for kind, what in wire.seen.items()}, sorted(listening)[:4])
                faults += [f"this test does not see {name}" for kind, name in KINDS.items() if kind not in wire.seen]
                faults += [] if listening else ["this test does not see sockets"]
    finally:
        seeder.kill()
        seeder.wait()
    return faults


# The namespace goes with us.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
with tempfile.TemporaryDirectory() as folder:
    faults = main(pathlib.Path(folder))
if faults:
    sys.exit("\n".join(["FAILED:", *faults]))
