"""Stands between the server processes and the database, and fails as networks do."""

import contextlib
import select
import socket
import struct
import threading

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Proxy:
    """A TCP proxy on a port of its own; what it does with connections can be changed at any moment."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._pairs: set[_Pair] = set()
        self._lock = threading.Lock()
        self._hangs = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def passes(self) -> None:
        """Serve as usual. A connection that was made or used while the proxy hung stays dead."""
        self._hangs = False
        if self._listener.fileno() == -1:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuses(self) -> None:
        """Reset all connections and accept none."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self.resets()

    def hangs(self) -> None:
        """Accept, take whatever is sent, and never answer, on the connections that there are too."""
        with self._lock:
            self._hangs = True
            for pair in self._pairs:
                pair.dead = True

    def resets(self) -> None:
        """Reset all connections, also those that hang."""
        with self._lock:
            for pair in self._pairs:
                pair.gone = True

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with self._lock:
                    pair = _Pair(client, self._target, dead=self._hangs)
                    self._pairs.add(pair)
                threading.Thread(target=self._run, args=(pair,), daemon=True).start()

    def _run(self, pair: "_Pair") -> None:
        with contextlib.suppress(OSError):
            pair.run()
        pair.close()
        with self._lock:
            self._pairs.discard(pair)


class _Pair:
    """A client's connection and the database's; a dead one swallows what comes from either side."""

    def __init__(self, client: socket.socket, target: int, *, dead: bool) -> None:
        self.dead = dead
        self.gone = False
        self._client = client
        self._target = target
        self._server: socket.socket | None = None

    def run(self) -> None:
        if not self.dead:
            self._server = socket.create_connection(("127.0.0.1", self._target))
        others = {self._client: self._server}
        if self._server is not None:
            others[self._server] = self._client
        while not self.gone:
            for readable in select.select(list(others), [], [], 0.05)[0]:
                data = readable.recv(65536)
                if not data:
                    return
                if not self.dead:
                    others[readable].sendall(data)

    def close(self) -> None:
        for side in (self._client, self._server):
            if side is not None:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                side.close()
