#!/usr/bin/env python3
"""Compares what wsautopsy says of captures with what tshark says.

    scripts/compare-with-tshark.py BINARY CAPTURE_OR_DIRECTORY...

For every capture, alone: the Close frames (stream, sender, code, reason, packet), the handshakes that were answered with
101 (stream, both ends), the stream number of every connection, and how many packets and TCP streams there are.

tshark is asked twice, with and without the reassembly of segments that came out of order, as each mode loses frames that
the other finds; what either says counts. Whatever still differs must be explained in EXPLANATIONS, by a condition that is
checked for each difference. Exit codes: 0 no difference, or all explained; 1 something is not explained, or an explanation
no longer applies; 2 wrong usage.
"""

import collections
import concurrent.futures
import dataclasses
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

MODES = {"default": [], "out-of-order": ["-o", "tcp.reassemble_out_of_order:TRUE"]}
DISTURBANCES = ["retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment",
                "ack_lost_segment"]
SUFFIXES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz", ".cap.gz")


@dataclasses.dataclass(frozen=True)
class Frame:
    """A Close frame, or a 101 answer (`code` is 101 and `reason` "handshake")."""
    stream: int
    sender: str
    receiver: str
    code: int | None
    reason: str

    def __str__(self):
        what = f"close {self.code} {self.reason!r}" if self.reason != "handshake" else "101"
        return f"stream {self.stream} {self.sender} > {self.receiver} {what}"


@dataclasses.dataclass
class Difference:
    """`kind`: ours-only, tshark-only, packet (both have it, in other packets), stream, tcp_streams or packets."""
    kind: str
    stream: int | None
    text: str
    frame: Frame | None = None
    layers: frozenset = frozenset()


@dataclasses.dataclass
class Tshark:
    packets: int = 0
    streams: int = 0
    ports: dict = dataclasses.field(default_factory=dict)          # stream -> {client port, server port}
    disturbed: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(set))  # stream -> flags
    frames: dict = dataclasses.field(default_factory=dict)         # mode -> [(Frame, packet, layers)]


def run(command):
    """What `command` writes to standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # tshark ends with 2 after a capture that is cut short in the middle of a packet, having shown all before.
    if done.returncode not in ((0, 2) if command[0] == "tshark" else (0,)):
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


def wire_text(data):
    """Bytes of a reason as wsautopsy writes them: escaped only if they are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        escape = lambda part: "".join(f"\\x{ord(c) - 0xdc00:02x}" if 0xdc80 <= ord(c) <= 0xdcff else c for c in part)
        return escape(data.decode(errors="surrogateescape").replace("\\", "\\\\"))


# ---- wsautopsy ---------------------------------------------------------------------------------------------------------


def ask_wsautopsy(binary, capture, directory):
    """Its tables."""
    run([binary, "analyze", capture, "-o", directory, "--format", "ndjson", "--quiet"])
    read = lambda name: [json.loads(line) for line in (pathlib.Path(directory) / f"{name}.ndjson").open()]
    return {name: read(name) for name in ("connections", "close_frames", "captures")}


def our_frames(tables):
    """[(Frame, packet)], handshakes without packet."""
    connections = {row["connection"]: row for row in tables["connections"]}
    frames = []
    for row in connections.values():
        if row["handshake"] in ("complete", "invalid"):
            client, server = ends(row)
            frames.append((Frame(row["tcp_stream"], server, client, 101, "handshake"), None))
    for row in tables["close_frames"]:
        connection = connections[row["connection"]]
        client, server = ends(connection)
        sender, receiver = (client, server) if row["sender"] == "client" else (server, client)
        frames.append((Frame(connection["tcp_stream"], sender, receiver, row["code"], row["reason"] or ""), row["packet"]))
    return frames


def ends(row):
    return f"{row['client_ip']} {row['client_port']}", f"{row['server_ip']} {row['server_port']}"


# ---- tshark ------------------------------------------------------------------------------------------------------------


def ask_tshark(capture):
    answer = Tshark()
    fields = ["tcp.stream", "tcp.srcport", "tcp.dstport"] + [f"tcp.analysis.{name}" for name in DISTURBANCES]
    command = ["tshark", "-n", "-r", capture, "-T", "fields", "-E", "occurrence=l"]
    for field in fields:
        command += ["-e", field]
    for line in run(command).decode(errors="replace").split("\n")[:-1]:
        answer.packets += 1
        stream, source, destination, *flags = line.split("\t")
        if not stream:
            continue
        answer.streams = max(answer.streams, int(stream) + 1)
        answer.ports.setdefault(int(stream), {int(source), int(destination)})
        answer.disturbed[int(stream)].update(name for name, flag in zip(DISTURBANCES, flags) if flag)
    for mode, options in MODES.items():
        answer.frames[mode] = list(tshark_frames(capture, options))
    return answer


