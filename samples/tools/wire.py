"""A wire between two network namespaces: wire.py CLIENT_NAMESPACE SERVER_NAMESPACE DELAY_MS [--lose N,N... | --late N,N...]

Each end is a TAP device named `wire`. Frames take DELAY_MS to cross. --lose drops the N-th frames (from 1) that carry
TCP data from server to client, as a bad link would: the sender has to send them again. --late holds them back until
later ones have overtaken them. SIGUSR1 cuts the wire.
"""

import fcntl
import heapq
import os
import select
import signal
import struct
import subprocess
import sys
import time

LATE_SECONDS = 0.002
TUNSETIFF, TAP_WITHOUT_HEADER = 0x400454CA, 0x1002
ADDRESSES = {"client": ("10.1.0.1/24", "fd00:1::1/64"), "server": ("10.1.0.2/24", "fd00:1::2/64")}
HARDWARE = {"client": "02:00:00:00:00:0a", "server": "02:00:00:00:00:0b"}


def plug(namespace, end):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", f"wire-{end}".encode(), TAP_WITHOUT_HEADER))
    run = lambda *words: subprocess.run(words, check=True)
    run("ip", "link", "set", f"wire-{end}", "netns", namespace, "name", "wire", "address", HARDWARE[end])
    for address in ADDRESSES[end]:
        run("ip", "-n", namespace, "addr", "add", address, "dev", "wire", *(["nodad"] if ":" in address else []))
    run("ip", "-n", namespace, "link", "set", "wire", "up")
    return tap


def carries_tcp_data(frame):
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return False
    total, header = struct.unpack("!H", frame[16:18])[0], (frame[14] & 15) * 4
    return total > header + (frame[14 + header + 12] >> 4) * 4


def main(client, server, delay, lost, late):
    taps = {"client": plug(client, "client"), "server": plug(server, "server")}
    other = {taps["client"]: taps["server"], taps["server"]: taps["client"]}
    cut = []
    signal.signal(signal.SIGUSR1, lambda *_: cut.append(True))
    under_way, counted, serial = [], 0, 0
    print("ready", flush=True)
    while True:
        timeout = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        for tap in select.select(list(other), [], [], timeout)[0]:
            frame, due = os.read(tap, 2048), time.monotonic() + delay
            if tap == taps["server"] and carries_tcp_data(frame):
                counted += 1
                if counted in lost:
                    continue
                due += LATE_SECONDS * (counted in late)
            serial += 1
            heapq.heappush(under_way, (due, serial, other[tap], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, tap, frame = heapq.heappop(under_way)
            if not cut:
                os.write(tap, frame)


def numbers_of(option):
    return set(map(int, sys.argv[5].split(","))) if sys.argv[4:5] == [option] else set()


main(sys.argv[1], sys.argv[2], float(sys.argv[3]) / 1000, numbers_of("--lose"), numbers_of("--late"))
