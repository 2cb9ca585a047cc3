"""Reading JSON: exact numbers, one field at a time, with an error that names the field that does not fit."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Callable, Dict, Optional, Tuple, TypeVar

from ._numbers import Number

T = TypeVar("T")


class Malformed(ValueError):
    """What arrived is not what the API says."""


def read_json(body: bytes) -> object:
    """Reads JSON without a detour over floats."""
    return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> object:
    raise Malformed(f"{name} is no number of JSON")


class Fields:
    """The fields of one JSON object. Each is taken out once; what nobody took is the rest."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{what} is no JSON object")
        self._left: Dict[str, object] = dict(value)
        self._what = what

    def text(self, name: str) -> str:
        """A text that must be there."""
        return self._required(name, self.text_or_none(name))

    def text_or_none(self, name: str) -> Optional[str]:
        """A text, or null, or nothing."""
        value = self._take(name)
        if value is None or isinstance(value, str):
            return value
        raise self._misfit(name, "text")

    def whole(self, name: str) -> int:
        """A whole number that must be there."""
        return self._required(name, self.whole_or_none(name))

    def whole_or_none(self, name: str) -> Optional[int]:
        """A whole number, or null, or nothing."""
        value = self._take(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._misfit(name, "whole number")

    def flag(self, name: str) -> bool:
        """True or false; it must be there."""
        value = self._take(name)
        if isinstance(value, bool):
            return value
        raise self._misfit(name, "true or false")

    def time(self, name: str) -> datetime:
        """A point in time that must be there."""
        return self._required(name, self.time_or_none(name))

    def time_or_none(self, name: str) -> Optional[datetime]:
        """A point in time in RFC 3339, or null, or nothing."""
        text = self.text_or_none(name)
        if text is None:
            return None
        try:
            # Python 3.9 and 3.10 do not read the letter.
            time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        except ValueError as error:
            raise self._misfit(name, "point in time") from error
        if time.tzinfo is None:
            raise self._misfit(name, "point in time with its offset")
        return time

    def numbers(self, name: str) -> Dict[str, Number]:
        """Exact numbers by name; it must be there."""
        value = self._take(name)
        if not isinstance(value, dict):
            raise self._misfit(name, "object of numbers")
        numbers: Dict[str, Number] = {}
        for key, number in value.items():
            if isinstance(number, bool) or not isinstance(number, (int, Decimal)):
                raise self._misfit(f"{name}.{key}", "number")
            numbers[key] = number
        return numbers

    def counts(self, name: str) -> Dict[str, int]:
        """Whole numbers by name; it must be there."""
        counts: Dict[str, int] = {}
        for key, number in self.numbers(name).items():
            if not isinstance(number, int):
                raise self._misfit(f"{name}.{key}", "whole number")
            counts[key] = number
        return counts

    def each(self, name: str, read: Callable[[object], T]) -> Tuple[T, ...]:
        """Every entry of a list that must be there, each read by `read`."""
        value = self._take(name)
        if not isinstance(value, list):
            raise self._misfit(name, "list")
        return tuple(read(entry) for entry in value)

    def texts(self, name: str) -> Tuple[str, ...]:
        """A list of texts; none when it is not there."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self._misfit(name, "list of texts")
        return tuple(value)

    def object_or_none(self, name: str, read: Callable[[object], T]) -> Optional[T]:
        """An object read by `read`, or null, or nothing."""
        value = self._take(name)
        return None if value is None else read(value)

    def rest(self) -> Dict[str, object]:
        """The fields that nobody took: what this version does not know."""
        return self._left

    def _take(self, name: str) -> object:
        return self._left.pop(name, None)

    def _required(self, name: str, value: Optional[T]) -> T:
        if value is None:
            raise Malformed(f"{self._what} has no {name}")
        return value

    def _misfit(self, name: str, expected: str) -> Malformed:
        return Malformed(f"{name} of {self._what} is no {expected}")
