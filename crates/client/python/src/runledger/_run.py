"""Work on a record that exists: a `with` block that reports how it ended, whatever happens inside."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Dict, Mapping, Optional, Sequence, Type

from ._errors import InDoubt, Problem, Refused
from ._heartbeat import Heartbeat
from ._numbers import Number
from ._records import Outcome, Record, Written

if TYPE_CHECKING:
    from ._ledger import Ledger

_log = logging.getLogger("runledger")

_FAILURE_MAX_CHARS = 2_000
"""The longest text of an exception that goes into a note."""

Metrics = Mapping[str, Number]


class Run:
    """The work on one record that exists, made by `Ledger.client_run` and `Ledger.job_run`.

    Entering the block reads the record and never creates one: it raises `NotFound` when there is none, and `Refused`
    (`already_ended`) when its work is over. A queued record begins its work. Leaving the block ends the record: as
    succeeded, or as failed with the type and text of the exception that leaves it, `KeyboardInterrupt` included. That
    exception goes on as it is: when the failure cannot be reported, this is logged (logger `runledger`).
    After `complete` inside the block, leaving it reports nothing more.
    """

    def __init__(
        self, ledger: Ledger, run: str, client: Optional[str], *, heartbeat: Optional[float], close_open: bool
    ) -> None:
        self._ledger = ledger
        self._run = run
        self._client = client
        # Stages that are open when the work on a client fails are over, too. Its clients are not the job's alone.
        self._close_open = close_open or client is not None
        self._record: Optional[Record] = None
        self._is_over = False
        self._heartbeat: Optional[Heartbeat] = None
        if heartbeat is not None:
            self._heartbeat = Heartbeat(lambda: ledger._beat(run, client), heartbeat, self._name)

    def __repr__(self) -> str:
        return f"Run(run={self._run!r}, client={self._client!r})"

    @property
    def record(self) -> Record:
        """The record as this run last saw it."""
        if self._record is None:
            raise RuntimeError("the record is read when the with block is entered; enter it first")
        return self._record

    def __enter__(self) -> Run:
        record = self._ledger.get(self._run, self._client)
        if record.ended:
            detail = f"{record.key} has ended as {record.status} already; start a new run for more work"
            raise Refused(Problem("already_ended", detail, existing=record), "attach")
        if record.status == "queued":
            record = self._ledger.update(self._run, self._client, start=True)
        self._record = record
        if self._heartbeat is not None:
            self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if self._is_over:
            return
        if error is None:
            self.complete()
            return
        try:
            self.complete("failed", note=failure_note(error), close_open=self._close_open)
        # Only what interrupts the program itself may take the place of the exception that is on its way.
        except Exception as report:
            _log.warning("%s failed, and that could not be reported: %s", self._name, report)

    def add(self, metrics: Optional[Metrics] = None, /, **named: Number) -> Written:
        """Adds to metrics: `r.add(leads=47, cost=Decimal("0.18"))`. Names that are no identifiers go into a mapping."""
        return self.update(add={**(metrics or {}), **named})

    def note(self, text: str) -> Written:
        """Appends a note."""
        return self.update(note=text)

    def update(
        self,
        *,
        add: Optional[Metrics] = None,
        max: Optional[Metrics] = None,
        set: Optional[Metrics] = None,
        note: Optional[str] = None,
        external_ids: Sequence[str] = (),
        update_id: Optional[str] = None,
    ) -> Written:
        """Changes the contents of the record; see `Ledger.update`."""
        return self._saw(
            self._ledger.update(
                self._run,
                self._client,
                add=add,
                max=max,
                set=set,
                note=note,
                external_ids=external_ids,
                update_id=update_id,
            )
        )

    def stage(self, name: str) -> OpenStage:
        """A stage of the work, for a `with` of its own."""
        return OpenStage(self, name)

    def complete(
        self, status: Outcome = "succeeded", *, note: Optional[str] = None, close_open: bool = False
    ) -> Written:
        """Ends the record now, instead of with the block."""
        try:
            written = self._ledger.complete(self._run, self._client, status=status, note=note, close_open=close_open)
        except InDoubt:
            # It may have ended so; another end would contradict it.
            self._is_over = True
            raise
        self._is_over = True
        return self._saw(written)

    def _start_stage(self, name: str) -> None:
        self._saw(self._ledger.start_stage(self._run, self._client, stage=name))

    def _finish_stage(self, name: str, status: Outcome, add: Metrics, max: Metrics, set: Metrics) -> None:
        self._saw(
            self._ledger.finish_stage(self._run, self._client, stage=name, status=status, add=add, max=max, set=set)
        )

    def _saw(self, written: Written) -> Written:
        self._record = written
        return written

    @property
    def _name(self) -> str:
        return self._run if self._client is None else f"{self._run} {self._client}"


class OpenStage:
    """A stage of the work, made by `Run.stage`.

    It begins with its block and ends with it: as succeeded, or as failed when an exception leaves the block. What is
    counted here is reported with the end, once.
    """

    def __init__(self, run: Run, name: str) -> None:
        self._run = run
        self._name = name
        self._add: Dict[str, Number] = {}
        self._max: Dict[str, Number] = {}
        self._set: Dict[str, Number] = {}
        self._is_over = False

    def __repr__(self) -> str:
        return f"OpenStage({self._name!r} of {self._run!r})"

    def __enter__(self) -> OpenStage:
        self._run._start_stage(self._name)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._is_over:
            return
        if error is None:
            self.finish()
            return
        try:
            self.finish("failed")
        except Exception as report:
            _log.warning("stage %s failed, and that could not be reported: %s", self._name, report)

    def add(self, metrics: Optional[Metrics] = None, /, **named: Number) -> None:
        """Counts: added to the metrics of the record with the end of the stage."""
        for name, number in {**(metrics or {}), **named}.items():
            self._add[name] = self._add.get(name, 0) + number

    def max(self, metrics: Optional[Metrics] = None, /, **named: Number) -> None:
        """Notes a high-water mark; the higher value stays."""
        for name, number in {**(metrics or {}), **named}.items():
            self._max[name] = max(self._max.get(name, number), number)

    def set(self, metrics: Optional[Metrics] = None, /, **named: Number) -> None:
        """Notes a plain value; the later one stays."""
        self._set.update({**(metrics or {}), **named})

    def finish(self, status: Outcome = "succeeded") -> None:
        """Ends the stage now, instead of with the block."""
        self._run._finish_stage(self._name, status, self._add, self._max, self._set)
        self._is_over = True


def failure_note(error: BaseException) -> str:
    """What the ledger keeps of an exception: its type and its text, nothing of the program's state."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be shown)"
    note = f"{name}: {text}" if text else name
    # What the ledger does not take in a note: letters that are no UTF-8, and NUL.
    note = note.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return note if len(note) <= _FAILURE_MAX_CHARS else note[: _FAILURE_MAX_CHARS - 1] + "…"
