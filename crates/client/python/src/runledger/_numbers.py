"""Exact numbers. A metric is a decimal of up to 18 digits before the point and 9 behind it, and never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Dict, Mapping, Union

Number = Union[int, Decimal]
"""An exact number: what a metric is."""


def metrics_for_wire(metrics: Mapping[str, Number]) -> Dict[str, object]:
    """Metrics as the API takes them: whole numbers as numbers, decimals as texts, so that no float is in between."""
    return {name: _for_wire(name, number) for name, number in metrics.items()}


def _for_wire(name: str, number: Number) -> object:
    if isinstance(number, Decimal):
        if not number.is_finite():
            raise ValueError(f"metric {name} is {number}; send a finite number")
        return format(number, "f")
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise TypeError(
        f"metric {name} is a {type(number).__name__}; send an int or a decimal.Decimal, such as Decimal('0.18')"
    )
