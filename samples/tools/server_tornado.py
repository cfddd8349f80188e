"""A server on Tornado: server_tornado.py HOST PORT MAX_MESSAGE_SIZE

/echo  sends text back    /text  closes 1003 on a binary message    /empty  closes with an empty Close frame
"""

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

import applog


class Echo(WebSocketHandler):
    port = None

    def open(self):
        self.port = self.request.connection.context.address[1]
        applog.handshake("server", self.port, self.request.path, "complete", 101)

    def on_message(self, message):
        if self.request.path == "/text" and isinstance(message, bytes):
            self.close(1003, "text only")
        elif self.request.path == "/empty":
            self.close()
        else:
            self.write_message(message)


async def main(host, port, size):
    app = Application([("/.*", Echo)], websocket_max_message_size=int(size))
    app.listen(int(port), host)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
