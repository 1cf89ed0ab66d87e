"""Fits in pyPESTO's HDF5 format: its results opened here, and ours in its plots."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from amijax.fit.checkpoints import fit_versions
from amijax.fit.files import FitFileError
from amijax.fit.record import Exit, FitResult, FitSettings, Start, Trace
from amijax.objective import AmiciObjective
from amijax.problems.features import known_features
from amijax.problems.priors import log_prior_at, objective_priors
from amijax.scales import FloatArray

HDF5_ENDINGS = (".h5", ".hdf5")
_RESULTS = "optimization/results"


def export_pypesto(result: FitResult, path: str | os.PathLike[str]) -> None:
    """Write a fit as a file that `pypesto.store.read_result` reads.

    pyPESTO minimises: its `fval` is -(llh + log prior), its gradients have the other sign, too.
    Starts without a point have `fval` inf, as pyPESTO has it. The history of a start has those of
    its evaluations that improved it. A file that is there is replaced.

    Args:
        result: of `fit`.
        path: its name usually ends in `.hdf5`.

    Raises:
        ImportError: h5py is not installed.
        OSError: the file can't be written.
    """
    h5py = _h5py()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        _write_problem(h5py, file.create_group("problem"), result)
        results, history = file.create_group(_RESULTS), file.create_group("history")
        for start in result.starts:
            _write_start(results.create_group(str(start.index)), result, start)
            _write_history(history.create_group(str(start.index)), start)


def import_pypesto(
    objective: AmiciObjective, path: str | os.PathLike[str], *, priors: bool = True
) -> FitResult:
    """Read the optimisation that `pypesto.store.write_result` wrote as a fit.

    Args:
        objective: the problem that was fitted, whose parameters are looked up by their ids.
        path: the file.
        priors: whether pyPESTO's objective had the parameter table's priors, as its PEtab importer
            adds them; their density is then taken off to get llh.

    Raises:
        FitFileError: the file is none of pyPESTO's, or of another problem.
        ImportError: h5py is not installed.
        OSError: there is no such file.
    """
    h5py = _h5py()
    if not Path(path).exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with h5py.File(path, "r") as file:
            return _read(file, objective, priors, str(path))
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, FitFileError):
            raise
        raise FitFileError(
            f"{path} holds no optimisation of pyPESTO's: `pypesto.store.write_result(result, path, "
            f"problem=True, optimize=True)` writes one. ({type(error).__name__}: {error})"
        ) from error


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            'pyPESTO\'s files need h5py, which is not installed: run `pip install "amijax[fit]"`.'
        ) from error
    module: ModuleType = h5py
    return module


def _write_problem(h5py: ModuleType, group: Any, result: FitResult) -> None:
    settings, n = result.settings, len(result.parameter_ids)
    for name, values in (("lb", settings.lower), ("ub", settings.upper)):
        group[f"{name}_full"] = values
        group[f"{name}_init_full"] = values
    group.attrs["dim_full"] = n
    text = h5py.string_dtype()
    group.create_dataset("x_names", data=list(result.parameter_ids), dtype=text)
    group.create_dataset("x_scales", data=list(result.scales), dtype=text)
    about = {
        "type": "amijax", "problem": result.problem_id, "priors": settings.priors,
        "versions": result.versions,
    }  # fmt: skip
    group["config"] = str(about)


def _write_start(group: Any, result: FitResult, start: Start) -> None:
    group["x"], group["x0"] = start.theta, start.theta_start
    group["grad"] = -start.gradient
    group.attrs["id"] = str(start.index)
    group.attrs["fval"] = -start.value if start.has_point else np.inf
    for name in ("n_fval", "n_grad"):
        group.attrs[name] = start.n_evaluations
    group.attrs["time"] = start.seconds
    group.attrs["exitflag"] = 0 if start.exit == "converged" else 1
    group.attrs["message"] = f"{start.exit}: {start.message}"
    group.attrs["optimizer"] = result.settings.optimizer


def _write_history(group: Any, start: Start) -> None:
    trace = group.create_group("trace")
    for name in ("n_hess", "n_res", "n_sres"):
        trace.attrs[name] = 0
    trace.attrs["n_fval"] = trace.attrs["n_grad"] = start.n_evaluations
    steps = [*zip(start.trace.seconds, start.trace.values, strict=True)]
    # pyPESTO's plots refuse a history without any point. Known are the last one and, where none
    # could be evaluated, the first.
    point = start.theta if steps else start.theta_start
    steps = steps or [(start.seconds, -np.inf)]
    trace.attrs["n_iterations"] = len(steps)
    trace.attrs["start_time"] = time.time() - start.seconds
    trace.attrs["trace_save_iter"] = 1
    for i, (seconds, value) in enumerate(steps):
        trace[f"{i}/fval"] = -value
        trace[f"{i}/time"] = seconds
    trace[f"{len(steps) - 1}/x"] = point
    messages = group.create_group("messages")
    messages.attrs["message"] = f"{start.exit}: {start.message}"


def _read(file: Any, objective: AmiciObjective, priors: bool, path: str) -> FitResult:
    problem = objective.problem
    names = [_text(name) for name in file["problem/x_names"][:]]
    if missing := [name for name in problem.parameter_ids if name not in names]:
        raise FitFileError(
            f"{path} is of another problem than {problem.problem_id}: it has no parameter "
            f"{missing[0]!r}."
        )
    places = np.array([names.index(name) for name in problem.parameter_ids])
    known = objective_priors(problem) if priors else ()
    starts = []
    groups = sorted(file[_RESULTS].items(), key=lambda item: _order(item[0]))
    for i, (name, group) in enumerate(groups):
        theta, theta_start = _vector(group, "x", places), _vector(group, "x0", places)
        value = -float(group.attrs["fval"])
        prior = log_prior_at(problem, known, theta) if known and np.isfinite(value) else None
        gradient = -_vector(group, "grad", places)
        starts.append(
            Start(
                index=int(name) if name.isdigit() else i,
                theta_start=theta_start,
                theta=theta,
                llh=(value if prior is None else value - prior.value)
                if np.isfinite(value)
                else np.nan,
                log_prior=None if prior is None else prior.value,
                gradient=gradient,
                gradient_norm=float(np.linalg.norm(gradient)),
                n_evaluations=int(group.attrs.get("n_grad", 0)),
                seconds=float(group.attrs.get("time", np.nan)),
                cpu_seconds=np.nan,
                exit=_exit(value),
                message=_text(group.attrs.get("message", "")),
                failures=(),
                trace=_trace(file, name),
            )
        )
    optimizers = {_text(group.attrs.get("optimizer", "")) for _, group in groups} - {""}
    features = known_features().get(problem.problem_id)
    return FitResult(
        problem_id=problem.problem_id,
        problem_digest=problem.identity,
        parameter_ids=problem.parameter_ids,
        scales=problem.scales,
        settings=FitSettings(
            n_starts=len(starts),
            seed=0,
            optimizer=f"pyPESTO: {', '.join(sorted(optimizers)) or 'unknown optimiser'}",
            lower=np.array(file["problem/lb_full"][:], dtype=np.float64)[places],
            upper=np.array(file["problem/ub_full"][:], dtype=np.float64)[places],
            priors=priors,
            digits=None,
            stages=(objective.solver,),
            time_limit=None,
            own_starts=np.array([start.theta_start for start in starts]),
        ),
        starts=tuple(starts),
        progress=Trace(*np.empty((3, 0))),
        reference_llh=None if features is None else features.reference_llh,
        audit=None,
        workers="by pyPESTO",
        seconds=float(np.nansum([start.seconds for start in starts])),
        n_resumed=0,
        versions=fit_versions(),
        started=datetime.fromtimestamp(os.path.getmtime(path), UTC).isoformat(timespec="seconds"),
    )


def _vector(group: Any, name: str, places: np.ndarray) -> FloatArray:
    """A vector of the free parameters; NaN where pyPESTO has none."""
    if name not in group:
        return np.full(places.size, np.nan)
    return np.array(group[name][:], dtype=np.float64)[places]


def _trace(file: Any, name: str) -> Trace:
    """The improvements among the values that pyPESTO recorded."""
    steps = []
    trace = file.get(f"history/{name}/trace", {})
    best = -np.inf
    for i in range(int(getattr(trace, "attrs", {}).get("n_iterations", 0))):
        step = trace.get(str(i), {})
        if "fval" not in step or "time" not in step:
            continue
        value = -float(step["fval"][()])
        if value > best:
            best = value
            steps.append((i + 1, float(step["time"][()]), value))
    return Trace(*np.array(steps, dtype=np.float64).reshape(-1, 3).T)


def _exit(value: float) -> Exit:
    """What can be told: the exit flags of pyPESTO mean what each optimiser says."""
    return "finished" if np.isfinite(value) else "failed"


def _order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (10**9, name)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
