"""One number from several sources, digit below digit: where they part, and what is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import groupby
from typing import Literal

import numpy as np

SIGNIFICANT = 17  # decimal digits that tell every float64 from every other
# Numbers between these powers of ten are written out; others share a power of ten.
_SMALLEST, _LARGEST = -3, 6
# Places that a number far below the largest one gets beyond its 17 digits' end.
_MOST_ZEROS = 12
_AS_WRITTEN = Context(prec=SIGNIFICANT)
_PAD = " "  # numbers are drawn in a monospaced font

# "same": as in the row that the others are compared with; "different": at or behind the first
# place where the numbers part; "unknown": where the best known value is not known so far.
Mark = Literal["same", "different", "unknown"]


@dataclass(frozen=True)
class BestKnown:
    """The best known value of a number.

    Attributes:
        value: what it is.
        uncertainty: how far the truth may be from it, at least 0.
        source: who says so.
    """

    value: float
    uncertainty: float
    source: str


@dataclass(frozen=True)
class Run:
    """Neighbouring characters with the same mark."""

    text: str
    mark: Mark


@dataclass(frozen=True)
class DigitRow:
    """A number as it is written below others.

    Attributes:
        title: whose number it is.
        value: the number.
        runs: sign, digits and decimal point, padded so that the points of all rows align.
        agreed: significant digits in which it agrees with the row that all are compared with;
            None for that row, and where that is 0.
        note: what else there is to say, for example an uncertainty.
        off: relative difference from that row, at least 0; None where `agreed` is.
    """

    title: str
    value: float
    runs: tuple[Run, ...]
    agreed: int | None
    note: str = ""
    off: float | None = None

    @property
    def text(self) -> str:
        """The number as written, padding included."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True)
class DigitStack:
    """One number from several sources.

    Attributes:
        quantity: what it is: "llh" or a parameter's id.
        exponent: the power of ten by which all rows are to be multiplied.
        rows: from top to bottom; the row that all are compared with is `against`.
        against: its title.
        known: significant digits of it that are known.
        sentence: how many digits agree, in words.
    """

    quantity: str
    exponent: int
    rows: tuple[DigitRow, ...]
    against: str
    known: int
    sentence: str


def stack_digits(
    quantity: str, values: Mapping[str, float], best: BestKnown | None = None
) -> DigitStack:
    """Write numbers below each other, and mark the digits that differ.

    All 17 digits are written. They are compared with the best known value or, without one, with
    the first number: from the first digit on that is another one, all are marked. Neighbours such
    as 0.9996 and 1.0000, between which a carry runs through, are marked from the place on at which
    their difference begins.

    Args:
        quantity: what the numbers are of.
        values: by whose they are; those that are not finite are left out.
        best: the best known value; one of which not even the first digit is known is left out.

    Raises:
        ValueError: no number is finite.
    """
    shown = {title: Decimal(v) for title, v in values.items() if np.isfinite(v)}
    if best is not None and not _is_known(best):
        best = None
    if not shown:
        raise ValueError(f"There is no number of {quantity} to show.")
    against = next(iter(shown)) if best is None else "best known"
    standard = shown[against] if best is None else Decimal(best.value)
    # The smallest place at which the standard is known to half a unit.
    floor = None
    if best is not None and best.uncertainty > 0:
        floor = (2 * Decimal(best.uncertainty)).adjusted() + 1
    layout = _Layout([*shown.values(), *([standard] if best else [])])
    rows = []
    for title, value in shown.items():
        parts = _parts_at(value, standard, None if best is None else best.uncertainty)
        is_standard = best is None and title == against
        agreed = None if is_standard else _agreed(standard, parts, floor)
        runs = layout.runs(
            value, None if is_standard else parts, floor, another_sign=standard * value < 0
        )
        off = None if agreed is None else float(abs((value - standard) / standard))
        rows.append(DigitRow(title, float(value), runs, agreed, off=off))
    if best is not None:
        note = f"{best.source}, ± {best.uncertainty:.1g}"
        rows.append(DigitRow(against, best.value, layout.runs(standard, None, floor), None, note))
    known = _agreed(standard, None, floor)
    return DigitStack(
        quantity, layout.exponent, tuple(rows), against, SIGNIFICANT if known is None else known,
        _sentence(rows, against, best, known),
    )  # fmt: skip


