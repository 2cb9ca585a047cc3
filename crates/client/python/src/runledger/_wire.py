"""One call over HTTP: sent with one key however often it is tried, answered by a value or by one kind of error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Callable, Mapping, NoReturn, Optional, TypeVar

import httpx

from ._errors import LASTING, NOTHING_DONE, InDoubt, LedgerError, Problem, Unavailable, UnexpectedAnswer, class_of
from ._fields import Fields, read_json
from ._reading import read_record
from ._retry import Retry, Tries

T = TypeVar("T")

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Failures before any byte of the request went out: it cannot have taken effect."""

_COME_AGAIN = frozenset({408, 429, 502, 503, 504})
"""Statuses that say: not now. 408 is a time-out; 502 and 504 are how a proxy tells of a connection that failed and of
an answer that did not come."""

_NOT_KNOWN_AGAIN = frozenset({"update", "start_stage", "heartbeat"})
"""The operations whose repetition the ledger can tell by their key alone; these may also be sent without one."""


@dataclass(frozen=True)
class Call:
    """A request, complete before it is tried first."""

    operation: str
    """The method of `Ledger` that it is for."""
    method: str
    path: str
    parameters: Optional[Mapping[str, str]] = None
    body: Optional[Mapping[str, object]] = None
    idempotency_key: Optional[str] = None
    version: Optional[int] = None
    """The version that the record must have."""

    @property
    def changes(self) -> bool:
        """Whether it can take effect."""
        return self.method != "GET"

    def headers(self) -> Mapping[str, str]:
        """The headers that are this call's own."""
        headers = {}
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = header_text("the idempotency key", self.idempotency_key)
        if self.version is not None:
            headers["If-Match"] = f'"{self.version}"'
        return headers


@dataclass(frozen=True)
class Answer:
    """What a call was answered with, when it succeeded."""

    body: object
    replayed: bool
    closed: int


class Wire:
    """A server, and how it is spoken to. Safe to share between threads."""

    def __init__(
        self,
        url: str,
        token: Optional[str],
        source: Optional[str],
        timeout: float,
        retry: Optional[Retry],
        transport: Optional[httpx.BaseTransport],
    ) -> None:
        self._retry = retry
        self._timeout = timeout
        headers = {"Accept": "application/json", "User-Agent": f"runledger-python/{version('runledger')}"}
        # The token is kept nowhere but in these headers, which httpx does not show.
        if token is not None:
            headers["Authorization"] = f"Bearer {header_text('the token', token, secret=True)}"
        if source is not None:
            headers["Runledger-Source"] = header_text("the source", source)
        self._http = httpx.Client(base_url=_checked(url), headers=headers, transport=transport)

    @property
    def url(self) -> str:
        """Where the server is."""
        return str(self._http.base_url)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def send(self, call: Call, read: Callable[[Answer], T], *, once: bool = False) -> T:
        """Sends a call until it is answered, or its deadline has passed; with `once`, one single time."""
        tries = Tries(None if once else self._retry, self._timeout)
        body = None if call.body is None else json.dumps(call.body, ensure_ascii=False).encode()
        headers = call.headers()
        unanswered = 0
        while True:
            cause: Optional[Exception] = None
            try:
                response = self._http.request(
                    call.method,
                    call.path,
                    params=call.parameters,
                    content=body,
                    headers=headers,
                    timeout=tries.timeout(),
                )
            except _NOT_SENT as error:
                problem, cause = _not_reached(self.url, error), error
            except httpx.RequestError as error:
                problem, cause = _not_answered(self.url, error), error
                unanswered += 1
            else:
                if response.is_success:
                    return _read(call, response, read, unanswered)
                problem = _problem(response)
                if not _may_come_again(response):
                    raise _failure(call, problem, unanswered)
                if problem.code not in NOTHING_DONE:
                    unanswered += 1
            if not tries.wait(problem.retry_after):
                _give_up(call, problem, unanswered, cause)


