"""Client of Run Ledger: records of runs, created once, on purpose; every retry is safe.

from runledger import Ledger

with Ledger(source="lead_scoring") as ledger:
    with ledger.client_run("250925-231841", "Guy-Wilson") as r:
        r.add(leads=47)
"""

from ._errors import (
    Conflict,
    InDoubt,
    LedgerError,
    NotAllowed,
    NotFound,
    NotUnderstood,
    Problem,
    Refused,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
    VersionMismatch,
)
from ._ledger import Ledger
from ._numbers import Number
from ._records import (
    Activity,
    Kind,
    MetricChange,
    NewClient,
    Note,
    Outcome,
    Record,
    Stage,
    Summary,
    Written,
)
from ._retry import Retry
from ._run import OpenStage, Run

__all__ = [
    "Activity",
    "Conflict",
    "InDoubt",
    "Kind",
    "Ledger",
    "LedgerError",
    "MetricChange",
    "NewClient",
    "NotAllowed",
    "NotFound",
    "NotUnderstood",
    "Note",
    "Number",
    "OpenStage",
    "Outcome",
    "Problem",
    "Record",
    "Refused",
    "Retry",
    "Run",
    "Stage",
    "Summary",
    "Unauthorised",
    "Unavailable",
    "UnexpectedAnswer",
    "VersionMismatch",
    "Written",
]
