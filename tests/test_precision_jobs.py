"""Studies in the background: shared, watched, cancelled, one at a time."""

import threading

import numpy as np
import pytest
from waiting import until

from amijax.precision import jobs
from amijax.precision.jobs import latest_study, start_study
from amijax.precision.study import Study, stored_study


@pytest.fixture
def point(conversion):
    """A point that no other test studies: the store has nothing of it."""
    random = np.random.default_rng()
    return conversion.problem.nominal_theta + random.uniform(-0.01, 0.01, 6)


@pytest.fixture
def start():
    """`start_study`; no study outlives its test, where it would hold the queue of the next one."""
    started = []

    def start_and_remember(*args, **kwargs):
        started.append(start_study(*args, **kwargs))
        return started[-1]

    yield start_and_remember
    for job in started:
        job.cancel()
    for job in started:
        assert job.wait().is_over


@pytest.fixture
def slow(start, monkeypatch):  # noqa: ARG001 - whose studies must go on to end
    """Studies that wait for a signal after each report."""
    go_on = threading.Event()

    def studies(objective, theta, *, parameters, pieces, on_progress):  # noqa: ARG001
        for i, piece in enumerate(pieces):
            on_progress(piece, 1, 2)
            go_on.wait()
            yield Study("p", (), (), (), theta, objective.solver, seconds={str(i): 0.0})

    monkeypatch.setattr(jobs, "studies", studies)
    yield go_on
    go_on.set()


def test_a_study_in_the_background_is_the_same_as_in_the_foreground(conversion, point, start):
    from amijax.precision import study_precision

    job = start(conversion, point, pieces=("budget", "noise"))
    progress = job.wait()
    assert progress.state == "done"
    assert progress.is_over
    direct = study_precision(conversion, point, pieces=("budget", "noise"))
    for mine, other in zip(progress.study.verdicts, direct.verdicts, strict=True):
        assert mine.float32 == other.float32
        assert mine.digits_noise == other.digits_noise
    stored = stored_study(conversion, point, pieces=("budget", "noise"))
    assert stored is not None
    assert stored.budget is not None
    assert stored.seconds is not None
    assert stored_study(conversion, point, parameters=("k1",), pieces=("budget",)) is None


def test_who_asks_for_the_same_gets_the_same_job(conversion, point, start, slow):
    first = start(conversion, point)
    assert start(conversion, point) is first
    assert latest_study(conversion, point) is first
    assert latest_study(conversion, point + 1) is None
    other = start(conversion, point, parameters=("k1",))
    assert other is not first
    slow.set()
    assert first.wait().state == "done"
    assert other.wait().state == "done"


def one_that_runs(*jobs):
    """Which of the jobs runs, whoever was first, and the others."""
    running = until(lambda: [job for job in jobs if job.state == "running"])
    return *running, *(job for job in jobs if job not in running)


def test_studies_wait_for_each_other(conversion, point, start, slow):
    first, second = start(conversion, point), start(conversion, point + 0.001)
    _, waiting = one_that_runs(first, second)
    assert waiting.state == "waiting"
    slow.set()
    assert first.wait().state == second.wait().state == "done"


def test_a_page_s_own_study_does_not_wait_for_others(conversion, point, start, slow):
    asked = start(conversion, point)
    own = start(conversion, point, pieces=("reference",), own_queue=True)
    until(lambda: own.state == "running" and asked.state == "running")
    slow.set()
    assert asked.wait().state == own.wait().state == "done"


def test_cancelling_keeps_what_is_finished_and_starts_again_on_demand(
    conversion, point, start, slow
):
    job = start(conversion, point, pieces=("budget", "noise"))
    until(lambda: job.progress().piece == "budget")
    job.cancel()
    slow.set()
    progress = job.wait()
    assert progress.state == "cancelled"
    assert progress.study is not None
    assert start(conversion, point, pieces=("budget", "noise")) is not job


def test_a_study_that_waits_can_be_cancelled(conversion, point, start, slow):
    running, waiting = one_that_runs(start(conversion, point), start(conversion, point + 0.001))
    waiting.cancel()
    assert waiting.wait().state == "cancelled"
    assert running.state == "running"
    slow.set()
    assert running.wait().state == "done"


def test_a_study_that_nobody_watches_is_abandoned(conversion, point, start, monkeypatch):
    def endless(*_, pieces, on_progress, **__):
        while True:
            on_progress(pieces[0], 1, 2)
        yield

    monkeypatch.setattr(jobs, "studies", endless)
    abandoned = start(conversion, point, abandon_after=0.05)
    assert abandoned.wait().state == "cancelled"
    assert abandoned.is_abandoned
    cancelled = start(conversion, point)
    cancelled.cancel()
    assert cancelled.wait().state == "cancelled"
    assert not cancelled.is_abandoned


def test_what_breaks_is_told(conversion, point, start, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no more digits")
        yield

    monkeypatch.setattr(jobs, "studies", broken)
    progress = start(conversion, point).wait()
    assert progress.state == "failed"
    assert "no more digits" in progress.error
