"""Kinds of models that AMICI computes wrongly, repaired: llh and gradient against closed forms."""

import numpy as np
import pytest
from small_problems import Case, Event, Model

from amijax import AmiciObjective, load_problem
from amijax.models.source import model_source
from amijax.simulation.trust import simultaneous_events

# AMICI's default tolerances (rtol 1e-8) leave 1e-6 of a state; the issue asks for these.
LLH = 1e-5
GRADIENT = 1e-3  # of an entry
# of the norm: what AMICI's steady states, 100 times less accurate than the rest, leave of entries
# that are differences of large terms
SMALLEST = 1e-2

exp = np.exp
DECAY = ("A", "", "k*A")


def production(p, t, rate, start=0.0):
    """A' = rate - d A from a start."""
    return rate / p["d"] + (start - rate / p["d"]) * exp(-p["d"] * t)


def bolus(p, t, at, dose, start=2.0):
    """Decay from a start, with a dose at a time."""
    return start * exp(-p["k"] * t) + (dose * exp(-p["k"] * (t - at)) if t >= at else 0.0)


def pulse(p, t, on, off, rate):
    """Decay from 2 with a production between two times."""
    a, b = min(max(t, on), off), min(t, off)
    made = (
        rate / p["k"] * (exp(-p["k"] * (t - b)) - exp(-p["k"] * (t - min(a, on)))) if t > on else 0
    )
    return 2.0 * exp(-p["k"] * t) + made


def moiety(p, t, at=2.0, total=2.0):
    """A of A <-> B from its steady state, with d more of A at a time."""
    k = p["k1"] + p["k2"]
    steady = p["k2"] / k * total
    if t < at:
        return steady
    later = p["k2"] / k * (total + p["d"])
    return later + (steady + p["d"] - later) * exp(-k * (t - at))


def square_wave(p, t, phase=0):
    """Decay from 2 with production d in each other half of the period pi."""
    value, start, half = 2.0, 0.0, np.pi / 2
    on = phase == 0
    while True:
        end = min(t, start + half)
        steady = p["d"] / p["k"] if on else 0.0
        value = steady + (value - steady) * exp(-p["k"] * (end - start))
        if end == t:
            return value
        start, on = end, not on


K = ("log10", 0.4)
D = ("log10", 1.5)
SUPPLY = Model(
    species={"A": 0.0, "U": "u"},
    parameters={"u": 1.0, "d": 0.3},
    reactions=[("U", "A", "U"), ("A", "", "d*A")],
    boundary=["U"],
)
SUPPLIED = {"u": ("log10", 1.2), "d": ("log10", 0.3)}
TURNOVER = Model(
    species={"A": 0.1, "U": 1.0},
    parameters={"ks": 1.0, "kd": 0.5, "kx": 0.7},
    reactions=[("", "A", "U*ks"), ("A", "", "kd*A")],
)
TURNED = {"ks": ("log10", 1.0), "kd": ("log10", 0.5), "kx": ("log10", 0.7)}
CONSERVED = Model(
    species={"A": 1.5, "B": 0.5},
    parameters={"k1": 1.0, "k2": 0.5, "d": 0.7},
    reactions=[("A", "B", "k1*A"), ("B", "A", "k2*B")],
)
MOIETY = {"k1": ("log10", 1.0), "k2": ("log10", 0.5), "d": ("log10", 0.7)}


def variant(model, **changes):
    return Model(**{**model.__dict__, **changes})


