"""What a step of the lesson is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.precision import PieceName, forecast, with_needs


@dataclass(frozen=True)
class Table:
    """A small table of texts.

    Attributes:
        corner: what the rows are.
        columns: titles.
        help: a sentence for each column.
        rows: each with its title first.
        strong: titles of the rows that the step is about.
    """

    corner: str
    columns: tuple[str, ...]
    help: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: tuple[str, ...] = ()


class Result(Protocol):
    """What a step computed at a point, and the sentences that hold for these numbers.

    Sentences are Markdown; they name ids between backticks.
    """

    @property
    def answer(self) -> float:
        """To the step's question: an option's position, or a number."""

    @property
    def claim(self) -> str:
        """What the step shows, for these numbers."""

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""

    @property
    def table(self) -> Table | None:
        """The numbers."""


@dataclass(frozen=True)
class Step:
    """A step of the lesson.

    Attributes:
        number: from 1.
        title: a few words.
        minutes: of a class of 45.
        do: the one thing to do.
        ask: the question, from what is known before the result; computes next to nothing.
        compute: the result, live.
        pieces: of a precision study that it is made of.
    """

    number: int
    title: str
    minutes: int
    do: str
    ask: Callable[[Here], Question]
    compute: Callable[[Here, OnProgress], Any]
    pieces: tuple[PieceName, ...] = ()

    def foreseen(self, here: Here) -> float:
        """Seconds that the result takes, roughly, if nothing of it lies on disk.

        Args:
            here: where.
        """
        cost = forecast(here.objective, here.evaluation, here.problem.n_parameters)
        return sum(cost[piece] for piece in with_needs(self.pieces))
