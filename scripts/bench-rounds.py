"""The rounds of bench-against-tshark.sh: PROGRAM DIRECTORY ROUNDS.

The directory holds whole.pcap, its beginning part.pcap, and the truth about each in a JSON file of the same name. Every
round runs every program once, so that whatever else the machine does hits all of them. Speeds are medians in MB/s of
capture; memory is the largest resident set of any run.
"""

import collections
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time


SAMPLE = pathlib.Path(__file__).parent.parent / "samples" / "1000-clean.pcap"


def run(command, output):
    """Runs `command` with its standard output to `output`: seconds and peak memory in KiB."""
    with open(output, "wb") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return seconds, usage.ru_maxrss


def check(name, found, expected):
    """Stops if a program did not find what is there."""
    if found != expected:
        sys.exit(f"{name} found {found}, expected {expected}")


def counted(codes):
    """How often each code occurs; an empty one is named as in the truth."""
    return dict(collections.Counter(code or "empty" for code in codes))


def check_tables(directory, truth):
    """Compares the tables in `directory` with the truth."""
    with open(directory / "close_codes.csv", encoding="utf-8") as table:
        check("wsautopsy", {row["code"]: int(row["connections"]) for row in csv.DictReader(table)}, truth["close_codes"])
    with open(directory / "close_frames.csv", encoding="utf-8") as table:
        check("wsautopsy", counted(row["code"] for row in csv.DictReader(table)), truth["close_frames"])


def check_fields(path, truth):
    """Compares what tshark printed with the truth. It tells of an empty Close frame nothing at all."""
    lines = path.read_text(encoding="utf-8").splitlines()
    check("tshark", counted(code for line in lines for code in line.split(",")), truth["close_frames"])


def main():
    program, directory, rounds = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    whole, part = directory / "whole.pcap", directory / "part.pcap"
    truth = {path: json.loads(path.with_suffix(".json").read_text()) for path in (whole, part)}
    tables, printed = directory / "tables", directory / "printed.txt"

    def analyze(threads):
        return [program, "analyze", whole, "--quiet", "--threads", str(threads), "-o", tables]

    fields = ["-Y", "websocket.opcode==8", "-T", "fields", "-e", "websocket.payload.close.status_code"]
    contenders = {
        "dd, from the page cache": (["dd", f"if={whole}", "of=/dev/null", "bs=1M"], whole, None),
        "wsautopsy, 2 threads": (analyze(2), whole, lambda: check_tables(tables, truth[whole])),
        "wsautopsy, 1 thread": (analyze(1), whole, lambda: check_tables(tables, truth[whole])),
        "tshark": (["tshark", "-r", part, *fields], part, lambda: check_fields(printed, truth[part])),
    }
    speeds, memory = collections.defaultdict(list), collections.defaultdict(int)
    run(contenders["dd, from the page cache"][0], printed)
    for _ in range(rounds):
        for name, (command, capture, verify) in contenders.items():
            seconds, peak = run(command, printed)
            speeds[name].append(capture.stat().st_size / seconds / 1e6)
            memory[name] = max(memory[name], peak)
            if verify:
                verify()
    median = {name: statistics.median(of) for name, of in speeds.items()}
    report(truth[whole], rounds, median, memory)
    print(f"2 threads: {median['wsautopsy, 2 threads'] / median['wsautopsy, 1 thread']:.2f} times 1 thread")
    print(f"start to end on {SAMPLE.name}: {start_up(program, tables, printed) * 1e3:.1f} ms")


def start_up(program, tables, printed):
    """The median time in seconds of an analysis of next to nothing."""
    command = [program, "analyze", SAMPLE, "--quiet", "-o", tables]
    return statistics.median(run(command, printed)[0] for _ in range(21))


def report(truth, rounds, median, memory):
    """Prints a line for each program."""
    print(f"{truth['bytes'] / 1e6:.0f} MB, {truth['packets']} packets, {truth['connections']} connections, "
          f"medians of {rounds} rounds")
    print(f"{'':26}{'MB/s':>8}{'of dd':>8}{'times tshark':>14}{'peak MiB':>10}")
    for name, speed in median.items():
        of_dd, times = speed / median["dd, from the page cache"], speed / median["tshark"]
        print(f"{name:26}{speed:8.0f}{of_dd:8.2f}{times:14.1f}{memory[name] / 1024:10.0f}")


main()
