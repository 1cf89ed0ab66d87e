"""Studies in the background: shared, watched, cancelled, one at a time."""

import threading
import time

import numpy as np
import pytest

from amijax.precision import jobs
from amijax.precision.jobs import is_stored, latest_study, start_study
from amijax.precision.study import Study


@pytest.fixture
def point(conversion):
    """A point that no other test studies: the store has nothing of it."""
    random = np.random.default_rng()
    return conversion.problem.nominal_theta + random.uniform(-0.01, 0.01, 6)


@pytest.fixture
def slow(monkeypatch):
    """Studies that wait for a signal after each report; none of them outlives its test."""
    go_on = threading.Event()

    def studies(objective, theta, *, parameters, pieces, on_progress):  # noqa: ARG001
        for i, piece in enumerate(pieces):
            on_progress(piece, 1, 2)
            go_on.wait(5)
            yield Study("p", (), (), (), theta, objective.solver, seconds={str(i): 0.0})

    monkeypatch.setattr(jobs, "studies", studies)
    yield go_on
    # A job that is left would hold the queue of the next test, as a real study perhaps.
    go_on.set()
    for job in list(jobs._jobs.values()):
        job.cancel()
        assert job.wait(60).is_over


def test_a_study_in_the_background_is_the_same_as_in_the_foreground(conversion, point):
    from amijax.precision import study_precision

    job = start_study(conversion, point, pieces=("budget", "noise"))
    progress = job.wait(60)
    assert progress.state == "done"
    assert progress.is_over
    direct = study_precision(conversion, point, pieces=("budget", "noise"))
    for mine, other in zip(progress.study.verdicts, direct.verdicts, strict=True):
        assert mine.float32 == other.float32
        assert mine.digits_noise == other.digits_noise
    assert is_stored(conversion, point, conversion.problem.parameter_ids, ("budget", "noise"))
    assert not is_stored(conversion, point, ("k1",), ("budget",))


def test_who_asks_for_the_same_gets_the_same_job(conversion, point, slow):
    first = start_study(conversion, point)
    assert start_study(conversion, point) is first
    assert latest_study(conversion, point) is first
    assert latest_study(conversion, point + 1) is None
    other = start_study(conversion, point, parameters=("k1",))
    assert other is not first
    slow.set()
    assert first.wait(60).state == "done"
    assert other.wait(60).state == "done"


def test_studies_wait_for_each_other(conversion, point, slow):
    first = start_study(conversion, point)
    second = start_study(conversion, point + 0.001)
    until(lambda: first.state == "running")
    assert second.state == "waiting"
    slow.set()
    assert second.wait(60).state == "done"


def test_a_page_s_own_study_does_not_wait_for_others(conversion, point, slow):
    asked = start_study(conversion, point)
    own = start_study(conversion, point, pieces=("reference",), own_queue=True)
    until(lambda: own.state == "running" and asked.state == "running")
    slow.set()
    assert asked.wait(60).state == own.wait(60).state == "done"


def test_cancelling_keeps_what_is_finished_and_starts_again_on_demand(conversion, point, slow):
    job = start_study(conversion, point, pieces=("budget", "noise"))
    until(lambda: job.progress().piece == "budget")
    job.cancel()
    slow.set()
    progress = job.wait(60)
    assert progress.state == "cancelled"
    assert progress.study is not None
    assert start_study(conversion, point, pieces=("budget", "noise")) is not job


def test_a_study_that_waits_can_be_cancelled(conversion, point, slow):
    first = start_study(conversion, point)
    second = start_study(conversion, point + 0.001)
    until(lambda: first.state == "running")
    second.cancel()
    until(lambda: second.state == "cancelled")
    assert first.state == "running"
    slow.set()
    first.wait(60)


def test_a_study_that_nobody_watches_is_abandoned(conversion, point, slow):
    job = start_study(conversion, point, abandon_after=0.05)
    until(lambda: job.state == "running")
    time.sleep(0.2)
    slow.set()
    until(lambda: job.state == "cancelled")


def test_what_breaks_is_told(conversion, point, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no more digits")
        yield

    monkeypatch.setattr(jobs, "studies", broken)
    progress = start_study(conversion, point).wait(60)
    assert progress.state == "failed"
    assert "no more digits" in progress.error


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)
