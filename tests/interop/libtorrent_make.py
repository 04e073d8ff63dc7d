"""Makes a v1 torrent with libtorrent: libtorrent_make.py CONTENT PIECE-LENGTH TORRENT"""
import os
import sys

import libtorrent as lt

content, piece_length, torrent = sys.argv[1], int(sys.argv[2]), sys.argv[3]
storage = lt.file_storage()
lt.add_files(storage, content)
made = lt.create_torrent(storage, piece_length, lt.create_torrent.v1_only)
lt.set_piece_hashes(made, os.path.dirname(content))
with open(torrent, "wb") as out:
    out.write(lt.bencode(made.generate()))
