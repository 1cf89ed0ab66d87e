"""Jobs in the background: how they end, who shares them, and that none outlives Python."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from amijax.background import CancelledError, Job, OneAtATime, Progress, Registry, be_nice

ROOT = Path(__file__).parents[1]


class Waiter(Job[Progress]):
    """Waits for a signal, or does what it is given."""

    def __init__(self, work=None):
        super().__init__("waiter", "waiting")
        self.go_on = threading.Event()
        self.stops = 0
        self._start(work or self._wait)

    def progress(self):
        return Progress(self.state, self._elapsed())

    def _wait(self):
        self._state = "running"
        self.go_on.wait(60)
        self._check_cancelled()
        return "done"

    def _stop(self):
        self.stops += 1
        self.go_on.set()


def fail():
    raise ValueError("no")


def give_up():
    raise CancelledError


@pytest.mark.parametrize(
    ("work", "state"), [(lambda: "done", "done"), (fail, "failed"), (give_up, "cancelled")]
)
def test_a_job_ends_in_a_state_that_says_how(work, state):
    job = Waiter(work)
    progress = job.wait(60)
    assert progress.state == job.state == state
    assert progress.is_over
    assert job.wait(0).elapsed == progress.elapsed
    assert (job._error == "ValueError: no") == (state == "failed")


def test_cancelling_stops_a_job_that_goes_on_and_leaves_one_that_is_over():
    job = Waiter()
    job.cancel()
    assert job.wait(60).state == "cancelled"
    job.cancel()
    assert job.stops == 1
    done = Waiter(lambda: "done")
    done.wait(60)
    done.cancel()
    assert done.state == "done"
    assert done.stops == 0


def test_a_job_that_is_cancelled_stops_until_it_has_ended():
    ends = threading.Event()

    def work():
        ends.wait(60)
        return "cancelled"

    job = Waiter(work)
    assert not job.is_stopping
    job.cancel()
    assert job.is_stopping
    ends.set()
    job.wait(60)
    assert not job.is_stopping


def test_who_asks_for_the_same_joins_the_job_that_goes_on():
    registry = Registry()
    assert registry.latest("a") is None
    first = registry.start_or_join("a", Waiter)
    assert registry.start_or_join("a", Waiter) is first
    assert registry.latest("a") is first
    other = registry.start_or_join("b", Waiter)
    assert other is not first
    first.go_on.set()
    first.wait(60)
    assert registry.latest("a") is first  # over, and still there
    assert registry.start_or_join("a", Waiter, once=True) is first
    second = registry.start_or_join("a", Waiter)
    assert second is not first
    second.cancel()
    second.wait(60)
    third = registry.start_or_join("a", Waiter, once=True)
    assert third is not second  # cancelled is not done
    for job in (other, third):
        job.cancel()
        assert job.wait(60).is_over


def test_of_jobs_that_are_over_the_latest_are_remembered():
    registry = Registry()
    going_on = registry.start_or_join("goes on", Waiter)
    for i in range(40):
        registry.start_or_join(i, lambda: Waiter(lambda: "done")).wait(60)
    last = registry.start_or_join(40, lambda: Waiter(lambda: "done"))
    last.wait(60)
    assert registry.latest(0) is None
    assert registry.latest(40) is last
    assert registry.latest("goes on") is going_on
    assert len(registry.values()) <= 35
    going_on.cancel()
    going_on.wait(60)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_what_is_nice_once_and_again_is_as_nice_as_once():
    # As a job, and the process of a witness that it starts.
    found = []

    def work():
        for _ in range(2):
            be_nice()
            found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return "done"

    before = os.getpriority(os.PRIO_PROCESS, 0)
    Waiter(work).wait(60)
    assert found[0] == found[1] >= before
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def printed_by(code):
    """What a program prints until Python has ended, which must end well."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def test_jobs_are_cancelled_when_python_ends():
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_background import Waiter\n"
        "class Told(Waiter):\n"
        "    def _stop(self):\n"
        "        print('stopped', flush=True)\n"
        "        super()._stop()\n"
        "Told()\n"
    )
    assert printed_by(code) == "stopped\n"


def test_python_waits_for_the_work_under_way_when_it_ends():
    # A thread that comes back from AMICI while Python is being taken down aborts the process.
    code = (
        "import sys, time; sys.path.insert(0, 'tests')\n"
        "from test_background import Waiter\n"
        "def work():\n"
        "    time.sleep(5)  # a simulation, which can't be interrupted\n"
        "    print('over', flush=True)\n"
        "    return 'done'\n"
        "Waiter(work)\n"
    )
    assert printed_by(code) == "over\n"


def test_python_waits_for_what_a_job_s_work_held():
    # JAX's programs and AMICI's solvers are freed after the job is over, in its thread.
    code = (
        "import sys, threading, time; sys.path.insert(0, 'tests')\n"
        "from test_background import Waiter\n"
        "class Held:\n"
        "    def __del__(self):\n"
        "        time.sleep(1)  # a destructor in C++\n"
        "        print('freed', flush=True)\n"
        "go_on = threading.Event()\n"
        "job = Waiter(lambda held=Held(): go_on.wait() and 'done')\n"
        "go_on.set()\n"
        "job.wait()\n"
    )
    assert printed_by(code) == "freed\n"


def test_python_waits_for_threads_of_others_and_begins_nothing_new_when_it_ends():
    # As a page's script, which is a daemon thread and may be inside AMICI or JAX.
    code = (
        "import sys, threading, time; sys.path.insert(0, 'tests')\n"
        "from test_background import Waiter\n"
        "from amijax.background import wait_at_end\n"
        "first = Waiter()\n"
        "def script():\n"
        "    print(first.wait().state, flush=True)  # which Python's end cancels\n"
        "    print(Waiter(lambda: 'done').wait().state, flush=True)\n"
        "    time.sleep(1)  # C++, which can't be interrupted\n"
        "    print('over', flush=True)\n"
        "thread = threading.Thread(target=script, daemon=True)\n"
        "thread.start()\n"
        "wait_at_end(lambda: [thread, threading.current_thread()])\n"
    )
    assert printed_by(code).split() == ["cancelled", "cancelled", "over"]


def test_work_that_nobody_waits_for_any_more_ends_and_the_next_one_follows():
    turns = OneAtATime("test")
    started, ends = threading.Event(), []

    def slow(check):
        started.set()
        try:
            while True:
                check()
        except CancelledError:
            ends.append("ended")
            raise

    class Edited(BaseException):
        """As Streamlit's own, which ends a script."""

    def edited():
        assert started.wait(60)
        raise Edited

    with pytest.raises(Edited):
        turns.run(slow, edited, every=0.01)
    assert turns.run(lambda _: [*ends, "next"], lambda: None) == ["ended", "next"]


def test_work_that_was_left_before_its_turn_does_not_begin():
    turns = OneAtATime("test")
    go_on, begun = threading.Event(), []

    def left():
        raise KeyboardInterrupt

    for name in ("first", "second"):
        with pytest.raises(KeyboardInterrupt):
            turns.run(lambda _, name=name: (begun.append(name), go_on.wait(60)), left, every=0.01)
    go_on.set()
    assert turns.run(lambda _: "third", lambda: None) == "third"
    assert begun == ["first"]


def test_what_watched_work_raises_is_raised():
    with pytest.raises(ValueError, match="no"):
        OneAtATime("test").run(lambda _: fail(), lambda: None)
