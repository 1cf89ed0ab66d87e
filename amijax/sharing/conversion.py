"""A PEtab v1 problem written as PEtab v2, by PEtab's own converter, and evaluated in both forms."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from petab.v1 import C as C1
from petab.v2 import C as C2

from amijax.logs import quiet_petab
from amijax.problems.files import read_files
from amijax.problems.opening import open_problem
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import Scale
from amijax.simulation.settings import SolverChoice

# Relative: at AMICI's default tolerances a model that is written in another way takes other steps.
SAME = 1e-5
_SHOWN = 6


@dataclass(frozen=True)
class Conversion:
    """A problem that was converted.

    Attributes:
        path: the new YAML file.
        changes: what is said in other words there, or not said any more, as sentences.
        scales: those of the old problem that `load_problem` must be told to have them again.
        llh_v1, llh_v2: log-likelihood at nominal before and after.
    """

    path: Path
    changes: tuple[str, ...]
    scales: dict[str, Scale]
    llh_v1: float
    llh_v2: float


def convert(problem: Problem, folder: Path) -> Conversion:
    """Write a PEtab v1 problem as v2 and evaluate both at nominal.

    Nothing is written if they differ.

    Args:
        problem: of PEtab v1.
        folder: where the files go; must not be there, or be empty.

    Raises:
        ProblemError: it is no v1 problem, can't be converted, or is another one afterwards.
        CompileError: a model can't be compiled.
        OSError: the folder can't be written.
    """
    if problem.petab_version == "2":
        raise ProblemError(f"{problem.problem_id} is a PEtab v2 problem already.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProblemError(f"{folder} is there already; name a new or an empty folder.")
    names = [name for name in read_files(problem.source) if ".." in PurePosixPath(name).parts]
    if names:
        raise ProblemError(
            f"{problem.problem_id} refers to {names[0]}, outside of its folder; put its files into "
            "one folder first."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _folder_beside(folder) as made:
        said = _written(problem, made)
        path = made / problem.source.name
        scales = dict(zip(problem.parameter_ids, problem.scales, strict=True))
        new = open_problem(path, problem.problem_id, scales=scales)
        llh_v1, llh_v2 = _evaluated(problem, new)
        if not abs(llh_v1 - llh_v2) <= SAME * max(1.0, abs(llh_v1)):
            raise ProblemError(
                f"{problem.problem_id} is another problem after the conversion: llh at nominal is "
                f"{llh_v1:.10g} in PEtab v1 and {llh_v2:.10g} in v2. Nothing was written."
            )
        if folder.exists():
            folder.rmdir()
        shutil.copytree(made, folder)
    return Conversion(
        folder / problem.source.name,
        (*_changes(problem, new), *said),
        new.chosen_scales,
        llh_v1,
        llh_v2,
    )


@contextmanager
def _folder_beside(folder: Path) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _written(problem: Problem, folder: Path) -> list[str]:
    """Let PEtab convert the files; returns what it warns of."""
    from petab.v2.petab1to2 import petab1to2

    quiet_petab()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            petab1to2(problem.source, folder, validate=False)
        except Exception as error:  # petab and pandas raise what they like
            why = " ".join(str(error).split())[:300] or type(error).__name__
            raise ProblemError(
                f"PEtab's converter can't convert {problem.problem_id}: {why.rstrip('.')}."
            ) from error
    said = [
        " ".join(str(w.message).split())[:300].rstrip(".")
        for w in caught
        if issubclass(w.category, UserWarning)
    ]
    return [
        f"PEtab's converter says: {text}."
        for text in dict.fromkeys(said)
        if not text.startswith("Parameter scales are not supported")  # said in other words
    ]


def _evaluated(old: Problem, new: Problem) -> tuple[float, float]:
    """Llh at nominal of both, at the same settings."""
    from amijax.auto import settle  # AMICI, which reading problems does not need
    from amijax.objective import AmiciObjective

    settled = settle(AmiciObjective(old), old.nominal_theta, SolverChoice())
    if (failure := settled.evaluation.failure) is not None:
        raise ProblemError(f"{old.problem_id} can't be evaluated in PEtab v1. {failure}")
    other = AmiciObjective(new, settled.evaluation.solver)
    theta = new.theta_from(
        dict(zip(old.parameter_ids, old.nominal_p, strict=True)), linear=True
    )  # fmt: skip
    before = settled.objective.llh(old.nominal_theta)
    after = other.evaluate(theta, gradient=False)
    if after.failure is not None:
        raise ProblemError(f"{old.problem_id} can't be evaluated in PEtab v2. {after.failure}")
    return before, after.llh


def _changes(old: Problem, new: Problem) -> Iterator[str]:
    """What v2 says in other words, or not at all."""
    yield (
        f"{_count(len(old.simulation_conditions), 'simulation')} became "
        f"{_count(len(new.experiments), 'experiment')}."
    )
    logarithmic = [
        f"{name} ({scale})"
        for name, scale in zip(old.parameter_ids, old.scales, strict=True)
        if scale != "lin"
    ]
    if logarithmic:
        yield (
            f"PEtab v2 has no parameter scales: those of {_listed(logarithmic)} are not in the "
            "files any more."
        )
    before, after = old.petab_problem.parameter_df, new.petab_problem.parameter_df
    if C1.OBJECTIVE_PRIOR_TYPE in before:
        for name, kind in before[C1.OBJECTIVE_PRIOR_TYPE].dropna().items():
            became = after.get(C2.PRIOR_DISTRIBUTION, {}).get(name)
            shown = before.loc[name].get(C1.OBJECTIVE_PRIOR_PARAMETERS, "")
            given = after.get(C2.PRIOR_PARAMETERS, {}).get(name, "")
            what = f"{became} {given}" if isinstance(became, str) else "none"
            yield (
                f"The prior of {name} was {kind} {shown} and is {what}, of the linear parameter "
                "and truncated at its bounds."
            )
    initial = before.get(C1.INITIALIZATION_PRIOR_TYPE)
    if initial is not None and initial.notna().any():
        yield "Initialization priors are left out: PEtab v2 has none."
    log10 = [
        str(name)
        for name, kind in old.observables.get(C1.OBSERVABLE_TRANSFORMATION, {}).items()
        if kind == C1.LOG10
    ]
    if log10:
        yield (
            f"The noise of {_listed(log10)} is of the natural logarithm, its scale larger by a "
            "factor of ln 10: PEtab v2 has no log10."
        )
    if C1.CONDITION_NAME in old.conditions:
        yield "Names of conditions are left out: PEtab v2 has none."


def _count(n: int, word: str) -> str:
    return f"{n} {word}{'' if n == 1 else 's'}"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
