"""The kinds of problems of the PEtab v1 test suite, stand-ins of our own with closed forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from small_problems import Model

from amijax import AmiciObjective, load_problem

# AMICI's default tolerances leave 1e-6 of a state, its steady states 1e-5; the issue asks for
# 1e-5 of llh and 1e-3 of a gradient.
LLH = 1e-5
GRADIENT = 1e-3

K1, K2 = 0.8, 0.6
SIMPLE = Model(
    species={"A": "a0", "B": "b0"},
    parameters={"a0": 1.0, "b0": 0.0, "k1": 0.8, "k2": 0.6},
    reactions=[("A", "B", "k1*A"), ("B", "A", "k2*B")],
)
BARE = Model(
    species={"A": 1.0, "B": 0.5},
    parameters={"k1": 0.8, "k2": 0.6},
    reactions=[("A", "B", "k1*A"), ("B", "A", "k2*B")],
)
# A and B as parameters with rate rules.
RULES = Model(
    parameters={"A": 1.0, "B": 0.5, "k1": 0.8, "k2": 0.6},
    rules={"A'": "k2*B - k1*A", "B'": "k1*A - k2*B"},
)


def amount_of_a(t, a0=1.0, b0=0.0, k1=K1, k2=K2):
    """A of A <-> B from (a0, b0)."""
    k, total = k1 + k2, a0 + b0
    return k2 / k * total + (a0 - k2 / k * total) * np.exp(-k * t)


def steady(a0=1.0, b0=0.0, k1=K1, k2=K2):
    return amount_of_a(np.inf, a0, b0, k1, k2)


@dataclass(frozen=True)
class Row:
    """A measurement, and what it should be compared with: a function of the parameters."""

    time: float
    value: float
    truth: object
    sigma: object = 0.5
    condition: str = "c0"
    pre: str = ""
    observable: str = "obs_a"
    overrides: str = ""
    noise: str = ""


@dataclass(frozen=True)
class Kind:
    """A problem of one kind.

    Attributes:
        rows: the measurements.
        model: SBML.
        conditions: lines of the condition table.
        observables: (id, formula, noise formula, transformation).
        parameters: scale and nominal value (linear) of the estimated ones.
        fixed: values of parameters of the table that are not estimated.
    """

    rows: list[Row]
    model: Model = SIMPLE
    conditions: str = "conditionId\nc0\n"
    observables: tuple = (("obs_a", "A", "0.5", "lin"),)
    parameters: dict = field(
        default_factory=lambda: {
            "a0": ("lin", 1.0), "b0": ("lin", 0.0), "k1": ("lin", K1), "k2": ("lin", K2),
        }
    )  # fmt: skip
    fixed: dict = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        table = "observableId\tpreequilibrationConditionId\tsimulationConditionId\tmeasurement\t"
        table += "time\tobservableParameters\tnoiseParameters\n"
        for r in self.rows:
            cells = (r.observable, r.pre, r.condition, r.value, r.time, r.overrides, r.noise)
            table += "\t".join(map(str, cells)) + "\n"
        head = "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\n"
        files = {
            "model.xml": self.model.sbml(),
            "conditions.tsv": self.conditions,
            "measurements.tsv": table,
            "observables.tsv": head + "".join("\t".join(o) + "\n" for o in self.observables),
            "parameters.tsv": "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\t"
            "estimate\n"
            + "".join(
                f"{n}\t{s}\t{0.001 if s == 'log10' else 0}\t10\t{v!r}\t1\n"
                for n, (s, v) in self.parameters.items()
            )
            + "".join(f"{n}\tlin\t0\t10\t{v!r}\t0\n" for n, v in self.fixed.items()),
            "problem.yaml": "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
            "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
            "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n",
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / "problem.yaml"

    def llh(self, theta) -> float:
        p = self.fixed | {
            name: 10**value if scale == "log10" else value
            for (name, (scale, _)), value in zip(self.parameters.items(), theta, strict=True)
        }
        transformations = {o[0]: o[3] for o in self.observables}
        total = 0.0
        for r in self.rows:
            y = r.truth(p)
            sigma = r.sigma(p) if callable(r.sigma) else r.sigma
            transformation = transformations[r.observable]
            log = {"lin": lambda x: x, "log": np.log, "log10": np.log10}[transformation]
            slope = {"lin": 1.0, "log": r.value, "log10": r.value * np.log(10)}[transformation]
            total -= 0.5 * ((log(r.value) - log(y)) / sigma) ** 2
            total -= 0.5 * np.log(2 * np.pi * (sigma * slope) ** 2)
        return float(total)


def at(t, **fixed):
    """A at a time, by the problem's parameters, some of them given otherwise."""

    def truth(p):
        values = {name: p[name] for name in ("a0", "b0", "k1", "k2") if name in p}
        values |= {"k2": p["k2_later"]} if "k2_later" in p else {}
        return amount_of_a(
            t, **(values | {k: f(p) if callable(f) else f for k, f in fixed.items()})
        )

    return truth


