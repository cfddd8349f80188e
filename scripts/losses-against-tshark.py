#!/usr/bin/env python3
"""Counts what wsautopsy and tshark find in captures with holes: see losses-against-tshark.sh.

    losses-against-tshark.py PROGRAMS DIRECTORY CONNECTIONS SEEDS [DAMAGE...]

A Close frame counts as found, and a reported one as real, if its connection, its sender and its code are right; each only
once.
"""

import collections
import csv
import io
import json
import pathlib
import subprocess
import sys

DAMAGES = [("0 %", "loss-0"), ("0.1 %", "loss-0.1"), ("1 %", "loss-1"), ("1 %, in bursts", "bursts-1"), ("5 %", "loss-5"),
           ("5 %, in bursts", "bursts-5"), ("snap length 128", "snap-128"), ("mid-stream start", "mid-stream")]
TSHARK_FIELDS = ["ip.src", "tcp.srcport", "websocket.payload.close.status_code", "websocket.opcode", "ip.dst", "tcp.dstport"]
CLOSE = "8"


def output(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def truth(lines):
    """Close frames that were sent, and those that survive, by (client, sender, code)."""
    sent, surviving = collections.Counter(), collections.Counter()
    for line in map(json.loads, lines.splitlines()):
        client = ".".join(map(str, line["address"])) + f":{line['port']}"
        key = (client, line["sender"], line["code"])
        sent[key] += 1
        surviving[key] += line["survives"]
    return sent, surviving


def of_wsautopsy(programs, capture):
    connections = csv.DictReader(io.StringIO(output(programs / "wsautopsy", "analyze", capture, "--table", "connections")))
    clients = {row["connection"]: f"{row['client_ip']}:{row['client_port']}" for row in connections}
    frames = csv.DictReader(io.StringIO(output(programs / "wsautopsy", "analyze", capture, "--table", "close_frames")))
    found = ((clients[row["connection"]], row["sender"], int(row["code"]) if row["code"] else None) for row in frames)
    return collections.Counter(found)


def of_tshark(capture):
    fields = [word for field in TSHARK_FIELDS for word in ("-e", field)]
    lines = output("tshark", "-r", capture, "-Y", "websocket.opcode==8", "-T", "fields", *fields)
    found = collections.Counter()
    for line in lines.splitlines():
        source, port, codes, opcodes, destination, other_port = line.split("\t")
        sender = "server" if port == "80" else "client"
        client = f"{destination}:{other_port}" if port == "80" else f"{source}:{port}"
        codes = [int(code) for code in codes.split(",") if code]
        # Several Close frames may be in one packet; those without a code are the ones that are left.
        codes += [None] * (opcodes.split(",").count(CLOSE) - len(codes))
        found.update((client, sender, code) for code in codes)
    return found


def measured(programs, directory, damage, connections, seeds):
    """Counts for wsautopsy and tshark: surviving, found, reported, real."""
    sums = [[0, 0, 0, 0], [0, 0, 0, 0]]
    for seed in range(1, seeds + 1):
        capture = directory / "impaired.pcap"
        sent, surviving = truth(output(programs / "examples" / "impair", "write", damage, connections, seed, capture))
        for counts, found in zip(sums, (of_wsautopsy(programs, capture), of_tshark(capture))):
            counts[0] += surviving.total()
            counts[1] += (found & surviving).total()
            counts[2] += found.total()
            counts[3] += (found & sent).total()
    return sums


def share(part, whole):
    return f"{100 * part / whole:.3f} %" if whole else "none"


def main(programs, directory, connections, seeds, *chosen):
    print("| packets missing | surviving Close frames | wsautopsy reports | of its rows real | tshark reports | of its rows real |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, damage in DAMAGES:
        if chosen and damage not in chosen:
            continue
        ours, theirs = measured(pathlib.Path(programs), pathlib.Path(directory), damage, connections, int(seeds))
        cells = [name, ours[0]]
        for surviving, found, reported, real in (ours, theirs):
            cells += [share(found, surviving), f"{share(real, reported)} of {reported}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
