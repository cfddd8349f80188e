#!/usr/bin/env python3
"""Compares what wsautopsy says of captures with what tshark says.

    scripts/compare-with-tshark.py [--keylog FILE] BINARY CAPTURE_OR_DIRECTORY...

For every capture, alone: the Close frames (stream, sender, code, reason, packet), the handshakes that were answered with
101 (stream, both ends), the stream number of every connection, and how many packets and TCP streams there are. Both programs are given the key log.

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

OUR_KEYS, TSHARK_KEYS = [], []  # options that name the key log
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
        what = f"Close {self.code} {self.reason[:40]!r}" if self.reason != "handshake" else "101"
        return f"stream {self.stream}, {self.sender} > {self.receiver}, {what}"

    def is_believable(self):
        """Whether RFC 6455 lets anybody send it."""
        codes = (101, None, *range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
        return self.code in codes and "\\x" not in self.reason


@dataclasses.dataclass
class Difference:
    """Where the two disagree.

    `kind`: "only here" (a frame or handshake that tshark finds in neither mode), "only in tshark" (in some mode), "other
    packet" (both find it, in different packets), "not in MODE mode" (wsautopsy and the other mode find it), "stream" (the
    number of a connection's TCP stream), "tcp_streams", "packets" (how many there are)."""
    kind: str
    text: str
    stream: int | None = None
    frame: Frame | None = None
    packet: int | None = None
    layers: frozenset = frozenset()


@dataclasses.dataclass
class Tshark:
    """What tshark says of a capture."""
    version: str
    packets: int = 0
    streams: int = 0
    largest: int = 0                                               # bytes of the largest packet
    layers: set = dataclasses.field(default_factory=set)           # names of all protocols
    ports: dict = dataclasses.field(default_factory=dict)          # stream -> {client port, server port}
    disturbed: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(set))  # stream -> flags
    frames: dict = dataclasses.field(default_factory=dict)         # mode -> [(Frame, packet, layers)]
    upgraded: dict = dataclasses.field(default_factory=dict)       # stream -> packet of the 101 answer


@dataclasses.dataclass
class Explanation:
    """Why some differences are no defect: of these kinds, where `condition(difference, tshark, captures row)` holds.

    `samples` are captures in which such differences must occur with tshark 4.0; otherwise the explanation is stale."""
    kinds: tuple
    sentence: str
    condition: object
    samples: tuple = ()
    used: int = 0


EXPLANATIONS = [
    Explanation(
        ("not in out-of-order mode",),
        "With out-of-order reassembly, tshark waits for ever for a segment that the capture lost.",
        lambda d, t, c: t.disturbed[d.stream] & {"lost_segment", "ack_lost_segment"},
        samples=("capture-loss.pcapng",)),
    Explanation(
        ("not in out-of-order mode",),
        "With out-of-order reassembly, tshark waits for ever for what the snap length cut off.",
        lambda d, t, c: c["truncated_packets"] > 0,
        samples=("snap-length-400.pcap",)),
    Explanation(
        ("not in default mode",),
        "Without out-of-order reassembly, tshark loses the place in the stream when a segment comes late.",
        lambda d, t, c: t.disturbed[d.stream]),
    Explanation(
        ("only in tshark",),
        "After a lost or late segment tshark takes payload for frame headers: codes and reasons that nobody may send.",
        lambda d, t, c: t.disturbed[d.stream] and not d.frame.is_believable()),
    Explanation(
        ("only here",),
        "tshark knows a WebSocket only by its 101 answer; wsautopsy finds it by its frames.",
        lambda d, t, c: d.stream not in t.upgraded),
    Explanation(
        ("only here",),
        "tshark takes what a client sends before the 101 answer for HTTP.",
        lambda d, t, c: d.packet is not None and d.packet < t.upgraded.get(d.stream, 0)),
    Explanation(
        ("packets",),
        "wsautopsy goes on behind damage at which tshark stops, and does not count records that cannot be packets.",
        lambda d, t, c: c["damaged_bytes"] > 0),
    Explanation(
        ("tcp_streams",),
        "tshark makes conversations of packets with broken headers, which wsautopsy does not decode.",
        lambda d, t, c: c["tcp_streams"] < t.streams <= c["tcp_streams"] + c["undecoded_packets"]),
    Explanation(
        ("tcp_streams",),
        "wsautopsy keeps conversations in different VLANs apart, which tshark 4.0 does not.",
        lambda d, t, c: c["tcp_streams"] > t.streams and "vlan" in t.layers),
    Explanation(
        ("tcp_streams",),
        "tshark 4.0 does not decode packets in tunnels that are too large for a length field (BIG TCP).",
        lambda d, t, c: c["tcp_streams"] > t.streams and t.largest > 0xffff),
]


