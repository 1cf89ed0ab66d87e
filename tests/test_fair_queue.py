"""Turns in a queue: people in rotation, each one's work in its order."""

import threading

from amijax.fair_queue import FairQueue


def served(queue, tickets):
    """Names in the order in which they have their turns."""
    order = []
    left = list(tickets)
    while left:
        ticket = next(t for t in left if queue.acquire(t, 0.0))
        order.append(ticket.name)
        left.remove(ticket)
        queue.leave(ticket)
    return order


def test_who_asks_for_much_does_not_keep_others_waiting():
    queue = FairQueue()
    wanted = [("ann", "a1"), ("ann", "a2"), ("ann", "a3"), ("bob", "b1"), ("cem", "c1")]
    tickets = [queue.enter(owner, name) for owner, name in wanted]
    assert queue.ahead(tickets[1]) == ("a1", "b1", "c1")
    assert queue.ahead(tickets[3]) == ("a1",)
    assert served(queue, tickets) == ["a1", "b1", "c1", "a2", "a3"]


def test_what_is_ahead_begins_with_what_runs():
    queue = FairQueue()
    first, second, third = (queue.enter(name, name) for name in "abc")
    assert queue.acquire(first, 0.0)
    assert queue.ahead(third) == ("a", "b")
    assert not queue.acquire(second, 0.0)
    queue.leave(second)  # gave up
    assert queue.ahead(third) == ("a",)
    queue.leave(first)
    assert queue.acquire(third, 0.0)
    assert queue.ahead(third) == ()


def test_a_newcomer_comes_before_who_had_a_turn_already():
    queue = FairQueue()
    one = queue.enter("ann", "a1")
    assert queue.acquire(one, 0.0)
    again = queue.enter("ann", "a2")
    new = queue.enter("bob", "b1")
    queue.leave(one)
    assert not queue.acquire(again, 0.0)
    assert queue.acquire(new, 0.0)


def test_without_owners_turns_are_in_the_order_of_arrival():
    queue = FairQueue()
    tickets = [queue.enter(name=name) for name in "abc"]
    assert served(queue, tickets) == ["a", "b", "c"]


def test_a_turn_comes_to_a_thread_that_waits():
    queue = FairQueue()
    first, second = queue.enter("ann"), queue.enter("bob")
    assert queue.acquire(first, 0.0)
    came = threading.Event()

    def wait():
        if queue.acquire(second, 60.0):
            came.set()

    thread = threading.Thread(target=wait)
    thread.start()
    queue.leave(first)
    thread.join(60)
    assert came.is_set()
