"""From JSON to the values of `_records`. What does not fit raises `Malformed` and names the field."""

from __future__ import annotations

from ._fields import Fields
from ._records import Activity, MetricChange, Note, Record, Stage, Summary


def read_record(value: object) -> Record:
    """Reads a record."""
    fields = Fields(value, "a record")
    return Record(
        run_id=fields.text("run_id"),
        client_id=fields.text_or_none("client_id"),
        key=fields.text("key"),
        kind=fields.text("kind"),
        client_name=fields.text_or_none("client_name"),
        batch=fields.text_or_none("batch"),
        status=fields.text("status"),
        stalled=fields.flag("stalled"),
        created_at=fields.time("created_at"),
        created_by=fields.text("created_by"),
        attempt=fields.text("attempt"),
        reconstructed=fields.flag("reconstructed"),
        started_at=fields.time_or_none("started_at"),
        ended_at=fields.time_or_none("ended_at"),
        ended_by=fields.text_or_none("ended_by"),
        end_note=fields.text_or_none("end_note"),
        duration_ms=fields.whole_or_none("duration_ms"),
        deadline=fields.time("deadline"),
        deadline_after_seconds=fields.whole("deadline_after_seconds"),
        updated_at=fields.time("updated_at"),
        updated_by=fields.text("updated_by"),
        version=fields.whole("version"),
        metrics=fields.numbers("metrics"),
        stages=fields.each("stages", _read_stage),
        notes=fields.each("notes", _read_note),
        external_ids=fields.texts("external_ids"),
        extra=fields.rest(),
    )


def read_summary(value: object) -> Summary:
    """Reads the summary of a run."""
    fields = Fields(value, "a summary")
    return Summary(
        run_id=fields.text("run_id"),
        job=fields.text_or_none("job"),
        clients=fields.whole("clients"),
        open=fields.whole("open"),
        with_errors=fields.whole("with_errors"),
        by_status=fields.counts("by_status"),
        totals=fields.numbers("totals"),
        first_start=fields.time_or_none("first_start"),
        last_end=fields.time_or_none("last_end"),
        extra=fields.rest(),
    )


def read_activity(value: object) -> Activity:
    """Reads a line of the activity log."""
    fields = Fields(value, "a line of the activity log")
    return Activity(
        seq=fields.whole("seq"),
        at=fields.time("at"),
        action=fields.text("action"),
        source=fields.text_or_none("source"),
        run_id=fields.text_or_none("run_id"),
        client_id=fields.text_or_none("client_id"),
        outcome=fields.text("outcome"),
        reason=fields.text_or_none("reason"),
        version=fields.whole_or_none("version"),
        detail=fields.text_or_none("detail"),
        hash=fields.text("hash"),
        extra=fields.rest(),
    )


def _read_stage(value: object) -> Stage:
    fields = Fields(value, "a stage")
    return Stage(
        name=fields.text("name"),
        status=fields.text("status"),
        started_at=fields.time("started_at"),
        ended_at=fields.time_or_none("ended_at"),
        duration_ms=fields.whole_or_none("duration_ms"),
        metrics=fields.object_or_none("metrics", _read_metric_change),
        extra=fields.rest(),
    )


def _read_metric_change(value: object) -> MetricChange:
    fields = Fields(value, "a metric change")
    return MetricChange(add=fields.numbers("add"), max=fields.numbers("max"), set=fields.numbers("set"))


def _read_note(value: object) -> Note:
    fields = Fields(value, "a note")
    return Note(at=fields.time("at"), source=fields.text("source"), text=fields.text("text"), extra=fields.rest())