CASES = {
    "constant species: boundary, from a parameter": (
        "constant_species",
        Case(SUPPLY, SUPPLIED, lambda p, t: {"o": production(p, t, p["u"])}, {"o": "A"}),
    ),
    "constant species: modifier, from a formula of parameters and time": (
        "constant_species",
        Case(
            variant(SUPPLY, species={"A": 0.0, "U": "2*u + time"}, boundary=[],
                    reactions=[("", "A", "U"), ("A", "", "d*A")]),
            SUPPLIED, lambda p, t: {"o": production(p, t, 2 * p["u"])}, {"o": "A"},
        ),
    ),
    "constant species: from the condition table": (
        "constant_species",
        Case(
            variant(SUPPLY, species={"A": 0.0, "U": 1.0}), SUPPLIED,
            lambda p, t: {"o": production(p, t, p["u"])}, {"o": "A"}, "conditionId\tU\nc\tu\n",
        ),
    ),
    "constant species: an amount in a compartment of estimated size": (
        "constant_species",
        Case(
            variant(SUPPLY, species={"A": 0.0}, amounts={"U": 3.0}, size="u"), SUPPLIED,
            lambda p, t: {"o": production(p, t, 3.0 / p["u"])}, {"o": "A"},
        ),
    ),
    "constant parameter: a formula of a species' start": (
        "constant_parameter",
        Case(
            Model({"A": "u", "B": 0.0}, {"u": 1.0, "d": 0.3, "w": "2*A + u"},
                  [("A", "", "A"), ("", "B", "w"), ("B", "", "d*B")]),
            SUPPLIED, lambda p, t: {"o": production(p, t, 3 * p["u"])}, {"o": "B"},
        ),
    ),
    "algebraic rule": (
        "algebraic_rule",
        Case(
            Model({"A": 0.3}, {"k": 0.4, "d": 1.5, "z": float("nan")}, [("", "A", "k*z")],
                  algebraic=["2*A + z - d"]),
            {"k": K, "d": D},
            lambda p, t: {
                "o": p["d"] / 2 + (0.3 - p["d"] / 2) * exp(-2 * p["k"] * t),
            },
            {"o": "A"},
        ),
    ),
    "simultaneous events: uncoupled, at an estimated time": (
        "simultaneous_events",
        Case(
            Model({"A": 2.0, "B": 1.0}, {"k": 0.4, "d": 1.5, "tau": 2.0},
                  [DECAY, ("B", "", "0.2*B")],
                  events=[Event("time >= tau", {"A": "A + d"}),
                          Event("tau <= time", {"B": "2*B"})]),
            {"k": K, "d": D, "tau": ("lin", 2.1)},
            lambda p, t: {
                "o": bolus(p, t, p["tau"], p["d"]),
                "b": exp(-0.2 * t) * (2 if t >= p["tau"] else 1),
            },
            {"o": "A", "b": "B"},
        ),
    ),
    "simultaneous events: priorities, the second uses the first": (
        "simultaneous_events",
        Case(
            Model({"A": 2.0}, {"k": 0.4, "d": 1.5, "f": 1.0}, [DECAY],
                  events=[Event("time > 2", {"A": "A*f"}, 1, values_from_trigger_time=False),
                          Event("time >= 2", {"A": "A + d"}, 5, values_from_trigger_time=False)]),
            {"k": K, "d": D, "f": ("log10", 0.7)},
            lambda p, t: {
                "o": 2 * exp(-p["k"] * t) if t < 2
                else (2 * exp(-2 * p["k"]) + p["d"]) * p["f"] * exp(-p["k"] * (t - 2))
            },
            {"o": "A"},
        ),
    ),
    "strict inequality at the start": (
        "edge_at_start",
        Case(
            Model({"A": 2.0}, {"k": 0.4, "d": 1.5},
                  [DECAY, ("", "A", "piecewise(d, (time > 0) && (time < 2), 0)")]),
            {"k": K, "d": D}, lambda p, t: {"o": pulse(p, t, 0, 2, p["d"])}, {"o": "A"},
        ),
    ),
    "periodic switch, on from the start": (
        "edge_at_start",
        Case(
            Model({"A": 2.0}, {"k": 0.4, "d": 1.5},
                  [DECAY, ("", "A", "piecewise(d, sin(2*time) > 0, 0)")]),
            {"k": K, "d": D}, lambda p, t: {"o": square_wave(p, t)}, {"o": "A"},
        ),
    ),
    "periodic switch, off from the start, non-strict": (
        "edge_at_start",
        Case(
            Model({"A": 2.0}, {"k": 0.4, "d": 1.5},
                  [DECAY, ("", "A", "piecewise(d, sin(2*time) <= 0, 0)")]),
            {"k": K, "d": D}, lambda p, t: {"o": square_wave(p, t, phase=1)}, {"o": "A"},
        ),
    ),
    "event right after the start": (
        "event_at_start",
        Case(
            Model({"A": 2.0}, {"k": 0.4, "d": 1.5}, [DECAY],
                  events=[Event("time > 0", {"A": "A + d"})]),
            {"k": K, "d": D}, lambda p, t: {"o": bolus(p, t, 0, p["d"])}, {"o": "A"},
        ),
    ),
    "event after preequilibration, at the start": (
        "time_in_preequilibration",
        Case(
            variant(CONSERVED, events=[Event("time >= 0", {"A": "A + d"}, initial_value=False)]),
            MOIETY, lambda p, t: {"o": moiety(p, t, at=0.0)}, {"o": "A"},
            "conditionId\npre\nc\n", ("pre", "c"),
        ),
    ),
    "pulse after preequilibration": (
        "time_in_preequilibration",
        Case(
            variant(CONSERVED, reactions=[
                *CONSERVED.reactions, ("", "A", "piecewise(d, (time > 5) && (time < 7), 0)")]),
            MOIETY, lambda p, t: {"o": moiety(p, t, at=9.0)}, {"o": "A"},
            "conditionId\npre\nc\n", ("pre", "c"), (0.0, 1.0, 2.0, 4.0),
        ),
    ),
    "preequilibration that sets nothing, all parameters estimated": (
        None,
        Case(
            variant(TURNOVER, reactions=[("", "A", "ks"), ("A", "", "kd*A")], species={"A": 0.1},
                    parameters={"ks": 1.0, "kd": 0.5}),
            {"ks": ("log10", 1.0), "kd": ("log10", 0.5)},
            lambda p, _t: {"o": p["ks"] / p["kd"]}, {"o": "A"}, "conditionId\npre\nc\n",
            ("pre", "c"),
        ),
    ),
    "a state that is set anew to an estimated value after preequilibration": (
        None,
        Case(
            variant(TURNOVER, species={"A": 0.1}, reactions=[("", "A", "ks"), ("A", "", "kd*A")]),
            TURNED,
            lambda p, t: {
                "o": p["ks"] / p["kd"] + (p["kx"] - p["ks"] / p["kd"]) * exp(-p["kd"] * t)
            },
            {"o": "A"}, "conditionId\tA\npre\t\nc\tkx\n", ("pre", "c"),
        ),
    ),
    "a parameter that is another estimated one in preequilibration": (
        None,
        Case(
            variant(TURNOVER, species={"A": 0.1}, reactions=[("", "A", "in"), ("A", "", "kd*A")],
                    parameters={"in": 1.0, "kd": 0.5}),
            TURNED,
            lambda p, t: {
                "o": p["kx"] / p["kd"] + (p["ks"] - p["kx"]) / p["kd"] * exp(-p["kd"] * t)
            },
            {"o": "A"}, "conditionId\tin\npre\tks\nc\tkx\n", ("pre", "c"),
        ),
    ),
    "a constant species that is another estimated one in preequilibration": (
        "constant_species",
        Case(
            variant(TURNOVER, reactions=[("", "A", "U"), ("A", "", "kd*A")],
                    parameters={"kd": 0.5}),
            TURNED,
            lambda p, t: {
                "o": p["kx"] / p["kd"] + (p["ks"] - p["kx"]) / p["kd"] * exp(-p["kd"] * t)
            },
            {"o": "A"}, "conditionId\tU\npre\tks\nc\tkx\n", ("pre", "c"),
        ),
    ),
    "a compartment's size by the condition table": (
        None,
        Case(
            Model({}, {"k": 0.4, "d": 1.0}, [("A", "", "k*A/C")], amounts={"A": 6.0}),
            {"k": K, "d": D},
            lambda p, t: {"o": 6 / p["d"] * exp(-p["k"] / p["d"] * t)}, {"o": "A"},
            "conditionId\tC\nc\td\n",
        ),
    ),
    "an event that sets an estimated parameter": (
        None,
        Case(
            Model({"A": 2.0}, {"k": 1.0, "d": 1.5}, [DECAY],
                  events=[Event("time >= 2", {"k": "k*d"})]),
            {"k": K, "d": D},
            lambda p, t: {"o": 2 * exp(-p["k"] * (min(t, 2) + max(t - 2, 0) * p["d"]))},
            {"o": "A"},
        ),
    ),
    "a rate rule that says 0": (
        "zero_rate",
        Case(
            Model({"A": 2.0}, {"k": 1.0, "d": 1.5, "z": "2*d"}, [("A", "", "k*z*A")],
                  rules={"z'": "0"}),
            {"k": K, "d": D}, lambda p, t: {"o": 2 * exp(-2 * p["k"] * p["d"] * t)}, {"o": "A"},
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_llh_and_gradient_are_right(kind, tmp_path):
    code, case = CASES[kind]
    objective = AmiciObjective(load_problem(case.write(tmp_path)))
    codes = {repair.code for repair in objective.simulator.plan.repairs}
    assert codes == ({code} if code else set()) | (codes & {"initial_time"})
    evaluation = objective.evaluate(case.nominal)
    assert evaluation.failure is None, evaluation.failure
    assert evaluation.llh == pytest.approx(case.llh(case.nominal), rel=LLH)
    expected = case.gradient()
    scale = np.maximum(np.abs(expected), SMALLEST * np.linalg.norm(expected))
    assert (np.abs(evaluation.gradient - expected) < GRADIENT * scale).all()


def test_a_repair_says_what_it_changed_in_the_user_s_ids(tmp_path):
    _, case = CASES["constant species: boundary, from a parameter"]
    [repair] = model_source(load_problem(case.write(tmp_path))).plan.repairs
    assert repair.ids == ("U",)
    assert repair.message.startswith("U never changes")


@pytest.mark.parametrize("name", ["Boehm_JProteomeRes2014", "Conversion_Reaction"])
def test_other_models_are_left_as_they_are(name):
    plan = model_source(load_problem(name)).plan
    assert plan.repairs == ()
    assert plan.distrusts == ()


def test_events_at_one_time_at_these_parameters_only_are_not_trusted(tmp_path):
    model = Model(
        {"A": 2.0, "B": 1.0}, {"k": 0.4, "t1": 1.0, "t2": 3.0}, [DECAY],
        events=[Event("time >= t1", {"A": "A + 1"}), Event("time >= t2", {"B": "2*B"})],
    )  # fmt: skip
    case = Case(
        model, {"k": K, "t1": ("lin", 1.0), "t2": ("lin", 3.0)}, lambda _p, _t: {"o": 1.0},
        {"o": "A"},
    )  # fmt: skip
    plan = model_source(load_problem(case.write(tmp_path))).plan
    assert simultaneous_events(plan, np.array([0.4, 1.0, 3.0])) == ()
    [warning] = simultaneous_events(plan, np.array([0.4, 3.0, 3.0]))
    assert "e0, e1 happen at the same time at these parameters" in warning.message


def test_adjoint_sensitivities_are_not_trusted_where_they_are_wrong(tmp_path):
    kind = "a state that is set anew to an estimated value after preequilibration"
    plan = model_source(load_problem(CASES[kind][1].write(tmp_path))).plan
    [distrust] = plan.distrusts
    assert (distrust.code, distrust.sensitivities) == ("adjoint_reset", ("adjoint",))
