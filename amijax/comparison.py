"""AMICI alone against AMICI inside JAX at one point: values, gradients, relative differences."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from amijax.html_tables import Column, Row
from amijax.jax_objective import JaxEvaluation, JaxObjective
from amijax.notebook_html import number, report
from amijax.objective import AmiciObjective, Evaluation
from amijax.precisions import PRECISIONS, Precision
from amijax.problems.problem import Problem
from amijax.scales import FloatArray, Scale
from amijax.simulation.failures import Failure
from amijax.simulation.settings import SolverSettings

# What a relative difference is divided by: "magnitude" by |amici|; "notebook", as in AMICI's
# notebook "AMICI & JAX", by amici for llh and by jax for the gradient, both with their signs.
Convention = Literal["magnitude", "notebook"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
_DIVIDED_BY: dict[Convention, str] = {
    "magnitude": "(amici - jax) / |amici|",
    "notebook": "(amici - jax) / amici for llh, (amici - jax) / jax for the gradient",
}

# One JAX program per objective: compiling it again costs more than most evaluations.
_jax_objectives: weakref.WeakKeyDictionary[AmiciObjective, JaxObjective] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True)
class Timings:
    """Durations in seconds.

    Attributes:
        amici_wall: the call of AMICI alone.
        amici_cpu: AMICI's own CPU time in it.
        jax_wall: the call of AMICI inside JAX, without JAX's compilation.
        jax_cpu: AMICI's own CPU time in it.
        jax_compile: JAX's tracing and compilation, paid once per objective and precision, by
            its first call.
    """

    amici_wall: float
    amici_cpu: float
    jax_wall: float
    jax_cpu: float
    jax_compile: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Log-likelihood and gradient at a point, from AMICI and from AMICI inside JAX.

    Arrays have shape (n_parameters,), are float64 and follow `parameter_ids`. Gradients are with
    respect to theta. `rel_diff` is (amici - jax) / |amici|, 0 where both are 0, unless
    `convention` says otherwise.

    Attributes:
        problem_id, parameter_ids, parameter_names, scales: of the problem.
        precision: what JAX computed in.
        theta: the point on the PEtab scale.
        p: the point on linear scale.
        theta_inside: where AMICI was evaluated inside JAX, after the transformation to linear
            scale and back; NaN if it was not.
        llh_amici, llh_jax, llh_rel_diff: the log-likelihood.
        gradient_amici, gradient_jax, gradient_rel_diff: its gradient.
        failure_amici, failure_jax: why a side has no result; JAX's is not tried if AMICI's failed.
        solver: the settings that both sides used.
        timings: durations.
        jax_was_run: whether JAX's side was tried; it is NaN if not.
        convention: what the relative differences are divided by.
        repair: as in `Problem`: whether the model was repaired where AMICI would be wrong.
    """

    problem_id: str
    parameter_ids: tuple[str, ...]
    parameter_names: tuple[str, ...]
    scales: tuple[Scale, ...]
    precision: Precision
    theta: FloatArray
    p: FloatArray
    theta_inside: FloatArray
    llh_amici: float
    llh_jax: float
    llh_rel_diff: float
    gradient_amici: FloatArray
    gradient_jax: FloatArray
    gradient_rel_diff: FloatArray
    failure_amici: Failure | None
    failure_jax: Failure | None
    solver: SolverSettings
    timings: Timings
    jax_was_run: bool = True
    convention: Convention = "magnitude"
    repair: bool = True

    @property
    def failure(self) -> Failure | None:
        """Why there is no result: AMICI's failure or, where only JAX's side failed, that one."""
        return self.failure_amici or self.failure_jax

    @property
    def worst(self) -> int | None:
        """Position of the gradient entry with the largest |rel_diff|; None if all entries agree
        exactly or are NaN.
        """
        size = np.nan_to_num(np.abs(self.gradient_rel_diff), nan=0.0, posinf=np.inf)
        return int(size.argmax()) if size.any() else None

    def in_convention(self, convention: Convention) -> Comparison:
        """The same comparison with its relative differences divided by something else.

        Args:
            convention: "magnitude" for (amici - jax) / |amici|; "notebook" for what AMICI's
                notebook "AMICI & JAX" prints: (amici - jax) / amici for llh, and
                (amici - jax) / jax for the gradient. 0 where both sides are 0.
        """
        llh_by, gradient_by = (
            (self.llh_amici, self.gradient_jax)
            if convention == "notebook"
            else (abs(self.llh_amici), np.abs(self.gradient_amici))
        )
        return replace(
            self,
            llh_rel_diff=float(_divided(self.llh_amici, self.llh_jax, llh_by)),
            gradient_rel_diff=_divided(self.gradient_amici, self.gradient_jax, gradient_by),
            convention=convention,
        )

    def _repr_html_(self) -> str:
        """Both sides and their differences as a table, for notebooks."""
        divided_by = _DIVIDED_BY[self.convention]
        columns = (Column("amici"), Column("jax"), Column("rel_diff", divided_by, strong=True))
        values = zip(self.gradient_amici, self.gradient_jax, self.gradient_rel_diff, strict=True)
        rows = [
            Row(name, [number(amici, ".9g"), number(jax, ".9g"), number(difference, ".1e")])
            for name, (amici, jax, difference) in zip(
                ("llh", *self.parameter_ids),
                ((self.llh_amici, self.llh_jax, self.llh_rel_diff), *values),
                strict=True,
            )
        ]
        return report(
            f"{self.problem_id}: AMICI alone and inside JAX in {self.precision}",
            [
                f"No result: {self.failure}" if self.failure else "",
                "" if self.jax_was_run else "JAX was not run.",
                f"Below llh is its gradient with respect to theta. Solver: {self.solver}.",
            ],
            "quantity", columns, rows, rest=".frame()",
        )  # fmt: skip

    def llh_frame(self) -> pd.DataFrame:
        """The log-likelihood as a table of one row: amici, jax, rel_diff."""
        return pd.DataFrame(
            {"amici": [self.llh_amici], "jax": [self.llh_jax], "rel_diff": [self.llh_rel_diff]},
            index=pd.Index(["llh"], name="quantity"),
        )

    def gradient_frame(self) -> pd.DataFrame:
        """The gradient as a table: a row for each parameter with its scale, theta, linear
        value, and the gradient entry as amici, jax, rel_diff.
        """
        return pd.DataFrame(
            {
                "scale": self.scales,
                "theta": self.theta,
                "linear": self.p,
                "amici": self.gradient_amici,
                "jax": self.gradient_jax,
                "rel_diff": self.gradient_rel_diff,
            },
            index=pd.Index(self.parameter_ids, name="parameter"),
        )

    def frame(self) -> pd.DataFrame:
        """Everything in one table: the log-likelihood's row, then the gradient's, each with
        problem, precision, what rel_diff is divided by, whether the model was repaired, solver
        settings and durations in seconds.
        """
        table = pd.concat(
            [
                self.llh_frame().rename_axis("parameter").assign(quantity="llh"),
                self.gradient_frame().assign(quantity="gradient"),
            ]
        ).reset_index()
        table["problem"] = self.problem_id
        table["precision"] = self.precision
        table["rel_diff_convention"] = self.convention
        table["repair"] = self.repair
        for name, value in self.solver.as_dict().items():
            table[name] = value
        for name, value in asdict(self.timings).items():
            table[f"{name}_seconds"] = value
        first = ["problem", "precision", "quantity", "parameter", "scale", "theta", "linear"]
        return table[first + [column for column in table if column not in first]]


