"""Small PEtab v2 problems written from a few lines; llh and gradient from closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from small_problems import NOISE, Model

YAML = """format_version: 2.0.0
parameter_files: [parameters.tsv]
model_files:
  model:
    language: sbml
    location: model.xml
measurement_files: [measurements.tsv]
observable_files: [observables.tsv]
condition_files: [conditions.tsv]
experiment_files: [experiments.tsv]
"""

Truth = Callable[[Mapping[str, float], str, float], Mapping[str, float]]


@dataclass(frozen=True)
class CaseV2:
    """A problem with a closed form.

    Attributes:
        model: the model.
        estimated: parameter id to nominal value; bounds are a thousandth and a thousandfold.
        truth: observables of an experiment at a time for linear parameters, by observable.
        formulas: observable id to its formula, for those of `truth`.
        conditions: condition id to targets and their values.
        experiments: experiment id to the times of its periods, and conditions, blanks between.
        times: measured times, by experiment; "" for none.
        noise: observable id to its noise formula, if it is not the number `NOISE`.
        sigmas: what these noise formulas are.
        fixed: parameters of the table that are not estimated.
        distribution: observable id to its noise distribution, if it is not normal.
        placeholders: observable id to the names of its placeholders.
        overrides: what a measurement gives for them, by observable, experiment and time.
    """

    model: Model
    estimated: Mapping[str, float]
    truth: Truth
    formulas: Mapping[str, str]
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    experiments: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)
    times: Mapping[str, Sequence[float]] = field(default_factory=dict)
    noise: Mapping[str, str] = field(default_factory=dict)
    sigmas: Callable[[Mapping[str, float], str, str, float], float] | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    distribution: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)
    overrides: Callable[[str, str, float], str] | None = None

    def write(self, folder: Path) -> Path:
        """Write the PEtab files; return the YAML file."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {
            "problem.yaml": YAML,
            "model.xml": self.model.sbml(),
            "parameters.tsv": "parameterId\testimate\tlowerBound\tupperBound\tnominalValue\n"
            + "".join(
                f"{n}\ttrue\t{v / 1000}\t{v * 1000}\t{v!r}\n" for n, v in self.estimated.items()
            )
            + "".join(f"{n}\tfalse\t\t\t{v!r}\n" for n, v in self.fixed.items()),
            "conditions.tsv": "conditionId\ttargetId\ttargetValue\n"
            + "".join(
                f"{name}\t{target}\t{value}\n"
                for name, changes in self.conditions.items()
                for target, value in changes.items()
            ),
            "experiments.tsv": "experimentId\ttime\tconditionId\n"
            + "".join(
                f"{name}\t{time}\t{condition}\n"
                for name, periods in self.experiments.items()
                for time, conditions in periods
                for condition in conditions.split() or [""]
            ),
            "observables.tsv": "observableId\tobservableFormula\tnoiseFormula\t"
            "observablePlaceholders\tnoiseDistribution\n"
            + "".join(
                f"{o}\t{f}\t{self.noise.get(o, NOISE)}\t{self.placeholders.get(o, '')}\t"
                f"{self.distribution.get(o, 'normal')}\n"
                for o, f in self.formulas.items()
            ),
            "measurements.tsv": "observableId\texperimentId\ttime\tmeasurement\t"
            "observableParameters\n"
            + "".join(
                f"{o}\t{e}\t{t}\t{m!r}\t{self.overrides(o, e, t) if self.overrides else ''}\n"
                for o, e, t, m in self._measurements()
            ),
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / "problem.yaml"

    def llh(self, p: Mapping[str, float]) -> float:
        """The log-likelihood by the closed form, for linear parameters."""
        total = 0.0
        for o, e, t, m in self._measurements():
            sigma = NOISE if o not in self.noise else self.sigmas(p, o, e, t)
            total += _density(self.distribution.get(o, "normal"), m, self.truth(p, e, t)[o], sigma)
        return float(total)

    def gradient(self) -> np.ndarray:
        """Its derivative by log10 of the parameters, at nominal: good to 1e-9 here."""
        theta, step = np.log10(list(self.estimated.values())), 1e-3

        def at(x: np.ndarray) -> float:
            return self.llh(dict(zip(self.estimated, 10.0**x, strict=True)))

        moves = step * np.eye(len(theta))
        return np.array(
            [
                (
                    8 * (at(theta + move) - at(theta - move))
                    - (at(theta + 2 * move) - at(theta - 2 * move))
                )
                / (12 * step)
                for move in moves
            ]
        )

    def _measurements(self):
        random = np.random.default_rng(5)
        p = dict(self.estimated)
        return [
            (o, e, t, float(self.truth(p, e, t)[o] + random.normal(0, NOISE)))
            for e, times in self.times.items()
            for t in times
            for o in self.formulas
        ]


def _density(kind: str, measured: float, simulated: float, sigma: float) -> float:
    """Log-density of a measurement."""
    jacobian = 0.0
    if kind.startswith("log-"):
        jacobian, measured, simulated = -np.log(measured), np.log(measured), np.log(simulated)
    residual = (measured - simulated) / sigma
    if kind.endswith("laplace"):
        return float(jacobian - np.log(2 * sigma) - abs(residual))
    return float(jacobian - 0.5 * np.log(2 * np.pi * sigma**2) - 0.5 * residual**2)
