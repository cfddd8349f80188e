"""truth.py LOG_DIRECTORY TRUTH_JSON: what the applications logged, as one record per connection.

One log per sample, named like the capture. Both ends log what they sent and received; where both know a Close frame,
they have to agree, or this stops. Nothing here has seen the capture.
"""

import json
import sys
from pathlib import Path

OTHER = {"client": "server", "server": "client"}


def main(directory, target):
    target = Path(target)
    truth = json.loads(target.read_text()) if target.exists() else {}
    for log in sorted(Path(directory).glob("*.jsonl")):
        truth[log.stem] = {"connections": connections([json.loads(line) for line in log.open()])}
    files = {name: truth[name] for name in sorted(truth) if (target.parent / name).exists()}
    target.write_text(as_json(files))


def connections(events):
    ports = sorted({event["port"] for event in events})
    return [connection(port, [event for event in events if event["port"] == port]) for port in ports]


def connection(port, events):
    handshakes = [event for event in events if event["event"] == "handshake"]
    handshake = next((event for event in handshakes if event["role"] == "client"), handshakes[0])
    complete = handshake["result"] == "complete"
    failed = next((event for event in events if event["event"] == "tls-failed"), None)
    closes = {role: closes_from(role, events) for role in OTHER}
    first = first_closer(events)
    return {
        "client_port": port,
        "path": handshake["path"],
        "handshake": handshake["result"],
        "http_status": handshake["status"],
        "closes": closes,
        "close_code": verdict(first, closes, events) if complete else 1015 if failed else None,
        "closed_by": (first or ended_by(events)) if complete else ended_by([failed | {"event": "ended"}]) if failed else None,
        "invalid_text": {role: count(events, role, "invalid-text-sent") for role in OTHER},
    }


def closes_from(sender, events):
    """The Close frames of one end: as it logged them, else as the other end received them.

    The other end may have stopped reading after the first.
    """
    sent = frames(events, sender, "close-sent")
    received = frames(events, OTHER[sender], "close-received")
    if any(ours["code"] != theirs["code"] for ours, theirs in zip(sent, received)):
        sys.exit(f"the ends disagree: sent {sent}, received {received}")
    return max(sent, received, key=lambda found: (len(found), len(str(found))))


def frames(events, role, name):
    found = [event for event in events if event["role"] == role and event["event"] == name]
    return [{"code": event["code"], "reason": event["reason"]} for event in found]


def first_closer(events):
    """Who sent the first Close frame; both, if each end sent before it received."""
    opinions = set()
    for role in OTHER:
        mine = [event["event"] for event in events if event["role"] == role and event["event"].startswith("close-")]
        if mine:
            opinions.add(role if mine[0] == "close-sent" else OTHER[role])
    return "both" if len(opinions) == 2 else next(iter(opinions), None)


def verdict(first, closes, events):
    """The first Close frame's code; of two that crossed, the client's."""
    if first is None:
        return 1006 if ended_by(events) else None
    code = closes["client" if first == "both" else first][0]["code"]
    return 1005 if code is None else code


def ended_by(events):
    """Who ended TCP, where there was no Close frame."""
    ends = [event for event in events if event["event"] == "ended"]
    for event in sorted(ends, key=lambda event: event["by"] != "me"):
        return event["role"] if event["by"] == "me" else OTHER[event["role"]]
    return None


def count(events, role, name):
    return sum(event["role"] == role and event["event"] == name for event in events)


def as_json(files):
    """One connection per line."""
    parts = []
    for name, record in files.items():
        lines = ",\n    ".join(json.dumps(connection, ensure_ascii=False) for connection in record["connections"])
        parts.append(f'  {json.dumps(name)}: {{"connections": [\n    {lines}\n  ]}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


main(*sys.argv[1:])
