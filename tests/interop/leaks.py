#!/usr/bin/env python3
"""Does anything go past the proxy? Looks at every packet that femtotorrent sends, in network namespaces:

unshare -rnm --fork --pid --mount-proc --kill-child leaks.py FEMTOTORRENT [OPTION...]

femtotorrent's host has one cable, with routes to everywhere over IPv4 and IPv6, and a name server that can be asked over
it. At the other end, which is here, is a proxy, and nothing else answers; all that comes over the cable is looked at. No
other program of this machine has a way to either end. The torrent names what could tempt a client: trackers over HTTP,
HTTPS and UDP, nodes of the DHT, web seeds; and the user names peers by name. With `--proxy`, only TCP to the proxy may
come, and the payload must arrive. Without, a run has to show packets of each kind: else this test would see nothing.

The options go to femtotorrent, instead of the runs that this does by itself. Needs iproute2 and util-linux.
"""

import hashlib, os, pathlib, select, socket, struct, subprocess, sys, tempfile, threading, time

FEMTO = str(pathlib.Path(sys.argv[1]).resolve())
OUTER, INNER = "outer0", "inner0"
PROXY, CLIENT, NAMES = "10.213.7.1", "10.213.7.2", "10.213.7.53"
CLIENT6 = "2001:db8:7::2"
PORT = 1080
PEER, NAMED = "192.0.2.7:6881", "seed.example:6881"
# What the proxy is asked for this peer it never answers: TCP that is silent is when uTP would be tried.
SILENT = "198.51.100.15:6881"
# ETH_P_ALL: frames of every protocol.
EVERYTHING = 3
KINDS = {"names": "DNS", "udp": "UDP", "utp": "uTP", "multicast": "multicast", "tcp": "TCP past the proxy", "six": "IPv6"}
# For what takes seconds, on a machine that has much else to do.
PATIENCE = 240


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def bencode(value):
    match value:
        case int(): return b"i%de" % value
        case bytes(): return b"%d:%s" % (len(value), value)
        case str(): return bencode(value.encode())
        case list(): return b"l" + b"".join(map(bencode, value)) + b"e"
        case dict(): return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def say_to_the_system(file, words):
    """Has this stand in a file of /etc, for all that runs here."""
    file = os.path.realpath(file)
    if os.path.exists(file):
        with tempfile.NamedTemporaryFile("w") as other:
            other.write(words)
            other.flush()
            run("mount", "--bind", other.name, file)


class Host:
    """femtotorrent's host, a namespace that lives as long as a process in it, and the cable to it."""

    def __init__(self):
        # Names are asked of the name server, and of no service of this machine.
        say_to_the_system("/etc/resolv.conf", f"nameserver {NAMES}\noptions timeout:1 attempts:1\n")
        say_to_the_system("/etc/nsswitch.conf", "hosts: files dns\n")
        self.names = os.path.exists("/etc/resolv.conf")
        self.process = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == ours:
            time.sleep(0.01)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", str(self.process.pid))
        run("ip", "address", "add", f"{PROXY}/24", "dev", OUTER)
        run("ip", "link", "set", OUTER, "up")
        inside = lambda *command, **more: run(*self.command("ip", *command), **more)
        inside("link", "set", "lo", "up")
        inside("address", "add", f"{CLIENT}/24", "dev", INNER)
        inside("link", "set", INNER, "up")
        inside("route", "add", "default", "via", PROXY)
        # What is asked of the name server shall be seen, and not only a search for its neighbour's address.
        link = run("ip", "-o", "link", "show", OUTER, stdout=subprocess.PIPE, text=True).stdout
        inside("neighbour", "replace", NAMES, "lladdr", link.split("link/ether ")[1].split()[0], "dev", INNER)
        # A kernel may have been built or started without IPv6.
        self.six = os.path.exists("/proc/net/if_inet6")
        if self.six:
            switch = f"echo 0 > /proc/sys/net/ipv6/conf/{INNER}/disable_ipv6"
            run(*self.command("sh", "-c", switch))
            inside("address", "add", f"{CLIENT6}/64", "dev", INNER, "nodad")
            inside("-6", "route", "add", "default", "dev", INNER)
            # Until it is known that nobody else has an address, it cannot be sent from.
            show = self.command("ip", "-6", "address", "show", "tentative")
            deadline = time.monotonic() + PATIENCE
            while run(*show, stdout=subprocess.PIPE).stdout and time.monotonic() < deadline:
                time.sleep(0.1)

    def command(self, *command):
        return ["nsenter", "-n", "-t", str(self.process.pid), *command]


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
                    try:
                        self.look(frame)
                    except (IndexError, struct.error, ValueError, OSError) as error:
                        self.note("udp", f"what is no packet ({error}): {frame[:80].hex()}")

    def look(self, frame):
        protocol, rest = struct.unpack(">H", frame[12:14])[0], frame[14:]
        if protocol == 0x0806:
            # The kernel asks for the neighbour that a packet goes to, so this is one packet of another host.
            to = socket.inet_ntoa(rest[24:28])
            # It also says its own address to all.
            return None if to in (PROXY, CLIENT) else self.note("tcp", f"ARP for {to}")
        if protocol == 0x0800:
            kind, to, body = rest[9], socket.inet_ntoa(rest[16:20]), rest[(rest[0] & 15) * 4:]
        elif protocol == 0x86DD:
            kind, to, body = rest[6], socket.inet_ntop(socket.AF_INET6, rest[24:40]), rest[40:]
            # Of itself the kernel looks for routers and for itself, and joins the groups for that. Where it looks for a
            # neighbour, that is one packet of another host.
            if kind == 58 and 133 <= body[0] <= 136:
                target = socket.inet_ntop(socket.AF_INET6, body[8:24]) if body[0] == 135 else CLIENT6
                return None if target == CLIENT6 or target.startswith("fe80:") else self.note("six", f"a search for {target}")
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
            # A packet of uTP that begins a connection: type 4, version 1 (BEP 29).
            kind = "names" if port == 53 else "multicast" if multicast else "utp" if body[8:9] == b"A" else "udp"
            return self.note(kind, f"{to}:{port}")
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
        def exactly(count):
            found = b""
            while len(found) < count:
                # It returns nothing, for ever, at the end.
                if not (part := read.read(count - len(found))):
                    raise OSError("the connection has ended")
                found += part
            return found

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
        elif host == SILENT:
            exactly(1)
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
    """Looks which sockets the host has while a run goes on: at which a packet could come in, or leave."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.found = process, set()
        self.start()

    def run(self):
        here = pathlib.Path(f"/proc/{self.process.pid}")
        while self.process.poll() is None:
            try:
                # Before that it is the program that leads it there, maybe not there yet.
                if os.path.samefile(here / "exe", FEMTO):
                    self.look(here / "net")
            except OSError:
                # It has ended.
                pass
            time.sleep(0.02)

    def look(self, net):
        for table in ("tcp", "tcp6", "udp", "udp6"):
            if (net / table).exists():
                lines = (net / table).read_text().splitlines()[1:]
                # 0A is a socket that listens.
                waits = lambda line: table.startswith("udp") or line.split()[3] == "0A"
                self.found |= {f"{table} {line.split()[1]}" for line in lines if waits(line)}


def look_at(host, folder, torrent, options, enough=lambda wire, sockets: False):
    """Runs a download to its end, or until enough was seen, and says what came over the cable and what listened."""
    output = pathlib.Path(tempfile.mkdtemp(dir=folder))
    wire = Wire()
    command = host.command(FEMTO, "get", str(torrent), "-o", str(output), "-v", "--down-limit", "600K", *options)
    log = open(output / "log", "w")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment(output))
    sockets = Sockets(process)
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline and not enough(wire, sockets):
        time.sleep(0.05)
    if process.poll() is None:
        process.terminate()
    code = process.wait(PATIENCE)
    sockets.join()
    wire.close()
    return wire, sockets.found, code, output, (output / "log").read_text()


def environment(folder):
    """No settings of the user's, and no proxy."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


