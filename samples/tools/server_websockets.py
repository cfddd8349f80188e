"""A server on Python `websockets`: server_websockets.py HOST PORT [--shutdown-code CODE] [--tls PEM]
[--before-tls13] [OPTION=NUMBER...]

/echo    sends every message back                /quiet         reads, never writes
/crash   raises an exception on a message        /close/C/TEXT  closes with code C and reason TEXT on a message
/burst/N sends N messages, then closes 1000      /crossed       closes 4001 0.3 s after the handshake

OPTIONS are those of websockets.serve, such as max_size, ping_interval, ping_timeout.
SIGTERM closes every connection with the shutdown code (1001).
"""

import asyncio
import logging
import signal
import ssl
import sys
from urllib.parse import unquote

from websockets.asyncio.server import ServerConnection, serve

import applog


class Connection(ServerConnection):
    def connection_lost(self, exc):
        super().connection_lost(exc)
        if self.protocol.handshake_exc is None and self.remote_address:  # None where TLS failed
            applog.closes_of_websockets("server", self.remote_address[1], self.protocol)


async def handle(ws):
    path = ws.request.path
    applog.handshake("server", ws.remote_address[1], path, "complete", 101)
    _, action, *arguments = unquote(path).split("/")
    if action == "crossed":
        await asyncio.sleep(0.3)
        return await ws.close(4001, "server was first")
    if action == "burst":
        for number in range(int(arguments[0])):
            await ws.send(f"message {number:04} " + "abcdefghij" * 40)
        return
    async for message in ws:
        if action == "echo":
            await ws.send(message)
        elif action == "crash":
            raise RuntimeError("the handler failed")
        elif action == "close":
            return await ws.close(int(arguments[0]), arguments[1])


async def main(host, port, arguments):
    code = 1001
    if arguments[:1] == ["--shutdown-code"]:
        code, arguments = int(arguments[1]), arguments[2:]
    options = {"ping_interval": None}
    if arguments[:1] == ["--tls"]:
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(arguments[1])
        arguments = arguments[2:]
    if arguments[:1] == ["--before-tls13"]:
        options["ssl"].maximum_version = ssl.TLSVersion.TLSv1_2
        arguments = arguments[1:]
    for argument in arguments:
        name, _, value = argument.partition("=")
        options[name] = float(value) if "." in value else int(value)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await serve(handle, host, int(port), create_connection=Connection, **options)
    await stop.wait()
    server.close(code=code, reason={1012: "service restart"}.get(code, ""))
    await server.wait_closed()


logging.getLogger("websockets").setLevel(logging.CRITICAL)  # the failures are on purpose
asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
