"""swap.py IN OUT N M: a pcap with its packets N and M (from 1) in each other's place, as a busy network card does.

The timestamps keep their places.
"""

import struct
import sys


def records(data):
    at = 24
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at:at + 8], data[at + 8:at + 16 + length]
        at += 16 + length


source, target, n, m = sys.argv[1], sys.argv[2], int(sys.argv[3]) - 1, int(sys.argv[4]) - 1
data = open(source, "rb").read()
times, packets = map(list, zip(*records(data)))
packets[n], packets[m] = packets[m], packets[n]
with open(target, "wb") as out:
    out.write(data[:24] + b"".join(time + packet for time, packet in zip(times, packets)))
