"""The torrent of `floods.py`: one file, as version 1 or as version 2 (BEP 52) says it."""

import hashlib

BLOCK = 16 * 1024


def version_one(payload, piece_length):
    """The bytes of the torrent, its info-hash, the root of the file in version 2, its metadata, and a link to it."""
    starts = range(0, len(payload), piece_length)
    hashes = b"".join(hashlib.sha1(payload[at : at + piece_length]).digest() for at in starts)
    info = b"d6:lengthi%de4:name7:payload12:piece lengthi%de6:pieces%d:" % (len(payload), piece_length, len(hashes))
    info += hashes + b"e"
    info_hash = hashlib.sha1(info).digest()
    return b"d4:info" + info + b"e", info_hash, bytes(32), info, f"magnet:?xt=urn:btih:{info_hash.hex()}"


def version_two(payload, piece_length):
    """The same, the hash cut to 20 bytes. Both lengths are powers of two."""
    nodes = [hashlib.sha256(payload[at : at + BLOCK]).digest() for at in range(0, len(payload), BLOCK)]
    layer = nodes
    while len(nodes) > 1:
        if len(nodes) == len(payload) // piece_length:
            layer = nodes
        nodes = [hashlib.sha256(nodes[at] + nodes[at + 1]).digest() for at in range(0, len(nodes), 2)]
    root = nodes[0]
    file = b"d0:d6:lengthi%de11:pieces root32:" % len(payload) + root + b"ee"
    info = b"d9:file treed7:payload" + file + b"e12:meta versioni2e4:name7:payload12:piece lengthi%dee" % piece_length
    layers = b"d32:" + root + b"%d:" % (32 * len(layer)) + b"".join(layer) + b"e"
    info_hash = hashlib.sha256(info).digest()
    torrent = b"d4:info" + info + b"12:piece layers" + layers + b"e"
    return torrent, info_hash[:20], root, info, f"magnet:?xt=urn:btmh:1220{info_hash.hex()}"
