"""When a call is tried again: exponential back-off with full jitter, inside one deadline for the whole call."""

from __future__ import annotations

from dataclasses import dataclass
from random import random
from time import monotonic, sleep
from typing import Optional


@dataclass(frozen=True)
class Retry:
    """How long and how often a call is tried. All times are in seconds.

    Tried again is only what another try can change: a connection that fails, an answer that does not come in time, a
    server that says to come again (429, 503). Every try is sent with the same idempotency key.
    """

    deadline: float = 60.0
    """From the first try on; no try begins after it, none waits for an answer past it."""
    first_delay: float = 0.1
    """The longest wait before the second try. It doubles with each further one."""
    longest_delay: float = 5.0
    """What the waits grow to. A longer `Retry-After` is honoured all the same."""

    def __post_init__(self) -> None:
        if not (self.deadline > 0 and 0 < self.first_delay <= self.longest_delay):
            raise ValueError("deadline and first_delay are above 0, longest_delay is not below first_delay")


class Tries:
    """The tries of one call."""

    def __init__(self, retry: Optional[Retry], timeout: float) -> None:
        """Without `retry` there is one try."""
        self._retry = retry
        self._timeout = timeout
        self._failed = 0
        self._ends = None if retry is None else monotonic() + retry.deadline

    def timeout(self) -> float:
        """How long this try may take."""
        if self._ends is None:
            return self._timeout
        # Never 0, which would fail a try that is allowed to begin.
        return max(0.001, min(self._timeout, self._ends - monotonic()))

    def wait(self, retry_after: Optional[float]) -> bool:
        """Waits for the next try. Answers False at once, if that would begin after the deadline."""
        if self._retry is None or self._ends is None:
            return False
        # The exponent is bounded, so that the power stays one that a float holds.
        grown = self._retry.first_delay * 2.0 ** min(self._failed, 64)
        self._failed += 1
        delay = random() * min(grown, self._retry.longest_delay) + (retry_after or 0.0)
        if monotonic() + delay >= self._ends:
            return False
        sleep(delay)
        return True
