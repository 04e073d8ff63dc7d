"""Makes a torrent with libtorrent: libtorrent_make.py CONTENT PIECE-LENGTH TORRENT VERSION

VERSION is 1, 2 or hybrid. Of one that has a version 2, prints "btmh HASH", the info-hash of that.
"""
import os
import sys

import libtorrent as lt

content, piece_length, torrent, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
storage = lt.file_storage()
lt.add_files(storage, content)
flags = {"1": lt.create_torrent.v1_only, "2": lt.create_torrent.v2_only, "hybrid": 0}[version]
made = lt.create_torrent(storage, piece_length, flags)
lt.set_piece_hashes(made, os.path.dirname(content))
with open(torrent, "wb") as out:
    out.write(lt.bencode(made.generate()))
hashes = lt.torrent_info(torrent).info_hashes()
if hashes.has_v2():
    print("btmh", hashes.v2)
