"""Trying a model where it can do no harm: `python -m amijax.simulation.trial ...`.

Its arguments: the cache's folder, key, library, sample, and names of kinds of native code. Each
kind runs in a child of its own, under limits of time and memory. The verdicts are remembered
beside the model and written to stdout, one JSON object a line.
"""

from __future__ import annotations

import ctypes
import json
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import amici.sim.sundials as sundials
from filelock import FileLock

from amijax.models.amici_internals import run_simulations
from amijax.models.cache import ModelFolders, load_model
from amijax.models.sample import Sample, has_steady_states
from amijax.simulation.native_code import (
    Limits,
    NativeCode,
    Verdict,
    read_verdict,
    remember_verdict,
)
from amijax.simulation.preparation import prepare
from amijax.simulation.run import sensitivity_order, solver_of, with_steady_state
from amijax.simulation.settings import LADDER, SolverSettings

# Who lived through that lives: the slowest problems take minutes. Seconds, for one kind of code.
_ENOUGH = 3.0

_NO_MEMORY, _RAISED, _NOT_TRIED = 70, 71, 72  # exit codes that nothing else uses
_OUTPUT_BYTES = 4000
_M_PERTURB = -6  # in glibc's malloc.h


def try_after_build(folders: ModelFolders, library: Path) -> None:
    """Try what the usual settings run, in the process that built the model; never raises.

    Args:
        folders: the model's, with a sample among them; without one, nothing is tried.
        library: the model's.
    """
    try:
        if folders.sample.is_file():
            sample = Sample.unpacked(folders.sample.read_bytes())
            usual = NativeCode.usual(steady_states=has_steady_states(sample.plan, sample.numbers))
            for code, verdict in try_all(folders, library, sample, usual):
                print(f"{code.name}: {verdict}", flush=True)  # noqa: T201 - into the log
    except Exception:  # tried again when the model is about to be used
        traceback.print_exc()


def try_all(
    folders: ModelFolders, library: Path, sample: Sample, codes: Iterable[NativeCode]
) -> Iterator[tuple[NativeCode, Verdict | None]]:
    """Try kinds of native code unless it is known what becomes of them, and remember it.

    Args:
        folders: the model's.
        library: the model's.
        sample: what to simulate.
        codes: the kinds, each tried in a child of this process.

    Yields:
        Each kind and its verdict; None where the trial itself failed, which stderr tells.
    """
    limits = Limits.current()
    for code in codes:
        verdict = read_verdict(folders, code)
        if verdict is None or not verdict.holds(limits):
            verdict = _tried(folders.key, library, sample, code, limits)
            if verdict is not None:
                remember_verdict(folders, code, verdict)
        yield code, verdict


def _tried(
    key: str, library: Path, sample: Sample, code: NativeCode, limits: Limits
) -> Verdict | None:
    # A fork has AMICI and perhaps the model loaded already. Elsewhere it is unsafe, or missing.
    method = "fork" if sys.platform == "linux" else "spawn"
    context: Any = multiprocessing.get_context(method)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        output = Path(folder) / "output"
        child = context.Process(target=_child, args=(key, library, sample, code, limits, output))
        child.start()
        child.join(limits.wall_seconds)
        hangs = child.is_alive()
        if hangs:
            child.kill()
            child.join()
        text = ""
        with suppress(OSError):
            text = output.read_bytes()[-_OUTPUT_BYTES:].decode(errors="replace").strip()
    if text:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    return _judge(child.exitcode, hangs, text, limits)


def _judge(exitcode: int, hangs: bool, output: str, limits: Limits) -> Verdict | None:
    """What an ended child says of the model."""
    number = -exitcode
    if exitcode == 0:
        return Verdict("survived")
    if hangs or number == getattr(signal, "SIGXCPU", None):
        return Verdict("time", f"more than {limits.seconds:g} s", limits.seconds)
    # C++ that can't allocate aborts; the system kills whoever takes the machine's last memory.
    if exitcode == _NO_MEMORY or "bad_alloc" in output or number == getattr(signal, "SIGKILL", 0):
        return Verdict("memory", f"more than {limits.gigabytes:g} GB", limits.gigabytes)
    if exitcode == _RAISED:
        return Verdict("raised", output.splitlines()[-1] if output else "")
    if exitcode == _NOT_TRIED:
        return None
    if number > 0:
        return Verdict("ended", f"signal {number} ({str(signal.strsignal(number)).lower()})")
    return Verdict("ended", f"exit status {exitcode}")


