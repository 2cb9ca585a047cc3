"""The block of a run: every way in, every way out."""

from __future__ import annotations

import logging
from decimal import Decimal
from threading import Event
from time import sleep
from typing import Callable, List, Type

import pytest
from conftest import Time
from cutting_proxy import CuttingProxy
from real_server import RealServer

from runledger import InDoubt, Ledger, NotFound, Refused
from runledger._heartbeat import Heartbeat
from runledger._run import failure_note

_LOOKS = 1_500
_PAUSE = 0.02
"""How often something is looked at that must become true, and how long between: half a minute in all."""


@pytest.fixture
def run(ledger: Ledger) -> str:
    ledger.create_job("r1")
    ledger.create_clients("r1", ["a", "b"])
    return "r1"


def test_a_block_that_comes_to_its_end_has_succeeded(ledger: Ledger, run: str) -> None:
    with ledger.client_run(run, "a") as r:
        assert r.add(leads=40).metrics == {"leads": 40}
        r.add({"cost.usd": Decimal("0.18")}, leads=7)
        r.update(max={"depth": 4}, set={"model": 5}, external_ids=["crm:1"])
        r.note("half way")
        with r.stage("lead_scoring") as stage:
            stage.add(posts=2)
            stage.add({"posts": 3})
            stage.max(widest=8)
            stage.max(widest=5)
            stage.set(page=1)
            stage.set(page=2)
        assert r.record.stages[0].status == "succeeded"
    record = ledger.get(run, "a")
    assert (record.status, record.end_note) == ("succeeded", None)
    assert record.metrics == {
        "leads": 47,
        "cost.usd": Decimal("0.18"),
        "depth": 4,
        "model": 5,
        "posts": 5,
        "widest": 8,
        "page": 2,
    }
    assert r.record.version == record.version


def test_entering_never_creates(ledger: Ledger, run: str) -> None:
    for work in (ledger.client_run(run, "nobody"), ledger.client_run("r2", "a"), ledger.job_run("r2")):
        with pytest.raises(NotFound), work:
            pytest.fail("the block was entered")
    assert len(list(ledger.list())) == 3


def test_work_that_is_over_is_not_begun_again(ledger: Ledger, run: str) -> None:
    ledger.complete(run, "a", status="skipped")
    with pytest.raises(Refused) as error, ledger.client_run(run, "a"):
        pytest.fail("the block was entered")
    assert error.value.code == "already_ended"
    assert error.value.existing is not None and error.value.existing.status == "skipped"


def test_a_queued_record_begins_its_work(ledger: Ledger, run: str) -> None:
    ledger.create_client(run, "later", queued=True)
    with ledger.client_run(run, "later") as r:
        assert r.record.status == "running"
    assert ledger.get(run, "later").status == "succeeded"


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_ends_the_record_as_failed_and_goes_on(
    ledger: Ledger, run: str, kind: Type[BaseException]
) -> None:
    raised = kind("no profile")
    with pytest.raises(kind) as caught, ledger.client_run(run, "a") as r:
        with r.stage("lead_scoring") as stage:
            stage.add(posts=1)
            ledger.start_stage(run, "a", stage="left_open")
            raise raised
    assert caught.value is raised
    record = ledger.get(run, "a")
    assert (record.status, record.end_note) == ("failed", f"{kind.__name__}: no profile")
    assert [(stage.name, stage.status) for stage in record.stages] == [
        ("lead_scoring", "failed"),
        ("left_open", "cancelled"),
    ]
    assert record.metrics == {"posts": 1}
    # The others are left alone.
    assert ledger.get(run, "b").status == "running" and ledger.get(run).status == "running"


def test_a_failure_that_cannot_be_reported_is_logged_and_masks_nothing(
    server: RealServer, ledger: Ledger, run: str, caplog: pytest.LogCaptureFixture
) -> None:
    raised = ValueError("no profile")
    with Ledger(server.url, source="orchestrator", retry=None) as once:
        with caplog.at_level(logging.WARNING, "runledger"), pytest.raises(ValueError) as caught:
            with once.client_run(run, "a") as r, r.stage("s"):
                server.kill()
                raise raised
    assert caught.value is raised and caught.value.__context__ is None
    assert [record.name for record in caplog.records] == ["runledger", "runledger"]
    assert "could not be reported" in caplog.text
    server.start()
    assert ledger.get(run, "a").status == "running"


def test_a_failure_of_a_record_that_ended_elsewhere_masks_nothing(ledger: Ledger, run: str) -> None:
    with pytest.raises(Refused) as error, ledger.client_run(run, "a") as r:
        ledger.complete(run, "a", status="lost")
        r.add(leads=1)
    assert error.value.code == "already_ended" and error.value.operation == "update"
    assert ledger.get(run, "a").status == "lost"


def test_success_that_cannot_be_reported_is_an_error(ledger: Ledger, run: str) -> None:
    with pytest.raises(Refused) as error, ledger.client_run(run, "a"):
        ledger.complete(run, "a", status="lost")
    assert error.value.code == "already_ended"
    with pytest.raises(Refused) as still_open, ledger.client_run(run, "b"):
        ledger.start_stage(run, "b", stage="s")
    assert still_open.value.code == "open_stages"


