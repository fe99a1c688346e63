"""Numbers that a program rounded when it wrote them: what is missing, nobody can bill.

Spreadsheets, C++, awk and C's %g write 1796083800000 as 1.79608E+12 and 1234567 as 1.23457e+06: a
sign in the exponent, from a million on, and the last digits gone. Nothing else looks like that but
a few exact writers of round numbers (Go's 'g' for 1200000), which cannot be told from them. What
Java prints (1.7960832E12, no sign), 1e3 and whatever has all digits of its unit is exact.
"""

from __future__ import annotations

import re
from decimal import Decimal

SIGNED_EXPONENT = re.compile(r"[eE]\+")
MAGNITUDE_MIN = 6  # below a million no program falls back to an exponent


class Rounded(Decimal):
    """The number as it was written, whose last digits are not known."""


def number_as_written(text: str) -> Decimal:
    """The number, and whether it was rounded; raises ArithmeticError if it is none."""
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if (
        isinstance(exponent, int)
        and exponent > 0
        and number
        and number.adjusted() >= MAGNITUDE_MIN
        and SIGNED_EXPONENT.search(text)
    ):
        return Rounded(number)
    return number
