"""Processes that wait for work: kept, taken again, replaced and ended."""

import importlib
import os
import pickle
import signal
import sys

import pytest

from amijax.fit import worker_processes
from amijax.fit.processes import in_processes
from amijax.fit.worker_processes import (
    end_idle_workers,
    keep_worker,
    prepare_workers,
    taken_worker,
)

# A process that says its id for each task; AMICI need not be loaded for that.
QUICK = """
import os, pickle, sys
while True:
    try:
        set_up = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    while (task := pickle.load(sys.stdin.buffer)) is not None:
        pickle.dump((os.getpid(), set_up, task), sys.stdout.buffer)
        sys.stdout.flush()
"""


@pytest.fixture(autouse=True)
def none_waits():
    end_idle_workers()
    yield
    end_idle_workers()


@pytest.fixture
def quick_workers(tmp_path, monkeypatch):
    (tmp_path / "quick_worker.py").write_text(QUICK)
    real = worker_processes.start_module
    monkeypatch.setattr(
        worker_processes, "start_module", lambda _module, **options: real("quick_worker", **options)
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def job(worker, set_up, *tasks):
    worker.begin(pickle.dumps(set_up))
    answers = []
    for task in tasks:
        worker.send(task)
        answers.append(worker.receive())
    worker.send(None)
    return answers


@pytest.mark.usefixtures("quick_workers")
def test_one_process_does_one_job_after_the_other():
    worker = taken_worker()
    [(pid, *first)] = job(worker, "first", 1)
    assert first == ["first", 1]
    keep_worker(worker)
    again = taken_worker()
    assert again is worker
    answers = job(again, "second", 2, 3)
    assert answers == [(pid, "second", 2), (pid, "second", 3)]
    again.end()


@pytest.mark.usefixtures("quick_workers")
def test_prepared_ones_are_taken_first_and_no_more_than_cores_wait(monkeypatch):
    monkeypatch.setattr(worker_processes, "available_cores", lambda: 2)
    prepare_workers(5)
    prepare_workers(1)  # there are more already
    workers = [taken_worker() for _ in range(3)]
    assert len({pid for worker in workers for pid, *_ in job(worker, None, 0)}) == 3
    for worker in workers:
        keep_worker(worker)
    assert [worker.is_alive for worker in workers] == [True, True, False]


@pytest.mark.usefixtures("quick_workers")
def test_a_process_of_another_environment_is_not_taken(monkeypatch):
    worker = taken_worker()
    keep_worker(worker)
    monkeypatch.setenv("AMIJAX_CACHE_DIR", "elsewhere")
    other = taken_worker()
    assert other is not worker
    assert not worker.is_alive
    other.end()


@pytest.mark.usefixtures("quick_workers")
def test_a_process_that_ended_while_it_waited_is_not_taken():
    worker = taken_worker()
    [(pid, *_)] = job(worker, None, 0)
    keep_worker(worker)
    os.kill(pid, signal.SIGTERM)
    assert worker.status == -signal.SIGTERM
    other = taken_worker()
    assert other is not worker
    other.end()


@pytest.mark.usefixtures("quick_workers")
def test_who_waits_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(worker_processes, "_IDLE_SECONDS", 0.01)
    worker = taken_worker()
    keep_worker(worker)
    assert worker.status == -signal.SIGKILL  # waits for it


# Work that says in which process it is done, or tells of itself and never ends.
WORK = """
import os, signal
from dataclasses import dataclass
from amijax.fit.work import Answer, Repeatable

@dataclass(frozen=True, eq=False)
class Who(Answer):
    pid: int
    problem_id: str
    is_running: bool = False

@dataclass(frozen=True)
class Plan:
    ends: bool = True
    fault: Exception | None = None

    def run(self, objective, task, report):
        if self.fault is not None:
            raise self.fault
        while not self.ends:
            report(Who(os.getpid(), objective.problem.problem_id, True))
            signal.pause()
        return Who(os.getpid(), objective.problem.problem_id)

task = Repeatable
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The module, here and in the processes."""
    (tmp_path / "own_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield importlib.import_module("own_work")
    sys.modules.pop("own_work")


def test_the_next_fit_of_any_problem_finds_processes_that_are_loaded(conversion, boehm, work):
    pids = set()
    for objective in (conversion, boehm):
        tasks = [work.task(), work.task()]
        answers = [a for a in in_processes(objective, work.Plan(), tasks, 1) if a is not None]
        assert [a.problem_id for a in answers] == 2 * [objective.problem.problem_id]
        pids |= {a.pid for a in answers}
    assert len(pids) == 1


def test_closing_ends_the_process_in_the_middle_of_its_work(conversion, work):
    stream = in_processes(conversion, work.Plan(ends=False), [work.task()], 1)
    answer = next(a for a in stream if a is not None)
    stream.close()
    with pytest.raises(ProcessLookupError):
        os.kill(answer.pid, 0)


def test_what_a_task_raises_comes_out_and_is_not_taken_for_a_lost_process(conversion, work):
    plan = work.Plan(fault=FileNotFoundError("no such file"))
    with pytest.raises(FileNotFoundError, match="no such file"):
        list(in_processes(conversion, plan, [work.task()], 1))
