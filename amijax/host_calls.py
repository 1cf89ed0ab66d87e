"""Calls from JAX to an objective on the host: nothing that goes wrong there gets lost."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np

from amijax.scales import FloatArray, Scale, to_scaled

_MOST_NUMBERS = 2**31  # of calls, in 32 bits
# Seconds from a callback that raises to the end of its program. JAX words the error before, and a
# signal that arrives then is lost.
_UNTIL_JAX_IS_THROUGH = 2e-3


class HostErrorWarning(RuntimeWarning):
    """An objective raised, and what JAX got in the place of its result is NaN."""


class Result(Protocol):
    """What comes back from the host for a point; NumPy arrays and numbers, NaN after a failure."""

    @property
    def failure(self) -> Any:
        """None, or why there is no result."""


@dataclass(frozen=True)
class Broken:
    """In the place of a result, where the host raised, which it should not."""

    failure: BaseException


class Call:
    """A call under way whose caller wants to know more than JAX returns."""

    def __init__(self, check: Callable[[], None] | None = None) -> None:
        """Begin.

        Args:
            check: called now and then by what runs on the host; what it raises ends the call.
        """
        self.check = check
        self.result: Any = None
        self.ended_by: BaseException | None = None

    def go_on(self) -> None:
        """Check, and remember by what the call is ended."""
        assert self.check is not None
        try:
            self.check()
        except BaseException as error:
            self.ended_by = error
            raise


class HostCalls:
    """Runs functions of the host inside JAX's callbacks, and keeps what went wrong.

    A callback must not raise (its effect on the running program is undefined), so an exception of
    the host becomes a `Broken` in the place of every result, with one warning for each kind.
    What is no `Exception`, Ctrl-C above all, must end the program: it does leave the callback, and
    JAX makes a `JaxRuntimeError` of it. Where we wait for the program, `uninterrupted` mends
    that; elsewhere Ctrl-C is sent once more, as a KeyboardInterrupt that `except Exception` lets
    pass.

    Attributes:
        failures: the latest results that have a failure.
    """

    def __init__(self, scales: Sequence[Scale], instead: str = "NaN") -> None:
        """Begin without failures.

        Args:
            scales: the parameters' PEtab scales.
            instead: what JAX gets where the host raises, in words.
        """
        self._instead = instead
        self.scales = tuple(scales)
        self.failures: deque[Any] = deque(maxlen=16)
        # The calls under way whose callers want to know more, by the number that JAX hands on.
        self._calls: dict[int, Call] = {}
        self._numbers = count()
        self._warned: set[type[BaseException]] = set()
        self._waiting = _Waiting()

    @contextmanager
    def call(self, call: Call) -> Iterator[int]:
        """A number for a call while it is under way, by which the callback finds it."""
        number = next(self._numbers) % _MOST_NUMBERS
        self._calls[number] = call
        try:
            yield number
        finally:
            del self._calls[number]

    def call_of(self, number: np.ndarray | None) -> Call:
        """The call with a number; one that nobody asks for if there is none."""
        return Call() if number is None else self._calls[int(number)]

    def thetas(self, linear: np.ndarray) -> list[FloatArray]:
        """The points, float64 and on the PEtab scale, of linear parameters from JAX.

        Args:
            linear: shape (..., n_parameters); the leading axes are those of `vmap`.
        """
        # Row by row: NumPy's logarithm may round differently in larger arrays.
        rows = linear.reshape(-1, linear.shape[-1]).astype(np.float64)
        return [to_scaled(row, self.scales) for row in rows]

    def run(
        self, function: Callable[[], Sequence[Any]], n: int, call: Call | None = None
    ) -> Sequence[Any]:
        """What a function of the host returns for n points, or n times `Broken` if it raises.

        Args:
            function: returns a `Result` for each point.
            n: number of points.
            call: the call under way, if its caller wants to know more.
        """
        call = call or Call()
        try:
            results = function()
        except BaseException as error:
            if call.ended_by is None:
                if not isinstance(error, Exception):
                    self._interrupted_by(error)
                    raise
                self._warn(error)
            results = [Broken(error)] * n
        if call.ended_by is None:
            self.failures.extend([each for each in results if each.failure is not None])
        return results

    def uninterrupted(self) -> AbstractContextManager[None]:
        """While we wait for a program in this thread: what ends it is raised as what it is."""
        return _Uninterrupted(self._waiting)

    def _interrupted_by(self, error: BaseException) -> None:
        if self._waiting.ended_by is not None:
            self._waiting.ended_by = error
        elif isinstance(error, KeyboardInterrupt) and callable(signal.getsignal(signal.SIGINT)):
            timer = threading.Timer(_UNTIL_JAX_IS_THROUGH, _interrupt_main_thread)
            timer.daemon = True
            timer.start()

    def _warn(self, error: Exception) -> None:
        if type(error) in self._warned:
            return
        self._warned.add(type(error))
        sentence = (
            f"The objective raised {type(error).__name__}: {error}. An objective should not raise: "
            f"JAX goes on with {self._instead}, here and at every later error; `failures` has the "
            f"latest ones. There is no further warning for {type(error).__name__}."
        )
        try:
            warnings.warn(sentence, HostErrorWarning, stacklevel=2)
        except HostErrorWarning:  # warnings are errors, and an error must not leave the callback
            logging.getLogger(__name__).error(sentence)


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes it, if it waits for something
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


_NOTHING_YET = object()


class _Waiting(threading.local):
    """Whether this thread waits for a program of ours (not None), and what ended it."""

    ended_by: object = None


class _Uninterrupted(AbstractContextManager[None]):
    """`HostCalls.uninterrupted`; a class, since a generator would take 7 us of each call."""

    def __init__(self, waiting: _Waiting) -> None:
        self._waiting = waiting

    def __enter__(self) -> None:
        self._outer, self._waiting.ended_by = self._waiting.ended_by, _NOTHING_YET

    def __exit__(self, _type: Any, error: BaseException | None, _traceback: Any) -> None:
        ended_by, self._waiting.ended_by = self._waiting.ended_by, self._outer
        if isinstance(error, Exception) and isinstance(ended_by, BaseException):
            raise ended_by from None