class Unreadable(Exception):
    """The capture cannot be opened at all."""


def run(command, accepted=(0,)):
    """What `command` writes to standard output."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode not in accepted:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout.decode(errors="replace"), done


def run_tshark(capture, *options):
    # tshark ends with 2 after a capture that is damaged, having shown what came before, and if it cannot open it.
    text, done = run(["tshark", "-n", *TSHARK_KEYS, "-r", capture, *options], accepted=(0, 2))
    if done.returncode == 2 and not text:
        raise Unreadable(f"tshark: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
    return text


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
    _, done = run([binary, "analyze", capture, *OUR_KEYS, "-o", directory, "--format", "ndjson", "--quiet"], accepted=(0, 1))
    if done.returncode == 1:
        message = done.stderr.decode(errors="replace").strip()
        if "expected a pcap or pcapng capture" not in message:
            raise RuntimeError(message)
        raise Unreadable(message)
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
    answer = Tshark(version=run(["tshark", "--version"])[0].split()[2])
    fields = ["frame.encap_type", "frame.len", "frame.protocols", "tcp.stream", "tcp.srcport", "tcp.dstport"]
    fields += [f"tcp.analysis.{name}" for name in DISTURBANCES]
    options = [option for field in fields for option in ("-e", field)]
    for line in run_tshark(capture, "-T", "fields", "-E", "occurrence=l", *options).split("\n")[:-1]:
        encapsulation, length, protocols, stream, source, destination, *flags = line.split("\t")
        # Blocks of other kinds are shown among the packets, and have no link type.
        answer.packets += bool(encapsulation)
        answer.largest = max(answer.largest, int(length))
        answer.layers.update(protocols.split(":"))
        if not stream:
            continue
        answer.streams = max(answer.streams, int(stream) + 1)
        answer.ports.setdefault(int(stream), {int(source), int(destination)})
        answer.disturbed[int(stream)].update(name for name, flag in zip(DISTURBANCES, flags) if flag)
    for mode, options in MODES.items():
        answer.frames[mode] = list(tshark_frames(capture, options))
        for frame, packet, _ in answer.frames[mode]:
            if frame.reason == "handshake":
                answer.upgraded.setdefault(frame.stream, packet)
    return answer


def tshark_frames(capture, options):
    """Yields (Frame, packet, layers)."""
    only = "websocket.opcode == 8 || (http.response.code == 101 && http.sec_websocket_accept)"
    text = run_tshark(capture, "-Y", only, "-T", "pdml", *options)
    # Hostile reasons put characters into it that XML does not allow.
    text = re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
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
    for kind, theirs in {"packets": tshark.packets, "tcp_streams": tshark.streams}.items():
        ours = tables["captures"][0][kind]
        if ours != theirs:
            yield Difference(kind, f"{ours} here, {theirs} in tshark")
    for row in tables["connections"]:
        ports, theirs = {row["client_port"], row["server_port"]}, tshark.ports.get(row["tcp_stream"])
        if ports != theirs:
            text = f"connection {row['connection']} has ports {ports}, stream {row['tcp_stream']} has {theirs} in tshark"
            yield Difference("stream", text, row["tcp_stream"])
    ours, theirs = collections.defaultdict(list), collections.defaultdict(lambda: {mode: [] for mode in MODES})
    layers = {}
    for frame, packet in our_frames(tables):
        ours[frame].append(packet)
    for mode, frames in tshark.frames.items():
        for frame, packet, of in frames:
            theirs[frame][mode].append(packet)
            layers[frame] = of
    for frame in sorted({*ours, *theirs}, key=str):
        for kind, packet, text in compare_frame(frame, ours[frame], theirs[frame]):
            yield Difference(kind, f"{frame}: {text}", frame.stream, frame, packet, layers.get(frame, frozenset()))


def compare_frame(frame, ours, modes):
    """Yields (kind, packet, text) of the frames of one direction that say the same, told apart by their packets."""
    theirs = max(modes.values(), key=len)
    known = {packet for packets in modes.values() for packet in packets}
    missing, surplus = max(len(theirs) - len(ours), 0), max(len(ours) - len(theirs), 0)
    for packet in sorted(known - set(ours))[:missing]:
        yield "only in tshark", packet, f"packet {packet}"
    alone = ours if frame.reason == "handshake" else [packet for packet in ours if packet not in known]
    for packet in alone[:surplus]:
        yield "only here", packet, f"packet {packet}"
    if frame.reason != "handshake":
        for packet in alone[surplus:]:
            yield "other packet", packet, f"packet {packet} here, {sorted(known)} in tshark"
    for mode, packets in modes.items():
        if len(packets) < min(len(ours), len(theirs)):
            yield f"not in {mode} mode", None, f"{len(packets)} of {len(theirs)}"


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


def explain(difference, tshark, row):
    """The Explanation of a difference; None if there is none."""
    for explanation in EXPLANATIONS:
        if difference.kind in explanation.kinds and explanation.condition(difference, tshark, row):
            return explanation
    return None


def report(path, tables, tshark, found):
    """Prints what was compared, and returns how many differences are not explained."""
    explained = [explain(difference, tshark, tables["captures"][0]) for difference in found]
    unexplained = [difference for difference, explanation in zip(found, explained) if explanation is None]
    for explanation in filter(None, explained):
        explanation.used += 1
    print(f"{path}: {len(tables['connections'])} connections, {len(tables['close_frames'])} Close frames, "
          f"{len(found) - len(unexplained)} differences explained, {len(unexplained)} not")
    for explanation in EXPLANATIONS:
        count = sum(one is explanation for one in explained)
        if count:
            print(f"  {count} x {explanation.sentence}")
        elif path.name in explanation.samples and tshark.version.startswith("4.0."):
            unexplained.append(Difference("stale", f"does not occur any more: {explanation.sentence}"))
    for difference in unexplained:
        print(f"  {difference.kind.upper()}: {difference.text} {sorted(tshark.disturbed.get(difference.stream, ()))}")
    return len(unexplained)


def main(arguments):
    if arguments[:1] == ["--keylog"] and len(arguments) > 1:
        OUR_KEYS.extend(arguments[:2])
        TSHARK_KEYS.extend(["-o", f"tls.keylog_file:{arguments[1]}"])
        arguments = arguments[2:]
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    binary, paths = arguments[0], list(captures(arguments[1:]))
    failures, connections, frames = 0, 0, 0
    with tempfile.TemporaryDirectory() as settings, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        os.environ["WIRESHARK_CONFIG_DIR"] = settings  # not those of whoever runs this
        for path, future in [(path, pool.submit(compare, binary, path)) for path in paths]:
            try:
                tables, tshark, found = future.result()
            except Unreadable as error:
                print(f"{path}: not compared: {error}")
                continue
            failures += report(path, tables, tshark, found)
            connections += len(tables["connections"])
            frames += len(tables["close_frames"])
    explained = sum(explanation.used for explanation in EXPLANATIONS)
    print(f"{len(paths)} captures, {connections} connections, {frames} Close frames, {explained} differences explained, "
          f"{failures} not")
    return 1 if failures or not frames else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
