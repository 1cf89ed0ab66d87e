"""A Dask cluster of real processes, as the README starts one, and changes to what its workers do.

Nothing of the cluster lives in the process of the tests: pytest turns warnings into errors there,
for Dask's event loop as well, whose tasks such an error ends halfway.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from distributed import Client, WorkerPlugin

TESTS = Path(__file__).parent
_START_SECONDS = 90.0  # for one try to start a process, on a machine that is busy otherwise
_TRIES = 3
# What is left where the tests are killed ends by itself.
_IDLE_SECONDS = 600


class DaskProcesses:
    """A scheduler and its workers, each with a process group of its own that ends with it."""

    def __init__(self, folder: Path, cache: Path, **environment: str) -> None:
        """Start the scheduler.

        Args:
            folder: for Dask's files and the processes' logs.
            cache: the workers' cache folder.
            environment: of the processes, for example Dask's settings.
        """
        self._folder = folder
        self._environment = {
            **os.environ,
            **environment,
            "AMIJAX_CACHE_DIR": str(cache),
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
        }
        self._running: list[subprocess.Popen] = []
        self.address = self._started(self._scheduler)

    def client(self) -> Client:
        """A new client, to be closed by whoever asks."""
        return Client(self.address, timeout=_START_SECONDS, set_as_default=False)

    def add_workers(self, count: int, *, nanny: bool = True) -> None:
        """Start workers of one thread each and wait until the scheduler knows them.

        Args:
            count: how many; the cluster has had none so far.
            nanny: whether a worker that ends is replaced by another.
        """
        self._started(lambda: self._workers(count, nanny))

    def kill_workers(self) -> None:
        """End the workers, and their nannies, without a word."""
        scheduler, *workers = self._running
        _end(workers)
        self._running = [scheduler]

    def end(self) -> None:
        """End all processes."""
        _end(self._running)
        self._running = []

    def _started(self, start):
        """Try to start processes: the only thing about a cluster that is tried more than once.

        A busy machine may take longer than Dask's own limits for connecting allow.
        """
        before = list(self._running)
        for i in range(_TRIES):
            try:
                return start()
            except TimeoutError:
                _end([process for process in self._running if process not in before])
                self._running = before
                if i == _TRIES - 1:
                    print(*(log.read_text() for log in self._folder.glob("*.log")), sep="\n")
                    raise
        return None

    def _scheduler(self) -> str:
        file = self._folder / f"scheduler-{time.monotonic_ns()}.json"
        process = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
            *("--idle-timeout", f"{_IDLE_SECONDS} s", "--scheduler-file", str(file)),
        )
        end = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError, json.JSONDecodeError):  # not there, not whole
                return json.loads(file.read_text())["address"]
            if process.poll() is not None or time.monotonic() > end:
                raise TimeoutError("the scheduler did not start")
            time.sleep(0.05)

    def _workers(self, count: int, nanny: bool) -> None:
        self._start(
            *("worker", self.address, "--nworkers", str(count), "--nthreads", "1"),
            *("--no-dashboard", "--memory-limit", "0", "--nanny" if nanny else "--no-nanny"),
            *("--host", "127.0.0.1", "--local-directory", str(self._folder)),
            *("--death-timeout", str(_IDLE_SECONDS)),
        )
        with self.client() as client:
            client.wait_for_workers(count, timeout=_START_SECONDS)

    def _start(self, *arguments: str) -> subprocess.Popen:
        log = self._folder / f"{arguments[0]}-{len(self._running)}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append(process)
        return process


def _end(processes: list[subprocess.Popen]) -> None:
    for process in reversed(processes):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Replacement(WorkerPlugin):
    """Puts something else in the place of a function on a worker, and the function back."""

    def __init__(self, module: str, owner: str, function: str, wrap) -> None:
        self.name = f"replacement of {module}.{owner}.{function}"
        self._module = module
        self._owner = owner
        self._function = function
        self._wrap = wrap

    def _place(self) -> object:
        module = importlib.import_module(self._module)
        return getattr(module, self._owner) if self._owner else module

    def setup(self, worker) -> None:  # noqa: ARG002 - Dask's signature
        place = self._place()
        self._original = getattr(place, self._function)
        setattr(place, self._function, self._wrap(self._original))

    def teardown(self, worker) -> None:  # noqa: ARG002 - Dask's signature
        setattr(self._place(), self._function, self._original)


@contextmanager
def replaced_on_workers(client: Client, module: str, name: str, wrap):
    """Replace a function on all workers, those that start later as well, and put it back.

    Args:
        client: of the cluster.
        module: where the function is.
        name: the function's, or a class and its method (`AmiciObjective.evaluate_batch`).
        wrap: function from the original to what takes its place; it travels by value.
    """
    owner, _, function = name.rpartition(".")
    plugin = _Replacement(module, owner, function, wrap)
    client.register_plugin(plugin)
    try:
        yield
    finally:
        client.unregister_worker_plugin(plugin.name)