def compare(
    objective: AmiciObjective,
    theta: ArrayLike,
    precision: Precision = "float64",
    *,
    amici: Evaluation | None = None,
    run_jax: bool = True,
    check: Callable[[], None] | None = None,
) -> Comparison:
    """Evaluate llh and gradient with AMICI alone and with AMICI inside JAX.

    Where AMICI alone fails, which may have taken long, JAX's side is not tried.

    Args:
        objective: the problem and its solver settings.
        theta: shape (n_parameters,), on the PEtab scale.
        precision: what JAX computes in, from the transformation to the chain rule.
        amici: AMICI's side, if it is at hand; it must be of this objective at this theta.
        run_jax: whether JAX's side is wanted, which costs one more simulation.
        check: called several times a second while JAX's side is simulated, if the problem has
            several conditions, perhaps in another thread; what it raises ends that and comes out.

    Raises:
        PrecisionError: float64 was asked for, but JAX's 64-bit mode is off.
        ValueError: theta has the wrong shape, or there is no such precision.

    Examples:
        >>> from amijax import AmiciObjective, compare, load_problem
        >>> problem = load_problem("Conversion_Reaction")
        >>> comparison = compare(AmiciObjective(problem), problem.nominal_theta, "float32")
        >>> bool(abs(comparison.gradient_rel_diff).max() < 1e-4)
        True
        >>> list(comparison.gradient_frame())
        ['scale', 'theta', 'linear', 'amici', 'jax', 'rel_diff']
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be float32 or float64, but is {precision!r}.")
    amici = amici or objective.evaluate(theta)
    inside = (
        jax_objective_of(objective).evaluate(amici.theta.astype(precision), check=check)
        if amici.failure is None and run_jax
        else None
    )
    return _record(objective.problem, precision, amici, inside)


def compare_precisions(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    amici: Evaluation | None = None,
    run_jax: bool = True,
) -> dict[Precision, Comparison]:
    """`compare` in both precisions, against one and the same evaluation by AMICI.

    Args:
        objective: the problem and its solver settings.
        theta: shape (n_parameters,), on the PEtab scale.
        amici: AMICI's side, if it is at hand.
        run_jax: whether JAX's side is wanted, which costs one more simulation for each precision.

    Raises:
        PrecisionError: JAX's 64-bit mode is off.
        ValueError: theta has the wrong shape.
    """
    amici = amici or objective.evaluate(theta)
    return {
        precision: compare(objective, theta, precision, amici=amici, run_jax=run_jax)
        for precision in PRECISIONS
    }


def jax_objective_of(objective: AmiciObjective) -> JaxObjective:
    """The `JaxObjective` that `compare` uses for an objective, made at its first use."""
    if (known := _jax_objectives.get(objective)) is None:
        known = _jax_objectives.setdefault(objective, JaxObjective(_Weak(objective)))
    return known


def rel_diff(amici: ArrayLike, jax: ArrayLike) -> FloatArray:
    """(amici - jax) / |amici|, elementwise; 0 where both are 0, infinite where only amici is."""
    amici = np.asarray(amici, dtype=np.float64)
    return _divided(amici, jax, np.abs(amici))


def _divided(amici: ArrayLike, jax: ArrayLike, by: ArrayLike) -> FloatArray:
    amici, jax = np.asarray(amici, dtype=np.float64), np.asarray(jax, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((amici == 0) & (jax == 0), 0.0, (amici - jax) / by)


class _Weak:
    """An objective held weakly, so that the table of JAX objectives keeps none of them alive."""

    def __init__(self, objective: AmiciObjective) -> None:
        self.scales = objective.problem.scales
        self._objective = weakref.ref(objective)

    def evaluate(self, theta: FloatArray, gradient: bool = True) -> Evaluation:
        return self._alive().evaluate(theta, gradient)

    def evaluate_batch(self, thetas: FloatArray, gradient: bool = True) -> tuple[Evaluation, ...]:
        return self._alive().evaluate_batch(thetas, gradient)

    def evaluate_unless(
        self, theta: FloatArray, gradient: bool, check: Callable[[], None]
    ) -> Evaluation:
        return self._alive().evaluate_unless(theta, gradient, check)

    def _alive(self) -> AmiciObjective:
        objective = self._objective()
        assert objective is not None, "the objective was deleted while it was being evaluated"
        return objective


def _record(
    problem: Problem, precision: Precision, amici: Evaluation, inside: JaxEvaluation | None
) -> Comparison:
    assert amici.gradient is not None
    host: Any = None if inside is None else inside.host
    llh, gradient = np.nan, np.full_like(amici.theta, np.nan)
    if inside is not None:
        assert inside.gradient is not None
        llh, gradient = float(inside.llh), inside.gradient.astype(np.float64)
    return Comparison(
        problem_id=problem.problem_id,
        parameter_ids=problem.parameter_ids,
        parameter_names=problem.parameter_names,
        scales=problem.scales,
        precision=precision,
        theta=amici.theta,
        p=problem.linear(amici.theta),
        theta_inside=np.full_like(amici.theta, np.nan) if host is None else host.theta,
        llh_amici=amici.llh,
        llh_jax=llh,
        llh_rel_diff=float(rel_diff(amici.llh, llh)),
        gradient_amici=amici.gradient,
        gradient_jax=gradient,
        gradient_rel_diff=rel_diff(amici.gradient, gradient),
        failure_amici=amici.failure,
        failure_jax=None if inside is None else jax_failure(inside),
        solver=amici.solver,
        timings=Timings(
            amici_wall=amici.wall_seconds,
            amici_cpu=amici.cpu_seconds,
            jax_wall=0.0 if inside is None else inside.wall_seconds,
            jax_cpu=0.0 if host is None else host.cpu_seconds,
            jax_compile=0.0 if inside is None else inside.compile_seconds,
        ),
        jax_was_run=inside is not None,
        repair=problem.repair,
    )


def jax_failure(inside: JaxEvaluation) -> Failure | None:
    """Why JAX's side has no result: its simulation failed, or only its arithmetic overflowed."""
    if inside.host is None:
        return Failure(
            "callback",
            "The callback from JAX to AMICI broke",
            "This is a defect of amijax: please report it with the problem and the parameters.",
        )
    if inside.host.failure is not None:
        return inside.host.failure
    gradient = np.asarray(inside.gradient)
    if not (np.isfinite(inside.llh) and np.isfinite(gradient).all()):
        return Failure(
            "output",
            f"AMICI succeeded, but the result does not fit into JAX's {inside.llh.dtype}",
            "Use float64, or bring parameters nearer to 1 on linear scale.",
        )
    return None
