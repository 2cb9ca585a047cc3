"""Rules of the API that stand in its description as words, because a schema cannot say them: rules between two fields,
and between requests. What is generated as a valid request is brought into line with them before it is sent; requests
that are meant to be wrong are sent as they are."""

import hashlib
import json

import schemathesis

# JSON readers of exact decimals take no more digits than this behind the point.
DECIMAL_PLACES = 9
# From here on a float is not written as a plain number.
FLOAT_MAX = 1e15


@schemathesis.hook
def before_call(context, case, kwargs):
    end_streams(case)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    operation = case.operation.definition.raw.get("operationId")
    if operation == "callFunction":
        make_call_clear(case)
    body = case.body
    if isinstance(body, dict):
        if operation in ("createJob", "createClients"):
            make_creation_clear(operation, body)
        elif operation == "updateJob" or operation == "updateClient":
            make_change_clear(case, body)
        elif operation == "createToken":
            make_grant_clear(body)
        for part in (body, *(body.get("clients") or [])):
            if isinstance(part, dict) and isinstance(part.get("metrics"), dict):
                make_metrics_clear(part["metrics"])
        say_version_once(case, body)
    name_once(case, operation, body)


def end_streams(case):
    """A stream of events ends with the last line there is: nobody waits for what may never come."""
    if case.operation.definition.raw.get("operationId") != "streamEvents":
        return
    query = case.query or {}
    if query.get("follow") in (None, True, "true"):
        query["follow"] = "false"
    case.query = query


def make_call_clear(case):
    """What arguments a function takes is said in words; a creation says at least which run."""
    if (case.path_parameters or {}).get("function") == "createJobRecord":
        case.body = ["nightly", 1]


def make_creation_clear(operation, body):
    """One client, or several in `clients`, each once; the run is that of the path."""
    if operation == "createJob":
        return
    body.pop("run_id", None)
    clients = body.get("clients")
    if clients is None:
        if body.get("client_id") is None:
            body["client_id"] = "acme"
        return
    for field in [field for field in body if field != "clients"]:
        del body[field]
    known = {}
    for client in clients:
        client.pop("run_id", None)
        known.setdefault(client["client_id"], client)
    body["clients"] = list(known.values())


def make_change_clear(case, body):
    """An update has something in it."""
    metrics = body.get("metrics") or {}
    changes = any(metrics.get(part) for part in ("add", "max", "set"))
    if not (changes or body.get("note") or body.get("external_ids") or body.get("status")):
        body["note"] = "still at work"


def make_metrics_clear(metrics):
    """A metric stands under one of add, max and set; numbers are decimals."""
    known = set()
    for part in ("add", "max", "set"):
        numbers = metrics.get(part)
        if not isinstance(numbers, dict):
            continue
        for name in list(numbers):
            if name in known:
                del numbers[name]
                continue
            known.add(name)
            value = numbers[name]
            if isinstance(value, float):
                numbers[name] = int(value) if value >= FLOAT_MAX else round(value, DECIMAL_PLACES)


def make_grant_clear(body):
    """Whoever writes needs a source; whoever makes tokens is not limited to clients."""
    if set(body["scopes"]) != {"read"} and not body.get("sources"):
        body["sources"] = ["orchestrator"]
    if "admin" in body["scopes"]:
        body.pop("clients", None)


def say_version_once(case, body):
    """The version in the body is that of the header."""
    tag = (case.headers or {}).get("If-Match")
    if tag is None or body.get("version") is None:
        return
    if tag == "*":
        del case.headers["If-Match"]
    else:
        body["version"] = int(tag.strip('"'))


def name_once(case, operation, body):
    """A name that makes a retry safe belongs to one content: other contents get other names."""
    has_update_id = isinstance(body, dict) and isinstance(body.get("update_id"), str)
    named = (case.headers or {}).get("Idempotency-Key")
    if has_update_id:
        named = body.pop("update_id")
    if named is None:
        return
    content = json.dumps([operation, case.path_parameters, body], sort_keys=True, default=str)
    name = f"{named[:96]}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    if has_update_id:
        body["update_id"] = name
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = name
