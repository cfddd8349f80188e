"""A client on `websocket-client`, which blocks: client_simple.py PORT URL STEP...   (PORT: its own)

send:TEXT   binary:N   recv   sleep:SECONDS   close:CODE:TEXT   answer (waits for a Close and answers it)
"""

import socket
import struct
import sys
import time
from urllib.parse import urlsplit

import websocket

import applog


def parse(body):
    """A Close frame's body: code and reason."""
    return (struct.unpack("!H", body[:2])[0], body[2:].decode()) if body else (1005, "")


class Client:
    def __init__(self, port, url):
        self.port = port
        parts = urlsplit(url)
        sock = socket.socket()
        sock.bind(("0.0.0.0", port))
        sock.connect((parts.hostname, parts.port))
        sock.settimeout(5)
        try:
            self.ws = websocket.create_connection(url, socket=sock)
        except websocket.WebSocketBadStatusException as error:
            applog.handshake("client", port, parts.path, "refused", error.status_code)
            sys.exit()
        applog.handshake("client", port, parts.path, "complete", self.ws.status)

    def send(self, text):
        self.ws.send(text)

    def binary(self, size):
        self.ws.send_binary(bytes(int(size)))

    def recv(self):
        self.ws.recv()

    def sleep(self, seconds):
        time.sleep(float(seconds))

    def close(self, value):
        code, _, reason = value.partition(":")
        applog.close("client", self.port, "sent", int(code), reason)
        self.ws.send_close(int(code), reason.encode())
        applog.close("client", self.port, "received", *parse(self.wait_for_close()))
        self.ws.shutdown()

    def answer(self, _=""):
        body = self.wait_for_close()
        applog.close("client", self.port, "received", *parse(body))
        self.ws.send(body, websocket.ABNF.OPCODE_CLOSE)
        applog.close("client", self.port, "sent", *parse(body))
        try:
            self.ws.sock.recv(1)  # the server ends TCP
        except OSError:
            pass
        self.ws.shutdown()

    def wait_for_close(self):
        while True:
            frame = self.ws.recv_frame()
            if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                return frame.data


client = Client(int(sys.argv[1]), sys.argv[2])
for step in sys.argv[3:]:
    name, _, value = step.partition(":")
    getattr(client, name)(*([value] if value else []))
