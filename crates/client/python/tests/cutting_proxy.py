"""A TCP proxy that loses answers: it passes a request on, waits for the answer, so that the effect has taken place, and
closes the connection without passing it back."""

from __future__ import annotations

import selectors
import socket
import threading
from typing import Dict, List


class CuttingProxy:
    """Stands before a server. `lose` and `cut_short` say what is to happen to the next answers."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition("//")[2].partition(":")
        self._upstream = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._plans: List[str] = []
        self.done: List[str] = []
        """What was done to answers so far."""
        self._held: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def lose(self, count: int = 1) -> None:
        """Loses the next answers whole."""
        self._plan("lost", count)

    def cut_short(self, count: int = 1) -> None:
        """Passes only the first half of the next answers."""
        self._plan("cut short", count)

    def hold(self, count: int = 1) -> None:
        """Keeps the next answers, and their connections, for ever."""
        self._plan("held", count)

    def close(self) -> None:
        """Ends it."""
        # Closing alone does not wake the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            held, self._held = self._held, []
        for one in held:
            one.close()
        for thread in self._threads:
            thread.join()

    def _plan(self, what: str, count: int) -> None:
        with self._lock:
            self._plans += [what] * count

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._upstream)
        except OSError:
            client.close()
            return
        others: Dict[socket.socket, socket.socket] = {client: server, server: client}
        with server, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)
            keeps_client = False
            try:
                while True:
                    for key, _ in selector.select():
                        one = key.fileobj
                        assert isinstance(one, socket.socket)
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        plan = self._next_plan() if one is server else "passed"
                        if plan == "passed":
                            others[one].sendall(data)
                            continue
                        if plan == "cut short":
                            client.sendall(data[: len(data) // 2])
                        elif plan == "held":
                            keeps_client = True
                            with self._lock:
                                self._held.append(client)
                        return
            except OSError:
                return
            finally:
                if not keeps_client:
                    client.close()

    def _next_plan(self) -> str:
        with self._lock:
            plan = self._plans.pop(0) if self._plans else "passed"
            self.done.append(plan)
            return plan
