"""A libtorrent leecher: libtorrent_leech.py TORRENT-OR-LINK FOLDER HOST BYTES-A-SECOND [PEER-HOST:PORT ...]

Prints "listening PORT", downloads from these peers and from those that the torrent's trackers name,
prints "complete" when everything is there and checked, and goes on to share it. libtorrent_encryption.py
and libtorrent_utp.py have more settings.
"""
import sys

import libtorrent as lt

import libtorrent_encryption
import libtorrent_utp

torrent, folder, host, rate, peers = *sys.argv[1:5], sys.argv[5:]
session = lt.session({
    "listen_interfaces": f"{host}:0", "outgoing_interfaces": host,
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
    **libtorrent_encryption.settings(), **libtorrent_utp.settings(),
})
if torrent.startswith("magnet:"):
    parameters = lt.parse_magnet_uri(torrent)
else:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(torrent)
parameters.save_path = folder
handle = session.add_torrent(parameters)
# The session's own limit would not hold for peers of the same host; a torrent's does. 0: no limit.
handle.set_download_limit(int(rate))
print("listening", session.listen_port(), flush=True)
for peer in peers:
    peer_host, _, port = peer.rpartition(":")
    handle.connect_peer((peer_host, int(port)))

while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert):
            # What is written still waits in memory; the other side compares files.
            handle.flush_cache()
        elif isinstance(alert, lt.cache_flushed_alert):
            print("complete", flush=True)
        elif alert.category() & lt.alert.category_t.error_notification:
            print(type(alert).__name__, alert.message(), flush=True)