def after(t, **pre):
    """A at a time after preequilibration with other values."""

    def truth(p):
        k1, k2 = p.get("k1", K1), p.get("k2_later", p.get("k2"))
        before = {"a0": p["a0"], "b0": p["b0"], "k1": k1, "k2": k2} | pre
        start = steady(**before)
        total = before["a0"] + before["b0"]
        return amount_of_a(t, start, total - start, k1, k2)

    return truth


BASE = {"a0": ("lin", 1.0), "b0": ("lin", 0.0), "k1": ("lin", K1), "k2": ("lin", K2)}
ONLY_K = {"k1": ("lin", K1), "k2": ("lin", K2)}
KINDS = {
    "simple": Kind([Row(0.0, 0.7, at(0.0)), Row(10.0, 0.1, at(10.0))]),
    "two conditions, numbers": Kind(
        [Row(0.0, 0.7, at(0.0, a0=0.8)), Row(10.0, 0.1, at(10.0, a0=0.9), condition="c1")],
        conditions="conditionId\ta0\nc0\t0.8\nc1\t0.9\n",
        parameters={k: v for k, v in BASE.items() if k != "a0"},
    ),
    "numbers as observable parameters": Kind(
        [
            Row(0.0, 0.7, lambda p: 0.5 * at(0.0)(p) + 2, overrides="0.5;2"),
            Row(10.0, 0.1, lambda p: 0.5 * at(10.0)(p) + 2, overrides="0.5;2"),
        ],
        observables=(
            ("obs_a", "observableParameter1_obs_a*A + observableParameter2_obs_a", "0.5", "lin"),
        ),
    ),
    "parameters as observable parameters": Kind(
        [
            Row(0.0, 0.7, lambda p: p["s"] * at(0.0)(p) + p["o"], overrides="s;o"),
            Row(10.0, 0.1, lambda p: p["s"] * at(10.0)(p) + p["o"], overrides="s;o"),
        ],
        observables=(
            ("obs_a", "observableParameter1_obs_a*A + observableParameter2_obs_a", "0.5", "lin"),
        ),
        parameters={**BASE, "s": ("lin", 0.5), "o": ("lin", 2.0)},
    ),
    "parameters in the condition table": Kind(
        [
            Row(0.0, 0.7, lambda p: at(0.0)(p) + p["o1"]),
            Row(10.0, 0.1, lambda p: at(10.0)(p) + p["o2"], condition="c1"),
        ],
        Model(SIMPLE.species, {**SIMPLE.parameters, "offset": 0.0}, SIMPLE.reactions),
        "conditionId\toffset\nc0\to1\nc1\to2\n",
        (("obs_a", "A + offset", "0.5", "lin"),),
        {**BASE, "o1": ("lin", 2.0), "o2": ("lin", 3.0)},
    ),
    "overrides by time point": Kind(
        [
            Row(0.0, 0.7, lambda p: 10 * at(0.0)(p), overrides="10"),
            Row(10.0, 0.1, lambda p: 15 * at(10.0)(p), overrides="15"),
        ],
        observables=(("obs_a", "observableParameter1_obs_a*A", "0.5", "lin"),),
    ),
    "transformations": Kind(
        [
            Row(0.0, 0.7, at(0.0)), Row(10.0, 0.2, at(10.0)),
            Row(10.0, 0.8, lambda p: p["a0"] + p["b0"] - at(10.0)(p), 0.6, observable="obs_b"),
        ],
        observables=(("obs_a", "A", "0.5", "log10"), ("obs_b", "B", "0.6", "log")),
    ),
    "replicates": Kind(
        [Row(0.0, 0.7, at(0.0)), Row(0.0, 0.8, at(0.0)), Row(10.0, 0.1, at(10.0))],
    ),
    "preequilibration": Kind(
        [Row(t, m, after(t, k1=0.3), pre="p0") for t, m in ((1.0, 0.7), (10.0, 0.1))],
        conditions="conditionId\tk1\np0\t0.3\nc0\t0.8\n",
        parameters={k: v for k, v in BASE.items() if k != "k1"},
    ),
    "preequilibration, then a state set anew": Kind(
        [
            Row(t, m, lambda p, t=t: amount_of_a(t, 1.0, steady_b(p), p["k1"], p["k2"]), pre="p0")
            for t, m in ((1.0, 0.7), (10.0, 0.1))
        ],
        BARE, "conditionId\tA\tB\np0\t0\t1\nc0\t1\t\n", parameters=ONLY_K,
    ),
    "concentrations in the condition table": Kind(
        [Row(0.0, 0.7, at(0.0, a0=0.7, b0=0.5)), Row(10.0, 0.1, at(10.0, a0=0.7, b0=0.5))],
        BARE, "conditionId\tA\nc0\t0.7\n", parameters=ONLY_K,
    ),
    "compartments in the condition table": Kind(
        [Row(0.0, 0.7, at(0.0, a0=1 / 3, b0=0.0)), Row(10.0, 0.1, at(10.0, a0=1 / 3, b0=0.0))],
        Model({"B": 0.0}, {"k1": 0.8, "k2": 0.6}, BARE.reactions, amounts={"A": 1.0}),
        "conditionId\tC\nc0\t3\n", parameters=ONLY_K,
    ),
    "parametric concentrations in the condition table": Kind(
        [Row(0.0, 0.7, at(0.0, a0=lambda p: p["i"], b0=0.5)),
         Row(10.0, 0.1, at(10.0, a0=lambda p: p["i"], b0=0.5))],
        BARE, "conditionId\tA\nc0\ti\n", parameters={**ONLY_K, "i": ("lin", 0.7)},
    ),
    "numbers as noise parameters": Kind(
        [Row(0.0, 0.7, at(0.0), 0.5, noise="0.5"), Row(10.0, 0.1, at(10.0), 2.0, noise="2")],
        observables=(("obs_a", "A", "noiseParameter1_obs_a", "lin"),),
    ),
    "parameters as noise parameters": Kind(
        [Row(t, m, at(t), lambda p: p["n"], noise="n") for t, m in ((0.0, 0.7), (10.0, 0.1))],
        observables=(("obs_a", "A", "noiseParameter1_obs_a", "lin"),),
        parameters={**BASE, "n": ("lin", 5.0)},
    ),
    "some simulations preequilibrated, others not": Kind(
        [
            Row(1.0, 0.7, after(1.0, k2=0.3), pre="p0"),
            Row(1.0, 0.2, at(1.0)),
            Row(10.0, 0.1, at(10.0)),
        ],
        conditions="conditionId\tk2\np0\t0.3\nc0\tk2_later\n",
        parameters={"a0": ("lin", 1.0), "b0": ("lin", 0.2), "k1": ("lin", K1),
                    "k2_later": ("lin", K2)},
    ),
    "states as parameters with rate rules": Kind(
        [Row(0.0, 0.7, at(0.0, a0=0.7, b0=0.5)), Row(10.0, 0.1, at(10.0, a0=0.7, b0=0.5))],
        RULES, "conditionId\tA\nc0\t0.7\n", parameters=ONLY_K,
    ),
    "preequilibration, then a state set anew to a parameter": Kind(
        [
            Row(
                t, m, lambda p, t=t: amount_of_a(t, p["i"], steady_b(p), p["k1"], p["k2"]), pre="p0"
            )
            for t, m in ((1.0, 0.7), (10.0, 0.1))
        ],
        BARE, "conditionId\tA\tB\np0\t0\t1\nc0\ti\t\n", parameters={**ONLY_K, "i": ("lin", 0.9)},
    ),
    "initial values in the condition table, one estimated on log10, one fixed": Kind(
        [
            Row(t, m, lambda p, t=t: at(t, a0=p["i"], b0=p["j"])(p))
            for t, m in ((0.0, 0.7), (10.0, 0.1))
        ],
        BARE, "conditionId\tA\tB\nc0\ti\tj\n", parameters={**ONLY_K, "i": ("log10", 2.0)},
        fixed={"j": 3.0},
    ),
    "an empty initial value in the condition table is the model's": Kind(
        [
            Row(t, m, lambda p, t=t: at(t, a0=p["i"], b0=0.5)(p))
            for t, m in ((0.0, 0.7), (10.0, 0.1))
        ],
        BARE, "conditionId\tA\tB\nc0\ti\tNaN\n", parameters={**ONLY_K, "i": ("log10", 2.0)},
    ),
}  # fmt: skip


def steady_b(p):
    """B of the steady state from (0, 1)."""
    return 1.0 - steady(0.0, 1.0, p["k1"], p["k2"])


@pytest.mark.parametrize("name", KINDS)
def test_llh_and_gradient_are_those_of_the_closed_form(name, tmp_path):
    kind = KINDS[name]
    problem = load_problem(kind.write(tmp_path))
    theta = np.array(
        [np.log10(v) if scale == "log10" else v for scale, v in kind.parameters.values()]
    )
    np.testing.assert_array_equal(problem.nominal_theta, theta)
    llh, gradient = AmiciObjective(problem).llh_and_gradient(theta)
    assert llh == pytest.approx(kind.llh(theta), rel=LLH)
    step = 1e-4
    expected = np.array(
        [
            (kind.llh(theta + move) - kind.llh(theta - move)) / (2 * step)
            for move in step * np.eye(len(theta))
        ]
    )
    np.testing.assert_allclose(
        gradient, expected, rtol=GRADIENT, atol=GRADIENT * np.linalg.norm(expected)
    )