def header_text(what: str, text: str, *, secret: bool = False) -> str:
    """Checks that a text can stand in a header. A secret is not quoted in the error."""
    if text and all("!" <= character <= "~" for character in text):
        return text
    shown = "" if secret else f" ({text!r})"
    raise ValueError(f"{what} is empty or holds other than visible ASCII characters{shown}")


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the URL of the ledger cannot be read: {error}") from error
    if parsed.userinfo:
        # Not quoted: it holds a secret.
        raise ValueError("the URL of the ledger holds a user or password; give the token apart")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise ValueError(f"{url!r} is not the URL of a ledger; write it as http://127.0.0.1:7420")
    return parsed


def _read(call: Call, response: httpx.Response, read: Callable[[Answer], T], unanswered: int) -> T:
    try:
        answer = Answer(
            body=read_json(response.content),
            replayed=response.headers.get("Idempotency-Replayed") == "true",
            closed=int(response.headers.get("Runledger-Closed", "0")),
        )
        return read(answer)
    # JSON that is none is a ValueError as well.
    except ValueError as error:
        detail = f"{response.status_code} was answered, but not as a ledger does: {error}"
        problem = Problem("unexpected_answer", detail, response.status_code)
        kind = InDoubt if call.changes else UnexpectedAnswer
        raise kind(problem, call.operation, call.idempotency_key, unanswered + 1) from error


def _problem(response: httpx.Response) -> Problem:
    status, retry_after = response.status_code, _retry_after(response)
    try:
        fields = Fields(read_json(response.content), "the problem")
        return Problem(
            code=fields.text("code"),
            detail=fields.text("detail"),
            status=status,
            field=fields.text_or_none("field"),
            run_id=fields.text_or_none("run_id"),
            client_id=fields.text_or_none("client_id"),
            existing=fields.object_or_none("existing", read_record),
            differs_in=fields.texts("differs_in"),
            retry_after=retry_after,
        )
    except ValueError:
        detail = f"{status} {response.reason_phrase} was answered without a problem document, so not by a ledger"
        return Problem("unexpected_answer", detail, status, retry_after=retry_after)


def _retry_after(response: httpx.Response) -> Optional[float]:
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None


def _may_come_again(response: httpx.Response) -> bool:
    # A creation whose first try is still being carried out is a conflict that says when to come again.
    still_at_it = response.status_code == 409 and "Retry-After" in response.headers
    return response.status_code in _COME_AGAIN or still_at_it


def _failure(call: Call, problem: Problem, unanswered: int) -> LedgerError:
    kind = class_of(problem)
    if problem.status is not None and problem.status >= 500:
        # The server failed in the middle of it.
        unanswered += 1
        kind = InDoubt if call.changes else Unavailable
    elif problem.code == "unexpected_answer" and problem.status not in (401, 403):
        kind = UnexpectedAnswer
    if call.changes and unanswered and not _settles(call, problem):
        kind = InDoubt
    return kind(problem, call.operation, call.idempotency_key, unanswered if call.changes else 0)


def _settles(call: Call, problem: Problem) -> bool:
    """Whether a refusal also says that no try before it has an effect. The ledger looks for the repetition first, and refuses
    only what is none; so a refusal about the record does, if a repetition can be told at all, and if its reason lasts: a
    try that is still on its way may come when there is such a record, or when the stages have ended. That there is no
    record says even less where one was seen: then another ledger answers, or an older copy of it. And a refusal about
    the caller, such as a token that was revoked in between, says nothing of the past."""
    is_known_again = call.idempotency_key is not None or call.operation not in _NOT_KNOWN_AGAIN
    if problem.status in (409, 412):
        return is_known_again and problem.code in LASTING
    return problem.status == 422


def _give_up(call: Call, problem: Problem, unanswered: int, cause: Optional[Exception]) -> NoReturn:
    if call.changes and unanswered:
        raise InDoubt(problem, call.operation, call.idempotency_key, unanswered) from cause
    raise Unavailable(problem, call.operation, call.idempotency_key) from cause


def _not_reached(url: str, error: Exception) -> Problem:
    return Problem("unreachable", f"{url} could not be reached: {_text(error)}")


def _not_answered(url: str, error: Exception) -> Problem:
    return Problem("no_answer", f"{url} did not answer: {_text(error)}")


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
