"""The ledger, as a program sees it: one method for each operation."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Callable, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

import httpx

from ._fields import Fields
from ._numbers import Number
from ._reading import read_activity, read_record, read_summary
from ._records import Activity, Kind, NewClient, Outcome, Record, Summary, Written
from ._requests import checked_texts, content, creation, given, metric_change, new_client, new_key, path, stage_path
from ._retry import Retry
from ._run import Run
from ._wire import Answer, Call, Wire

T = TypeVar("T")

_DEFAULT_URL = "http://127.0.0.1:7420"


class Ledger:
    """A run ledger behind its HTTP API.

    Safe to share between threads; keep one for as long as the program lives, and `close` it or use it in a `with`.

    A record is named by run and client; without a client the record of the run itself is meant, its job. Only the
    `create_` methods create; every other one raises `NotFound` for a record that is not there.

    Every method that talks to the ledger raises a `LedgerError`. A call is tried again by itself when a connection
    fails, an answer does not come in time or the server says to come again, until `retry.deadline` has passed; each try
    carries the same idempotency key, so it has one effect. What is still not known then is said by `InDoubt`.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        token: Optional[str] = None,
        source: Optional[str] = None,
        *,
        timeout: float = 10.0,
        retry: Optional[Retry] = Retry(),
        transport: Optional[httpx.BaseTransport] = None,
    ) -> None:
        """Makes a client; nothing is sent yet.

        `url`, `token` and `source` come from RUNLEDGER_URL, RUNLEDGER_TOKEN and RUNLEDGER_SOURCE when they are not
        given. `source` names the program or step that asks. `timeout` is how long one try may wait for the server, in
        seconds. `retry=None` tries once. `transport` replaces the way to the server, for certificates of one's own.

        Raises `ValueError` for a URL, token or source that cannot be one.
        """
        self._source = source or os.environ.get("RUNLEDGER_SOURCE") or None
        token = token or os.environ.get("RUNLEDGER_TOKEN") or None
        self._has_token = token is not None
        url = url or os.environ.get("RUNLEDGER_URL") or _DEFAULT_URL
        self._wire = Wire(url, token, self._source, timeout, retry, transport)

    def __repr__(self) -> str:
        token = "given" if self._has_token else "none"
        return f"Ledger(url={self._wire.url!r}, source={self._source!r}, token={token})"

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._wire.close()

    # Creating

    def create_job(
        self,
        run: Optional[str] = None,
        *,
        batch: Optional[str] = None,
        external_ids: Sequence[str] = (),
        note: Optional[str] = None,
        deadline_after_seconds: Optional[int] = None,
        queued: bool = False,
        attempt: Optional[str] = None,
    ) -> Written:
        """Starts a run: creates its job record. Without `run` the ledger chooses the next free second.

        `attempt` names this creation; the same attempt with the same content is the same creation, at any later time.
        Give one that outlives the program when a restarted program is to find its own run again.

        Raises `Conflict` when the key is taken by another creation, `NotAllowed` when the source may not create.
        """
        body = content(
            batch=batch,
            external_ids=external_ids,
            note=note,
            deadline_after_seconds=deadline_after_seconds,
            queued=queued,
            run_id=run,
        )
        return self._wire.send(creation("create_job", "/v1/runs", body, attempt), _written)

    def create_client(
        self,
        run: str,
        client: str,
        *,
        client_name: Optional[str] = None,
        batch: Optional[str] = None,
        external_ids: Sequence[str] = (),
        note: Optional[str] = None,
        deadline_after_seconds: Optional[int] = None,
        queued: bool = False,
        attempt: Optional[str] = None,
    ) -> Written:
        """Creates one client run record. `attempt` and errors as with `create_job`."""
        checked_texts("external_ids", external_ids)
        new = NewClient(client, client_name, batch, tuple(external_ids), note, deadline_after_seconds, queued)
        at = path("create_client", run, None, "/clients")
        return self._wire.send(creation("create_client", at, new_client(new), attempt), _written)

    def create_clients(
        self, run: str, clients: Sequence[Union[str, NewClient]], *, attempt: Optional[str] = None
    ) -> List[Written]:
        """Creates several client run records of one run: all of them, or none. At most 1000 in one call."""
        if isinstance(clients, str):
            raise TypeError("clients is one text; give a list of clients, or call create_client")
        news = [NewClient(client) if isinstance(client, str) else client for client in clients]
        body = {"clients": [new_client(new) for new in news]}
        at = path("create_clients", run, None, "/clients")
        return self._wire.send(creation("create_clients", at, body, attempt), _all_written)

    # Changing

    def update(
        self,
        run: str,
        client: Optional[str] = None,
        *,
        add: Optional[Mapping[str, Number]] = None,
        max: Optional[Mapping[str, Number]] = None,
        set: Optional[Mapping[str, Number]] = None,
        note: Optional[str] = None,
        external_ids: Sequence[str] = (),
        start: bool = False,
        update_id: Optional[str] = None,
        version: Optional[int] = None,
    ) -> Written:
        """Changes the contents of a record: all of it, or nothing.

        `add` adds, `max` keeps the higher value, `set` replaces; `note` is appended; `start` begins the work of a
        queued record. The same `update_id` with the same content counts once, for ever; one is chosen when none is
        given. A record remembers 4096 of them; updates of `max`, `external_ids` and `start` alone need none and get
        none. `version` is the one that the record must have.

        Raises `NotFound`, `Refused` (`already_ended`, ...), `VersionMismatch`.
        """
        body = given(
            metrics=metric_change(add, max, set),
            note=note,
            external_ids=checked_texts("external_ids", external_ids) or None,
            status="running" if start else None,
        )
        # What has the same effect the second time needs no name; a version makes every change one that does not.
        if update_id is None and (add or set or note is not None or version is not None):
            update_id = new_key()
        at = path("update", run, client)
        call = Call("update", "PATCH", at, body=body, idempotency_key=update_id, version=version)
        return self._wire.send(call, _written)

    def note(self, run: str, client: Optional[str] = None, *, text: str, update_id: Optional[str] = None) -> Written:
        """Appends a note. `update_id` and errors as with `update`."""
        return self.update(run, client, note=text, update_id=update_id)

    def start_stage(
        self, run: str, client: Optional[str] = None, *, stage: str, version: Optional[int] = None
    ) -> Written:
        """Begins a stage. One that is running already goes on."""
        at = stage_path("start_stage", run, client, stage, "start")
        return self._wire.send(Call("start_stage", "POST", at, version=version), _written)

    def finish_stage(
        self,
        run: str,
        client: Optional[str] = None,
        *,
        stage: str,
        status: Outcome = "succeeded",
        add: Optional[Mapping[str, Number]] = None,
        max: Optional[Mapping[str, Number]] = None,
        set: Optional[Mapping[str, Number]] = None,
        version: Optional[int] = None,
    ) -> Written:
        """Ends a stage with what it reports, which is merged into the metrics of the record once."""
        at = stage_path("finish_stage", run, client, stage, "finish")
        body = given(status=status, metrics=metric_change(add, max, set))
        return self._wire.send(Call("finish_stage", "POST", at, body=body, version=version), _written)

    def heartbeat(self, run: str, client: Optional[str] = None) -> Written:
        """Says that the work goes on; moves the deadline."""
        return self._wire.send(Call("heartbeat", "POST", path("heartbeat", run, client, "/heartbeat")), _written)

    def complete(
        self,
        run: str,
        client: Optional[str] = None,
        *,
        status: Outcome = "succeeded",
        note: Optional[str] = None,
        close_open: bool = False,
        version: Optional[int] = None,
    ) -> Written:
        """Ends a record, for ever. `close_open` closes open stages, and the open client records of a job, as cancelled.

        Raises `NotFound`, `VersionMismatch` and `Refused`: with `already_ended` when it ended otherwise, `open_stages`
        or `open_clients` when something is still open.
        """
        body = given(status=status, note=note, close_open=True if close_open else None)
        at = path("complete", run, client, "/complete")
        return self._wire.send(Call("complete", "POST", at, body=body, version=version), _written)

    # Reading

    def get(self, run: str, client: Optional[str] = None) -> Record:
        """Shows one record."""
        call = Call("get", "GET", path("get", run, client))
        return self._wire.send(call, lambda answer: read_record(answer.body))

    def list(
        self,
        *,
        run: Optional[str] = None,
        client: Optional[str] = None,
        kind: Optional[Kind] = None,
        status: Optional[str] = None,
        open: bool = False,
        batch: Optional[str] = None,
        external_id: Optional[str] = None,
        page_size: int = 100,
    ) -> Iterator[Record]:
        """Goes through the records that meet every given condition, in the order of their creation, page by page."""
        conditions = {
            "run_id": run,
            "client_id": client,
            "kind": kind,
            "status": status,
            "open": "true" if open else None,
            "batch": batch,
            "external_id": external_id,
        }
        return self._pages("list", "/v1/records", "records", read_record, conditions, page_size)

    def stalled(self, *, page_size: int = 100) -> Iterator[Record]:
        """Goes through the open records whose deadline has passed, the longest overdue first."""
        return self._pages("stalled", "/v1/stalled", "records", read_record, {}, page_size)

    def activity(
        self,
        *,
        run: Optional[str] = None,
        client: Optional[str] = None,
        source: Optional[str] = None,
        refused: bool = False,
        page_size: int = 100,
    ) -> Iterator[Activity]:
        """Goes through the activity log, oldest line first: every attempt, accepted or refused."""
        conditions = {
            "run_id": run,
            "client_id": client,
            "source": source,
            "refused": "true" if refused else None,
        }
        return self._pages("activity", "/v1/activity", "activity", read_activity, conditions, page_size)

    def summary(self, run: str) -> Summary:
        """Shows what a run comes to, derived from its records."""
        call = Call("summary", "GET", path("summary", run, None, "/summary"))
        return self._wire.send(call, lambda answer: read_summary(answer.body))

    # Working on a record

    def client_run(self, run: str, client: str, *, heartbeat: Optional[float] = None) -> Run:
        """The work on one client run record that exists, for a `with`; see `Run`.

        `heartbeat` is the time between two signs of life, in seconds; none are sent when it is not given.
        """
        if not isinstance(client, str):
            raise TypeError("client is no text; the record of the run itself is for job_run")
        return Run(self, run, client, heartbeat=heartbeat, close_open=False)

    def job_run(self, run: str, *, heartbeat: Optional[float] = None, close_open: bool = False) -> Run:
        """The work on the job record of a run that exists, for a `with`; see `Run`.

        When the block fails, `close_open` closes the client records that are still open, as cancelled. Without it the
        job cannot end before they do: each is left to whoever works on it.
        """
        return Run(self, run, None, heartbeat=heartbeat, close_open=close_open)

    def _beat(self, run: str, client: Optional[str]) -> None:
        call = Call("heartbeat", "POST", path("heartbeat", run, client, "/heartbeat"))
        self._wire.send(call, _written, once=True)

    def _pages(
        self,
        operation: str,
        path: str,
        field: str,
        read: Callable[[object], T],
        conditions: Mapping[str, Optional[str]],
        page_size: int,
    ) -> Iterator[T]:
        parameters = {name: value for name, value in conditions.items() if value is not None}
        parameters["limit"] = str(page_size)

        def read_page(answer: Answer) -> Tuple[Tuple[T, ...], Optional[str]]:
            fields = Fields(answer.body, "a page")
            return fields.each(field, read), fields.text_or_none("next")

        while True:
            entries, following = self._wire.send(Call(operation, "GET", path, dict(parameters)), read_page)
            yield from entries
            if following is None:
                return
            parameters["cursor"] = following


def _written(answer: Answer) -> Written:
    return _as_written(read_record(answer.body), answer)


def _all_written(answer: Answer) -> List[Written]:
    records = Fields(answer.body, "the answer").each("records", read_record)
    return [_as_written(record, answer) for record in records]


def _as_written(record: Record, answer: Answer) -> Written:
    return Written(**vars(record), replayed=answer.replayed, closed=answer.closed)
