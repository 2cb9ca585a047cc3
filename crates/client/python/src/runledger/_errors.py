"""What can go wrong: one class per kind of failure, each with what the ledger said (a problem document, RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple, Type

from ._records import Record


@dataclass(frozen=True)
class Problem:
    """What the ledger said, or what is to be said when no answer came."""

    code: str
    """The stable word for programs, as listed in docs/problems.md; `unreachable`, `no_answer` and `unexpected_answer`
    are this client's own."""
    detail: str
    """What happened this time."""
    status: Optional[int] = None
    """The HTTP status; None when no answer came."""
    field: Optional[str] = None
    """The field, header or parameter that is meant."""
    run_id: Optional[str] = None
    client_id: Optional[str] = None
    existing: Optional[Record] = None
    """The record as it stands."""
    differs_in: Tuple[str, ...] = ()
    """In what two creations of one key differ."""
    retry_after: Optional[float] = None
    """How many seconds the server asked to wait."""


class LedgerError(Exception):
    """Every failure of an operation. It can be pickled, so it also comes back from another process."""

    def __init__(
        self, problem: Problem, operation: str, idempotency_key: Optional[str] = None, unanswered: int = 0
    ) -> None:
        # All of them, in this order: what unpickling calls the class with.
        super().__init__(problem, operation, idempotency_key, unanswered)
        self.problem = problem
        self.operation = operation
        """The method that was called."""
        self.idempotency_key = idempotency_key
        """The attempt or update id that every try of the call was sent with."""
        self.unanswered = unanswered
        """How many tries of the call may have taken effect although nothing was heard of it."""

    def __str__(self) -> str:
        return f"{self.operation}: {self.detail} ({self.code})"

    @property
    def code(self) -> str:
        """The stable word for programs."""
        return self.problem.code

    @property
    def detail(self) -> str:
        """What happened this time."""
        return self.problem.detail

    @property
    def status(self) -> Optional[int]:
        """The HTTP status; None when no answer came."""
        return self.problem.status

    @property
    def existing(self) -> Optional[Record]:
        """The record as it stands, when the ledger showed it."""
        return self.problem.existing


class NotFound(LedgerError):
    """There is no such record, and none was made: only the `create_` methods create."""


class Conflict(LedgerError):
    """The key is taken by another creation, or the attempt created it with other content. `existing` holds it."""

    @property
    def differs_in(self) -> Tuple[str, ...]:
        """In what the two creations differ."""
        return self.problem.differs_in


class Refused(LedgerError):
    """The state of the record stands against it; nothing was changed. `code` says why, `existing` is the record."""


class VersionMismatch(Refused):
    """Somebody else changed the record since the version that was given. `existing` is its present version."""


class NotAllowed(LedgerError):
    """The source or the token may not do this. Nothing was done."""


class Unauthorised(LedgerError):
    """The token is missing, unknown or expired. Nothing was done."""


class NotUnderstood(LedgerError):
    """An id or a value is not one that the ledger takes. Nothing was done; `problem.field` names it."""


class Unavailable(LedgerError):
    """The ledger could not be reached or could not do it, and nothing was done."""


class InDoubt(LedgerError):
    """It is not known whether the call took effect: a try of it got no answer, or the server could not say.

    Nothing has to be guessed: the same call, sent again with the same key and content, has no second effect.
    """

    @property
    def how_to_settle(self) -> str:
        """What to do to find out."""
        if self.idempotency_key is None:
            again = f"call {self.operation} again with the same arguments: a second time it changes nothing"
        else:
            keyword = "attempt" if self.operation.startswith("create_") else "update_id"
            again = (
                f"call {self.operation} again with the same arguments and {keyword}={self.idempotency_key!r}: it "
                "counts once, however often it is sent"
            )
        return f"{again}. Or read the record with get"

    def __str__(self) -> str:
        return f"{super().__str__()}. It is not known whether it took effect; {self.how_to_settle}"


class UnexpectedAnswer(LedgerError):
    """Something answered, but not as a ledger does: is the URL the right one?"""


NOTHING_DONE = frozenset(
    {"busy", "stopped", "store_failed", "body_too_slow", "rate_limited", "client_rate_limited"}
)
"""The codes that say for certain that a request which may be repeated had no effect."""

LASTING = frozenset(
    {
        "already_ended",
        "conflict",
        "job_ended",
        "notes_full",
        "stage_ended",
        "too_many_metrics",
        "too_many_stages",
        "too_many_updates",
        "version_mismatch",
    }
)
"""The refusals about a record whose reason never passes (docs/problems.md): whoever asks for the same later is refused as
well."""


def class_of(problem: Problem) -> Type[LedgerError]:
    """The class for an answer that a repetition would not change. Doubt is not decided here."""
    if problem.code == "not_found":
        return NotFound
    if problem.code in ("conflict", "idempotency_key_reused"):
        return Conflict
    by_status = {
        400: NotUnderstood,
        401: Unauthorised,
        403: NotAllowed,
        404: NotUnderstood,
        405: NotUnderstood,
        409: Refused,
        412: VersionMismatch,
        413: NotUnderstood,
        415: NotUnderstood,
        422: NotUnderstood,
    }
    return by_status.get(problem.status or 0, UnexpectedAnswer)
