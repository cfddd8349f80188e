#!/usr/bin/env python3
"""Compares what wsautopsy says of captures with an index of what is in them.

    scripts/compare-with-index.py BINARY DIRECTORY INDEX.csv [-v]

The index has a line for each capture, made by other tools: `path` (below DIRECTORY; the file may be stored with .gz added),
`format`, `linktypes` ("1:EN10MB 113:LINUX_SLL"), `packets`, `tcp_conns`, `snap_truncated_packets`, `ws_upgrade_requests`,
`ws_handshakes_101`, `close_frames`, and columns `close_codes_TOOL` ("1000x2", "nonex1"). Columns that it lacks, and empty
ones but the codes, are not compared. Each capture is analysed alone.

An index is not the truth: its tools stop at damage, or do not look into some tunnel. So a difference is explained where a
condition holds that is checked for that capture: see EXPLANATIONS. The witnesses are a strict walk through the file, which
is here, and tshark, which is asked only about captures that differ. Without tshark, what only it can explain is not
explained. -v prints the explained differences too. Exit codes: 0 no difference, or all explained; 1 something is not
explained; 2 wrong usage.
"""

import bz2
import collections
import concurrent.futures
import csv
import dataclasses
import functools
import gzip
import importlib.util
import json
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

# ---- the strict walk ----------------------------------------------------------------------------------------------------

