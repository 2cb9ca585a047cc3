"""Signs of life from a thread of their own, while the work goes on."""

from __future__ import annotations

import logging
import threading
from typing import Callable

from ._errors import InDoubt, LedgerError, Unavailable

_log = logging.getLogger("runledger")


class Heartbeat:
    """Calls `beat` every so many seconds until it is stopped, or until the ledger refuses it."""

    def __init__(self, beat: Callable[[], None], seconds: float, name: str) -> None:
        """Makes it; `name` is of whom there are signs of life."""
        if not seconds > 0:
            raise ValueError("the time between two heartbeats is above 0 seconds")
        self._beat = beat
        self._seconds = seconds
        self._name = name
        self._over = threading.Event()
        # A daemon: a program that ends in the middle does not live on for the sake of saying that it does.
        self._thread = threading.Thread(target=self._run, name=f"heartbeat of {name}", daemon=True)

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    def stop(self) -> None:
        """Stops it. Afterwards none is under way: one that came after the end would be refused."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            try:
                self._beat()
            except (Unavailable, InDoubt) as error:
                _log.info("heartbeat of %s did not arrive: %s", self._name, error)
            except LedgerError as error:
                _log.warning("heartbeats of %s end: %s", self._name, error)
                return
