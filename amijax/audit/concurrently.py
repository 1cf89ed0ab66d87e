"""Witnesses in threads of their own: they are processes, which are waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable

from amijax.audit.testimony import Testimony, Witness

_POLL_SECONDS = 0.1


class Concurrently:
    """Two testimonies of a witness, while others are heard."""

    def __init__(
        self, witness: Witness, ask: Callable[[Callable[[], None]], tuple[Testimony, Testimony]]
    ) -> None:
        """Ask.

        Args:
            witness: who.
            ask: given a function that it calls every now and then, which raises when it is to end.
        """
        self._is_cancelled = threading.Event()
        self._found: list[tuple[Testimony, Testimony]] = []

        def go_on() -> None:
            if self._is_cancelled.is_set():
                raise _EndedError

        def work() -> None:
            try:
                self._found.append(ask(go_on))
            except _EndedError:
                pass
            except Exception as error:  # a thread's exception would vanish
                reason = f"{witness}: {type(error).__name__}: {error}"
                refusal = Testimony.refusal(witness, 1, reason)
                self._found.append((refusal, refusal))

        self._thread = threading.Thread(target=work, name="audit witness", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """End the witness."""
        self._is_cancelled.set()
        self._thread.join()

    def wait(self, go_on: Callable[[], None]) -> tuple[Testimony, Testimony]:
        """What it says.

        Args:
            go_on: called every now and then; what it raises ends the waiting.
        """
        while self._thread.is_alive():
            go_on()
            self._thread.join(_POLL_SECONDS)
        return self._found[0]


class _EndedError(Exception):
    """The audit was ended."""
