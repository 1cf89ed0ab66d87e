"""A small problem of which some parameters are not determined, each for another reason."""

from functools import cache
from pathlib import Path

import numpy as np
from scipy.optimize import brentq
from scipy.special import lambertw
from small_problems import NOISE, Case, Model

from amijax import AmiciObjective, load_problem

# oC is c (p^3 - 3 p): llh has a mode at p = -1, a valley at 1, and a better mode above 2.
C = 0.01125
AT_MODES = 0.0475  # what the mean of oC's measurements is to be
GAIN = 3 * ((AT_MODES - 2 * C) / NOISE) ** 2  # of the better mode: six measurements


def of_p(p):
    return C * (p**3 - 3 * p)


def truth(p, t):
    # B' = -vmax B / (km + B) from B = 1 on, in closed form (Schnell, Mendoza 1997)
    inside = np.exp((1 - p["vmax"] * t) / p["km"]) / p["km"]
    return {
        "oA": p["s"] * p["a0"] * np.exp(-p["kd"] * t),
        "oB": p["km"] * float(lambertw(inside).real),
        "oC": of_p(p["p"]),
    }


def p_for_the_data():
    """The value of p whose measurements, with the noise that the case draws, have the mean."""
    noise = np.random.default_rng(3).normal(0, NOISE, 18)[12:].mean()
    return float(brentq(lambda p: of_p(p) - (AT_MODES - noise), 1.0, 20.0))


CASE = Case(
    Model(
        species={"A": "a0", "B": 1.0},
        parameters={"a0": 2.0, "s": 0.5, "kd": 0.4, "vmax": 5.0, "km": 10.0, "p": 1.0},
        reactions=[("A", "", "kd*A"), ("B", "", "vmax*B/(km + B)")],
    ),
    {
        "kd": ("log10", 0.4), "a0": ("log10", 2.0), "s": ("log10", 0.5),
        "vmax": ("log10", 5.0), "km": ("log10", 10.0), "p": ("lin", p_for_the_data()),
    },
    truth,
    {"oA": "s*A", "oB": "B", "oC": f"{C}*(p^3 - 3*p)"},
)  # fmt: skip


@cache
def uncertain_objective(folder: Path) -> AmiciObjective:
    """Its objective, the problem's files in a folder."""
    return AmiciObjective(load_problem(CASE.write(folder)))
