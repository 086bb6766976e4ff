#!/usr/bin/env python3
"""Records what a publisher sends: a proxy in front of an RTMP server, one connection, then it ends.

  record.py SERVER_PORT FILE    prints its own port; publish to rtmp://127.0.0.1:PORT/live/KEY
"""
import socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
publisher, _ = listener.accept()
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))

def back():
    while piece := server.recv(65536):
        publisher.sendall(piece)
    publisher.close()

threading.Thread(target=back, daemon=True).start()
with open(sys.argv[2], "wb") as record:
    while piece := publisher.recv(65536):
        record.write(piece)
        server.sendall(piece)
