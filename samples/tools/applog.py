"""What an application saw and did, one JSON line per event, in the file that $APPLOG names.

`truth.py` turns these lines into truth.json. The capture is never read for it.
"""

import json
import os


def log(role, port, event, **more):
    """Appends one event of the connection whose client uses `port`."""
    path = os.environ.get("APPLOG")
    if not path:
        return
    with open(path, "a") as file:
        file.write(json.dumps({"role": role, "port": port, "event": event, **more}) + "\n")


def handshake(role, port, path, result, status=None):
    """`result`: complete, refused or unanswered."""
    log(role, port, "handshake", path=path, result=result, status=status)


def close(role, port, direction, code, reason=""):
    """A Close frame; `direction`: sent or received; 1005 is what libraries call an empty one."""
    log(role, port, f"close-{direction}", code=None if code == 1005 else code, reason=reason)


def closes_of_websockets(role, port, protocol):
    """The Close frames that the websockets library remembers, in the order in which it saw them."""
    frames = [("sent", protocol.close_sent), ("received", protocol.close_rcvd)]
    if protocol.close_rcvd_then_sent:
        frames.reverse()
    for direction, frame in frames:
        if frame is not None:
            close(role, port, direction, frame.code, frame.reason)
    if protocol.close_sent is None and protocol.close_rcvd is None:
        log(role, port, "ended", by="peer")


def is_utf8(data):
    try:
        data.decode()
        return True
    except UnicodeDecodeError:
        return False
