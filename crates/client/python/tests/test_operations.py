"""Every operation, against the real server."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import pytest
from real_server import RealServer

from runledger import (
    Conflict,
    Ledger,
    NewClient,
    NotAllowed,
    NotFound,
    NotUnderstood,
    Refused,
    VersionMismatch,
)


def test_a_run_goes_from_its_start_to_its_end(ledger: Ledger) -> None:
    job = ledger.create_job(
        "250925-231841",
        batch="stream-1",
        external_ids=["apify:8MSTBAfqMzuXPvgB3"],
        note="go",
        deadline_after_seconds=60,
    )
    assert (job.kind, job.client_id, job.status, job.version, job.replayed) == ("job", None, "running", 1, False)
    assert (job.batch, job.external_ids, job.deadline_after_seconds) == ("stream-1", ("apify:8MSTBAfqMzuXPvgB3",), 60)
    assert job.notes[0].text == "go" and job.notes[0].source == "orchestrator"
    assert (job.deadline - job.created_at).total_seconds() == 60
    assert job.created_at.tzinfo == timezone.utc

    clients = ledger.create_clients(
        job.run_id, ["Guy-Wilson", NewClient("Dean-Hobin", client_name="Dean Hobin", queued=True)]
    )
    assert [(record.client_id, record.status) for record in clients] == [
        ("Guy-Wilson", "running"),
        ("Dean-Hobin", "queued"),
    ]
    alone = ledger.create_client(job.run_id, "acme", client_name="Acme", external_ids=["crm:7"])
    assert (alone.client_name, alone.key) == ("Acme", "250925-231841-acme")

    ledger.update(job.run_id, "Dean-Hobin", start=True, external_ids=["crm:9"])
    ledger.start_stage(job.run_id, "Guy-Wilson", stage="lead_scoring")
    staged = ledger.finish_stage(
        job.run_id, "Guy-Wilson", stage="lead_scoring", add={"leads": 47}, max={"depth": 3}, set={"model": 5}
    )
    stage = staged.stages[0]
    assert (stage.name, stage.status, stage.metrics is not None) == ("lead_scoring", "succeeded", True)
    assert stage.metrics is not None and stage.metrics.add == {"leads": 47}
    assert staged.metrics == {"leads": 47, "depth": 3, "model": 5}
    ledger.note(job.run_id, "Guy-Wilson", text="half way")
    beaten = ledger.heartbeat(job.run_id, "Guy-Wilson")
    assert beaten.deadline >= staged.deadline and beaten.version == staged.version + 2

    ended = ledger.complete(job.run_id, "Guy-Wilson", note="done")
    assert (ended.status, ended.ended, ended.end_note, ended.closed) == ("succeeded", True, "done", 0)
    assert ledger.complete(job.run_id, "Guy-Wilson", note="done").replayed
    whole = ledger.complete(job.run_id, status="cancelled", close_open=True)
    assert (whole.status, whole.closed) == ("cancelled", 2)

    summary = ledger.summary(job.run_id)
    assert (summary.job, summary.clients, summary.open) == ("cancelled", 3, 0)
    assert summary.by_status == {"succeeded": 1, "cancelled": 2}
    assert summary.totals["leads"] == 47
    assert summary.last_end == whole.ended_at or isinstance(summary.last_end, datetime)


def test_numbers_are_exact(ledger: Ledger) -> None:
    ledger.create_job("r1")
    for _ in range(3):
        ledger.update("r1", add={"cost": Decimal("0.1"), "leads": 1})
    record = ledger.update("r1", add={"huge": 999_999_999_999_999_999, "fine": Decimal("123456789.000000001")})
    assert record.metrics == {
        "cost": Decimal("0.3"),
        "leads": 3,
        "huge": 999_999_999_999_999_999,
        "fine": Decimal("123456789.000000001"),
    }
    assert [type(record.metrics[name]) for name in ("cost", "leads")] == [Decimal, int]
    assert ledger.update("r1", add={"cost": Decimal("1E+3")}).metrics["cost"] == Decimal("1000.3")
    for wrong in (0.1, True, "1"):
        with pytest.raises(TypeError):
            ledger.update("r1", add={"cost": wrong})  # type: ignore[dict-item]
    with pytest.raises(ValueError):
        ledger.update("r1", add={"cost": Decimal("NaN")})


def test_listings_go_through_every_page(ledger: Ledger) -> None:
    ledger.create_job("r1", batch="b")
    names = [f"client-{number}" for number in range(7)]
    ledger.create_clients("r1", names)
    ledger.complete("r1", "client-3", status="failed")

    assert [record.client_id for record in ledger.list(run="r1", kind="client", page_size=2)] == names
    assert [record.client_id for record in ledger.list(status="failed")] == ["client-3"]
    assert len(list(ledger.list(open=True))) == 7
    assert [record.key for record in ledger.list(batch="b")] == ["r1"]
    assert list(ledger.list(external_id="crm:1")) == []
    assert list(ledger.stalled()) == []

    lines = list(ledger.activity(run="r1", page_size=3))
    assert [line.action for line in lines] == ["create"] * 8 + ["complete"]
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    assert [line.client_id for line in ledger.activity(client="client-3")] == ["client-3", "client-3"]
    assert list(ledger.activity(source="night_watch")) == []


def test_only_creating_creates(ledger: Ledger) -> None:
    for change in (
        lambda: ledger.update("r1", add={"leads": 1}),
        lambda: ledger.note("r1", "a", text="x"),
        lambda: ledger.start_stage("r1", stage="s"),
        lambda: ledger.finish_stage("r1", stage="s"),
        lambda: ledger.heartbeat("r1"),
        lambda: ledger.complete("r1", "a"),
        lambda: ledger.get("r1"),
        lambda: ledger.summary("r1"),
    ):
        with pytest.raises(NotFound) as error:
            change()
        assert error.value.status == 404 and error.value.unanswered == 0
    assert list(ledger.list()) == []
    assert {line.reason for line in ledger.activity(refused=True)} == {"not_found"}


def test_a_taken_key_is_a_conflict_that_shows_its_holder(ledger: Ledger) -> None:
    mine = ledger.create_job("r1", attempt="a-1")
    again = ledger.create_job("r1", attempt="a-1")
    assert again.replayed and again.created_at == mine.created_at
    with pytest.raises(Conflict) as error:
        ledger.create_job("r1", note="other", attempt="a-2")
    assert error.value.existing is not None and error.value.existing.attempt == "a-1"
    assert set(error.value.differs_in) == {"attempt", "note"}
    assert error.value.idempotency_key == "a-2"
    # Each call without an attempt is one of its own.
    with pytest.raises(Conflict):
        ledger.create_job("r1")


def test_what_the_state_stands_against_is_refused(ledger: Ledger) -> None:
    ledger.create_job("r1")
    ledger.create_client("r1", "a")
    with pytest.raises(Refused) as error:
        ledger.complete("r1")
    assert error.value.code == "open_clients"
    with pytest.raises(VersionMismatch) as mismatch:
        ledger.update("r1", "a", add={"leads": 1}, version=9)
    assert mismatch.value.existing is not None and mismatch.value.existing.version == 1
    assert ledger.update("r1", "a", add={"leads": 1}, version=1).version == 2
    ledger.complete("r1", "a", version=2)
    with pytest.raises(Refused) as ended:
        ledger.update("r1", "a", add={"leads": 1})
    assert ended.value.code == "already_ended"
    assert ended.value.existing is not None and ended.value.existing.status == "succeeded"


def test_what_is_not_allowed_or_not_understood_has_its_class(server: RealServer, ledger: Ledger) -> None:
    with Ledger(server.url, source="post_scoring") as other, pytest.raises(NotAllowed) as refused:
        other.create_job("r1")
    assert refused.value.code == "source_not_authorised"
    with Ledger(server.url) as nobody, pytest.raises(NotUnderstood) as missing:
        nobody.create_job("r1")
    assert (missing.value.code, missing.value.problem.field) == ("source_missing", "Runledger-Source")
    with pytest.raises(NotUnderstood) as reused:
        ledger.create_job("r2")
        ledger.update("r2", add={"leads": 1}, update_id="u")
        ledger.update("r2", add={"leads": 2}, update_id="u")
    assert reused.value.code == "update_id_reused"
    with pytest.raises(NotUnderstood) as path:
        ledger.get("a/b?c#d")
    assert path.value.code == "run_id_invalid"


def test_no_id_makes_a_path_that_leads_to_another_record(ledger: Ledger) -> None:
    ledger.create_job("r1")
    for wrong in ("", ".", ".."):
        with pytest.raises(NotUnderstood) as client:
            ledger.complete("r1", wrong)
        assert client.value.code == "client_id_invalid"
        with pytest.raises(NotUnderstood):
            ledger.heartbeat(wrong)
        with pytest.raises(NotUnderstood):
            ledger.start_stage("r1", stage=wrong)
    for escaped in ("%2E%2E", "x/../..", "../r1"):
        with pytest.raises(NotUnderstood):
            ledger.complete("r1", escaped)
    with pytest.raises(TypeError):
        ledger.client_run("r1", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ledger.create_clients("r1", "Guy-Wilson")
    with pytest.raises(TypeError):
        ledger.update("r1", external_ids="crm:1")
    assert ledger.get("r1").version == 1


def test_a_change_that_is_the_same_twice_uses_up_no_update_id(ledger: Ledger) -> None:
    ledger.create_job("r1")
    ledger.update("r1", max={"depth": 3})
    assert not ledger.update("r1", max={"depth": 3}).replayed
    assert ledger.update("r1", add={"leads": 1}, update_id="u").metrics["leads"] == 1
    again = ledger.update("r1", add={"leads": 1}, update_id="u")
    assert again.replayed and again.metrics == {"depth": 3, "leads": 1}


def test_settings_come_from_the_environment(server: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNLEDGER_URL", server.url)
    monkeypatch.setenv("RUNLEDGER_SOURCE", "orchestrator")
    with Ledger() as ledger:
        assert ledger.create_job("r1").created_by == "orchestrator"
    with Ledger(source="master_process") as given:
        assert given.create_job("r2").created_by == "master_process"
