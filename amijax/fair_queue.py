"""Turns for long work: one at a time, people in rotation, each one's work in its order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Ticket:
    """A place in a queue.

    Attributes:
        owner: whose work it is.
        name: what the work is, in words.
        number: in the order of arrival.
    """

    owner: Hashable
    name: str
    number: int


class FairQueue:
    """Who asks for ten things at once has one turn, then everybody else who waits has theirs.

    The next turn is that of the owner whose last one is longest ago, never counting as longest;
    among several, of the work that came first. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._waiting: list[Ticket] = []
        self._running: Ticket | None = None
        self._served: dict[Hashable, int] = {}  # turn by owner
        self._turns = itertools.count(1)
        self._numbers = itertools.count()
        self._changed = threading.Condition()

    def enter(self, owner: Hashable = None, name: str = "") -> Ticket:
        """Get in line.

        Args:
            owner: whose work it is; all without one share their turns.
            name: what the work is, for those behind it.
        """
        with self._changed:
            ticket = Ticket(owner, name, next(self._numbers))
            self._waiting.append(ticket)
            return ticket

    def acquire(self, ticket: Ticket, timeout: float) -> bool:
        """Wait for a ticket's turn, at most `timeout` seconds; whether it has come."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_next(ticket), timeout):
                return False
            self._waiting.remove(ticket)
            self._running = ticket
            self._served.pop(ticket.owner, None)
            self._served[ticket.owner] = next(self._turns)
            return True

    def leave(self, ticket: Ticket) -> None:
        """End a turn, or give up one's place."""
        with self._changed:
            if self._running is ticket:
                self._running = None
            elif ticket in self._waiting:
                self._waiting.remove(ticket)
            waiting = {each.owner for each in self._waiting}
            # Turns of long ago are forgotten: nobody who waits would be put behind by them.
            for owner in list(self._served)[:-_REMEMBERED]:
                if owner not in waiting:
                    del self._served[owner]
            self._changed.notify_all()

    def ahead(self, ticket: Ticket) -> tuple[str, ...]:
        """What has its turn before a ticket as things are, in order; empty once it has its own."""
        with self._changed:
            if ticket not in self._waiting:
                return ()
            names = [] if self._running is None else [self._running.name]
            served, left = dict(self._served), list(self._waiting)
            turn = max(served.values(), default=0)
            while (first := min(left, key=lambda each: _rank(each, served))) is not ticket:
                names.append(first.name)
                left.remove(first)
                turn += 1
                served[first.owner] = turn
            return tuple(names)

    def _is_next(self, ticket: Ticket) -> bool:
        if self._running is not None:
            return False
        return min(self._waiting, key=lambda each: _rank(each, self._served)) is ticket


_REMEMBERED = 1000


def _rank(ticket: Ticket, served: dict[Hashable, int]) -> tuple[int, int]:
    return served.get(ticket.owner, 0), ticket.number
