"""libtorrent, which speaks to nobody without a key exchange: libtorrent_keys.py TORRENT FOLDER HOST LEVEL [PORT COUNT]

LEVEL is what may follow the exchange: plaintext, rc4 or both. Prints "listening PORT" when it has checked the folder's
data. Then it connects to this PORT at so many addresses of this host, 127.1.0.1 and those that follow.
"""
import sys

import libtorrent as lt

torrent, folder, host, level = sys.argv[1:5]
port, count = (int(number) for number in sys.argv[5:] or ("0", "0"))
levels = {"plaintext": lt.enc_level.pe_plaintext, "rc4": lt.enc_level.pe_rc4, "both": lt.enc_level.pe_both}
session = lt.session({
    "listen_interfaces": f"{host}:0", "outgoing_interfaces": host,
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False,
    "in_enc_policy": int(lt.enc_policy.pe_forced), "out_enc_policy": int(lt.enc_policy.pe_forced),
    "allowed_enc_level": int(levels[level]),
    "connection_speed": 500, "connections_limit": 8000, "allow_multiple_connections_per_ip": True,
    "max_peerlist_size": 8000, "max_failcount": 1,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.connect_notification,
    "alert_queue_size": 20000,
})
parameters = lt.add_torrent_params()
parameters.ti = lt.torrent_info(torrent)
parameters.save_path = folder
parameters.flags = (parameters.flags | lt.torrent_flags.upload_mode) & ~lt.torrent_flags.auto_managed
parameters.flags &= ~lt.torrent_flags.paused
handle = session.add_torrent(parameters)

checked, begun, ended = False, 0, 0
while True:
    session.wait_for_alert(20)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_checked_alert):
            checked = True
            print("listening", session.listen_port(), flush=True)
        ended += isinstance(alert, lt.peer_disconnected_alert)
    # A few at a time: the other side bounds how many may be without a handshake.
    while checked and begun < min(count, ended + 20):
        handle.connect_peer((f"127.1.{begun // 250}.{begun % 250 + 1}", port))
        begun += 1
