"""Settings of a libtorrent that speaks uTP alone, where the environment variable UTP is set, and TCP alone otherwise."""
import os


def settings():
    utp = "UTP" in os.environ
    return {
        "enable_incoming_utp": utp, "enable_outgoing_utp": utp,
        "enable_incoming_tcp": not utp, "enable_outgoing_tcp": not utp,
    }
