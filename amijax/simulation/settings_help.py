"""What the solver's rarer settings are, in plain English, for pages and the command line."""

from __future__ import annotations

from typing import Any, NamedTuple

from amijax.simulation.settings import FOLLOWING, SETTERS, SolverMethods


class SettingHelp(NamedTuple):
    """What one of the settings in `SETTERS` is.

    Attributes:
        label: its name on a page.
        text: what it does, and what is special about it.
        default: what holds if nothing is given, in words.
    """

    label: str
    text: str
    default: str


_TEXTS = {
    "internal_sensitivity_method": (
        "forward method",
        "How forward sensitivities are integrated. simultaneous: together with the states, in one "
        "large system. staggered: after the states, in each step. staggered1: after the states, "
        "one parameter after the other. The last two are often faster for the same error.",
    ),
    "rtol_fsa": (
        "rtol, forward",
        "Relative tolerance of forward sensitivities. A larger one than that of the states makes "
        "the gradient cheaper and less accurate.",
    ),
    "atol_fsa": (
        "atol, forward",
        "Absolute tolerance of forward sensitivities. Many steps are spent on sensitivities "
        "that are close to 0; a larger value such as 1e-10 saves them.",
    ),
    "rtol_b": ("rtol, adjoint", "Relative tolerance of the adjoint equations."),
    "atol_b": ("atol, adjoint", "Absolute tolerance of the adjoint equations."),
    "rtol_quadratures": (
        "rtol, quadratures",
        "Relative tolerance of the integrals that an adjoint gradient is made of.",
    ),
    "atol_quadratures": (
        "atol, quadratures",
        "Absolute tolerance of the integrals that an adjoint gradient is made of.",
    ),
    "rtol_steady_state": (
        "rtol, steady state",
        "A state counts as steady when its rate of change is small compared with this, relative "
        "to its size.",
    ),
    "atol_steady_state": (
        "atol, steady state",
        "A state counts as steady when its rate of change is smaller than about this.",
    ),
    "rtol_steady_state_sensi": (
        "rtol, steady sensitivities",
        "As the relative tolerance of steady states, for their sensitivities.",
    ),
    "atol_steady_state_sensi": (
        "atol, steady sensitivities",
        "As the absolute tolerance of steady states, for their sensitivities.",
    ),
    "linear_solver": (
        "linear solver",
        "How the linear equations in each step are solved. KLU uses that most entries of the "
        "Jacobian are 0. dense can be faster for very small models. The others iterate, and are "
        "for very large models.",
    ),
    "non_linear_solver_iteration": (
        "non-linear solver",
        "newton is for all problems. fixedpoint needs no Jacobian, but fails for stiff problems.",
    ),
    "linear_multistep_method": (
        "multistep method",
        "BDF is for all problems. adams is for problems that are not stiff, and fails for others.",
    ),
}


def _default(name: str) -> str:
    if name not in FOLLOWING:
        value: Any = getattr(SolverMethods, name)
        return value if isinstance(value, str) else f"{value:g}"
    follows = name.partition("_")[0]
    return f"100 times {follows}" if "steady_state" in name else follows


SETTING_HELP = {name: SettingHelp(*_TEXTS[name], _default(name)) for name in SETTERS}
