"""A client on Python `websockets`: client_websockets.py PORT URL STEP...   (PORT: its own)

send:TEXT        a text message                  recv             waits for a message
binary:N         a binary message of N bytes     text:HEX         these bytes as a text message
split:HEX:HEX    a text message in fragments     sleep:SECONDS    waits
freeze:SECONDS   reads nothing for so long       close:CODE:TEXT  closes; no CODE: an empty Close frame
raw:HEX          these bytes as they are         raw-close:CODE   a Close frame the library would refuse to send
wait             until the connection has ended  abort            resets the TCP connection
plain            offers no compression (first)   times:N:STEP     does STEP so many times
tls:CA:VERSION   to chat.example over TLS, of this version only: 2 or 3 (before plain)
"""

import asyncio
import socket
import ssl
import struct
import sys
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame

import applog


class Connection(ClientConnection):
    local_port = None
    quiet = False

    def connection_lost(self, exc):
        super().connection_lost(exc)
        if self.protocol.handshake_exc is None and self.response and not self.quiet:
            applog.closes_of_websockets("client", self.local_port, self.protocol)


class Client:
    def __init__(self, port, url):
        self.port, self.url, self.path = port, url, urlsplit(url).path
        self.options = {"ping_interval": None, "proxy": None, "open_timeout": 2, "close_timeout": 3}
        self.ws = None

    async def run(self, steps):
        if steps[0].startswith("tls:"):
            self.secure(*steps[0].split(":")[1:])
            steps = steps[1:]
        if steps[:1] == ["plain"]:
            self.options["compression"] = None
            steps = steps[1:]
        if await self.open():
            try:
                for step in steps:
                    await self.do(step)
            except ConnectionClosed:
                pass
            await self.ws.wait_closed()

    def secure(self, authority, version):
        context = ssl.create_default_context(cafile=authority)
        only = {"2": ssl.TLSVersion.TLSv1_2, "3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = only
        self.options |= {"ssl": context, "server_hostname": "chat.example"}

    async def open(self):
        address = "::" if "[" in self.url else "0.0.0.0"
        try:
            self.ws = await connect(
                self.url, create_connection=Connection, local_addr=(address, self.port), **self.options)
        except InvalidStatus as error:
            applog.handshake("client", self.port, self.path, "refused", error.response.status_code)
            return False
        except (ssl.SSLError, ConnectionResetError) as error:
            if "ssl" not in self.options:
                raise
            applog.handshake("client", self.port, None, "unanswered")
            mine = isinstance(error, ssl.SSLCertVerificationError)
            applog.log("client", self.port, "tls-failed", by="me" if mine else "peer")
            return False
        except TimeoutError:
            applog.handshake("client", self.port, self.path, "unanswered")
            return False
        self.ws.local_port = self.port
        applog.handshake("client", self.port, self.path, "complete", 101)
        return True

    async def do(self, step):
        name, _, value = step.partition(":")
        await getattr(self, name.replace("-", "_"))(*([value] if value else []))

    async def send(self, text):
        await self.ws.send(text)

    async def binary(self, size):
        await self.ws.send(bytes(range(256)) * (int(size) // 256) + bytes(int(size) % 256))

    async def text(self, data):
        self.note_text(bytes.fromhex(data))
        await self.ws.send(bytes.fromhex(data), text=True)

    async def split(self, parts):
        parts = [bytes.fromhex(part) for part in parts.split(":")]
        self.note_text(b"".join(parts))
        await self.ws.send(parts, text=True)

    def note_text(self, data):
        if not applog.is_utf8(data):
            applog.log("client", self.port, "invalid-text-sent")

    async def recv(self):
        await self.ws.recv()

    async def sleep(self, seconds):
        await asyncio.sleep(float(seconds))

    async def freeze(self, seconds):
        self.ws.transport.pause_reading()
        await asyncio.sleep(float(seconds))
        self.ws.transport.resume_reading()

    async def close(self, value=""):
        code, _, reason = value.partition(":")
        if code:
            return await self.ws.close(int(code), reason)
        async with self.ws.send_context():
            self.ws.protocol.send_close()  # the library's close() always gives a code

    async def raw(self, data):
        self.ws.transport.write(bytes.fromhex(data))

    async def raw_close(self, code):
        frame = Frame(8, struct.pack("!H", int(code)))
        applog.close("client", self.port, "sent", int(code))
        self.ws.transport.write(frame.serialize(mask=True))

    async def wait(self):
        await self.ws.wait_closed()

    async def abort(self):
        self.ws.quiet = True
        applog.log("client", self.port, "ended", by="me")
        sock = self.ws.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.ws.transport.abort()

    async def times(self, value):
        count, _, step = value.partition(":")
        for _ in range(int(count)):
            await self.do(step)


asyncio.run(Client(int(sys.argv[1]), sys.argv[2]).run(sys.argv[3:]))
