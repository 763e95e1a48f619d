"""Stands in for ``kubectl port-forward`` where there is no cluster.

It takes its arguments, says its words and carries bytes to ``STAND_IN_PORT``. With ``STAND_IN_FAIL`` it says that and ends
with 1, as for a Service that does not exist.
"""

import json
import os
import re
import socket
import socketserver
import sys
import threading
from pathlib import Path


class Carry(socketserver.BaseRequestHandler):
    """One connection."""

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", int(os.environ["STAND_IN_PORT"]))) as there:
            back = threading.Thread(target=carry, args=(there, self.request), daemon=True)
            back.start()
            carry(self.request, there)
            back.join(10)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def main() -> None:
    with Path(os.environ["STAND_IN_LOG"]).open("a", encoding="utf-8") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    if failure := os.environ.get("STAND_IN_FAIL"):
        sys.exit(failure)
    found = re.fullmatch(r"(\d+):(\d+|http)", sys.argv[-1])
    assert found is not None, sys.argv
    with Server(("127.0.0.1", int(found[1])), Carry) as server:
        print(f"Forwarding from 127.0.0.1:{found[1]} -> {found[2].replace('http', '8080')}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