def _parts_at(value: Decimal, standard: Decimal, uncertainty: float | None) -> int | None:
    """The place (power of ten) from which on two numbers differ; None if they don't."""
    difference = abs(value - standard)
    if difference == 0 or (uncertainty is not None and difference <= Decimal(uncertainty)):
        return None
    if value.is_signed() != standard.is_signed() and value and standard:
        return max(value.adjusted(), standard.adjusted(), difference.adjusted())
    place = difference.adjusted()
    # 0.1235 and 0.12346: the last digit that they have in common is the 3. Where a carry runs
    # through more digits, as from 0.9996 to 1.0000, they only look different.
    above = [_floor(value, place + i) == _floor(standard, place + i) for i in (1, 2)]
    return place + 1 if above == [False, True] else place


def _floor(number: Decimal, place: int) -> int:
    """A number as written, without its sign, in units of a place, rounded down."""
    return int(abs(_AS_WRITTEN.plus(number)).scaleb(-place))


def _agreed(standard: Decimal, parts: int | None, floor: int | None) -> int | None:
    """Significant digits of the standard down to where a number parts or knowledge ends."""
    if standard == 0:
        return None
    ends = [place for place in (parts, None if floor is None else floor - 1) if place is not None]
    last = max([standard.adjusted() - SIGNIFICANT, *ends])
    return max(standard.adjusted() - last, 0)


class _Layout:
    """How numbers are written so that their decimal points align."""

    def __init__(self, numbers: list[Decimal]) -> None:
        sizes = [number.adjusted() for number in numbers if number]
        largest = max(sizes, default=0)
        smallest = max(min(sizes, default=0), largest - _MOST_ZEROS)
        self.exponent = 0 if _SMALLEST <= largest <= _LARGEST else largest
        self._lowest = smallest - SIGNIFICANT + 1  # place of the last digit
        signed = any(number < 0 for number in numbers)
        self._width = max(largest - self.exponent, 0) + 1 + signed  # of what is before the point

    def runs(
        self, value: Decimal, parts: int | None, floor: int | None, another_sign: bool = False
    ) -> tuple[Run, ...]:
        """A number's characters with their marks."""
        end = max(value.adjusted() - SIGNIFICANT + 1 if value else self._lowest, self._lowest)
        rounded = abs(value).quantize(Decimal(1).scaleb(end))
        digits = dict(enumerate(reversed(rounded.as_tuple().digits), start=end))
        top = max([self.exponent, *(place for place, digit in digits.items() if digit)])
        marked: list[tuple[str, Mark]] = []
        if value < 0:
            marked.append(("−", "different" if another_sign else "same"))
        padding = self._width - (top - self.exponent + 1) - len(marked)
        marked[:0] = [(_PAD, "same")] * padding
        for place in range(top, self._lowest - 1, -1):
            if place == self.exponent - 1:
                marked.append((".", "same"))
            if place < end:
                marked.append((_PAD, "same"))
            else:
                marked.append((str(digits.get(place, 0)), self._mark(place, parts, floor)))
        return tuple(
            Run("".join(c for c, _ in group), mark)
            for mark, group in groupby(marked, key=lambda each: each[1])
        )

    @staticmethod
    def _mark(place: int, parts: int | None, floor: int | None) -> Mark:
        if parts is not None and place <= parts and (floor is None or parts >= floor):
            return "different"
        return "unknown" if floor is not None and place < floor else "same"


def _is_known(best: BestKnown) -> bool:
    """Whether at least the first digit of a value is known."""
    finite = bool(np.isfinite([best.value, best.uncertainty]).all())
    return finite and (best.uncertainty == 0 or 2 * best.uncertainty < abs(best.value))


def _sentence(rows: list[DigitRow], against: str, best: BestKnown | None, known: int | None) -> str:
    others = [row for row in rows if row.agreed is not None]
    if best is None:
        lead = f"No better value is known here: digits are compared with {against}'s."
    else:
        digits = f"{known} digit{'s' * (known != 1)}"
        if known is None or known == SIGNIFICANT:
            digits = "all digits"
        lead = f"Best known: {best.source}, {digits} of it."
    if not others:
        return lead
    limit = SIGNIFICANT if known is None else known
    agree = ", ".join(f"{row.title} {_count(row.agreed or 0, limit)}" for row in others)
    words = f"{lead} Significant digits that agree: {agree}."
    first, *more = rows
    same = [row.title for row in more if row.value == first.value and row.title != against]
    if best is not None and same:
        words += f" {' and '.join([first.title, *same])} are the same number."
    return words


def _count(agreed: int, limit: int) -> str:
    return f"all {limit}" if agreed == limit and limit > 1 else str(agreed)
