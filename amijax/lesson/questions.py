"""Predictions asked for before a result is shown, and how they are held against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Question:
    """What is to be predicted: one of some options, or a whole number.

    Attributes:
        text: the question.
        options: to choose from; empty where a number is asked for.
        lowest, highest: of the number.
        close: a number that is off by no more than this is close.
        unit: of the number.
    """

    text: str
    options: tuple[str, ...] = ()
    lowest: int = 0
    highest: int = 0
    close: float = 0.0
    unit: str = ""

    def guesses(self) -> tuple[str, ...]:
        """Everything that can be answered, as it is shown."""
        if self.options:
            return self.options
        return tuple(str(n) for n in range(self.lowest, self.highest + 1))

    def said(self, answer: float) -> str:
        """An answer in words.

        Args:
            answer: an option's position, or the number.
        """
        if self.options:
            return self.options[int(answer)]
        number = f"{answer:g}" if float(answer).is_integer() else f"{answer:.1f}"
        return f"{number} {self.unit}".strip()

    def check(self, guess: int, answer: float) -> Reply:
        """Hold a prediction against what was computed.

        Args:
            guess: the chosen option's position, or the number.
            answer: likewise; a number need not be whole.
        """
        truth = self.said(answer)
        if self.options:
            right = guess == int(answer)
            return Reply(right, False, f"Right: {truth}." if right else f"No: {truth}.")
        off = abs(guess - answer)
        # A number such as 2.1 digits is met by 2: nothing nearer can be said.
        right = off <= 0.5
        is_close = not right and off <= self.close + 0.5
        said = "Right" if right else "Close" if is_close else "No"
        return Reply(right, is_close, f"{said}: {truth}. You said {self.said(guess)}.")


@dataclass(frozen=True)
class Reply:
    """What a prediction was worth.

    Attributes:
        is_right, is_close: how good it was.
        text: the same in words, with the answer.
    """

    is_right: bool
    is_close: bool
    text: str


def decade(value: float, edges: tuple[float, ...]) -> int:
    """Position of the option between whose edges a size lies; a size without value is the last.

    Args:
        value: a size.
        edges: between the options, ascending.
    """
    return len(edges) if np.isnan(value) else int(np.searchsorted(edges, value, side="right"))
