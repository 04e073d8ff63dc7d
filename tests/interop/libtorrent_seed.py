"""A libtorrent seeder: libtorrent_seed.py TORRENT FOLDER HOST[:PORT][,...] [BYTES-A-SECOND [NAME]]

Checks the folder's data, then prints "listening PORT", then "uploaded BYTES" whenever that grows.
It never downloads: what is missing in the folder stays missing, which makes a partial peer.
NAME is how its peer IDs begin. libtorrent_encryption.py and libtorrent_utp.py have more settings.
"""
import sys

import libtorrent as lt

import libtorrent_encryption
import libtorrent_utp

torrent, folder, hosts = sys.argv[1:4]
rate = sys.argv[4] if len(sys.argv) > 4 else "0"
settings = {
    "listen_interfaces": hosts if "," in hosts else f"{hosts}:0",
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
    **libtorrent_encryption.settings(), **libtorrent_utp.settings(),
}
if len(sys.argv) > 5:
    settings["peer_fingerprint"] = sys.argv[5]
session = lt.session(settings)
parameters = lt.add_torrent_params()
parameters.ti = lt.torrent_info(torrent)
parameters.save_path = folder
parameters.flags = (parameters.flags | lt.torrent_flags.upload_mode) & ~lt.torrent_flags.auto_managed
parameters.flags &= ~lt.torrent_flags.paused
handle = session.add_torrent(parameters)
# The session's own limit would not hold for peers of the same host; a torrent's does.
handle.set_upload_limit(int(rate))

checked, uploaded = False, 0
while True:
    session.wait_for_alert(100)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_checked_alert):
            checked = True
            print("listening", session.listen_port(), flush=True)
        elif alert.category() & lt.alert.category_t.error_notification:
            print(type(alert).__name__, alert.message(), flush=True)
    if checked:
        total = handle.status().total_payload_upload
        if total != uploaded:
            uploaded = total
            print("uploaded", uploaded, flush=True)