def _child(
    key: str, library: Path, sample: Sample, code: NativeCode, limits: Limits, output: Path
) -> None:
    """Run native code and end, one way or the other."""
    with output.open("wb") as stream:
        os.dup2(stream.fileno(), 2)
    status = 0
    try:
        _limit(limits)
        _spoil_fresh_memory()
        model = load_model(key, library)
        prepared = prepare(sample.numbers, sample.plan, model)
        settings = SolverSettings(**code.settings())  # type: ignore[arg-type]
        model = with_steady_state(model, settings)
        try:
            _simulate(model, settings, code.gradient, prepared.edatas)
        except MemoryError:
            status = _NO_MEMORY
        except Exception:
            traceback.print_exc()
            status = _RAISED
    except MemoryError:
        status = _NO_MEMORY
    except Exception:
        traceback.print_exc()
        status = _NOT_TRIED
    sys.stderr.flush()
    os._exit(status)


def _limit(limits: Limits) -> None:
    """Let the system end this process where it needs too much, and write no core file."""
    try:
        import resource
    except ImportError:  # Windows: time alone is limited, by the parent
        return
    seconds = max(1, round(limits.seconds))
    _set_limit(resource.RLIMIT_CPU, seconds, seconds + 5)
    _set_limit(resource.RLIMIT_CORE, 0, 0)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * os.sysconf("SC_PAGE_SIZE") + int(limits.gigabytes * 1e9)
        _set_limit(resource.RLIMIT_AS, most, most)


def _set_limit(which: int, soft: int, hard: int) -> None:
    import resource

    with suppress(ValueError, OSError):  # there is a lower one already
        resource.setrlimit(which, (soft, hard))


def _spoil_fresh_memory() -> None:
    """Let C's memory hold rubbish until it is written to, so that who reads it earlier crashes.

    Else it is a matter of luck: IDAS frees pointers of adjoint sensitivities that it never set,
    which are zero in one process and are not in the next. glibc only (`man mallopt`).
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_PERTURB, 0x55)


def _simulate(model: Any, settings: SolverSettings, gradient: bool, edatas: Sequence[Any]) -> None:
    """Simulate until all succeeded or it was enough, and let one fail.

    Raises:
        MemoryError: there was not enough.
    """

    def succeeds(edata: Any, tried: SolverSettings, seconds: float) -> bool:
        tolerances = settings.at(tried.rtol, tried.atol, max_steps=tried.max_steps)
        solver = solver_of(model, replace(tolerances, time_limit=seconds))
        solver.set_sensitivity_order(sensitivity_order(gradient))
        [rdata] = run_simulations(model, solver, [edata], failfast=True)
        if any("bad_alloc" in message.message for message in rdata.messages):
            raise MemoryError
        return bool(rdata.status >= 0)

    end = time.perf_counter() + _ENOUGH
    for edata in edatas:
        # A simulation that fails does not reach all of the code: larger tolerances may.
        for rung in LADDER:
            left = end - time.perf_counter()
            if left <= 0 or succeeds(edata, rung, left):
                break
    # With an algebraic rule it can be a failure that crashes, in adjoint sensitivities, and at
    # some point the parameters make every model fail.
    spoilt = sundials.ExpData(edatas[0])
    spoilt.free_parameters = [math.nan] * len(spoilt.free_parameters)
    succeeds(spoilt, SolverSettings(), _ENOUGH)


def main() -> None:
    """Try what the command line names, once for all processes that ask."""
    warnings.simplefilter("ignore")
    verdicts = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what AMICI prints
    root, key, library, sample, *names = sys.argv[1:]
    folders = ModelFolders(Path(root), key)
    codes = [NativeCode.named(name) for name in names]
    with ExitStack() as stack:
        with suppress(OSError):  # a cache that can only be read
            folders.trial_lock.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(folders.trial_lock))
        for code, verdict in try_all(
            folders, Path(library), Sample.unpacked(Path(sample).read_bytes()), codes
        ):
            if verdict is not None:
                verdicts.write(json.dumps({"code": code.name, **asdict(verdict)}) + "\n")
                verdicts.flush()
    os._exit(0)  # taking AMICI down in order gives nothing


if __name__ == "__main__":
    main()
