"""Settings of a libtorrent that takes and makes only encrypted connections, where the environment variable ENCRYPTION
says so: "rc4", "plaintext" (after an encrypted handshake) or "both" is what it allows."""
import os


def settings():
    level = os.environ.get("ENCRYPTION")
    if level is None:
        return {}
    # What its bindings call enc_policy.pe_forced and enc_level.pe_plaintext, pe_rc4 and pe_both.
    levels = {"plaintext": 1, "rc4": 2, "both": 3}
    return {"out_enc_policy": 0, "in_enc_policy": 0, "allowed_enc_level": levels[level], "prefer_rc4": True}
