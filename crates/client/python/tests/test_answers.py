"""What the real server does not say today, or not on demand: answers that are made up, with a clock of their own."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, Type

import httpx
import pytest
from conftest import Time

import runledger
from runledger import (
    Conflict,
    InDoubt,
    Ledger,
    LedgerError,
    NotAllowed,
    NotFound,
    Retry,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
)
from runledger._errors import LASTING

RECORD: Dict[str, object] = {
    "run_id": "r1",
    "client_id": None,
    "key": "r1",
    "kind": "job",
    "client_name": None,
    "batch": None,
    "status": "running",
    "stalled": False,
    "created_at": "2025-09-25T23:18:41.123Z",
    "created_by": "orchestrator",
    "attempt": "a-1",
    "reconstructed": False,
    "started_at": "2025-09-25T23:18:41.123456Z",
    "ended_at": None,
    "ended_by": None,
    "end_note": None,
    "duration_ms": None,
    "deadline": "2025-09-26T05:18:41.123Z",
    "deadline_after_seconds": 21600,
    "updated_at": "2025-09-25T23:18:41.123Z",
    "updated_by": "orchestrator",
    "version": 1,
    "metrics": {},
    "stages": [],
    "notes": [],
    "external_ids": [],
}

Response = Tuple[int, Dict[str, str], object]
"""Status, headers, body."""


class Script:
    """A server that answers what it is told, in order, the last for ever, and keeps what it was asked."""

    def __init__(self, *responses: Response) -> None:
        self._responses = list(responses)
        self.requests: List[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status, headers, body = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, headers=headers, content=content)

    def ledger(self, url: Optional[str] = None, token: Optional[str] = None) -> Ledger:
        return Ledger(
            url,
            token,
            "orchestrator",
            retry=Retry(deadline=60, first_delay=0.5, longest_delay=8),
            transport=httpx.MockTransport(self),
        )


def problem(status: int, code: str, **more: object) -> Dict[str, object]:
    return {"type": f"/problems/{code}", "title": "t", "status": status, "detail": "d", "code": code, **more}


CREATED: Response = (201, {}, RECORD)


def busy(retry_after: Optional[str] = None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return 503, headers, problem(503, "busy")


def test_every_try_carries_the_same_key_and_waits_grow(time: Time) -> None:
    script = Script(busy(), busy(), busy(), busy(), busy(), busy(), CREATED)
    with script.ledger() as ledger:
        ledger.create_job("r1")
        assert time.waits == [0.999 * longest for longest in (0.5, 1, 2, 4, 8, 8)]
        keys = {request.headers["Idempotency-Key"] for request in script.requests}
        bodies = {request.content for request in script.requests}
        assert (len(script.requests), len(keys), len(bodies)) == (7, 1, 1)
        # The next call is another one.
        ledger.create_job("r1")
        assert script.requests[-1].headers["Idempotency-Key"] not in keys


def test_retry_after_is_honoured(time: Time) -> None:
    with Script(busy("7"), (429, {"Retry-After": "20"}, b"slow down"), CREATED).ledger() as ledger:
        ledger.create_job("r1")
    assert [round(wait) for wait in time.waits] == [7, 21]
    # In the past, unreadable, or none: as if it was not there.
    for text in ("Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5", ""):
        time.waits.clear()
        with Script(busy(text), CREATED).ledger() as ledger:
            ledger.create_job("r1")
        assert [round(wait, 4) for wait in time.waits] == [0.4995]


def test_no_try_begins_after_the_deadline(time: Time) -> None:
    with Script(busy("3600")).ledger() as ledger, pytest.raises(Unavailable) as error:
        ledger.create_job("r1")
    assert time.waits == [] and error.value.problem.retry_after == 3600
    begin = time.now
    script = Script(busy())
    with script.ledger() as ledger, pytest.raises(Unavailable):
        ledger.create_job("r1")
    assert time.now - begin < 60 and len(script.requests) > 8


@pytest.mark.parametrize(
    ("response", "tried", "kind"),
    [
        (busy(), True, Unavailable),
        ((503, {}, problem(503, "stopped")), True, Unavailable),
        ((503, {}, problem(503, "in_doubt")), True, InDoubt),
        ((503, {}, b"<html>"), True, InDoubt),
        ((503, {}, problem(503, "of a later version")), True, InDoubt),
        ((502, {}, b"<html>"), True, InDoubt),
        ((504, {}, b"<html>"), True, InDoubt),
        ((429, {}, problem(429, "rate_limited")), True, Unavailable),
        ((429, {}, problem(429, "client_rate_limited")), True, Unavailable),
        ((429, {}, b""), True, InDoubt),
        ((408, {}, problem(408, "body_too_slow")), True, Unavailable),
        ((409, {"Retry-After": "1"}, problem(409, "in_progress")), True, InDoubt),
        ((409, {}, problem(409, "conflict", existing=RECORD, differs_in=["note"])), False, Conflict),
        ((422, {}, problem(422, "idempotency_key_reused", existing=RECORD, differs_in=["note"])), False, Conflict),
        ((500, {}, problem(500, "internal")), False, InDoubt),
        ((401, {}, problem(401, "unauthorised")), False, Unauthorised),
        ((403, {}, b"<html>"), False, NotAllowed),
        ((404, {}, problem(404, "not_found")), False, NotFound),
        ((404, {}, b"<html>no such page"), False, UnexpectedAnswer),
        ((418, {}, problem(418, "teapot")), False, UnexpectedAnswer),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), False, UnexpectedAnswer),
        ((200, {}, b"<html>welcome to the hotel"), False, InDoubt),
        ((200, {}, {"records": []}), False, InDoubt),
    ],
)
def test_what_an_answer_to_a_creation_means(
    time: Time, response: Response, tried: bool, kind: Type[LedgerError]
) -> None:
    script = Script(response)
    with script.ledger() as ledger, pytest.raises(LedgerError) as error:
        ledger.create_job("r1")
    assert type(error.value) is kind
    assert (len(script.requests) > 1) == tried
    assert (error.value.unanswered > 0) == (kind is InDoubt)
    assert error.value.status == response[0]


def test_reads_are_never_in_doubt(time: Time) -> None:
    answers: List[Tuple[Response, Type[LedgerError]]] = [
        ((503, {}, problem(503, "in_doubt")), Unavailable),
        ((500, {}, problem(500, "internal")), Unavailable),
        ((200, {}, b"<html>"), UnexpectedAnswer),
    ]
    for response, kind in answers:
        with Script(response).ledger() as ledger, pytest.raises(LedgerError) as error:
            ledger.get("r1")
        assert type(error.value) is kind


def test_doubt_stays_when_later_tries_certainly_did_nothing(time: Time) -> None:
    with Script((502, {}, b""), busy()).ledger() as ledger, pytest.raises(InDoubt) as error:
        ledger.create_job("r1")
    assert error.value.unanswered == 1


@pytest.mark.parametrize(
    ("status", "code", "settled"),
    [
        # About the record: the ledger looks for the repetition first, so this is none.
        (409, "already_ended", runledger.Refused),
        (412, "version_mismatch", runledger.VersionMismatch),
        (422, "note_too_long", runledger.NotUnderstood),
        # What stands against it may pass, and the first try be on its way until then. That there is no such record settles
        # nothing either, where one was seen.
        (404, "not_found", None),
        (409, "open_stages", None),
        (409, "newer_than_this_client", None),
        # About the caller, or by somebody else: the first try may have taken effect before.
        (401, "unauthorised", None),
        (403, "source_not_allowed", None),
        (404, "of somebody else", None),
        (400, "body_invalid", None),
    ],
)
def test_only_a_refusal_that_lasts_settles_a_try_that_got_no_answer(
    time: Time, status: int, code: str, settled: Optional[Type[LedgerError]]
) -> None:
    calls: List[Callable[[Ledger], object]] = [
        lambda ledger: ledger.create_job("r1"),
        lambda ledger: ledger.update("r1", add={"leads": 1}),
        lambda ledger: ledger.complete("r1"),
    ]
    for call in calls:
        script = Script((502, {}, b""), (status, {}, problem(status, code, existing=RECORD)))
        with script.ledger() as ledger, pytest.raises(LedgerError) as error:
            call(ledger)
        assert type(error.value) is (settled or InDoubt)
        assert error.value.unanswered == 1


def test_the_refusals_that_last_are_those_that_the_ledger_names() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "problems.md").read_text()
    listed = page.partition("## Refusals that last\n\n")[2].split("\n\n")[1]
    assert [code.strip("`") for code in listed.split(", ")] == sorted(LASTING)


def test_a_refusal_settles_nothing_when_a_repetition_cannot_be_told(time: Time) -> None:
    ended: Response = (409, {}, problem(409, "already_ended", existing=RECORD))
    calls: List[Callable[[Ledger], object]] = [
        lambda ledger: ledger.update("r1", max={"depth": 1}),
        lambda ledger: ledger.start_stage("r1", stage="s"),
        lambda ledger: ledger.heartbeat("r1"),
    ]
    for call in calls:
        with Script((502, {}, b""), ended).ledger() as ledger, pytest.raises(InDoubt):
            call(ledger)


def test_what_a_later_server_adds_is_kept(time: Time) -> None:
    stage = {"name": "s", "status": "running", "started_at": "2025-09-25T23:18:41Z", "mood": "good"}
    note = {"at": "2025-09-25T23:18:41Z", "source": "s", "text": "t", "colour": "red"}
    later = {**RECORD, "status": "paused", "owner": {"team": "a"}, "stages": [stage], "notes": [note]}
    body = json.dumps(later).replace('"metrics": {}', '"metrics": {"cost": 0.10, "leads": 3}').encode()
    with Script((200, {}, body)).ledger() as ledger:
        record = ledger.get("r1")
    assert (record.status, record.extra) == ("paused", {"owner": {"team": "a"}})
    assert (record.stages[0].extra, record.notes[0].extra) == ({"mood": "good"}, {"colour": "red"})
    assert record.metrics == {"cost": Decimal("0.10"), "leads": 3}
    for broken in (
        {"version": "1"},
        {"metrics": {"a": "1"}},
        {"created_at": "yesterday"},
        {"notes": None},
        {"key": None},
    ):
        with Script((200, {}, {**RECORD, **broken})).ledger() as ledger, pytest.raises(UnexpectedAnswer) as error:
            ledger.get("r1")
        assert next(iter(broken)) in error.value.detail


def test_source_and_token_go_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((200, {}, RECORD))
    with script.ledger(token="rl_given") as ledger:
        ledger.get("r1")
        ledger.complete("r1", version=3)
    assert [request.headers["Authorization"] for request in script.requests] == ["Bearer rl_given"] * 2
    assert {request.headers["Runledger-Source"] for request in script.requests} == {"orchestrator"}
    assert script.requests[1].headers["If-Match"] == '"3"'
    monkeypatch.setenv("RUNLEDGER_TOKEN", "rl_variable")
    with script.ledger() as ledger:
        ledger.get("r1")
    assert script.requests[-1].headers["Authorization"] == "Bearer rl_variable"


def test_secrets_are_in_no_text(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    secret = "rl_secret"
    texts = []
    with caplog.at_level("DEBUG"), Script((502, {}, b"")).ledger(token=secret) as ledger:
        texts += [repr(ledger), str(vars(ledger)), str(vars(ledger._wire)), repr(ledger.client_run("r1", "a"))]
        with pytest.raises(InDoubt) as error:
            ledger.create_job("r1")
        texts += [str(error.value), repr(error.value), str(vars(error.value)), *_locals(error.value)]
    refused: List[Callable[[], Ledger]] = [
        lambda: Ledger(token=secret + "\n"),
        lambda: Ledger(url=f"http://user:{secret}@127.0.0.1:7420"),
    ]
    for make in refused:
        with pytest.raises(ValueError) as value:
            make()
        texts += [str(value.value), repr(value.value)]
    assert all(secret not in text for text in [*texts, caplog.text])
    assert "token=given" in texts[0]


def _locals(error: BaseException) -> List[str]:
    """What the frames of the package hold, as a report with local variables shows it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    shown = [repr(frame.f_locals) for frame in frames if frame.f_globals["__name__"].startswith("runledger.")]
    assert len(shown) > 2
    return shown


