"""Requests: the paths and bodies of the API. Whatever could aim at another record than the one that is meant is stopped
here, before it is sent."""

from __future__ import annotations

import uuid
from typing import List, Mapping, Optional, Sequence
from urllib.parse import quote

from ._errors import NotUnderstood, Problem
from ._numbers import Number, metrics_for_wire
from ._records import NewClient
from ._wire import Call


def new_key() -> str:
    """A key that nobody used."""
    return str(uuid.uuid4())


def creation(operation: str, path: str, body: Mapping[str, object], attempt: Optional[str]) -> Call:
    """A creation; its attempt is chosen here, before the first try, when the caller did not choose it."""
    return Call(operation, "POST", path, body=body, idempotency_key=attempt or new_key())


def content(
    *,
    batch: Optional[str],
    external_ids: Sequence[str],
    note: Optional[str],
    deadline_after_seconds: Optional[int],
    queued: bool,
    **more: Optional[str],
) -> Mapping[str, object]:
    """What a record is to hold from the start."""
    return given(
        batch=batch,
        external_ids=checked_texts("external_ids", external_ids) or None,
        note=note,
        deadline_after_seconds=deadline_after_seconds,
        status="queued" if queued else None,
        **more,
    )


def new_client(new: NewClient) -> Mapping[str, object]:
    """The body of one client run record to create."""
    return content(
        batch=new.batch,
        external_ids=new.external_ids,
        note=new.note,
        deadline_after_seconds=new.deadline_after_seconds,
        queued=new.queued,
        client_id=new.client_id,
        client_name=new.client_name,
    )


def given(**fields: object) -> Mapping[str, object]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}


def checked_texts(name: str, texts: Sequence[str]) -> List[str]:
    """A list of texts."""
    # A text is a sequence of texts, too: its letters.
    if isinstance(texts, str):
        raise TypeError(f"{name} is one text; give a list of texts")
    return [*texts]


def path(operation: str, run: str, client: Optional[str], rest: str = "") -> str:
    """The path of a record, or of what happens to it."""
    text = f"/v1/runs/{_part(operation, 'run_id', run)}"
    if client is not None:
        text += f"/clients/{_part(operation, 'client_id', client)}"
    return text + rest


def _part(operation: str, field: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{field} is a {type(text).__name__}; give a text")
    # An empty part, or one that goes up, would make the path that of another record.
    if text in ("", ".", ".."):
        problem = Problem(f"{field}_invalid", f"{text!r} cannot be a {field}; nothing was sent", field=field)
        raise NotUnderstood(problem, operation)
    return quote(text, safe="")


def metric_change(
    add: Optional[Mapping[str, Number]], max: Optional[Mapping[str, Number]], set: Optional[Mapping[str, Number]]
) -> Optional[Mapping[str, object]]:
    """A change to metrics; None when there is none."""
    parts = (("add", add), ("max", max), ("set", set))
    return {name: metrics_for_wire(values) for name, values in parts if values} or None


def stage_path(operation: str, run: str, client: Optional[str], stage: str, verb: str) -> str:
    """The path of what happens to a stage."""
    return path(operation, run, client, f"/stages/{_part(operation, 'stage_name', stage)}/{verb}")