def start_seeder(torrent, folder):
    """One that this host alone can reach, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seeder = subprocess.Popen([FEMTO, "seed", str(torrent), "-d", str(folder), "--port", str(port), "--no-dht", "--no-lan",
                               "--bind", "127.0.0.1", "-q"], env=environment(folder))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and seeder.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return seeder, port
        except OSError:
            time.sleep(0.05)
    seeder.kill()
    sys.exit(f"FAILED: the seeder does not listen, code {seeder.wait()}")


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
    peers = ["--peer", NAMED, "--peer", SILENT, "--peer", "198.51.100.14:6881", "--peer", "[2001:db8::14]:6881"]
    host = Host()
    seeder, port = start_seeder(bare, seeds)
    faults = []
    try:
        proxy = Proxy(("127.0.0.1", port))
        ways = [["--proxy", f"socks5h://{PROXY}:{PORT}"], ["--proxy", f"http://{PROXY}:{PORT}"],
                ["--proxy", f"socks5h://{PROXY}:{PORT}", "--bind", CLIENT, "--seed", "--seed-time", "0.02"]]
        ways = [sys.argv[2:]] if sys.argv[2:] else ways
        for way in ways:
            for named in (torrent, magnet):
                title = f"{' '.join(way)} {str(named)[:9]}"
                wire, listening, code, output, log = look_at(host, folder, named, [*way, *peers])
                arrived = (output / "payload.bin").exists() and (output / "payload.bin").read_bytes() == payload
                wrong = [f"{KINDS[kind]}: {', '.join(sorted(what))}" for kind, what in wire.seen.items()]
                wrong += [f"a socket that a packet can come in at: {one}" for one in sorted(listening)]
                wrong += [] if code == 0 and arrived and wire.good else ["the payload did not arrive"]
                wrong += [f"code {code}, and it printed:\n{log}"] if wrong else []
                print(f"{title}: {wire.good} packets to the proxy, {'; '.join(wrong) or 'and nothing else'}", flush=True)
                faults += wrong
                if faults:
                    return faults
        print("asked of the proxy:", *sorted(set(proxy.asked)), flush=True)
        missed = {NAMED, PEER, SILENT, "tracker.example:80"} - set(proxy.asked)
        faults += [f"the proxy was not asked for {one}" for one in sorted(missed)]
        if not sys.argv[2:]:
            # What this machine cannot show is not looked for.
            kinds = KINDS.keys() - ({"names"} if not host.names else set()) - ({"six"} if not host.six else set())
            enough = lambda wire, sockets: kinds <= wire.seen.keys() and sockets.found
            wire, listening, code, _, log = look_at(host, folder, torrent, ["--proxy", "none", *peers], enough)
            print("without a proxy:", {kind: sorted(what)[:4] for kind, what in wire.seen.items()}, sorted(listening)[:4])
            faults += [f"this test does not see {KINDS[kind]}" for kind in sorted(kinds - wire.seen.keys())]
            faults += [] if listening else ["this test does not see sockets"]
            faults += [f"code {code}, and it printed:\n{log}"] if faults else []
    finally:
        seeder.kill()
        seeder.wait()
        host.process.kill()
        host.process.wait()
    return faults


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        faults = main(pathlib.Path(folder))
    if faults:
        sys.exit("\n".join(["FAILED:", *faults]))
