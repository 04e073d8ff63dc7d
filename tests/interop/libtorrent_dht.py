"""A DHT of libtorrent nodes: libtorrent_dht.py COUNT NETWORK

COUNT sessions, one at NETWORK.1 and so on (NETWORK being 127.0.x). Prints "node ADDRESS" for each, and
"ready" once they know each other. Then it does what the lines of its input say:

    announce INFO-HASH   the last session announces port 7777; "announced" whenever a node has stored that
    look INFO-HASH       the last session searches once; "found ADDRESS" for what comes
    find INFO-HASH       the same again and again
    seed TORRENT FOLDER  the last session checks and shares this, and announces itself; "announced" as above
    get MAGNET FOLDER    the last session downloads this; "complete" when everything is there and checked
    sample HOST PORT     the last session asks this node for torrents (BEP 51); "sampled NUM HASH..." for its answer
    count HOST           "counted QUERIES" and "sent BYTES": what they got from this host so far
"""
import collections
import os
import re
import select
import sys
import time

import libtorrent as lt

count, network = int(sys.argv[1]), sys.argv[2]
sessions = [
    lt.session({
        "listen_interfaces": f"{network}.{number}:0", "outgoing_interfaces": f"{network}.{number}",
        "enable_dht": True, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "dht_bootstrap_nodes": "", "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False,
        "dht_ignore_dark_internet": False, "dht_prefer_verified_node_ids": False,
        "alert_mask": lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification
        | lt.alert.category_t.dht_log_notification | lt.alert.category_t.status_notification,
    })
    for number in range(1, count + 1)
]
addresses = []
for number, session in enumerate(sessions, 1):
    while not session.listen_port():
        time.sleep(0.01)
    addresses.append((f"{network}.{number}", session.listen_port()))
    print("node {}:{}".format(*addresses[-1]), flush=True)
for session in sessions:
    for address in addresses:
        session.add_dht_node(address)

last, ready, wanted, next_round = sessions[-1], False, None, 0.0
sizes, commands, queries, sent = [0] * count, b"", collections.Counter(), collections.Counter()
while True:
    if time.monotonic() >= next_round:
        next_round = time.monotonic() + 0.3
        for session in sessions:
            session.post_session_stats()
        if wanted:
            last.dht_get_peers(wanted)
    if select.select([sys.stdin], [], [], 0)[0]:
        read = os.read(0, 1000)
        if not read:
            break
        *lines, commands = (commands + read).split(b"\n")
        for line in lines:
            match line.decode().split():
                case ["announce", info_hash]:
                    last.dht_announce(lt.sha1_hash(bytes.fromhex(info_hash)), 7777, 0)
                case ["look", info_hash]:
                    last.dht_get_peers(lt.sha1_hash(bytes.fromhex(info_hash)))
                case ["find", info_hash]:
                    wanted = lt.sha1_hash(bytes.fromhex(info_hash))
                case ["seed", torrent, folder]:
                    parameters = lt.add_torrent_params()
                    parameters.ti, parameters.save_path = lt.torrent_info(torrent), folder
                    last.add_torrent(parameters)
                case ["get", magnet, folder]:
                    parameters = lt.parse_magnet_uri(magnet)
                    parameters.save_path = folder
                    last.add_torrent(parameters)
                case ["sample", host, port]:
                    last.dht_sample_infohashes((host, int(port)), lt.sha1_hash(bytes(20)))
                case ["count", host]:
                    print("counted", queries[host], flush=True)
                    print("sent", sent[host], flush=True)
    for number, session in enumerate(sessions):
        session.wait_for_alert(2)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.dht_announce_alert):
                print("announced", flush=True)
            elif isinstance(alert, lt.dht_get_peers_reply_alert):
                for peer in alert.peers():
                    print("found {}:{}".format(*peer), flush=True)
            elif isinstance(alert, lt.dht_sample_infohashes_alert):
                print("sampled", alert.num_infohashes, *alert.samples, flush=True)
            elif isinstance(alert, lt.torrent_checked_alert):
                alert.handle.force_dht_announce()
            elif isinstance(alert, lt.torrent_finished_alert):
                # What is written still waits in memory; the other side compares files.
                alert.handle.flush_cache()
            elif isinstance(alert, lt.cache_flushed_alert):
                print("complete", flush=True)
            elif isinstance(alert, lt.session_stats_alert):
                sizes[number] = alert.values["dht.dht_nodes"]
            elif isinstance(alert, lt.dht_pkt_alert):
                if packet := re.match(r"<== \[([0-9.]+):", alert.message()):
                    queries[packet[1]] += "'q':" in alert.message()
                    sent[packet[1]] += len(alert.pkt_buf)
    if not ready and min(sizes) >= min(count - 1, 8):
        ready = True
        print("ready", flush=True)
