#!/usr/bin/env python3
"""Writes what the fuzzer starts from: seeds.py FOLDER makes FOLDER/TARGET/* and FOLDER/words.dict.

A seed is a good input, so that the fuzzer begins where the parsers say yes. Torrents are the sample
torrents and a hybrid one; the rest is put together here from what the protocols say.
"""
import gzip
import struct
import sys
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "sample-torrents"


def bencode(value):
    match value:
        case int():
            return b"i%de" % value
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list():
            return b"l%se" % b"".join(map(bencode, value))
        case dict():
            return b"d%se" % b"".join(bencode(key) + bencode(value[key]) for key in sorted(value))


def decode(bytes, at=0):
    """The value at a place, and where it ends."""
    if bytes[at] == ord("i"):
        end = bytes.index(b"e", at)
        return int(bytes[at + 1 : end]), end + 1
    if bytes[at] in b"ld":
        kind, items, at = bytes[at], [], at + 1
        while bytes[at] != ord("e"):
            item, at = decode(bytes, at)
            items.append(item)
        return (items if kind == ord("l") else dict(zip(items[::2], items[1::2]))), at + 1
    colon = bytes.index(b":", at)
    end = colon + 1 + int(bytes[at:colon])
    return bytes[colon + 1 : end], end


def shorthand(value):
    """The notation of src/shorthand.rs."""
    match value:
        case int():
            return b"i" + struct.pack("<i", value) if abs(value) < 1 << 31 else b"I" + struct.pack("<q", value)
        case bytes() if len(value) < 128:
            return bytes([128 + len(value)]) + value
        case bytes():
            return b"z" + struct.pack("<H", len(value))
        case list():
            return b"l%se" % b"".join(map(shorthand, value))
        case dict():
            return b"d%se" % b"".join(shorthand(key) + shorthand(value[key]) for key in value)


def frame(name, body=b""):
    return struct.pack(">IB", 1 + len(body), name) + body


def hybrid():
    files = [
        {b"length": 5, b"path": [b"a", b"one.txt"]},
        {b"attr": b"p", b"length": 16379, b"path": [b".pad", b"16379"]},
        {b"length": 3, b"path": [b"two.txt"]},
    ]
    leaf = lambda length: {b"": {b"length": length, b"pieces root": bytes(32)}}
    tree = {b"a": {b"one.txt": leaf(5)}, b"two.txt": leaf(3)}
    info = {b"file tree": tree, b"files": files, b"meta version": 2, b"name": b"hybrid"}
    info |= {b"piece length": 16384, b"pieces": bytes(40)}
    return {b"announce": b"http://t.example/a", b"info": info, b"piece layers": {}}


def odd():
    """A torrent that uses what the others do not."""
    files = [
        {b"length": 1, b"path": [b"a", b"x"], b"path.utf-8": [b"\xc4\x8d", b"x"]},
        {b"length": 1, b"path": [b"A", b"X"]},
        {b"length": 0, b"attr": b"l", b"path": [b"link"], b"symlink path": [b"a", b"x"]},
        {b"length": 2, b"path": [b"..", b"a"]},
        {b"length": 3, b"path": [b"a"], b"attr": b"x"},
        {b"length": 4, b"path": [b"_____padding_file_0_"]},
    ]
    info = {b"files": files, b"name": b"con.", b"name.utf-8": b"odd", b"piece length": 4}
    info |= {b"pieces": bytes(60), b"private": 1}
    trackers = [[b"http://a.example/announce", b"udp://b.example:80"], [b"https://c.example"]]
    torrent = {b"announce": b"http://a.example", b"announce-list": trackers, b"info": info}
    return torrent | {b"nodes": [[b"d.example", 6881]], b"url-list": [b"http://e.example/"]}