def test_an_end_inside_the_block_is_the_end(ledger: Ledger, run: str) -> None:
    with ledger.client_run(run, "a") as r:
        r.complete("succeeded_with_errors", note="two pages were missing")
    record = ledger.get(run, "a")
    assert (record.status, record.end_note) == ("succeeded_with_errors", "two pages were missing")
    with pytest.raises(ValueError), ledger.client_run(run, "b") as r:
        r.complete("skipped")
        raise ValueError("afterwards")
    assert ledger.get(run, "b").status == "skipped"
    assert list(ledger.activity(refused=True)) == []


def test_an_end_in_doubt_is_not_contradicted(
    ledger: Ledger, run: str, proxy: CuttingProxy, through_proxy: Ledger, time: Time
) -> None:
    with pytest.raises(InDoubt), through_proxy.client_run(run, "a") as r:
        proxy.lose(10_000)
        r.complete("skipped")
    assert ledger.get(run, "a").status == "skipped"
    assert list(ledger.activity(refused=True)) == []


def test_a_job_ends_after_its_clients(ledger: Ledger, run: str) -> None:
    with pytest.raises(Refused) as error, ledger.job_run(run) as r:
        r.add(pages=1)
    assert error.value.code == "open_clients"
    with pytest.raises(ValueError), ledger.job_run(run):
        raise ValueError("the batch broke")
    assert ledger.get(run).status == "running" and ledger.get(run, "a").status == "running"
    with pytest.raises(ValueError), ledger.job_run(run, close_open=True):
        raise ValueError("the batch broke")
    assert (ledger.get(run).status, ledger.get(run, "a").status) == ("failed", "cancelled")


def test_a_job_succeeds_when_its_clients_have_ended(ledger: Ledger, run: str) -> None:
    with ledger.job_run(run):
        for client in ("a", "b"):
            with ledger.client_run(run, client):
                pass
    assert ledger.summary(run).by_status == {"succeeded": 2} and ledger.get(run).status == "succeeded"


def test_heartbeats_go_on_while_the_block_does_and_stop_with_it(ledger: Ledger, run: str) -> None:
    with ledger.client_run(run, "a", heartbeat=0.01):
        _until(lambda: ledger.get(run, "a").version > 4)
    ended = ledger.get(run, "a")
    assert ended.status == "succeeded"
    lines = [(line.action, line.outcome) for line in ledger.activity(run=run, client="a")]
    assert lines[0] == ("create", "created") and lines[-1] == ("complete", "changed")
    assert set(lines[1:-1]) == {("heartbeat", "changed")}


def test_heartbeats_outlive_an_outage_and_end_with_the_record(
    server: RealServer, run: str, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "runledger"):
        with pytest.raises(Refused), ledger.client_run(run, "a", heartbeat=0.01):
            server.kill()
            _until(lambda: "did not arrive" in caplog.text)
            server.start()
            version = ledger.get(run, "a").version
            _until(lambda: ledger.get(run, "a").version > version)
            ledger.complete(run, "a", status="lost")
            _until(lambda: "heartbeats of r1 a end" in caplog.text)
    refused = [line.action for line in ledger.activity(client="a", refused=True)]
    assert refused == ["heartbeat", "complete"]


def test_no_heartbeat_is_under_way_when_the_end_is_reported() -> None:
    order: List[str] = []
    begun = Event()

    def beat() -> None:
        begun.set()
        # It takes until it is told to stop, and then some.
        heartbeat._over.wait()
        order.append("beaten")

    heartbeat = Heartbeat(beat, 0.001, "r1 a")
    heartbeat.start()
    begun.wait()
    heartbeat.stop()
    order.append("stopped")
    assert order == ["beaten", "stopped"]


def test_a_run_is_read_when_it_is_entered(ledger: Ledger, run: str) -> None:
    work = ledger.client_run(run, "a")
    assert repr(work) == "Run(run='r1', client='a')"
    with pytest.raises(RuntimeError):
        work.record
    with pytest.raises(ValueError):
        ledger.client_run(run, "a", heartbeat=0)


def test_the_note_of_a_failure_is_one_that_the_ledger_takes(ledger: Ledger, run: str) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    assert failure_note(ValueError()) == "ValueError"
    assert failure_note(Unspeakable()).endswith("Unspeakable: (its text cannot be shown)")
    assert len(failure_note(ValueError("x" * 10_000))) == 2_000
    raised = ValueError("\0 \ud800 \r\n ü")
    with pytest.raises(ValueError), ledger.client_run(run, "a"):
        raise raised
    assert ledger.get(run, "a").end_note == "ValueError: ? ? \r\n ü"


def _until(is_true: Callable[[], bool]) -> None:
    for _ in range(_LOOKS):
        if is_true():
            return
        sleep(_PAUSE)
    pytest.fail("waited in vain")
