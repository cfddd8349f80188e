"""The runs of bench-memory.sh: PROGRAM GENERATOR DIRECTORY LONG_MEGABYTES."""

import csv
import json
import os
import pathlib
import subprocess
import sys


def analyze(program, tables, capture, source=None):
    """The largest resident set of an analysis of `capture`, in KiB."""
    command = [program, "analyze", capture, "--quiet", "-o", tables]
    process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{program} ended with {process.returncode}")
    return usage.ru_maxrss


def measure(program, generator, directory, kind, megabytes):
    """Makes a capture and analyses it: peak memory in KiB, and what the capture holds."""
    tables = directory / "tables"
    if megabytes <= 1000:
        capture = directory / "capture.pcap"
        made = subprocess.run([generator, kind, str(megabytes), capture], stdout=subprocess.PIPE, check=True)
        peak, truth = analyze(program, tables, capture), json.loads(made.stdout)
        capture.unlink()
    else:
        maker = subprocess.Popen([generator, kind, str(megabytes), "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        peak = analyze(program, tables, "-", maker.stdout)
        truth = json.loads(maker.stderr.read())
        maker.wait()
    check(tables, truth)
    return peak, truth


def check(tables, truth):
    """Stops if the tables do not hold what the capture does."""
    connections, messages = 0, 0
    with open(tables / "connections.csv", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            connections += 1
            messages += int(row["client_messages"]) + int(row["server_messages"])
    found, expected = (connections, messages), (truth["connections"], truth["messages"])
    if found != expected:
        sys.exit(f"found {found} connections and messages, expected {expected}")


def main():
    program, generator, directory, long = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
    runs = [
        ("next to nothing", "small", 1),
        ("100,000 open connections without a message", "open", 0),
        ("100,000 open connections with messages", "open", 250),
        ("many connections that ended", "short", 160),
        ("small messages, 1 GB", "small", 1000),
        (f"small messages, {long / 1000:g} GB", "small", long),
        ("full segments, 1 GB", "full", 1000),
        (f"full segments, {long / 1000:g} GB", "full", long),
        ("one message of 4 GB", "message", 5334),
    ]
    print(f"{'':44}{'connections':>12}{'peak MiB':>10}{'KiB each':>10}")
    least = None
    for name, kind, megabytes in runs:
        peak, truth = measure(program, generator, directory, kind, megabytes)
        least = least or peak
        each = f"{(peak - least) / truth['connections']:10.2f}" if truth["connections"] >= 50_000 else f"{'':10}"
        print(f"{name:44}{truth['connections']:12}{peak / 1024:10.0f}{each}", flush=True)


main()
