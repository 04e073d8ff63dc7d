"""femtotorrent behind a real router: gateway.py FEMTOTORRENT pcp|nat-pmp|upnp

The router is miniupnpd in a network namespace of its own, between one with the seeder and one that is the internet, with
a tracker and a libtorrent leecher. Another host has our number at the router already, so the port outside is another
one. Ends with 0 if the port was mapped, announced, came to life again after the router had begun anew, let the leecher
in, and was closed at the end. 77: this machine cannot do it, with the reason as its last line.
"""
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["XDG_CONFIG_HOME"] = "/dev/null"
PROGRAM, WAY = sys.argv[1:3]
PORT = 61234
WAIT = 100
HERE = Path(__file__).parent
# Real addresses of the internet, since a router with a reserved one outside maps nothing. They stay in the namespaces.
OUTSIDE, PEER, TRACKER_PORT = "45.66.77.1", "45.66.77.2", 8080
INSIDE, OURS, OTHER, MOVED = (f"192.168.77.{last}" for last in (1, 2, 3, 9))

TRACKER = r"""
import http.server, sys, urllib.parse
class Tracker(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query, encoding="latin1")
        print("announced", self.client_address[0], query["port"][0], query.get("event", ["-"])[0], flush=True)
        answer = b"d8:intervali1800e5:peers0:e"
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_): pass
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Tracker).serve_forever()
"""
# A mapping of another host, by NAT-PMP, which miniupnpd speaks whatever it is told to speak besides.
TAKE = r"""
import socket, struct, sys
from_host, gateway, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((from_host, 0))
line.settimeout(5)
for code in (1, 2):
    line.sendto(struct.pack(">BBHHHI", 0, code, 0, port, port, 3600), (gateway, 5351))
    answer = line.recv(64)
    assert struct.unpack(">BBH", answer[:4]) == (0, 128 + code, 0), answer
"""


def skip(reason):
    print(f"cannot be tried here: {reason}")
    sys.exit(77)


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, **options)