def stories():
    """What the targets with a memory are told: the choices that each of them makes, in its order."""
    # Settings, and an address that is found, connected to and greeted, has all pieces and unchokes us.
    found = [0, 1, 1, 5, 3, 1, 1] + [1, 0, 1] + [4, 7, 3] + [6, 0, 1, 0, 0, 5, 255, 0, 0, 1]
    download = ([10, 0, 3, 1, 0, 0, 0, 0, 15, 3] * 3 + [14, 2, 15, 9]) * 6
    for_all, for_some = [0, 0, 0, 2, 0, 0, 0, 0, 0, 7, 2, 0, 1, 1, 0], [1, 6, 1, 0, 0, 0, 1, 200, 1, 7, 2, 0, 1, 1, 0]
    leech = [3, 9, 0, 9, 3, 1, 4, 7, 5, 6, 1, 1, 0, 0, 3, 1, 0, 0, 5, 1, 15, 14, 17, 1, 0, 1, 15, 14]
    yield "coordinator", [bytes(settings + found + leech + download + [19, 0, 15, 18]) for settings in (for_all, for_some)]

    piece = [8, 0, 0, 2, 1, 1] + [1, 0, 0, 7, 1, 0, 1, 7, 1, 0, 2, 7]
    asks = [5, 2, 11, 0, 1, 14, 15, 5, 8, 1, 0, 0, 14, 15]
    yield "worker", [bytes([2, 1, 0, 15, 5, 6, 5, 1, *rest, 14, 15]) for rest in (piece, asks, piece + asks + piece)]
    # Unchoked, then requests, a cancel, a choke, blocks, rejects, and a nap in between.
    yield "requests", [bytes([fast, 0, 0, 0, 7] + [0, 0, 0, 15, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 4] + [0, 0, 0, 14, 9, 1] * 3
                             + [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 11]) for fast in (0, 1)]
    claims, gives = [5, 0, 1, 3], [5, 2, 0, 1, 1]
    alone = [step for talk in (claims, [4], gives, [4]) for step in [0, *talk]]
    both = [step for who in (0, 1) for talk in (claims, [4], gives, [4]) for step in [who, *talk]]
    yield "metadata_worker", [bytes([0, 0, *talk]) for talk in (alone, both)]
    liar = [1, 0, 0, 1, 3, 1, 6, 0, 1, 0, 1, 3, 1, 6, 1, 1, 0]
    yield "hashes", [bytes([0, 3, 0, 6] * 6), bytes([1, 3, 1, 6, 1, 0, 3, 0, 6] * 5), bytes([1, 2, 1, 0, 0, 2, 0] * 9)]
    yield "assembly", [bytes([0, 3, 0, 6, 1, 1] * 3), bytes(liar + [0, 3, 0, 6, 1, 1]) * 3]


