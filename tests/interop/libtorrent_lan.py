"""A libtorrent that looks for peers on the local network: libtorrent_lan.py HOST INFO-HASH

Prints "listening PORT", and "heard ADDRESS" for each host that says there that it has the torrent.
"""
import re
import sys

import libtorrent as lt

host, info_hash = sys.argv[1:]
session = lt.session({
    "listen_interfaces": f"{host}:0",
    "enable_dht": False, "enable_lsd": True, "enable_upnp": False, "enable_natpmp": False,
    # What it hears stands in its log alone, as long as there is nothing to download.
    "alert_mask": lt.alert.category_t.session_log_notification,
})
parameters = lt.add_torrent_params()
parameters.info_hashes = lt.info_hash_t(lt.sha1_hash(bytes.fromhex(info_hash)))
parameters.save_path = "/nonexistent"
parameters.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
session.add_torrent(parameters)
print("listening", session.listen_port(), flush=True)
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if heard := re.search(r"<== LSD: (\S+:\d+) ih: " + info_hash, alert.message()):
            print("heard", heard[1], flush=True)
