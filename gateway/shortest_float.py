"""The fewest decimal digits that give back the same 32-bit float.

Six to nine are enough for any. From 2**-13 to 2**19 they are found by arithmetic, several times
faster than by formatting and no less exactly: a 32-bit float times up to 10**12 has no rounding
error in 64 bits, and a whole number divided by it is rounded once, as its decimal text would be.
"""

from __future__ import annotations

import math
import struct

_PACKED = struct.Struct("<f")
# Added and taken away again, it leaves the nearest whole number, ties to even.
_ROUND = 1.5 * 2.0**52

_Scales = tuple[float, float, float, float]


def shortest_float(value: float) -> float:
    """The 64-bit float with the fewest digits that rounds to `value`, a finite 32-bit float."""
    if not value:
        return value
    plan = _PLANS.get(math.frexp(value)[1])
    if plan is None:
        return _by_formatting(value)
    half_step, power, below_power, above_power = plan
    six, seven, eight, nine = below_power if -power < value < power else above_power
    digits = (value * seven + _ROUND - _ROUND) / seven
    if -half_step < digits - value < half_step:
        fewer = (value * six + _ROUND - _ROUND) / six
        return fewer if -half_step < fewer - value < half_step else digits
    digits = (value * eight + _ROUND - _ROUND) / eight
    if -half_step < digits - value < half_step:
        return digits
    return (value * nine + _ROUND - _ROUND) / nine


def _by_formatting(value: float) -> float:
    for form in ("%.6g", "%.7g", "%.8g"):
        digits = float(form % value)
        if _PACKED.unpack(_PACKED.pack(digits))[0] == value:
            return digits
    return float(f"{value:.9g}")


def _plan(exponent: int) -> tuple[float, float, _Scales, _Scales]:
    """For floats of one binary exponent: half the distance between two of them, the power of ten
    that may lie among them, and the scales for those below it and from it on."""
    digits = math.floor(math.log10(2.0 ** (exponent - 1))) + 1
    return 2.0 ** (exponent - 25), 10.0**digits, _scales(6 - digits), _scales(5 - digits)


def _scales(decimals: int) -> _Scales:
    """What makes 6, 7, 8 and 9 digits whole, `decimals` of the 6 being after the point."""
    return 10.0**decimals, 10.0 ** (decimals + 1), 10.0 ** (decimals + 2), 10.0 ** (decimals + 3)


_PLANS = {exponent: _plan(exponent) for exponent in range(-12, 20)}
