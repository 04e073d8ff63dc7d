#!/usr/bin/env python3
"""Runs the interop tests, several at once: run.py [NAME...]

They mostly wait for programs that are not ours. Each has a process of its own, in a network namespace of its own: every
port and every address is free there, and what one test starts cannot be found by another. Where there are no such
namespaces, they run one by one. With names, only the tests that have one of them in their name.

Prints a line for each test with its time, then what those printed that failed or skipped something. AT_ONCE says how
many run at once.
"""
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

AT_ONCE = int(os.environ.get("AT_ONCE", 5))
# These take longest. They begin first, so that the last of all ends sooner.
FIRST = ["five_gibibytes", "gateways::", "leaks::", "encryption::", "transmission_downloads"]
# Root stays who it is; others keep their name, and get the rights that they need within the namespace.
NAMESPACE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-c", "--keep-caps", "--net"]
# In a new namespace loopback is down, and multicast has no way out.
RAISE = "ip link set lo up && ip route add 224.0.0.0/4 dev lo && exec "


def test_binary():
    """Builds the tests. Where their binary is."""
    built = subprocess.run(
        ["cargo", "test", "--color", "never", "--release", "--test", "interop", "--no-run"], stderr=subprocess.PIPE, text=True)
    print(built.stderr, end="", flush=True)
    if built.returncode:
        sys.exit(built.returncode)
    return re.findall(r"^ *Executable .*\((.*)\)$", built.stderr, re.MULTILINE)[-1]


def run(command):
    """Its exit code, what it printed, and how many seconds it took."""
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - began


def apart(command):
    """The same in a network namespace of its own."""
    return NAMESPACE + ["sh", "-c", RAISE + shlex.join(command)]


def main():
    os.chdir(pathlib.Path(__file__).resolve().parent.parent.parent)
    binary = test_binary()
    listed = subprocess.run([binary, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    names = re.findall(r"^(.*): test$", listed, re.MULTILINE)
    names = [name for name in names if not sys.argv[1:] or any(it in name for it in sys.argv[1:])]
    names.sort(key=lambda name: not any(it in name for it in FIRST))
    if not names:
        sys.exit("no test has such a name")

    code, said, _ = run(apart(["true"]))
    within, at_once = (apart, AT_ONCE) if code == 0 else (lambda command: command, 1)
    if code:
        print(f"no network namespaces, so one by one: {said.strip()}")
    began = time.monotonic()
    failed, notes = [], []
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        command = lambda name: within([binary, "--exact", name, "--nocapture"])
        runs = {pool.submit(run, command(name)): name for name in names}
        for done in concurrent.futures.as_completed(runs):
            name, (code, said, seconds) = runs[done], done.result()
            print(f"{'FAILED' if code else 'ok':6} {seconds:6.1f} s  {name}", flush=True)
            if code:
                failed.append(name)
            if code or "SKIPPED" in said:
                notes.append(f"\n--- {name}\n{said}")
    print(*notes, sep="\n")
    print(f"{len(names) - len(failed)} of {len(names)} passed, in {time.monotonic() - began:.0f} s", *failed, sep="\n")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
