#!/usr/bin/env python3
"""Writes the sample torrents and their payloads, byte for byte the same on every machine.

Needs nothing but Python's standard library. `make samples` runs it; README.md beside it, also
written here, says what each torrent is for. Nothing is random: the payloads are either text that is
computed or SHA-256 in counter mode over the file's own name.
"""
import hashlib
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
PAYLOAD = HERE / "payload"
ANNOUNCE = b"http://127.0.0.1:6969/announce"


def bencode(value):
    """Canonical bencode: keys in byte order, each once."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def noise(name, length):
    """Bytes that do not compress and that look like no other file's."""
    blocks = range((length + 31) // 32)
    return b"".join(hashlib.sha256(f"{name} {n}".encode()).digest() for n in blocks)[:length]


def factors(at_least):
    """Every integer from 2 up as a product of primes, until the text is long enough."""
    lines, length, number = [], 0, 2
    while length < at_least:
        rest, primes, divisor = number, [], 2
        while divisor * divisor <= rest:
            while rest % divisor == 0:
                primes.append(divisor)
                rest //= divisor
            divisor += 1
        if rest > 1:
            primes.append(rest)
        line = f"{number} = {' * '.join(map(str, primes))}\n"
        lines.append(line)
        length += len(line)
        number += 1
    return "".join(lines).encode()


def pieces(content, piece_length):
    cuts = range(0, len(content), piece_length)
    return b"".join(hashlib.sha1(content[at:at + piece_length]).digest() for at in cuts)


def write_payload(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def write_torrent(name, info):
    """Writes the torrent and returns its info-hash."""
    comment = b"A sample made by femtotorrent's sample-torrents/make.py"
    torrent = {b"announce": ANNOUNCE, b"comment": comment, b"info": info}
    (HERE / f"{name}.torrent").write_bytes(bencode(torrent))
    return hashlib.sha1(bencode(info)).hexdigest()


def single(name, file_name, piece_length, content):
    write_payload(PAYLOAD / file_name, content)
    return write_torrent(name, {
        b"length": len(content), b"name": file_name.encode(),
        b"piece length": piece_length, b"pieces": pieces(content, piece_length)})


def multi(name, piece_length, files, padded=False):
    """Files are (path, content). A padded torrent starts each file on a piece boundary (BEP 47)."""
    entries, stream = [], b""
    for number, (path, content) in enumerate(files):
        write_payload(PAYLOAD / name / path, content)
        entries.append({b"length": len(content), b"path": path.encode().split(b"/")})
        stream += content
        short = -len(stream) % piece_length
        if padded and short and number + 1 < len(files):
            entries.append({b"attr": b"p", b"length": short, b"path": [b".pad", b"%d" % short]})
            stream += bytes(short)
    return write_torrent(name, {
        b"files": entries, b"name": name.encode(),
        b"piece length": piece_length, b"pieces": pieces(stream, piece_length)})


def main():
    kib = 1024
    hashes = {
        "factors": single("factors", "factors.txt", 64 * kib, factors(260 * kib)),
        "garden": multi("garden", 16 * kib, [
            ("beds/north/plan.bin", noise("garden north", 21_000)),
            ("beds/south/plan.bin", noise("garden south", 16 * kib)),
            ("beds/south/shade/plan.bin", noise("garden shade", 1)),
            ("fallow.bin", b""),
            ("read me.txt", b"Pieces run on from one file into the next.\n"),
            ("seeds.bin", noise("garden seeds", 40_000)),
        ]),
        "padded": multi("padded", 16 * kib, [
            ("first.bin", noise("padded first", 30_000)),
            ("second.bin", noise("padded second", 32 * kib)),
            ("sub/third.bin", noise("padded third", 9)),
            ("sub/fourth.bin", noise("padded fourth", 20_001)),
        ], padded=True),
        "selection": multi("selection", 32 * kib, [
            ("a-small.bin", noise("selection a", 5_000)),
            ("b-large.bin", noise("selection b", 89_000)),
            ("c-small.bin", noise("selection c", 3_000)),
            ("d-small.bin", noise("selection d", 700)),
            ("e-medium.bin", noise("selection e", 40_000)),
        ]),
    }
    purpose = {
        "factors": "single file in pieces of four blocks, the last piece of a single short one; what `femtotorrent demo` "
                   "downloads",
        "garden": "several files in nested folders, one of one byte, one of none; pieces run across files",
        "padded": "padding files (BEP 47) put each file on a piece boundary; they are never written, so the "
                  "payload has none",
        "selection": "files larger and smaller than a piece: one file alone needs parts of pieces that "
                     "belong to its neighbours (piece 2 ends one file, holds two whole and begins the last)",
    }
    rows = "\n".join(f"| `{name}.torrent` | {purpose[name]} | `{digest}` |" for name, digest in hashes.items())
    (HERE / "README.md").write_text(f"""\
# Sample torrents

Torrents and their payloads, made by `make.py` (run `make samples`): every byte is computed, so that
running it again changes nothing. The payloads are under `payload/`, laid out as a client writes them
with `-o sample-torrents/payload`. All name the tracker `{ANNOUNCE.decode()}`.

| torrent | what it is for | info-hash |
|---|---|---|
{rows}
""")


if __name__ == "__main__":
    main()