def test_what_cannot_be_a_setting_is_said_at_once() -> None:
    for url in ("127.0.0.1:7420", "ftp://127.0.0.1", "http://", "http://127.0.0.1/?a=b", "http://[::1"):
        with pytest.raises(ValueError):
            Ledger(url=url)
    with pytest.raises(ValueError):
        Ledger(source="größe")
    with pytest.raises(ValueError):
        Retry(deadline=0)
    with Ledger() as ledger:
        assert "http://127.0.0.1:7420" in repr(ledger)
        with pytest.raises(ValueError):
            ledger.create_job("r1", attempt="two words")


def test_a_ledger_may_be_behind_a_path() -> None:
    script = Script((200, {}, RECORD))
    with script.ledger(url="https://example.org/ledger/") as ledger:
        ledger.get("a/b", "ü x")
    assert str(script.requests[0].url) == "https://example.org/ledger/v1/runs/a%2Fb/clients/%C3%BC%20x"


def test_errors_and_records_travel_between_processes(time: Time) -> None:
    conflict: Response = (409, {}, problem(409, "conflict", existing=RECORD, differs_in=["note"]))
    with Script(conflict).ledger() as ledger, pytest.raises(Conflict) as error:
        ledger.create_job("r1")
    back = pickle.loads(pickle.dumps(error.value))
    assert (type(back), str(back), vars(back)) == (Conflict, str(error.value), vars(error.value))
    assert back.existing == copy.deepcopy(error.value.existing) and back.differs_in == ("note",)


def test_the_version_is_that_of_the_workspace() -> None:
    manifest = (Path(__file__).resolve().parents[4] / "Cargo.toml").read_text()
    package = manifest.partition("[workspace.package]")[2].partition("\n[")[0]
    assert f'version = "{version("runledger")}"' in package