class Network:
    """Three namespaces in a row: seeder, router, internet."""

    def __init__(self):
        self.names = [f"ft-{WAY}-{part}-{os.getpid()}" for part in ("home", "router", "net")]
        self.home, self.router, self.net = self.names

    def __enter__(self):
        try:
            # Names of namespaces are files, and other runs of this test, also those that were killed, have the same ones.
            os.makedirs("/run/netns", exist_ok=True)
            run("mount", "-t", "tmpfs", "none", "/run/netns")
            for name in self.names:
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            self.link(self.home, "eth0", [OURS, OTHER, MOVED], self.router, "lan", INSIDE)
            self.link(self.net, "eth0", [PEER], self.router, "wan", OUTSIDE)
            run("ip", "-n", self.home, "route", "add", "default", "via", INSIDE)
            self.inside(self.router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        except (OSError, subprocess.CalledProcessError) as error:
            self.__exit__()
            skip(f"{error} {getattr(error, 'stderr', '')}".strip())
        return self

    def link(self, host, interface, addresses, router, other, address):
        run("ip", "-n", host, "link", "add", interface, "type", "veth", "peer", "name", other, "netns", router)
        for one in addresses:
            run("ip", "-n", host, "address", "add", f"{one}/24", "dev", interface)
        run("ip", "-n", router, "address", "add", f"{address}/24", "dev", other)
        run("ip", "-n", host, "link", "set", interface, "up")
        run("ip", "-n", router, "link", "set", other, "up")

    def inside(self, name, *command, **options):
        return run("ip", "netns", "exec", name, *command, **options)

    def start(self, name, log, *command):
        out = open(log, "w")
        return subprocess.Popen(["ip", "netns", "exec", name, *map(str, command)], stdout=out, stderr=subprocess.STDOUT)

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def wait_for(what, look, processes, folder):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if found := look():
            print("ok:", what, flush=True)
            return found
        if any(process.poll() is not None for process in processes):
            break
        time.sleep(0.1)
    for log in sorted(folder.glob("*.log")):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
    sys.exit(f"not in {WAIT} s, or a program has ended: {what}")


RULES = """
table inet filter {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward { type filter hook forward priority 0; policy drop
        jump miniupnpd
        iifname "lan" oifname "wan" accept
        ct state established,related accept
    }
    chain prerouting { type nat hook prerouting priority -100
        jump prerouting_miniupnpd
    }
    chain postrouting { type nat hook postrouting priority 100
        jump postrouting_miniupnpd
        oifname "wan" masquerade
    }
    chain input { type filter hook input priority 0
        %s
    }
}
"""
# The first byte of a packet is the version of the protocol.
NO_PCP = "udp dport 5351 @th,64,8 2 drop"
NO_PORT_5351_OF_OURS = f"ip saddr {{ {OURS}, {MOVED} }} udp dport 5351 drop"


def router(network, folder, leases):
    settings = folder / "router.conf"
    settings.write_text(
        f"ext_ifname=wan\nlistening_ip=lan\nport=5000\nlease_file={leases}\nsecure_mode=yes\nsystem_uptime=no\n"
        f"enable_natpmp=yes\nenable_upnp={'yes' if WAY == 'upnp' else 'no'}\nmin_lifetime=30\nmax_lifetime=60\n"
        "upnp_table_name=filter\nupnp_nat_table_name=filter\n"
        "uuid=8d73de2b-dc84-4da6-86dd-7755b2e9004c\nnotify_interval=60\n"
        "allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
    )
    pid = folder / "router.pid"
    return network.start(network.router, folder / "router.log", "miniupnpd", "-d", "-f", settings, "-P", pid)


def main(network, folder):
    rules = {"pcp": "", "nat-pmp": NO_PCP, "upnp": NO_PORT_5351_OF_OURS}[WAY]
    network.inside(network.router, "nft", "-f", "-", input=RULES % rules)
    leases = folder / "leases"
    payload = folder / "payload"
    payload.write_bytes(hashlib.shake_128(b"gateway").digest(3_000_000))
    torrent = folder / "payload.torrent"
    run(PROGRAM, "create", payload, "-o", torrent, "--tracker", f"http://{PEER}:{TRACKER_PORT}/announce")

    processes = []
    start = lambda *what: processes.append(network.start(*what)) or processes[-1]
    wait = lambda what, look: wait_for(what, look, processes, folder)
    text = lambda name: (folder / name).read_text(errors="replace") if (folder / name).exists() else ""
    try:
        start(network.net, folder / "tracker.log", sys.executable, "-c", TRACKER, PEER, TRACKER_PORT)
        demon = router(network, folder, leases)
        began = time.monotonic()
        processes.append(demon)

        def take():
            command = ["ip", "netns", "exec", network.home, sys.executable, "-c", TAKE, OTHER, INSIDE, str(PORT)]
            return subprocess.run(command, capture_output=True).returncode == 0

        wait("another host has our number", take)
        time.sleep(0.5)
        seeder = start(
            network.home, folder / "seeder.log", PROGRAM, "seed", torrent, "-d", folder, "--port", PORT, "-v",
            "--no-dht", "--no-lan",
        )
        name = {"pcp": "PCP", "nat-pmp": "NAT-PMP", "upnp": "UPnP"}[WAY]
        said = rf"port (\d+) is mapped by {name} at {INSIDE}"
        outside = int(wait("mapped", lambda: re.search(said, text("seeder.log")))[1])
        assert outside != PORT, "the number was taken"
        ours = lambda transport: re.search(rf"{transport}:{outside}:{OURS}:{PORT}:(\d+)", text("leases"))
        wait("the router has a lease", lambda: ours("TCP"))
        wait("the tracker heard the port outside", lambda: f"announced {OUTSIDE} {outside} " in text("tracker.log"))
        if WAY == "pcp":
            # It grants a minute, so it is asked again after three quarters of that.
            then = int(ours("TCP")[1])
            wait("the lease is renewed", lambda: (now := ours("TCP")) and int(now[1]) > then)

        received = folder / "received"
        received.mkdir()
        start(
            network.net, folder / "leecher.log", sys.executable, HERE / "libtorrent_leech.py", torrent, received, PEER,
            0, f"{OUTSIDE}:{outside}",
        )
        wait("libtorrent came in and has everything", lambda: "complete" in text("leecher.log"))
        assert (received / "payload").read_bytes() == payload.read_bytes()
        wait("it is said that peers can reach us", lambda: "reachable: 1 connected from outside" in text("seeder.log"))

        if WAY != "upnp":
            # The router begins anew, and announces that. It says for how many seconds it has run: where these were few,
            # nobody can tell that they begin again (RFC 6886, 3.6).
            time.sleep(max(0, began + 12 - time.monotonic()))
            processes.remove(demon)
            demon.terminate()
            demon.wait()
            leases.unlink()
            network.inside(network.router, "nft", "flush", "ruleset")
            network.inside(network.router, "nft", "-f", "-", input=RULES % rules)
            processes.append(router(network, folder, leases))
            wait("mapped again", lambda: re.search(rf"TCP:\d+:{OURS}:{PORT}:", text("leases")))

        host = OURS
        if WAY == "upnp":
            # We are in another network, or have another address in this one.
            host = MOVED
            for route in (f"192.168.77.0/24 dev eth0 src {MOVED}", f"default via {INSIDE} src {MOVED}"):
                run("ip", "-n", network.home, "route", "replace", *route.split())
            wait("mapped to our new address", lambda: re.search(rf"TCP:\d+:{MOVED}:{PORT}:", text("leases")))

        began = time.monotonic()
        # `ip netns exec` has become the program.
        seeder.send_signal(signal.SIGTERM)
        assert seeder.wait(60) == -signal.SIGTERM, "it dies of the signal"
        print(f"ok: ended in {time.monotonic() - began:.1f} s")
        processes.remove(seeder)
        wait("the port is closed", lambda: f":{host}:{PORT}:" not in text("leases"))
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    if os.geteuid() != 0:
        skip("it needs root, for network namespaces")
    for tool in ("ip", "nft", "miniupnpd"):
        if not shutil.which(tool):
            skip(f"{tool} is missing")
    with Network() as network, tempfile.TemporaryDirectory() as folder:
        main(network, Path(folder))