def tshark_frames(capture, options):
    """Yields (Frame, packet, layers)."""
    only = "websocket.opcode == 8 || (http.response.code == 101 && http.sec_websocket_accept)"
    command = ["tshark", "-n", "-r", capture, "-Y", only, "-T", "pdml", *options]
    # Hostile reasons put characters into it that XML does not allow.
    text = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", run(command).decode(errors="replace"))
    text = text if "</pdml>" in text else text + "</pdml>"
    for packet in ElementTree.fromstring(text.encode()).iter("packet"):
        number, stream, address, ends = 0, None, None, None
        layers = [layer.get("name") for layer in packet.iter("proto")]
        for layer in packet.iter("proto"):
            first = lambda name: next((field for field in layer.iter("field") if field.get("name") == name), None)
            match layer.get("name"):
                case "geninfo":
                    number = int(first("num").get("show"))
                case "ip" | "ipv6" as ip if first(f"{ip}.src") is not None:
                    address = first(f"{ip}.src").get("show"), first(f"{ip}.dst").get("show")
                case "tcp" if first("tcp.stream") is not None:
                    stream = int(first("tcp.stream").get("show"))
                    ends = [f"{ip} {first(port).get('show')}" for ip, port in zip(address, ("tcp.srcport", "tcp.dstport"))]
                case "http" if first("http.response.code") is not None and first("http.response.code").get("show") == "101":
                    yield Frame(stream, *ends, 101, "handshake"), number, frozenset(layers)
                case "websocket" if first("websocket.opcode") is not None and first("websocket.opcode").get("show") == "8":
                    code, reason = first("websocket.payload.close.status_code"), first("websocket.payload.close.reason")
                    code = None if code is None else int(code.get("show"))
                    reason = "" if reason is None else wire_text(bytes.fromhex(reason.get("value")))
                    yield Frame(stream, *ends, code, reason), number, frozenset(layers)


# ---- the comparison ----------------------------------------------------------------------------------------------------


def differences(tables, tshark):
    """Yields every Difference."""
    counts = {"packets": tshark.packets, "tcp_streams": tshark.streams}
    for name, theirs in counts.items():
        ours = tables["captures"][0][name]
        if ours != theirs:
            yield Difference(name, None, f"{name}: {ours} here, {theirs} in tshark")
    for row in tables["connections"]:
        if tshark.ports.get(row["tcp_stream"]) != {row["client_port"], row["server_port"]}:
            theirs = tshark.ports.get(row["tcp_stream"])
            text = f"connection {row['connection']} ({row['client_port']}, {row['server_port']}) is stream " \
                   f"{row['tcp_stream']} here, which has ports {theirs} in tshark"
            yield Difference("stream", row["tcp_stream"], text)
    ours, theirs = collections.defaultdict(list), collections.defaultdict(lambda: collections.defaultdict(list))
    layers = {}
    for frame, packet in our_frames(tables):
        ours[frame].append(packet)
    for mode, frames in tshark.frames.items():
        for frame, packet, of in frames:
            theirs[frame][mode].append(packet)
            layers[frame] = of
    for frame in sorted({*ours, *theirs}, key=str):
        yield from compare_frame(frame, ours[frame], theirs[frame], layers.get(frame, frozenset()))


def compare_frame(frame, ours, modes, layers):
    """Frames of one direction that say the same, told apart by their packets."""
    theirs = max(modes.values(), key=len, default=[])
    known = {packet for packets in modes.values() for packet in packets}
    if len(theirs) > len(ours):
        for packet in sorted(known - set(ours))[:len(theirs) - len(ours)] or [theirs[-1]]:
            yield Difference("tshark-only", frame.stream, f"{frame} in packet {packet}: only in tshark", frame, layers)
    alone = [packet for packet in ours if packet is not None and packet not in known]
    for packet in alone[:max(len(ours) - len(theirs), 0)]:
        yield Difference("ours-only", frame.stream, f"{frame} in packet {packet}: only here", frame, layers)
    if frame.reason == "handshake":
        for _ in range(len(ours) - len(theirs)):
            yield Difference("ours-only", frame.stream, f"{frame}: only here", frame, layers)
    for packet in alone[max(len(ours) - len(theirs), 0):]:
        text = f"{frame}: packet {packet} here, {sorted(known)} in tshark"
        yield Difference("packet", frame.stream, text, frame, layers)


# ---- command line ------------------------------------------------------------------------------------------------------


def compare(binary, capture):
    """(Tables, Tshark, [Difference]) of one capture."""
    with tempfile.TemporaryDirectory() as directory:
        path = capture
        if capture.suffix == ".gz":
            path = pathlib.Path(directory) / capture.stem
            with gzip.open(capture) as packed, path.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        tables = ask_wsautopsy(binary, path, pathlib.Path(directory) / "tables")
        tshark = ask_tshark(path)
        return tables, tshark, list(differences(tables, tshark))


def captures(arguments):
    for argument in map(pathlib.Path, arguments):
        if argument.is_dir():
            yield from sorted(path for path in argument.rglob("*") if path.name.endswith(SUFFIXES))
        else:
            yield argument


def main(arguments):
    binary, paths = arguments[0], list(captures(arguments[1:]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, future in [(path, pool.submit(compare, binary, path)) for path in paths]:
            try:
                tables, tshark, found = future.result()
            except Exception as error:
                print(f"{path}: ERROR {error!r}")
                continue
            print(f"{path}: {len(tables['connections'])} connections, {len(tables['close_frames'])} Close frames, "
                  f"{len(found)} differences")
            for difference in found:
                print("   ", difference.kind, difference.text, sorted(tshark.disturbed.get(difference.stream, ())))


if __name__ == "__main__":
    main(sys.argv[1:])
