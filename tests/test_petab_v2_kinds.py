"""Kinds of PEtab v2 problems, each in a small one: llh and gradient against closed forms."""

from math import exp, inf, sqrt

import numpy as np
import pytest
from small_problems import Event, Model
from v2_problems import CaseV2

from amijax import AmiciObjective, load_problem
from amijax.audit.roadrunner_experiments import ExperimentsProblem
from amijax.simulation.settings import SolverSettings

# With rtol 1e-12: what is left of AMICI's steady states, which are 100 times less accurate.
LLH = 1e-6  # relative
GRADIENT = 1e-5  # of the norm
TIGHT = SolverSettings(rtol=1e-12, atol=1e-14)


def turnover(start, k, dt, s=0.0):
    """A' = s - k A, a time after a start."""
    return s / k + (start - s / k) * exp(-k * dt)


def course(t, start, steps, s=0.0):
    """A' = s - k A with steps (time, k, what it makes of A), the first one at the beginning."""
    a, k, now = start, steps[0][1], steps[0][0]
    for time, rate, change in steps[1:]:
        if t < time:
            break
        a, k, now = change(turnover(a, k, time - now, s)), rate, time
    return turnover(a, k, t - now, s), k


def same(a):
    return a


DECAY = Model(species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")])
TURNOVER = Model(
    species={"A": 2.0},
    parameters={"kk": 1.0, "s": 1.0},
    reactions=[("A", "", "kk*A"), ("", "A", "s")],
)
RATES = {"ka": 0.4, "kb": 0.3, "d": 1.5}
CHANGES = {
    "start": {"kk": "ka"},
    "fast": {"kk": "3*kb"},
    "dose": {"A": "A + d"},
    "twice": {"A": "A + 2*d"},
    "reset": {"A": "d"},
}
SEEN = {"oA": "A", "oK": "kk"}


def periods(p, e, t):
    ka, kb, d = p["ka"], p["kb"], p["d"]
    steps = {
        "e1": [(0, ka, same), (2, ka, lambda a: a + d), (4, 3 * kb, same)],
        "e2": [(0, 3 * kb, same)],
        "e3": [(1, ka, same), (4, 3 * kb, lambda a: a + 2 * d)],
    }[e]
    a, k = course(t, 2.0, steps)
    return {"oA": a, "oK": k}


def equilibrated(p, e, t):
    ka, kb, d, s = p["ka"], p["kb"], p["d"], p["s"]
    start, steps = {
        "e1": (s / ka, [(0, 3 * kb, same), (3, 3 * kb, lambda a: a + d)]),
        "e2": (s / ka + d, [(2, ka, same), (3.5, 3 * kb, same)]),
        "e3": (d, [(0, ka, same)]),
        "e4": (2.0, [(0, ka, same)]),
        "e5": (s / (3 * kb), [(0, 3 * kb, same), (3, 3 * kb, same)]),
    }[e]
    a, k = course(t, start, steps, s)
    return {"oA": a, "oK": k}


def at_once(p, e, t):
    ka, kb, d = p["ka"], p["kb"], p["d"]
    if e == "e1":
        steps = [(0, ka, same), (3, 3 * kb, lambda a: 2 * (a + d) + 3 * kb)]
    else:
        steps = [(0, ka, same), (3, ka, lambda a: 2 * a + ka)]
    a, k = course(t, 2.0, steps)
    return {"oA": a, "oK": k}


def triggered(p, e, t):
    ka, d = p["ka"], p["d"]
    after = {"e1": lambda a: (a + 2 * d) / 2, "e2": lambda a: a + d}[e]  # above 4, and below
    a, k = course(t, 2.0, [(0, ka, same), (1, ka, after)])
    return {"oA": a, "oK": k}


def grown(p, e, t):
    ka, v = p["ka"], p["v"]
    size = {"e1": 2.0 if t < 2 else 2 * v, "e2": v}[e]
    a, _ = course(t, 2.0, [(0, ka, same), (2, ka, lambda a: 1.5 * a if e == "e1" else a)])
    return {"oA": a, "oC": size, "oB": size}


def rooted(p, e, t):
    ka = p["ka"]
    start = {"e1": 3.0, "e2": 0.5}[e]
    steps = {
        "e1": [(0.5, ka, lambda a: a + p["d"]), (1, ka, lambda a: sqrt(a - p["d"]) + 1 / a)],
        "e2": [(0.5, ka, lambda a: a + p["d"])],
    }[e]
    a, k = course(t, start, [(0, ka, same), *steps])
    return {"oA": a, "oK": k}


def rate_from_state(p, _, t):
    ka = p["ka"]
    if t < 2:
        return {"oA": 2 * exp(-ka * t), "oK": ka}
    there = 2 * exp(-2 * ka)
    k = p["d"] * there
    return {"oA": there * exp(-k * (t - 2)), "oK": k}


def used_in_event(p, _, t):
    ka, kb = p["ka"], p["kb"]
    steps = [(0, ka, same), (3, 3 * kb, same), (5, 3 * kb, lambda a: a + 3 * kb)]
    a, k = course(t, 2.0, steps)
    return {"oA": a, "oK": k}


def supplied(p, e, t):
    u1, u2, kd = p["u1"], p["u2"], p["kd"]
    start = {"e1": 0.1, "e2": u1 / kd}[e]
    if t < 2:
        return {"oA": turnover(start, kd, t, u1), "oU": u1}
    return {"oA": turnover(turnover(start, kd, 2, u1), kd, t - 2, u2 + 0.5), "oU": u2 + 0.5}


def from_before_zero(p, _, t):
    a, _ = course(t, 2.0, [(-5, p["ka"], same), (0, p["ka"], lambda a: a + p["d"] - 0.1 * 0)])
    return {"oA": a, "oT": t}


def called_badly(p, _, t):
    k = p["p"] if t < 2 else p["t"]
    a = 2 * exp(-p["p"] * min(t, 2)) * exp(-p["t"] * max(t - 2, 0))
    return {"oA": p["int"] * a, "oK": k}


def offset(p, e, t):
    a = 2 * exp(-p["ka"] * t)
    return {"oA": a + (p["o1"] * p["o2"] if e == "e1" else p["o1"] / 3)}


def begun(p, e, t):
    q = p["q1"] * p["q2"] if e == "e1" else 0.7
    return {"oA": 2 * q * exp(-3 * q * t)}


def at_time(p, _, t):
    a, _ = course(t, 2.0, [(0, p["ka"], same), (3, p["ka"], lambda a: a + p["d"] * 3)])
    return {"oA": a}


def settled(p, _, t):
    a, _ = (
        (p["s"] / (3 * p["kb"]), 0)
        if t == inf
        else course(t, 2.0, [(0, p["ka"], same), (2, 3 * p["kb"], same)], p["s"])
    )
    return {"oA": a}


def scaled_per_row(p, _, t):
    a = 2 * exp(-p["ka"] * t)
    factor, shift = {1.0: (p["f"], 0.5), 2.0: (2.0, p["ka"])}.get(t, (p["f"], 0.1))
    return {"oA": factor * a + shift}


def rate_rules(p, _, t):
    # A' = s - ka A, B' = ka A, from A's steady state; B begins anew
    steady = p["s"] / p["ka"]
    if t < 5:
        return {"oA": steady, "oB": p["b"] + p["s"] * (t - 3)}
    a = turnover(steady + 1.0, p["ka"], t - 5, p["s"])
    b = p["b"] + 2 * p["s"] + (p["s"] * (t - 5) + steady + 1.0 - a)
    return {"oA": a, "oB": b}


def changed_late(p, e, t):
    """From a steady state by formulas without a value elsewhere, in a compartment that grows."""
    ka, s = p["ka"], p["s"]
    start = sqrt(s / ka) if e == "e1" else s / ka
    size = 2.0 if e == "e2" and t < 2 else p["v"]
    after = {"e1": lambda a: a + 1 / a, "e2": same}[e]
    a, _ = course(t, start, [(0, ka, same), (1, ka, after)], s)
    return {"oA": a, "oC": size * a}


def happened_before(p, _, t):
    """An event of the model that happens before the steady state, and once more after it."""
    a, _ = course(
        t, p["s"] / p["ka"], [(0, p["ka"], same), (2, p["ka"], lambda a: a + p["d"])], p["s"]
    )
    return {"oA": a}


def grown_at_once(p, e, t):
    """A condition and an event at one time, and an event that the condition triggers."""
    ka, v = p["ka"], p["v"]
    after = {
        "e1": lambda a: 1.5 * a + 2 * v,
        "e2": lambda a: a + 2.0,
        "e3": lambda a: 3.0 * a + 2 * v,
    }[e]
    size = 2.0 if t < 2 or e == "e2" else 2 * v
    a, _ = course(t, 2.0, [(0, ka, same), (2, ka, after)])
    return {"oA": a, "oC": size}


CASES = {
    "periods": CaseV2(
        DECAY, RATES, periods, SEEN, CHANGES,
        {
            "e1": [(0.0, "start"), (2.0, "dose"), (4.0, "fast")],
            "e2": [(0.0, "fast")],
            "e3": [(1.0, "start"), (4.0, "fast twice")],
        },
        {"e1": (0.0, 1.0, 2.0, 3.0, 4.0, 5.5), "e2": (0.5, 2.0), "e3": (1.0, 2.5, 4.0, 5.0)},
    ),
    "preequilibration": CaseV2(
        TURNOVER, {**RATES, "s": 0.8}, equilibrated, SEEN, CHANGES,
        {
            "e1": [(-inf, "start"), (0.0, "fast"), (3.0, "dose")],
            "e2": [(-inf, "start"), (2.0, "dose"), (3.5, "fast")],
            "e3": [(-inf, "start"), (0.0, "reset")],
            "e4": [(0.0, "start")],
            "e5": [(-inf, "fast")],
        },
        {
            "e1": (0.0, 1.0, 3.0, 4.0), "e2": (2.0, 3.0, 3.5, 5.0), "e3": (0.0, 1.0),
            "e4": (0.0, 1.0), "e5": (0.0, 3.0),
        },
    ),
    "at once with an event": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")],
            events=[Event("time >= 3", {"A": "2*A + kk"})],
        ),
        RATES, at_once, SEEN, CHANGES,
        {"e1": [(0.0, "start"), (3.0, "dose fast")], "e2": [(0.0, "start")]},
        {"e1": (1.0, 3.0, 4.0), "e2": (1.0, 3.0, 4.0)},
    ),
    "triggers an event": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")],
            events=[Event("A > 4", {"A": "A/2"})],
        ),
        {"ka": 0.4, "d": 1.7}, triggered, SEEN, CHANGES,
        {"e1": [(0.0, "start"), (1.0, "twice")], "e2": [(0.0, "start"), (1.0, "dose")]},
        {"e1": (0.5, 1.0, 2.0), "e2": (0.5, 1.0, 2.0)},
    ),
    "compartment": CaseV2(
        Model(
            species={"A": 2.0, "B": 1.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")],
            size=2.0,
        ),
        {"ka": 0.4, "v": 1.5}, grown, {"oA": "A", "oC": "C", "oB": "C*B"},
        {**CHANGES, "grow": {"C": "C*v", "A": "A + 0.5*A"}, "big": {"C": "v", "kk": "ka"}},
        {"e1": [(0.0, "start"), (2.0, "grow")], "e2": [(0.0, "big")]},
        {"e1": (1.0, 2.0, 3.0), "e2": (1.0, 3.0)},
    ),
    "compartment at once with an event": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")], size=2.0,
            events=[Event("time >= 2", {"A": "A + C"}, priority=1.0)],
        ),
        {"ka": 0.4, "v": 1.5}, grown_at_once, {"oA": "A", "oC": "C"},
        {**CHANGES, "grow": {"C": "C*v", "A": "A + 0.5*A"}},
        {"e1": [(0.0, "start"), (2.0, "grow")], "e2": [(0.0, "start")]},
        {"e1": (1.0, 2.0, 3.0), "e2": (1.0, 2.0, 3.0)},
    ),
    "compartment that triggers an event": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")], size=2.0,
            events=[Event("C > 2.5", {"A": "2*A + C"})],
        ),
        {"ka": 0.4, "v": 1.5}, grown_at_once, {"oA": "A", "oC": "C"},
        {**CHANGES, "grow": {"C": "C*v", "A": "A + 0.5*A"}},
        {"e3": [(0.0, "start"), (2.0, "grow")]},
        {"e3": (1.0, 2.0, 3.0)},
    ),
    "formula without a value elsewhere": CaseV2(
        DECAY, {"ka": 0.4, "d": 1.2}, rooted, SEEN,
        {
            "high": {"A": "3", "kk": "ka"}, "low": {"A": "0.5", "kk": "ka"},
            "root": {"A": "sqrt(A - d) + 1/A"}, "dose": {"A": "A + d"},
        },
        {
            "e1": [(0.0, "high"), (0.5, "dose"), (1.0, "root")],
            "e2": [(0.0, "low"), (0.5, "dose")],
        },
        {"e1": (0.5, 1.0, 2.0), "e2": (0.5, 1.0, 2.0)},
    ),
    "rate from a state": CaseV2(
        DECAY, {"ka": 0.4, "d": 0.5}, rate_from_state, SEEN,
        {"start": {"kk": "ka"}, "from": {"kk": "d*A"}},
        {"e1": [(0.0, "start"), (2.0, "from")]}, {"e1": (1.0, 2.0, 3.0)},
    ),
    "parameter of an event": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")],
            events=[Event("time >= 5", {"A": "A + kk"})],
        ),
        {"ka": 0.4, "kb": 0.3}, used_in_event, SEEN, CHANGES,
        {"e1": [(0.0, "start"), (3.0, "fast")]}, {"e1": (1.0, 3.0, 4.0, 5.0, 6.0)},
    ),
    "constant species": CaseV2(
        Model(
            species={"A": 0.1, "U": 1.0}, parameters={"kd": 0.5},
            reactions=[("", "A", "U"), ("A", "", "kd*A")], boundary=["U"],
        ),
        {"u1": 0.8, "u2": 0.4, "kd": 0.5}, supplied, {"oA": "A", "oU": "U"},
        {"one": {"U": "u1"}, "two": {"U": "u2 + 0.5"}, "none": {}},
        {
            "e1": [(0.0, "one"), (2.0, "two")],
            "e2": [(-inf, "one"), (0.0, ""), (2.0, "two")],
        },
        {"e1": (0.0, 1.0, 2.0, 3.0), "e2": (0.0, 1.0, 2.0, 3.0)},
    ),
    "before zero": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0, "x": 0.0}, reactions=[("A", "", "kk*A")],
            rules={"x": "time"},
        ),
        {"ka": 0.4, "d": 1.5}, from_before_zero, {"oA": "A", "oT": "x"},
        {"start": {"kk": "ka"}, "dose": {"A": "A + d - 0.1*time"}},
        {"e1": [(-5.0, "start"), (0.0, "dose")]}, {"e1": (-5.0, -2.0, 0.0, 2.0)},
    ),
    "called badly": CaseV2(
        Model(species={"A": 2.0}, parameters={"double": 1.0}, reactions=[("A", "", "double*A")]),
        {"p": 0.4, "t": 0.3, "int": 1.3}, called_badly, {"oA": "int*A", "oK": "double"},
        {"class": {"double": "p"}, "amici_p": {"double": "t"}},
        {"e1": [(0.0, "class"), (2.0, "amici_p")]}, {"e1": (0.0, 1.0, 2.0, 3.0)},
    ),
    "output parameter": CaseV2(
        Model(species={"A": 2.0}, parameters={"ka": 1.0}, reactions=[("A", "", "ka*A")]),
        {"ka": 0.4, "o1": 0.6, "o2": 1.1}, offset, {"oA": "A + offset"},
        {"c1": {"offset": "o1*o2"}, "c2": {"offset": "o1/3"}},
        {"e1": [(0.0, "c1")], "e2": [(0.0, "c2")]}, {"e1": (0.0, 1.0), "e2": (1.0, 2.0)},
    ),
    "initial assignments": CaseV2(
        Model(
            species={"A": "2*q"}, parameters={"q": 0.7, "r": "3*q"}, reactions=[("A", "", "r*A")]
        ),
        {"q1": 0.4, "q2": 1.3}, begun, {"oA": "A"}, {"c1": {"q": "q1*q2"}},
        {"e1": [(0.0, "c1")], "e2": [(0.0, "")]}, {"e1": (0.0, 1.0), "e2": (0.0, 1.0)},
    ),
    "time in a value": CaseV2(
        DECAY, {"ka": 0.4, "d": 0.5}, at_time, {"oA": "A"},
        {"start": {"kk": "ka"}, "dose": {"A": "A + d*time"}},
        {"e1": [(0.0, "start"), (3.0, "dose")]}, {"e1": (1.0, 3.0, 4.0)},
    ),
    "steady state after a change": CaseV2(
        TURNOVER, {"ka": 0.4, "kb": 0.3, "s": 0.8}, settled, {"oA": "A"}, CHANGES,
        {"e1": [(0.0, "start"), (2.0, "fast")]}, {"e1": (1.0, 2.0, 3.0, inf)},
    ),
    "overrides by row": CaseV2(
        Model(species={"A": 2.0}, parameters={"ka": 1.0}, reactions=[("A", "", "ka*A")]),
        {"ka": 0.4, "f": 1.2}, scaled_per_row, {"oA": "gain*A + shift"},
        {}, {}, {"": (0.5, 1.0, 2.0, 3.0)},
        placeholders={"oA": "gain;shift"},
        overrides=lambda _o, _e, t: {1.0: "f;0.5", 2.0: "2;ka"}.get(t, "f;0.1"),
    ),
    "noise that changes": CaseV2(
        Model(species={"A": 2.0}, parameters={"ka": 1.0}, reactions=[("A", "", "ka*A")]),
        {"ka": 0.4, "s1": 0.2, "s2": 0.1}, lambda p, _, t: {"oA": 2 * exp(-p["ka"] * t)},
        {"oA": "A"}, {"c1": {"sd": "s1"}, "c2": {"sd": "2*s2"}},
        {"e1": [(0.0, "c1"), (2.0, "c2")], "e2": [(0.0, "c2")]},
        {"e1": (0.0, 1.0, 2.0, 3.0), "e2": (1.0,)},
        noise={"oA": "sd + 0.05"},
        sigmas=lambda p, _, e, t: 0.05 + (p["s1"] if e == "e1" and t < 2 else 2 * p["s2"]),
    ),
    "noise distributions": CaseV2(
        Model(species={"A": 2.0}, parameters={"ka": 1.0}, reactions=[("A", "", "ka*A")]),
        {"ka": 0.4, "s1": 0.2}, lambda p, _, t: dict.fromkeys("abcd", 2 * exp(-p["ka"] * t)),
        {"a": "A", "b": "A", "c": "A", "d": "A"}, {}, {}, {"": (0.5, 1.0, 2.0)},
        noise=dict.fromkeys("abcd", "s1 + 0.1"), sigmas=lambda p, *_: p["s1"] + 0.1,
        distribution={"b": "log-normal", "c": "laplace", "d": "log-laplace"},
    ),
    "compartment after a steady state": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"kk": 1.0, "s": 1.0},
            reactions=[("A", "", "kk*A"), ("", "A", "s")], size=2.0,
        ),
        {"ka": 0.4, "s": 0.8, "v": 1.5}, changed_late, {"oA": "A", "oC": "C*A"},
        {
            "start": {"kk": "ka"}, "root": {"A": "sqrt(A)", "C": "v"},
            "more": {"A": "A + 1/A"}, "grow": {"C": "v"},
        },
        {
            "e1": [(-inf, "start"), (0.0, "root"), (1.0, "more")],
            "e2": [(-inf, "start"), (0.0, ""), (2.0, "grow")],
        },
        {"e1": (0.0, 0.5, 1.0, 3.0), "e2": (0.0, 1.0, 2.0, 3.0)},
    ),
    "event before the steady state": CaseV2(
        Model(
            species={"A": 2.0}, parameters={"ka": 1.0, "s": 1.0, "d": 1.0},
            reactions=[("A", "", "ka*A"), ("", "A", "s")],
            events=[Event("time >= 2", {"A": "A + d"})],
        ),
        {"ka": 0.4, "s": 0.8, "d": 0.5}, happened_before, {"oA": "A"}, {},
        {"e1": [(-inf, ""), (0.0, "")]}, {"e1": (0.0, 1.0, 2.0, 3.0)},
    ),
    "rate rules": CaseV2(
        Model(
            species={"A": 1.0, "B": 0.0}, parameters={"ka": 1.0, "s": 1.0, "h": 0.0},
            rules={"A'": "s - ka*A", "B'": "h*ka*A"}, boundary=["A", "B"],
        ),
        {"ka": 0.4, "s": 0.8, "b": 0.6}, rate_rules, {"oA": "A", "oB": "B"},
        {"off": {"h": "0"}, "on": {"h": "1", "B": "b"}, "more": {"A": "A + 1"}},
        {"e1": [(-inf, "off"), (3.0, "on"), (5.0, "more")]}, {"e1": (3.0, 4.0, 5.0, 6.0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_llh_and_gradient_are_those_of_the_closed_form(name, tmp_path):
    case = CASES[name]
    problem = load_problem(case.write(tmp_path / name.replace(" ", "_")), scales="log10")
    objective = AmiciObjective(problem, TIGHT)
    llh, gradient = objective.llh_and_gradient(problem.nominal_theta)
    expected, truth = case.llh(case.estimated), case.gradient()
    assert llh == pytest.approx(expected, rel=LLH)
    error = np.linalg.norm(gradient - truth) / np.linalg.norm(truth)
    assert error < GRADIENT, (gradient, truth)
    assert objective.llh(problem.nominal_theta) == pytest.approx(expected, rel=LLH)


@pytest.mark.parametrize("name", CASES)
def test_libroadrunner_says_so_too(name, tmp_path):
    pytest.importorskip("roadrunner")
    case = CASES[name]
    problem = load_problem(case.write(tmp_path / "problem"))
    llh = ExperimentsProblem(problem).llh(problem.nominal_theta, 1e-11, 1e-14)
    assert llh == pytest.approx(case.llh(case.estimated), rel=LLH)
