"""Overrides of measurements: each row's observable and noise scale are what PEtab's text says.

The expected value of a row is its formula with the row's own overrides in it, worked out by Python;
the other one comes from what would be compiled and handed to AMICI; nothing is compiled for that.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import sympy as sp
from small_problems import Model

from amijax import AmiciObjective, ProblemError, TrajectorySimulator, load_problem
from amijax.models.source import model_source
from amijax.models.values import Free

MODEL = Model({"A": 2.0}, {"kd": 0.5, "twice": 0.0}, [("A", "", "kd*A")], rules={"twice": "2*A"})
PARAMETERS = {
    "kd": ("log10", 0.8, 1), "s": ("log10", 0.3, 1), "z": ("lin", 1.7, 1), "u": ("log", 0.6, 1),
    "fix": ("lin", 0.45, 0),
}  # fmt: skip
STATE = 1.3  # what A is taken to be
# An observable without measurements, so that each problem uses all parameters.
UNMEASURED = "unmeasured\ts + z + u + fix\t1\n"


class Row(NamedTuple):
    """A measurement's condition and overrides."""

    observable: str = "o"
    observable_parameters: str = ""
    noise_parameters: str = ""
    condition: str = "c1"
    time: float = 1.0


def write(folder, observables, rows, conditions="conditionId\nc1\nc2\n", model=MODEL):
    """Open a problem with given observables (formula and noise formula by id) and rows."""
    header = "observableId\tobservableParameters\tnoiseParameters\tsimulationConditionId\ttime"
    lines = ["\t".join(map(str, row)) + "\t1.0" for row in rows]
    files = {
        "model.xml": model.sbml(),
        "conditions.tsv": conditions,
        "measurements.tsv": "\n".join([f"{header}\tmeasurement", *lines]) + "\n",
        "observables.tsv": f"observableId\tobservableFormula\tnoiseFormula\n{UNMEASURED}"
        + "".join(f"{o}\t{formula}\t{noise}\n" for o, (formula, noise) in observables.items()),
        "parameters.tsv": "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue"
        "\testimate\n"
        + "".join(f"{p}\t{s}\t0.001\t100\t{v}\t{e}\n" for p, (s, v, e) in PARAMETERS.items()),
        "problem.yaml": "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
        "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
        "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return load_problem(folder / "problem.yaml")


def planned(problem, p):
    """Observable and noise scale of each row as AMICI gets them, at linear p by id."""
    plan = model_source(problem).plan
    found = {}
    for simulation in plan.simulations:
        known = {
            name: p[problem.parameter_ids[after.position]] if isinstance(after, Free) else after
            for name, (_, after) in simulation.values.items()
        }
        [state] = [name for name, own in plan.own_ids.items() if own == "A"]
        [twice] = [name for name, own in plan.own_ids.items() if own == "twice"]
        known |= {state: STATE, twice: 2 * STATE}
        for row, column, sigma in zip(
            simulation.rows, simulation.observables, simulation.sigma, strict=True
        ):
            observable = plan.observables[column]
            known["time"] = problem.measurements["time"].iloc[row]
            value = worked_out(observable.formula, known)
            if np.isnan(sigma):
                sigma = worked_out(observable.sigma, known | {observable.id: value})
            found[row] = (value, sigma)
    return np.array([found[i] for i in range(len(found))])


def worked_out(text, known):
    return float(sp.sympify(text, {name: sp.Float(value) for name, value in known.items()}))


def expected(observables, rows, p):
    """The same from the tables' text, which is Python but for the power."""
    found = []
    for row in rows:
        known = {**p, "fix": 0.45, "A": STATE, "twice": 2 * STATE, "time": row.time}
        for kind, texts in (
            ("observable", row.observable_parameters),
            ("noise", row.noise_parameters),
        ):
            for i, text in enumerate(filter(None, texts.split(";")), start=1):
                known[f"{kind}Parameter{i}_{row.observable}"] = eval(text, {}, dict(known))
        found.append(
            [eval(text.replace("^", "**"), {}, known) for text in observables[row.observable]]
        )
    return np.array(found)


def points():
    """Linear values of the free parameters: nominal ones, and others."""
    nominal = {name: value for name, (_, value, free) in PARAMETERS.items() if free}
    return nominal, {name: value * (1.3 + i / 7) for i, (name, value) in enumerate(nominal.items())}


def check(folder, observables, rows):
    """Compare all rows at two points; return the plan."""
    problem = write(folder, observables, rows)
    for p in points():
        np.testing.assert_allclose(planned(problem, p), expected(observables, rows, p), rtol=1e-14)
    return model_source(problem).plan


def added(plan):
    """How many parameters were added to the model, besides s, z and u."""
    return sum(name.startswith("q_") for name in plan.simulations[0].values) - 3


O1, O2, N1, N2 = (f"{kind}Parameter{i}_o" for kind in ("observable", "noise") for i in (1, 2))

# Observable and noise formula of o, rows, and how many observables are compiled and parameters
# added for them: not needed for the numbers, but each costs time.
CASES = {
    "numbers that are the scale": (
        ("A", N1), [Row("o", "", "0.1"), Row("o", "", "0.2", time=2.0)], 1, 0,
    ),
    "numbers of another spelling": (
        ("A", N1), [Row("o", "", "1e-1"), Row("o", "", " 2.5E-1 "), Row("o", "", "+.5")], 1, 0,
    ),
    "a number of a formula of numbers": (
        ("A", f"2*{N1} + {N2}^2"), [Row("o", "", "0.1;0.3"), Row("o", "", "0.2;0.3")], 1, 0,
    ),
    "a number in a formula with the observable": (
        ("A", f"{N1} + {N2}*A"),
        [Row("o", "", "0.1;0.2"), Row("o", "", "0.1;0.2", "c2")], 1, 0,
    ),
    "different numbers in it, in one simulation": (
        ("A", f"{N1} + {N2}*A"), [Row("o", "", "0.1;0.2"), Row("o", "", "0.3;0.2")], 2, 0,
    ),
    "different numbers in it, one for each simulation": (
        ("A", f"{N1}*z"), [Row("o", "", "0.1"), Row("o", "", "0.3", "c2")], 1, 1,
    ),
    "an estimated factor": (
        ("A", f"{N1}*s"), [Row("o", "", "0.1"), Row("o", "", "0.1", time=3.0)], 1, 0,
    ),
    "an estimated scale, the same everywhere": (
        ("A", N1), [Row("o", "", "s"), Row("o", "", "s", "c2")], 1, 0,
    ),
    "the model's own parameter, the same everywhere": (
        ("A", N1), [Row("o", "", "kd"), Row("o", "", "kd", "c2")], 1, 0,
    ),
    "an estimated scale for each simulation": (
        ("A", N1), [Row("o", "", "s"), Row("o", "", "u", "c2")], 1, 1,
    ),
    "two of them in one simulation": (
        ("A", N1), [Row("o", "", "s"), Row("o", "", "u", time=2.0)], 2, 0,
    ),
    "two of them in both simulations, in another order": (
        ("A", N1),
        [Row("o", "", "s"), Row("o", "", "u"), Row("o", "", "u", "c2"), Row("o", "", "s", "c2")],
        2, 0,
    ),
    "an estimated scale in one row, a number in the other": (
        ("A", N1), [Row("o", "", "s"), Row("o", "", "0.2")], 2, 0,
    ),
    "an offset and a factor, negative and fixed ones, too": (
        (f"{O1}*A + {O2}", "0.1"),
        [Row("o", "z;-0.5"), Row("o", "fix;s", "", "c2"), Row("o", "2;u", time=5.0)], 2, 2,
    ),
    "replicates with the same overrides": (
        (f"A + {O1}", N1), [Row("o", "z", "0.1"), Row("o", "z", "0.2"), Row("o", "z", "0.1")], 1, 0,
    ),
    "time and an assignment rule": (
        (f"twice + {O1}*time", f"{N1}*twice + 0.01*time"),
        [Row("o", "u", "0.1", time=2.0), Row("o", "u", "0.1", "c2", 3.0)], 1, 0,
    ),
    "a fixed parameter of the table in the formulas": (
        ("fix*A", "fix*s"), [Row(), Row(condition="c2")], 1, 0,
    ),
    "formulas that are numbers": (("2.5", "0.1"), [Row()], 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_each_row_has_its_own_observable_and_noise(kind, tmp_path):
    formulas, rows, n_observables, n_added = CASES[kind]
    plan = check(tmp_path, {"o": formulas}, rows)
    labels = [observable.label for observable in plan.observables if observable.observable == "o"]
    assert labels == (["o"] if n_observables == 1 else [f"o #{i + 1}" for i in range(len(labels))])
    assert (len(labels), added(plan)) == (n_observables, n_added)


def test_sigma_is_a_number_only_where_the_formula_has_nothing_else(tmp_path):
    rows = [Row("o", "", "0.1"), Row("o2", "", "0.1"), Row("o3", "", "s")]
    observables = {
        "o": ("A", "noiseParameter1_o"),
        "o2": ("A", "noiseParameter1_o2*s"),
        "o3": ("A", "noiseParameter1_o3"),
    }
    [simulation] = check(tmp_path, observables, rows).simulations
    np.testing.assert_array_equal(simulation.sigma, [0.1, np.nan, np.nan])


def test_names_that_would_collide_when_joined(tmp_path):
    observables = {
        "o": ("A*observableParameter1_o", "noiseParameter1_o"),
        "o_1": ("A + observableParameter1_o_1", "noiseParameter1_o_1"),
        "x_o": ("observableParameter1_x_o", "0.3"),
    }
    rows = [
        Row("o", "s", "u"), Row("o", "u", "s"), Row("o_1", "s", "u"), Row("x_o", "z"),
        Row("o_1", "u", "u", "c2"), Row("o", "0.5", "0.2", "c2"), Row("x_o", "s", "", "c2"),
    ]  # fmt: skip
    check(tmp_path, observables, rows)


@pytest.mark.parametrize("seed", range(12))
def test_overrides_of_any_kind(seed, tmp_path):
    """Random tables of two observables, two simulations and all kinds of overrides."""
    random = np.random.default_rng(seed)

    def pick(*values):
        return str(random.choice(values))

    def some(n):
        return ";".join(pick("0.5", "1e-1", "2", "s", "u", "kd", "fix") for _ in range(n))

    observables = {
        "o": (pick(f"{O1}*A + {O2}", f"{O2}*twice/{O1}"), pick(N1, f"{N1}*s", f"{N1} + 0.1*A")),
        "o2": (
            "A",
            pick(
                "noiseParameter2_o2*noiseParameter1_o2",
                "noiseParameter2_o2 + noiseParameter1_o2*A + u",
            ),
        ),
    }
    rows = [
        Row("o", some(2), some(1), pick("c1", "c2"), float(random.integers(3)))
        if random.random() < 0.5
        else Row("o2", "", some(2), pick("c1", "c2"), float(random.integers(3)))
        for _ in range(12)
    ]
    check(tmp_path, observables, rows)


def test_the_model_is_the_same_in_each_process(tmp_path):
    """Nothing of it depends on the order of a set, which would compile it again and again."""
    observables = {"o": (f"{O1}*A + {O2}*z + u*s", f"{N1}*s + {N2}*u*fix")}
    rows = [Row("o", "s;u", "z;0.1"), Row("o", "u;z", "s;0.2"), Row("o", "z;0.3", "u;s", "c2")]
    path = write(tmp_path, observables, rows).source
    code = (
        "import sys; from amijax.models.lookup import model_key; from amijax import load_problem; "
        "print(model_key(load_problem(sys.argv[1])))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code, path], cwd=Path(__file__).parents[1], text=True,
            capture_output=True, check=True, env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(1, 4)
    }  # fmt: skip
    assert len(keys) == 1


def test_courses_show_only_what_measurements_define(tmp_path):
    """An observable without overrides in a simulation has no value there, nor a noise scale."""
    observables = {
        "o": (f"{O1}*A", N1),
        "o2": ("A", "noiseParameter1_o2"),
        "o3": ("A", "noiseParameter1_o3*s"),
    }
    rows = [
        Row("o", "z", "0.1", time=1.0), Row("o", "u", "0.2", time=2.0), Row("o", "s", "u", "c2"),
        Row("o2", "", "0.3", time=1.0), Row("o2", "", "0.4", time=3.0), Row("o3", "", "2"),
    ]  # fmt: skip
    objective = AmiciObjective(write(tmp_path, observables, rows))
    simulator = TrajectorySimulator(objective)
    first, second = simulator.simulate(objective.problem.nominal_theta).conditions
    at = dict(zip(simulator.observable_ids, range(9), strict=False))
    assert set(at) == {"unmeasured", "o #1", "o #2", "o2", "o3"}
    p, _ = points()
    a = 2 * np.exp(-p["kd"] * first.times)
    for name, value, sigma in (
        ("o #1", p["z"] * a, 0.1),
        ("o #2", p["u"] * a, 0.2),
        ("o2", a, np.select([first.times == 1.0, first.times == 3.0], [0.3, 0.4], np.nan)),
        ("o3", a, 2 * p["s"]),
    ):
        np.testing.assert_allclose(first.observables[:, at[name]], value, rtol=1e-5)
        np.testing.assert_allclose(first.sigmas[:, at[name]], np.broadcast_to(sigma, a.shape))
    for name, factor, sigma in (
        ("o #1", p["s"], p["u"]), ("o #2", np.nan, np.nan), ("o2", 1.0, np.nan),
        ("o3", 1.0, np.nan),
    ):  # fmt: skip
        a = 2 * np.exp(-p["kd"] * second.times)
        np.testing.assert_allclose(second.observables[:, at[name]], factor * a, rtol=1e-5)
        np.testing.assert_allclose(second.sigmas[:, at[name]], np.full(a.shape, sigma))


def test_a_condition_that_names_a_parameter_of_the_model(tmp_path):
    """What the condition table gives a parameter of the model, by number or by name."""
    model = Model({"A": 2.0}, {"kd": 0.5, "loose": 0.25, "kx": 9.0}, [("A", "", "kx*A")])
    rows = [Row(), Row(condition="c2")]
    table = "conditionId\tkx\nc1\tloose\nc2\tz\n"
    problem = write(tmp_path, {"o": ("A", "0.1*kd")}, rows, table, model)
    plan = model_source(problem).plan
    [kx] = [name for name, own in plan.own_ids.items() if own == "kx"]
    first, second = (simulation.values[kx][1] for simulation in plan.simulations)
    assert first == 0.25
    assert problem.parameter_ids[second.position] == "z"


@pytest.mark.parametrize(
    ("formulas", "row", "sentence"),
    [
        (("A", N1), Row("o", "", "nobody"), "nobody"),
        (("A", N1), Row("o", "", ""), "noiseParameters"),
        (("A", N1), Row("o", "", "0.1;0.2"), "noiseParameters"),
        ((f"A + {O1}*{O2}", "0.1"), Row("o", "s"), "observableParameters"),
        (("A + nobody", "0.1"), Row(), "nobody"),
    ],
)
def test_a_mistake_in_an_override_is_a_sentence(tmp_path, formulas, row, sentence):
    with pytest.raises(ProblemError, match=sentence):
        model_source(write(tmp_path, {"o": formulas}, [row]))