def seeds():
    torrents = [path.read_bytes() for path in sorted(SAMPLES.glob("*.torrent"))]
    assert torrents, f"no torrents in {SAMPLES}"
    torrents += [bencode(hybrid()), bencode(odd())]
    yield "metainfo", torrents
    yield "torrent", [shorthand(decode(torrent)[0]) for torrent in torrents]

    answers = [
        {b"interval": 1800, b"min interval": 60, b"peers": bytes([10, 0, 0, 1, 26, 225] * 3)},
        {b"complete": 1, b"incomplete": 2, b"interval": 1800, b"peers": b"", b"peers6": bytes([32] * 36)},
        {b"interval": 900, b"peers": [{b"ip": b"2001:db8::1", b"peer id": bytes(20), b"port": 6881}]},
        {b"failure reason": b"not welcome"},
        {b"interval": 1, b"tracker id": b"x", b"warning message": b"slow \xe2\x80\xae"},
    ]
    yield "answer", [bencode(answer) for answer in answers] + [shorthand(answer) for answer in answers]

    numbers = {b"complete": 1, b"downloaded": 9000000000, b"incomplete": 2}
    scrapes = [{b"files": {b"h" * 20: numbers}}, {b"failure reason": b"no"}, {b"failure_reason": b"no"}]
    yield "scrape", [bencode(one) for one in scrapes] + [shorthand(one) for one in scrapes]
    packet = lambda choice, action, rest: struct.pack(">BI4s", choice, action, b"tran") + rest
    peers = bytes([10, 0, 0, 1, 26, 225] * 3)
    yield "packets", [
        packet(0, 0, bytes(range(8))),
        packet(1, 1, struct.pack(">III", 1800, 3, 4) + peers),
        packet(5, 1, struct.pack(">III", 60, 0, 1) + peers + b"cut"),
        packet(3, 2, struct.pack(">III", 1, 2, 3)),
        packet(1, 3, b"not welcome"),
    ]

    # A call; its answer; packets in order, with a gap, and the end.
    yield "utp", [
        bytes([1, 0, 1, 3, 2, 9, 7, 1, 3, 0, 20, 0, 200, 1]) + bytes([1, 3, 0, 9, 8, 1, 3, 0, 20, 0, 200]) * 20,
        bytes([2, 1]) + bytes([1, 4, 0, 10, 7, 1, 3, 9, 20, 255, 3, 200, 1, 0, 100, 2, 2]) * 20,
        bytes.fromhex("4100 002a 0000 0001 0000 0000 0010 0000 0001 0000"),
    ]
    yield "wire_tap", [bytes([1, 6, 9, 100, 1, 0]) * 20, bytes([4, 7, 3, 200, 0, 5, 3, 20, 1, 128, 1, 0]) * 10]
    yield "trace_words", [
        b"\0" + frame(4, bytes(4)) + frame(5, b"\xff\xff") + frame(6, bytes(12)) + frame(7, bytes(40)) + frame(20, b"\1x"),
        b"\1" + shorthand({b"m": {b"ut_metadata": 1, b"ut_pex": 2}, b"v": b"evil\xe2\x80\xae\x1b[2J", b"reqq": 250}),
        b"\1" + shorthand({b"msg_type": 1, b"piece": 0, b"total_size": 40}) + bytes(40),
        b"\1" + shorthand({b"added": bytes(range(12)), b"added.f": bytes(2), b"dropped": bytes(6)}),
        b"\0" + struct.pack(">I4sIII", 1, b"tran", 1800, 3, 4) + peers,
        b"\0" + struct.pack(">I4s", 3, b"tran") + b"go \x1b[2J away",
        b"\2" + struct.pack(">QI4s", 1, 1, b"tran") + bytes(82),
        b"\1" + shorthand({b"q": b"get_peers", b"a": {b"id": bytes(20), b"info_hash": bytes(20)}, b"y": b"q", b"t": b"x"}),
    ]

    search = b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\n"
    yield "searching", [
        search + b"Infohash: %s\r\ncookie: 1f\r\n\r\n\r\n" % (b"0a" * 20),
        search + b"Infohash: %s\r\n" % (b"0a" * 20) * 30 + b"\r\n",
    ]

    node = bytes(range(20))
    ask = {b"id": node, b"want": [b"n4", b"n6"]}
    queries = [
        {b"q": b"ping", b"a": {b"id": node}, b"ro": 1},
        {b"q": b"find_node", b"a": ask | {b"target": node}},
        {b"q": b"get_peers", b"a": ask | {b"info_hash": node}},
        {b"q": b"announce_peer", b"a": {b"id": node, b"info_hash": node, b"port": 1, b"token": b"t"}},
        {b"q": b"announce_peer", b"a": {b"id": node, b"info_hash": node, b"implied_port": 1, b"token": b"t"}},
    ]
    found = {b"id": node, b"nodes": bytes(26), b"nodes6": bytes(38), b"token": b"t", b"values": [bytes(6), bytes(18)]}
    krpc = [query | {b"y": b"q"} for query in queries]
    krpc += [{b"y": b"r", b"r": found, b"ip": bytes(6)}, {b"y": b"e", b"e": [203, b"no"]}]
    krpc = [one | {b"t": b"aa", b"v": b"FM01"} for one in krpc]
    yield "krpc", [bencode(one) for one in krpc] + [shorthand(one) for one in krpc]

    said = {b"m": {b"ut_metadata": 2, b"ut_pex": 1}, b"metadata_size": 31235, b"p": 6881, b"reqq": 500, b"v": b"x 1.0"}
    handshakes = [said | {b"yourip": bytes([127, 0, 0, 1])}, said | {b"yourip": bytes([32] * 16)}]
    yield "extension", [bencode(one) for one in handshakes] + [shorthand(one) for one in handshakes]
    request = bencode({b"msg_type": 0, b"piece": 0})
    data = {b"msg_type": 1, b"piece": 1, b"total_size": 31235}
    yield "metadata", [request, bencode(data) + b"d5:filesle", shorthand(data)]
    gossip = {b"added": bytes([10, 0, 0, 1, 26, 225] * 3), b"added.f": b"\x12\x10\0", b"dropped": bytes(range(6))}
    gossip |= {b"added6": bytes([32] * 36), b"added6.f": b"\0\2", b"dropped6": bytes([33] * 18)}
    yield "pex", [bencode(gossip), shorthand(gossip)]
    magnet = b"magnet:?xt=urn:btih:"
    yield "magnet", [
        b"c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        magnet + b"YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK&dn=a+%C5%BD",
        b"&tr.1=udp%3A%2F%2Ft.example%3A80&ws=http://w.example&x.pe=[2001:db8::1]:6881&x.pe=p.example:1",
        b"&so=0,2,4-6&xt=urn:btmh:1220",
    ]
    yield "bencode", [bencode(one) for one in answers + handshakes + [[], {}, -1, [[b"", {b"b": 0, b"a": []}]]]]

    opening = b"\x13BitTorrent protocol"
    yield "handshake", [opening + bytes(48), opening + bytes([0, 0, 0, 0, 0, 16, 0, 4]) + bytes(range(40))]

    # Which side we are, with keys: our chance, our offer and the split, its pad, then what it encrypts.
    yield "key_exchange", [
        bytes([initiates, 1, 7, 9, 3, 0, split, 40, 1, 1, methods, 5]) + bytes(first) + b"behind"
        for initiates in range(2)
        for methods in range(1, 4)
        for split, first in [(200, b"\x44"), (0, b"\x05hello")]
    ] + [bytes([0, 0, 7, 9, 3, 0, 200]) + bytes(range(250)), bytes([1, 0, 7, 9, 3, 0, 0]) + b"\x13BitTorrent protocol"]

    have, block = struct.pack(">I", 7), struct.pack(">III", 7, 16384, 16384)
    every = [bytes(4)] + [frame(name) for name in (0, 1, 2, 3, 14, 15)]
    every += [frame(name, have) for name in (4, 13, 17)] + [frame(name, block) for name in (6, 8, 16)]
    every += [frame(9, b"\x1a\xe1"), frame(20, b"\0" + bencode(said)), frame(99, b"new")]
    every += [frame(7, block[:8] + bytes(7232)), frame(7, struct.pack(">II", 0, 0) + bytes(16384))]
    ten = struct.pack(">H", 10)
    yield "frames", [ten + frame(5, b"\xff\xc0") + b"".join(every)] + [ten + one for one in every]

    hello = b"\x13BitTorrent protocol" + bytes(8) + b"h" * 20 + b"-ST0001-abcdefghijkl"
    blocks = b"".join(frame(7, struct.pack(">II", 0, at) + bytes(16384)) for at in range(0, 65536, 16384))
    yield "student", [
        hello + frame(5, b"\0") + frame(2, b"") + frame(6, struct.pack(">III", 0, 0, 16384)) + frame(4, bytes(4)),
        hello + frame(5, b"\xf0") + frame(1, b"") + blocks,
        hello + frame(2, b"") + frame(6, struct.pack("<III", 1, 16384, 16384)) + frame(8, bytes(12)) + frame(99, b""),
        hello + b"\x0d\0\0\0\x06", hello + frame(5, b"\xff"), hello + b"\0\0\0\x05\x02", hello[:67], hello[:20] + hello[28:] * 2,
        b"19BitTorrent protocol", b"\x13Bittorrent protocol",
        b"/announce?info_hash=" + b"h" * 20 + b"&peer_id=" + b"p" * 20 + b"&port=1&uploaded=0&downloaded=0&left=1",
    ]

    yield "address", [
        b"http://t.example/announce",
        b"https://me:secret@t.example:8443/secret/announce?passkey=secret&",
        b"udp://[2001:db8::1]:80",
        b" HTTP://t.example?x=/y#part\n",
    ]
    yield "compact", [bytes([10, 0, 0, 1, 26, 225] * 3), bytes([32] * 36)]
    yield "body", [b"plain", gzip.compress(b"d8:intervali1800ee", mtime=0), gzip.compress(bytes(100_000), mtime=0)]
    yield "web_heads", [b"\x07HTTP/1.1 200 OK\r\nX: y\r\nContent-Length : 3\r\n\r\nabc", b"\x01HTTP/1.0 302 Found\nLocation: a\n b\n\nx",
        b"\x30HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nDate: x", b"\x02SSH-2.0-x\r\n\r\n"]
    yield "ranges", [b"bytes 0-499/1234", b"bytes=7-8/*", b"120", b"Sun, 06 Nov 1994 08:49:37 GMT",
                     b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"bytes 0-18446744073709551615/*"]
    yield "web_addresses", [b"http://me:it@h:81/pub/?a=b#c\na b/#1 100%.txt", b"http://[::1]\n\xfc/\xff", b"\n",
                            b"HTTPS://h\n../\r\nHost: x"]
    yield "settings", [
        b"# all\ndown-limit = 2M\nno-dht\n--port 7\r\n\n[get]\noutput-dir = '/srv/my files '\n[ seed ]\nuser-agent=a = b # c",
        b"\xef\xbb\xbfselect \"*.mkv\"\n[get", b"-q", b"a\xff", b"comment =\n\tx\x00",
    ]
    yield "caches", [b"61234\n", shorthand({b"4": {b"id": node, b"nodes": bytes(12)}, b"6": {b"nodes": bytes(36)}})]
    connected = b"\x05\0\0\x01" + bytes(6)
    yield "proxy", [
        b"\0\x05\0" + connected + b"peer",
        b"\x01\x05\x02\x01\0\x05\0\0\x03\x02hi\0\x01",
        b"\x01\x05\0\x05\0\0\x04" + bytes(18),
        b"\0\x05\0\x05\x04",
        b"\x02HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\npeer",
        b"\x03HTTP/1.0 407 Who\nA: b\n\n",
        b"\x02HTTP/1.1 503 No\r\n\r\n",
        b"?socks5h://user:p%40ss@[2001:db8::1]:9050",
        b"?http://h:3128\n.example,10.0.0.0/8 [::1]:80,2001:db8::/32,*",
        b"?0x7f.1\n",
    ]
    # A choice of payload, of overwriting, and of a marker or a resume file that begins well.
    marker, resume = b"keep 0 17\nend\n", bytes([1, 1] + [0] * 12 + [0, 0, 0, 1] + [255] * 28 + [0xf8, 1] + [0] * 48)
    yield "storage", [bytes([holds, overwrite, 0, 1]) + marker for holds in range(5) for overwrite in range(2)] + [
        bytes([holds, 0, 1, 1]) + resume for holds in range(5)
    ]
    yield from router()
    yield from stories()
    texts = ["Žluťoučký 別の世界 👍", "a\x1b[2Jb\nc\x9bd", "gpj.\u202eexe", "e\u0301\u2066x\u2069\u2028"]
    yield "text", [text.encode() for text in texts]


