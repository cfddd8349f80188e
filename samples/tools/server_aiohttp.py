"""A server on `aiohttp`: server_aiohttp.py HOST PORT

/echo       sends every message back                /private    401, /forbidden 403, /plain 200; others 404
/token      closes 1008 at once: token expired      /limited    closes 1008 after 20 messages in a second
"""

import sys
import time

from aiohttp import WSCloseCode, WSMsgType, web

import applog


class Socket(web.WebSocketResponse):
    """Logs the Close frames as aiohttp sends and receives them."""

    port = None

    async def close(self, *, code=WSCloseCode.OK, message=b"", drain=True):
        if not self.closed:
            received_first = self._closing
            code_received = self.close_code
            if not received_first:
                applog.close("server", self.port, "sent", int(code), message.decode())
            result = await super().close(code=code, message=message, drain=drain)
            if received_first:
                applog.close("server", self.port, "received", code_received)
                applog.close("server", self.port, "sent", int(code), message.decode())
            elif self.close_code not in (None, 1006):
                applog.close("server", self.port, "received", self.close_code)
            return result
        return False


async def accept(request):
    ws = Socket()
    ws.port = request.transport.get_extra_info("peername")[1]
    await ws.prepare(request)
    applog.handshake("server", ws.port, request.path, "complete", 101)
    return ws


async def echo(request):
    ws = await accept(request)
    async for message in ws:
        if message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


async def token(request):
    ws = await accept(request)
    await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"token expired")
    return ws


async def limited(request):
    ws = await accept(request)
    times = []
    async for _ in ws:
        now = time.monotonic()
        times = [past for past in times if now - past < 1] + [now]
        if len(times) > 20:
            await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"rate limit exceeded")
    return ws


def refuse(status):
    async def handler(_request):
        return web.Response(status=status, text=f"{status}\n")
    return handler


app = web.Application()
app.add_routes([web.get("/echo", echo), web.get("/token", token), web.get("/limited", limited),
                web.get("/private", refuse(401)), web.get("/forbidden", refuse(403)), web.get("/plain", refuse(200))])
web.run_app(app, host=sys.argv[1], port=int(sys.argv[2]), print=None, handle_signals=True)
