"""Peers of `floods.py` that answer, and lie: about the metadata of a magnet link, or about the hashes of version 2."""

import os
import re
import socket

from flood_messages import extended, frame

PIECE = 16 * 1024
LIES = ("lies-about-metadata", "lies-about-size", "lies-about-hashes", "falls-silent")


class Liar:
    """One connection. What it says of itself is right, but for what it lies about."""

    def __init__(self, kind, peer, metadata):
        self.kind, self.peer, self.metadata, self.extension = kind, peer, metadata, 0
        # As large as one may be.
        self.size = 60_000_000 if kind == "lies-about-size" else len(metadata)

    def live(self, hello):
        """Until it is disconnected."""
        about = b"d1:md11:ut_metadatai3ee13:metadata_sizei%de1:v4:evile" % self.size
        self.peer.sendall(hello + b"-EV0001-" + os.urandom(12) + frame(14) + extended(0, about) + frame(1))
        self.peer.recv(68, socket.MSG_WAITALL)
        held = b""
        while some := self.peer.recv(65536):
            held += some
            while len(held) >= 4 and len(held) >= 4 + (length := int.from_bytes(held[:4], "big")):
                self.hear(held[4 : 4 + length])
                held = held[4 + length :]

    def hear(self, message):
        if message[:2] == b"\x14\0":
            found = re.search(rb"11:ut_metadatai(\d+)e", message)
            self.extension = int(found[1]) if found else 0
        elif message[:2] == b"\x14\x03" and b"8:msg_typei0e" in message and self.kind != "falls-silent":
            self.send_metadata(int(re.search(rb"5:piecei(\d+)e", message)[1]))
        elif message[:1] == b"\x15" and self.kind != "falls-silent":
            _, _, length, proofs = (int.from_bytes(message[at : at + 4], "big") for at in range(33, 49, 4))
            # The digests, and one node for each level above theirs.
            nodes = length + max(0, proofs + 2 - length.bit_length())
            self.peer.sendall(frame(22, message[1:49] + os.urandom(32 * nodes)))

    def send_metadata(self, piece):
        begin = piece * PIECE
        data = os.urandom(min(PIECE, self.size - begin))
        if self.kind in ("lies-about-hashes", "falls-silent"):
            data = self.metadata[begin : begin + PIECE]
        head = b"d8:msg_typei1e5:piecei%de10:total_sizei%dee" % (piece, self.size)
        self.peer.sendall(extended(self.extension, head + data))
