"""A server that accepts and never answers: silent.py HOST PORT"""

import socket
import sys
import time

server = socket.create_server((sys.argv[1], int(sys.argv[2])))
connections = []
while True:
    connections.append(server.accept())
    time.sleep(0)
