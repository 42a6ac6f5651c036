"""Stands in for the gateway: ready over HTTP, and takes a moment to drain."""

from __future__ import annotations

import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

DRAIN_SECONDS = 0.5


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # The name that http.server looks for.
        self.send_response(200 if self.path == "/ready" else 404)
        self.send_header("content-length", "0")
        self.end_headers()


def main() -> None:
    # Blocked, so that it waits for us whichever thread it finds.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print("gateway started", os.getpid(), os.environ["MLMESH_BACKENDS"])
    host, port = os.environ["MLMESH_HTTP_ADDRESS"].rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Ready)
    Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM})
    time.sleep(DRAIN_SECONDS)
    print("gateway ended")


if __name__ == "__main__":
    main()