LARGEST_RECORD = 16 << 20
DAY = 86_400
UNPACKERS = {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
PCAP = {0xa1b2c3d4: (24, 16, 10**6), 0xa1b23c4d: (24, 16, 10**9), 0xa1b2cd34: (24, 24, 10**6),
        0x1c0001ac: (28, 16, 10**6), 0x1c0001ab: (28, 16, 10**6)}      # magic -> file header, record header, units


@dataclasses.dataclass(frozen=True)
class Record:
    """A packet as the file says it: where its record begins, seconds (None if it has no time), bytes, link type."""
    at: int
    seconds: int | None
    captured: int
    original: int
    link_type: int
    in_range: bool = True                                          # whether its sub-second field is below a second

    def is_truncated(self):
        return self.captured < self.original


@dataclasses.dataclass
class Walk:
    """A file read record by record, up to the first one that is impossible or not whole."""
    records: list = dataclasses.field(default_factory=list)
    stopped: int | None = None                                     # the byte where it ended early

    def outside(self, ranges):
        """The records that begin in none of the `ranges` of bytes."""
        return [record for record in self.records if not any(record.at in skipped for skipped in ranges)]


def walk(data):
    """The strict walk through the bytes of a pcap or pcapng file; None if it is neither."""
    for magic, unpack in UNPACKERS.items():
        if data.startswith(magic):
            data = unpack(data)
    for order in "<>":
        if len(data) >= 24 and struct.unpack_from(f"{order}I", data)[0] in PCAP:
            return walk_pcap(data, order)
    return walk_pcapng(data) if data.startswith(b"\n\r\r\n") else None


def walk_pcap(data, order):
    found = Walk()
    at, header, units = PCAP[struct.unpack_from(f"{order}I", data)[0]]
    link_type = struct.unpack_from(f"{order}I", data, 20)[0] & 0xffff
    while at < len(data):
        if at + header > len(data):
            found.stopped = at
            break
        seconds, fraction, captured, original = struct.unpack_from(f"{order}4I", data, at)
        if captured > LARGEST_RECORD or at + header + captured > len(data):
            found.stopped = at
            break
        found.records.append(Record(at, seconds, captured, original, link_type, fraction < units))
        at += header + captured
    return found


def walk_pcapng(data):
    found, order, interfaces, at = Walk(), "<", [], 0
    while at < len(data):
        kind = data[at:at + 4]
        if kind == b"\n\r\r\n":
            order, interfaces = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(data[at + 8:at + 12]), []
        length = struct.unpack_from(f"{order}I", data, at + 4)[0] if order and at + 12 <= len(data) else 0
        if not 12 <= length <= LARGEST_RECORD or data[at + 4:at + 8] != data[at + length - 4:at + length]:
            found.stopped = at
            break
        number = lambda offset: struct.unpack_from(f"{order}I", data, at + offset)[0]
        match struct.unpack(f"{order}I", kind)[0]:
            case 1:
                link_type = struct.unpack_from(f"{order}H", data, at + 8)[0]
                interfaces.append((link_type, number(12) or 1 << 32))
            case 6 | 2 as packet if length >= 32:
                interface = number(8) if packet == 6 else struct.unpack_from(f"{order}H", data, at + 8)[0]
                if interface < len(interfaces) and number(20) <= length - 32:
                    found.records.append(Record(at, None, number(20), number(24), interfaces[interface][0]))
            case 3 if interfaces:
                captured = min(number(8), interfaces[0][1], length - 16)
                found.records.append(Record(at, None, captured, number(8), interfaces[0][0]))
        at += length
    return found


# ---- tshark -------------------------------------------------------------------------------------------------------------

FIELDS = ["frame.protocols", "frame.len", "frame.cap_len", "tcp.stream", "tcp.hdr_len", "ip.flags.mf", "_ws.malformed",
          "vlan.id", "ieee8021ad.id", "vxlan.vni", "geneve.vni", "gre.key"]
NETWORKS = FIELDS[7:]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What tshark says of a packet of TCP."""
    stream: str
    network: tuple
    is_broken: bool


@functools.cache
def ask_tshark(path):
    """What tshark says of the capture's TCP packets: [Seen]; None if tshark is missing."""
    if not shutil.which("tshark"):
        return None
    options = [option for field in FIELDS for option in ("-e", field)]
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=a", *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    # It ends with 2 after a capture that is damaged, having shown what came before.
    if done.returncode not in (0, 2):
        raise RuntimeError(f"tshark ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    seen = []
    for line in done.stdout.decode(errors="replace").split("\n")[:-1]:
        packet = dict(zip(FIELDS, line.split("\t")))
        # The innermost of several is the one that Wireshark shows.
        broken = bool(packet["_ws.malformed"]) or packet["tcp.hdr_len"].split(",")[-1] in ("0", "4", "8", "12", "16")
        cut = packet["frame.len"] != packet["frame.cap_len"]
        broken |= cut and any(flag in ("1", "True") for flag in packet["ip.flags.mf"].split(","))
        if packet["tcp.stream"]:
            network = tuple(packet[name] for name in NETWORKS)
            seen.extend(Seen(stream, network, broken) for stream in packet["tcp.stream"].split(","))
    return seen


def tshark_packets(path, display_filter="frame"):
    """How many packets tshark can read, of those that the filter shows."""
    command = ["tshark", "-n", "-r", path, "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    return len(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).stdout.split())


@functools.cache
def frame_by_frame():
    """The module that compares with tshark frame by frame."""
    spec = importlib.util.spec_from_file_location("frames", pathlib.Path(__file__).with_name("compare-with-tshark.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["frames"] = module
    spec.loader.exec_module(module)
    return module


# ---- what is compared ---------------------------------------------------------------------------------------------------

# Names that captures' tables use, where they are not those of the index.
LINK_NAMES = {"RADIOTAP": "IEEE802_11_RADIO", "802.11": "IEEE802_11", "802.15.4": "IEEE802_15_4_WITHFCS", "RAW12": "RAW",
              "RAW14": "RAW", "PRISM": "PRISM_HEADER", "TOKEN_RING": "IEEE802_5", "AVS": "IEEE802_11_RADIO_AVS"}
LINK_NUMBERS = {"NULL": {0}, "EN10MB": {1}, "IEEE802_5": {6}, "PPP": {9}, "FDDI": {10}, "RAW": {12, 14, 101}, "PPP_HDLC": {50},
                "PPP_ETHER": {51}, "C_HDLC": {104}, "IEEE802_11": {105}, "FRELAY": {107}, "LOOP": {108}, "ENC": {109},
                "LINUX_SLL": {113}, "PFLOG": {117}, "PRISM_HEADER": {119}, "IEEE802_11_RADIO": {127},
                "IEEE802_11_RADIO_AVS": {163}, "PPI": {192}, "IEEE802_15_4_WITHFCS": {195}, "IPV4": {228}, "IPV6": {229},
                "NFLOG": {239}, "NETANALYZER": {240}, "NETLINK": {253}, "LINUX_SLL2": {276}}


@dataclasses.dataclass
class Answer:
    """What wsautopsy says of a capture."""
    path: pathlib.Path
    capture: dict
    connections: list
    close_frames: list

    @property
    def in_clear(self):
        """The connections that the tools of an index can see: HTTP/1.1 without TLS."""
        return [row for row in self.connections if row["transport"] == "tcp"]

    def closes(self, also_without_handshake=True):
        """The Close frames of these."""
        wanted = {row["connection"] for row in self.in_clear if also_without_handshake or row["handshake"] != "missing"}
        return [row for row in self.close_frames if row["connection"] in wanted]

    @functools.cached_property
    def skipped(self):
        """The ranges of bytes that it took for damage."""
        found = re.findall(r"at byte (\d+): .*?; (\d+) bytes skipped", self.warnings)
        return [range(int(at), int(at) + int(length)) for at, length in found]

    @functools.cached_property
    def walk(self):
        return walk(self.path.read_bytes())

    warnings: str = ""


@dataclasses.dataclass
class Difference:
    column: str
    index: object
    here: object


def compare(line, answer):
    """Yields every Difference between a line of the index and the answer."""
    for column, here in comparable(answer).items():
        there = line.get(column)
        if there is None or there == "" and column != "linktypes":
            continue
        there = read(column, there)
        if not (matches(column, there, here)):
            yield Difference(column, there, here)
    for column in filter(lambda name: name.startswith("close_codes_"), line):
        there = collections.Counter({code: int(count) for code, count in re.findall(r"(\w+)x(\d+)", line[column] or "")})
        here = collections.Counter(str(row["code"] or "none") for row in answer.closes())
        if there != here:
            yield Difference("close_codes", dict(there), dict(here))


def comparable(answer):
    states = collections.Counter(row["handshake"] for row in answer.in_clear)
    capture = answer.capture
    return {
        "format": capture["format"],
        "linktypes": frozenset(filter(None, (capture["link_types"] or "").split(","))),
        "packets": capture["packets"],
        "tcp_conns": capture["tcp_streams"],
        "snap_truncated_packets": capture["truncated_packets"],
        "ws_upgrade_requests": sum(states.values()) - states["missing"],
        "ws_handshakes_101": states["complete"] + states["invalid"],
        "close_frames": len(answer.closes()),
    }


def read(column, text):
    match column:
        case "format":
            return text
        case "linktypes":
            return frozenset(int(word.split(":")[0]) for word in text.split())
        case _:
            return int(text)


def matches(column, there, here):
    match column:
        case "format":
            # "pcap-le-ns" is pcap; "other:…" is no capture.
            return there == here or (here or "other") == re.split("[-:]", there)[0]
        case "linktypes":
            numbers = [{int(name)} if name.isdigit() else LINK_NUMBERS.get(name, set()) for name in here]
            return all(known & there for known in numbers) and all(any(one in known for known in numbers) for one in there)
        case _:
            return there == here


# ---- what explains a difference -----------------------------------------------------------------------------------------


def stops_at_damage(difference, line, answer):
    strict = answer.walk
    if strict is None or strict.stopped is None or strict.stopped not in [skipped.start for skipped in answer.skipped]:
        return False
    # A record that is not whole may be counted or not.
    listed = int(line["packets"] or 0) - len(strict.records)
    more = difference.column == "linktypes" or isinstance(difference.here, dict) or difference.here > difference.index
    return listed in (0, 1) and more and answer.capture["packets"] >= len(strict.records)


def counts_noise(difference, _line, answer):
    strict = answer.walk
    if strict is None or strict.stopped is not None or not answer.skipped:
        return False
    sound = strict.outside(answer.skipped)
    noise = [record for record in strict.records if record not in sound]
    times = [record.seconds for record in sound if record.seconds is not None]
    unbelievable = lambda record: (record.captured == 0 or record.captured > record.original or not record.in_range
                                   or record.seconds is None
                                   or all(abs(record.seconds - other) > DAY for other in times))
    here = {"packets": len(sound), "snap_truncated_packets": sum(record.is_truncated() for record in sound)}
    return bool(noise) and all(map(unbelievable, noise)) and difference.here == here.get(difference.column)


def interface_without_packets(difference, _line, answer):
    used = frozenset(record.link_type for record in answer.walk.records) if answer.walk else None
    return used is not None and used < difference.index and matches("linktypes", used, difference.here)


def tshark_counts_the_same(difference, _line, answer):
    seen = ask_tshark(answer.path)
    return seen is not None and len({one.stream for one in seen}) == difference.here


def networks_are_kept_apart(difference, _line, answer):
    seen = ask_tshark(answer.path) or []
    flows = {(one.stream, one.network) for one in seen}
    return len({one.stream for one in seen}) < difference.here <= len(flows)


def too_large_for_tshark(difference, _line, answer):
    large = sum(record.original > 0xffff for record in answer.walk.records) if answer.walk else 0
    seen = ask_tshark(answer.path)
    return seen is not None and 0 < difference.here - len({one.stream for one in seen}) <= large


def pseudowires_are_guessed(difference, _line, answer):
    seen = ask_tshark(answer.path)
    if seen is None or difference.here < difference.index:
        return False
    return 0 < difference.here - len({one.stream for one in seen}) <= tshark_packets(answer.path, 'frame.protocols contains "pweth" && !tcp')


def nobody_knows_the_link_type(difference, _line, answer):
    is_unread = ask_tshark(answer.path) == [] and tshark_packets(answer.path) == 0
    return is_unread and difference.index == 0 and answer.capture["packets"] > answer.capture["undecoded_packets"]


def headers_are_broken(difference, _line, answer):
    streams = collections.defaultdict(list)
    for one in ask_tshark(answer.path) or []:
        streams[one.stream].append(one.is_broken)
    broken = sum(all(packets) for packets in streams.values())
    missing = difference.index - difference.here
    return 0 < missing <= min(broken, answer.capture["undecoded_packets"]) and len(streams) - broken <= difference.here


def tshark_agrees_frame_by_frame(_difference, _line, answer):
    frames = frame_by_frame()
    if not shutil.which("tshark"):
        return False
    try:
        tables, tshark, found = frames.compare(BINARY, answer.path)
    except frames.Unreadable:
        return False
    found = [one for one in found if one.kind not in ("packets", "tcp_streams")]
    return all(frames.explain(one, tshark, tables["captures"][0]) for one in found)


@dataclasses.dataclass
class Explanation:
    """Why differences in these columns are no defect where `condition(difference, line of the index, answer)` holds."""
    columns: tuple
    sentence: str
    condition: object
    used: int = 0


COUNTS = ("packets", "tcp_conns", "snap_truncated_packets")
WEBSOCKETS = ("ws_upgrade_requests", "ws_handshakes_101", "close_frames", "close_codes")

EXPLANATIONS = [
    Explanation(
        (*COUNTS, *WEBSOCKETS, "linktypes"),
        "The index ends at the byte where the file is damaged; wsautopsy warns of that byte and goes on behind it.",
        stops_at_damage),
    Explanation(
        ("packets", "snap_truncated_packets"),
        "The index counts records that no packet can have: empty, shorter on the wire than captured, of another day or "
        "past the end of their second. wsautopsy names them as damage.",
        counts_noise),
    Explanation(
        ("linktypes",),
        "The index lists interfaces without a packet; wsautopsy lists the link types of packets.",
        interface_without_packets),
    Explanation(
        ("tcp_conns",),
        "The index has its own idea of conversations (in fragments, behind rare link layers, in tunnels, on ports that are "
        "used again, behind broken headers); tshark counts as many as wsautopsy.",
        tshark_counts_the_same),
    Explanation(
        ("tcp_conns",),
        "wsautopsy keeps the same addresses in different VLANs and overlay networks apart; tshark counts fewer, and as "
        "many with its VLAN and network numbers.",
        networks_are_kept_apart),
    Explanation(
        ("tcp_conns",),
        "Conversations of broken packets only (a header that is malformed or too short for TCP, a first fragment that was "
        "cut), which wsautopsy counts as undecoded.",
        headers_are_broken),
    Explanation(
        ("tcp_conns",),
        "Packets in tunnels that are too large for a length field (BIG TCP), which tshark 4.0 does not decode.",
        too_large_for_tshark),
    Explanation(
        ("tcp_conns",),
        "Frames in MPLS pseudowires, which nothing announces: tshark guesses by the makers of network cards that it knows, "
        "wsautopsy by the IP header in the frame.",
        pseudowires_are_guessed),
    Explanation(
        ("tcp_conns",),
        "Packets of a link type that neither the index nor tshark can read.",
        nobody_knows_the_link_type),
    Explanation(
        WEBSOCKETS,
        "tshark, asked frame by frame, finds the same Close frames and answers, or errs in a way that is known.",
        tshark_agrees_frame_by_frame),
]


# ---- command line -------------------------------------------------------------------------------------------------------


def analyse(path):
    """wsautopsy's Answer."""
    with tempfile.TemporaryDirectory() as directory:
        command = [BINARY, "analyze", path, "-o", directory, "--format", "ndjson", "--quiet"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        rows = lambda name: [json.loads(row) for row in (pathlib.Path(directory) / f"{name}.ndjson").open()]
        if done.returncode == 0:
            [capture] = rows("captures")
            return Answer(path, capture, rows("connections"), rows("close_frames"), warnings(path))
    if done.returncode == 1 and "expected a pcap or pcapng capture" in done.stderr:
        empty = {"format": None, "link_types": "", "packets": 0, "tcp_streams": 0, "truncated_packets": 0}
        return Answer(path, empty, [], [])
    raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()[-500:]}")


def warnings(path):
    """What wsautopsy warns of."""
    command = [BINARY, "analyze", path, "--table", "captures"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace").stderr


def check(directory, line):
    """[(Difference, its Explanation or None)] of a line of the index."""
    path = directory / line["path"]
    if not path.exists():
        path = path.with_name(path.name + ".gz")
    if not path.exists():
        return [(Difference("file", "listed", "missing"), None)]
    try:
        answer = analyse(path)
    except RuntimeError as error:
        return [(Difference("analysis", "possible", str(error)), None)]
    explain = lambda one: next((reason for reason in EXPLANATIONS
                                if one.column in reason.columns and reason.condition(one, line, answer)), None)
    return [(one, explain(one)) for one in compare(line, answer)]


def main(arguments):
    global BINARY
    verbose = "-v" in arguments
    paths = [argument for argument in arguments if argument != "-v"]
    if len(paths) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    BINARY, directory, index = paths[0], pathlib.Path(paths[1]), paths[2]
    with open(index, newline="") as file:
        lines = list(csv.DictReader(file))
    unexplained = 0
    with tempfile.TemporaryDirectory() as settings, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        os.environ["WIRESHARK_CONFIG_DIR"] = settings  # not those of whoever runs this
        for line, found in zip(lines, pool.map(lambda line: check(directory, line), lines)):
            for difference, reason in found:
                unexplained += reason is None
                if reason is not None:
                    reason.used += 1
                if reason is None or verbose:
                    text = reason.sentence if reason else "NOT EXPLAINED"
                    print(f"{line['path']}: {difference.column}: {difference.index} in the index, {difference.here} here: {text}")
    for reason in EXPLANATIONS:
        if reason.used:
            print(f"{reason.used} x {reason.sentence}")
    print(f"{len(lines)} captures, {sum(reason.used for reason in EXPLANATIONS)} differences explained, {unexplained} not")
    return 1 if unexplained or not lines else 0


BINARY = ""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