def router():
    """What a router says: by PCP, NAT-PMP and SSDP, and over HTTP."""
    port = b"abcdefghijkl" + bytes([6, 0, 0, 0, 26, 225, 27, 88]) + bytes(10) + bytes([255, 255, 5, 6, 7, 8])
    pcp = [bytes([2, 129, 0, 0, 0, 0, 14, 16, 0, 0, 18, 52]) + bytes(12) + port, bytes([2, 128]) + bytes(22)]
    nat_pmp = [bytes([0, 128, 0, 0, 0, 0, 0, 9, 5, 6, 7, 8]), bytes([0, 129, 0, 2, 0, 0, 0, 9])]
    nat_pmp.append(bytes([0, 130, 0, 0, 0, 0, 0, 9, 26, 225, 27, 88, 0, 0, 14, 16]))
    gateway = b"urn:schemas-upnp-org:device:InternetGatewayDevice:1"
    found = b"HTTP/1.1 200 OK\r\nST: %s\r\nLOCATION: http://192.168.1.1:5000/desc.xml\r\n\r\n" % gateway
    yield "gateway_packets", pcp + nat_pmp + [found, b"/ctl", b"http://192.168.1.1/ctl"]
    kinds = (b"WANIPConnection:1", b"WANIPConnection:2", b"WANPPPConnection:1")
    services = b"".join(
        b"<service><serviceType>urn:schemas-upnp-org:service:%s</serviceType><controlURL>/ctl?a=1&amp;b</controlURL>"
        b"</service>" % kind for kind in kinds
    )
    described = b"<?xml version='1.0'?><root><URLBase>http://192.168.1.1:80/</URLBase><a b='>'/>%s</root>" % services
    said = b"<s:Body><u:R><NewExternalIPAddress>5.6.7.8</NewExternalIPAddress><NewReservedPort>7</NewReservedPort></u:R>"
    said += b"<detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Body>"
    bomb = b"<!DOCTYPE a [<!ENTITY b 'bb'><!ENTITY c '&b;&b;'>]><a>&c;</a>"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said)
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\n4\r\n</a>\r\n0\r\n\r\n"
    yield "gateway_pages", [described, said, bomb, head + said, chunks, b"<a><![CDATA[&]]>&#33;</a>", b"<a>" * 40]


def words(torrents):
    """Strings that mean something, for the fuzzer to put in: keys as bencode and as shorthand."""
    keys = set()

    def collect(value):
        for key in value if isinstance(value, dict) else []:
            keys.add(key)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            collect(item)

    for torrent in torrents:
        collect(decode(torrent)[0])
    found = [write(key) for key in sorted(keys) if len(key) < 30 for write in (bencode, shorthand)]
    return found + [b"://", b"http://", b"\x13BitTorrent protocol", b"\xe2\x80\xae", b"\xcc\x81", b"\xc2\x9b"]


def main(folder):
    for target, inputs in seeds():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / target / f"seed-{number}").write_bytes(data)
    bencoded = [data for target, inputs in seeds() if target in ("metainfo", "bencode") for data in inputs]
    lines = ['"%s"\n' % "".join(f"\\x{byte:02x}" for byte in word) for word in words(bencoded)]
    (folder / "words.dict").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
