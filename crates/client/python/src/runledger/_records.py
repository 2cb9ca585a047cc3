"""What the ledger answers, as values: immutable, exact, and open to fields that later servers add (`extra`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Mapping, Optional, Tuple

from ._numbers import Number

Kind = Literal["job", "client"]
"""What a record is of: a whole run, or one client's share in it."""

Outcome = Literal["succeeded", "succeeded_with_errors", "failed", "skipped", "cancelled", "lost"]
"""How work ends."""


@dataclass(frozen=True)
class MetricChange:
    """A change to metrics, as a stage reported it with its end."""

    add: Mapping[str, Number]
    """Deltas."""
    max: Mapping[str, Number]
    """High-water marks."""
    set: Mapping[str, Number]
    """Plain values."""


@dataclass(frozen=True)
class Stage:
    """One operation inside a record."""

    name: str
    status: str
    """`running`, or how it ended."""
    started_at: datetime
    ended_at: Optional[datetime]
    duration_ms: Optional[int]
    """How long it took, in milliseconds."""
    metrics: Optional[MetricChange]
    """What it reported with its end."""
    extra: Mapping[str, object]


@dataclass(frozen=True)
class Note:
    """One note on a record: who wrote what, when."""

    at: datetime
    source: str
    text: str
    extra: Mapping[str, object]


@dataclass(frozen=True)
class Record:
    """The record of a run (`kind` is `job`), or of one client's share in it (`kind` is `client`)."""

    run_id: str
    client_id: Optional[str]
    """None for a job."""
    key: str
    """Run and client in one text."""
    kind: str
    """`job` or `client`."""
    client_name: Optional[str]
    batch: Optional[str]
    status: str
    """`queued`, `running`, or how it ended (see `Outcome`)."""
    stalled: bool
    """Whether it was open past its deadline when it was asked for."""
    created_at: datetime
    created_by: str
    attempt: str
    """The attempt that created it."""
    reconstructed: bool
    """Whether an import made it because its clients named it."""
    started_at: Optional[datetime]
    ended_at: Optional[datetime]
    ended_by: Optional[str]
    end_note: Optional[str]
    duration_ms: Optional[int]
    """From its start to its end, in milliseconds."""
    deadline: datetime
    """When it counts as stalled unless something is heard of it before."""
    deadline_after_seconds: int
    updated_at: datetime
    updated_by: str
    version: int
    """1 when created, one more for each accepted change."""
    metrics: Mapping[str, Number]
    stages: Tuple[Stage, ...]
    """In the order in which they began."""
    notes: Tuple[Note, ...]
    """Oldest first."""
    external_ids: Tuple[str, ...]
    """References to other systems, written `system:id`."""
    extra: Mapping[str, object]

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, which is final."""
        return self.ended_at is not None


@dataclass(frozen=True)
class Written(Record):
    """A record as a creation or a change left it."""

    replayed: bool
    """Whether the same call had taken effect before, and this one did nothing. Of several records created in one call:
    whether all of them were there."""
    closed: int
    """How many client records were closed with their job."""


@dataclass(frozen=True)
class Summary:
    """What a run comes to, derived from its records."""

    run_id: str
    job: Optional[str]
    """The status of the job record; None when there is none."""
    clients: int
    """How many client run records there are."""
    open: int
    """How many of them are still open."""
    with_errors: int
    """How many of them ended with errors: failed, lost, succeeded with errors."""
    by_status: Mapping[str, int]
    """How many have each status."""
    totals: Mapping[str, Number]
    """The sums of the clients' metrics."""
    first_start: Optional[datetime]
    last_end: Optional[datetime]
    """When the last client ended, once all have."""
    extra: Mapping[str, object]


@dataclass(frozen=True)
class Activity:
    """A line of the activity log: one attempt to create or change, accepted or refused."""

    seq: int
    """Its number: 1 for the first line, no gaps."""
    at: datetime
    action: str
    """What was tried: `create`, `update`, `start_stage`, `complete`, ..."""
    source: Optional[str]
    run_id: Optional[str]
    client_id: Optional[str]
    outcome: str
    """`created`, `replayed`, `changed`, `unchanged` or `refused`."""
    reason: Optional[str]
    """The code of the refusal."""
    version: Optional[int]
    """The version of the record after it."""
    detail: Optional[str]
    hash: str
    """SHA-256 over this line and the hash of the line before, in hexadecimal."""
    extra: Mapping[str, object]


@dataclass(frozen=True)
class NewClient:
    """A client run record to create."""

    client_id: str
    client_name: Optional[str] = None
    """The client's name as people read it."""
    batch: Optional[str] = None
    external_ids: Tuple[str, ...] = ()
    """References to other systems, written `system:id`."""
    note: Optional[str] = None
    """A first note."""
    deadline_after_seconds: Optional[int] = None
    """How long it may be silent; the ledger's span when not given."""
    queued: bool = False
    """Whether it waits to begin; it is at work at once otherwise."""
