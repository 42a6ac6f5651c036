"""A TCP proxy that counts what passes, for callers that cannot tell what they sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16


class CountingProxy:
    """Counts bytes in both directions."""

    def __init__(self, target: str, listener: socket.socket) -> None:
        host, _, port = target.partition(":")
        self._target = host, int(port)
        self._listener = listener
        self._lock = threading.Lock()
        self._passed = 0
        self._open: list[socket.socket] = []

    @property
    def address(self) -> str:
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    @property
    def passed_bytes(self) -> int:
        with self._lock:
            return self._passed

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += (near, far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                # Wakes the threads that wait for it; closing alone does not.
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                with self._lock:
                    self._passed += len(chunk)
                sink.sendall(chunk)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def counting_proxy(target: str) -> Iterator[CountingProxy]:
    """In front of host:port, on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CountingProxy(target, listener)
        thread = threading.Thread(target=proxy.serve)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.close()
            thread.join()
