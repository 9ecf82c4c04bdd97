"""Numbers of a page or a client, checked with the name of their field."""

from __future__ import annotations

import math

from analogen import UserError

MAX_SEED = 2**63 - 1


def whole_number(field: str, value: object, low: int, high: int) -> int:
    """The whole number of a field. Raises UserError with the field, what came and what is expected."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value != int(value):
        raise UserError(f"{field} is {value!r:.40}: expected a whole number, {low} to {high}")
    if not low <= value <= high:
        raise UserError(f"{field} is {int(value)}: expected {low} to {high}")
    return int(value)
