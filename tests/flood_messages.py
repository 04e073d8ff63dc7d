"""What peers that flood say in `floods.py`, kind by kind."""

import random


def frame(number, body=b""):
    return (len(body) + 1).to_bytes(4, "big") + bytes([number]) + body


def word(number):
    return number.to_bytes(4, "big")


def extended(number, body):
    return frame(20, bytes([number]) + body)


def floods(pieces, root):
    """The messages that come first, and those that come again and again, by the kind of flood. `root`: that of the file, in
    version 2."""
    bits = bytearray(b"\xff" * (pieces // 8))
    some = bytes([0x55]) * (pieces // 8)
    block = word(1) + word(0) + word(1024)
    many = [random.randrange(pieces) for _ in range(1000)]
    each = range(pieces)
    hashes = lambda base, index, count, proofs: root + word(base) + word(index) + word(count) + word(proofs)
    addresses = b"".join(bytes([11, i // 250, i % 250 + 1, 9, 0x1a, 0xe1]) for i in range(5000))
    pex = b"d5:added%d:" % len(addresses) + addresses + b"7:added.f5000:" + bytes(5000) + b"e"
    hello = b"d1:md11:ut_metadatai3e6:ut_pexi4ee1:pi7777e1:v4:evil6:yourip4:\x0b\x01\x02\x03e"
    none = frame(15)
    return {
        "bitfield": (frame(5, some), frame(5, bytes(bits))),
        "have": (none, b"".join(frame(4, word(piece)) for piece in many)),
        "have-all": (none, frame(14)),
        "have-none": (none, frame(15)),
        "allowed-fast": (none, b"".join(frame(17, word(piece)) for piece in many)),
        "suggest": (none, b"".join(frame(13, word(piece)) for piece in many)),
        "port": (none, frame(9, b"\x1a\xe1")),
        "interested": (none, frame(2) + frame(3)),
        "choke": (frame(14), frame(0) + frame(1)),
        "extension": (none, extended(0, hello)),
        "long-extension": (none, extended(0, b"d1:v60000:" + b"a" * 60000 + b"e")),
        "pex": (none + extended(0, hello), extended(2, pex)),
        "metadata": (none + extended(0, hello), extended(1, b"d8:msg_typei0e5:piecei0ee")),
        "cancel": (none, frame(8, block)),
        "reject": (frame(14), frame(16, block)),
        "request": (none + frame(2), frame(6, block)),
        "ask-and-cancel": (none + frame(2), frame(6, block) + frame(8, block)),
        "keep-alive": (none, bytes(4)),
        "unknown": (none, frame(99)),
        "long-unknown": (none, frame(99, bytes(32000))),
        "piece": (frame(14), frame(7, word(1) + word(0) + bytes(1024))),
        "bitfield-and-go": (frame(5, some), none),
        "dont-have": (frame(14) + extended(0, hello), b"".join(extended(3, word(piece)) for piece in many)),
        "deep-extension": (none, extended(0, b"d1:m" + b"l" * 30000 + b"e" * 30001)),
        "wide-extension": (none, extended(0, b"d1:md" + b"".join(b"5:%05di1e" % i for i in range(6000)) + b"ee")),
        "metadata-of-nothing": (none + extended(0, hello), extended(1, b"d8:msg_typei1e5:piecei0ee" + bytes(30000))),
        "have-each": (none, b"".join(frame(4, word(piece)) for piece in each)),
        "dont-have-each": (frame(5, bytes(bits[:-1]) + b"\xfe") + extended(0, hello), b"".join(extended(3, word(piece)) for piece in each)),
        "hash-request": (none, frame(21, bytes(48))),
        "hash-request-512": (none, b"".join(frame(21, hashes(0, at, 512, 11)) for at in range(0, pieces, 512))),
        "hash-request-1": (none, b"".join(frame(21, hashes(0, at, 1, 11)) for at in range(0, pieces, 7))),
        "hash-request-wrong": (none, b"".join(frame(21, hashes(at % 5, at, at, at)) for at in range(1, 5000, 7))),
        "hash-reject": (none, frame(23, hashes(0, 0, 512, 11))),
        "hash-answer": (none, frame(22, bytes(30000))),
        "lt-and-upload-only": (none, extended(9, b"\1") + extended(200, b"de")),
    }
