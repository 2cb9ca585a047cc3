"""What the tests stand on: a real server each, a proxy that loses answers, waits that take no time."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest
from cutting_proxy import CuttingProxy
from real_server import RealServer

import runledger._retry
from runledger import Ledger, Retry

SOON = Retry(deadline=30, first_delay=0.001, longest_delay=0.05)
"""For tests that meet a server which comes back."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A test that was left out proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNLEDGER_URL", "RUNLEDGER_TOKEN", "RUNLEDGER_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    # Whatever stands between this machine and others has no part in this.
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    server = RealServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def ledger(server: RealServer) -> Iterator[Ledger]:
    with Ledger(server.url, source="orchestrator", retry=SOON) as ledger:
        yield ledger


@pytest.fixture
def proxy(server: RealServer) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(server.url)
    yield proxy
    proxy.close()


@pytest.fixture
def through_proxy(proxy: CuttingProxy) -> Iterator[Ledger]:
    with Ledger(proxy.url, source="orchestrator", retry=SOON) as ledger:
        yield ledger


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: List[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(runledger._retry, "monotonic", lambda: time.now)
    monkeypatch.setattr(runledger._retry, "sleep", time.sleep)
    # The longest waits there can be, nearly.
    monkeypatch.setattr(runledger._retry, "random", lambda: 0.999)
    return time
