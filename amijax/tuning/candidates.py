"""Which settings are tried: where to begin, how they are tightened, what is varied in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from amijax.simulation.settings import InternalSensitivityMethod, SolverSettings

# Tolerances of forward sensitivities, relative and absolute; None follows rtol and atol. That the
# states are accurate matters more: Zheng_PNAS2012's gradient with rtol_fsa 1e-4 takes half the time
# of AMICI's defaults, with a thirtieth of the error. For others it is the absolute one (Boehm).
_SENSITIVITY_TOLERANCES: tuple[tuple[float | None, float | None], ...] = (
    (1e-4, 1e-6),
    (1e-4, None),
    (None, 1e-8),
    (None, None),
)
# staggered first: what is found early is a limit for everything else.
_METHODS: tuple[InternalSensitivityMethod, ...] = ("staggered", "simultaneous", "staggered1")
LOOSEST, TIGHTEST = 1e-4, 1e-13
MAX_STEPS = 100_000
_FAR_OFF = 30.0  # an error that is larger than allowed by this takes a large step
_NOTHING_RIGHT = 0.1  # an error as large leaves less than a digit
# States: dense takes 0.94 of KLU's time for 2, 0.97 for 3, and 1.02 to 1.10 for 5 and more.
_DENSE_BELOW = 4


def starts(baseline: SolverSettings, digits: float, adjoint: bool) -> Iterator[SolverSettings]:
    """The loosest settings of each method, which are tightened until they give the digits.

    Args:
        baseline: gives limits, the way to steady states, and the states' absolute tolerance.
        digits: of the gradient: rtol begins at as many.
        adjoint: whether adjoint sensitivities are to be trusted.
    """
    rtol = min(LOOSEST, max(10.0**-digits, 1e-9))
    plain = baseline.at(rtol, baseline.atol, max_steps=max(MAX_STEPS, baseline.max_steps))
    for relative, absolute in _SENSITIVITY_TOLERANCES:
        for method in _METHODS:
            yield replace(
                plain, internal_sensitivity_method=method, rtol_fsa=relative, atol_fsa=absolute
            )
    if adjoint:
        yield replace(plain, sensitivities="adjoint", rtol_quadratures=min(rtol, 1e-8))


def methods(baseline: SolverSettings, n_states: int) -> Iterator[SolverSettings]:
    """One of the settings for each kind of native code that a search runs.

    Args:
        baseline: as in `starts`.
        n_states: of the model.
    """
    for method in _METHODS:
        settings = replace(baseline, internal_sensitivity_method=method)
        yield settings
        if n_states < _DENSE_BELOW:
            yield replace(settings, linear_solver="dense")


def tightened(
    settings: SolverSettings, error: float, excess: float, before: float
) -> Iterator[SolverSettings]:
    """Settings that come after ones that missed the target.

    Args:
        settings: those.
        error: of their gradient.
        excess: the same, relative to what is allowed.
        before: the error of the settings that they come of; infinite if there are none.
    """
    nothing_right = error > _NOTHING_RIGHT
    step = 10.0 if excess > _FAR_OFF or nothing_right else 10.0**0.5
    if settings.rtol / step >= 0.9 * TIGHTEST:
        yield _rounded(replace(settings, rtol=settings.rtol / step))
    # Where a smaller rtol gains next to nothing, the sensitivities' own tolerances are to blame;
    # not while everything is wrong, when errors go up and down.
    if nothing_right or before > 2.0 * error:
        return
    relative, absolute = settings.rtol_fsa, settings.atol_fsa
    if relative is not None and relative > 10 * settings.rtol:
        yield _rounded(replace(settings, rtol_fsa=relative / 10))
    if absolute is not None and absolute > 1e4 * settings.atol:
        yield _rounded(replace(settings, atol_fsa=absolute / 100))


def variations(settings: SolverSettings, n_states: int) -> Iterator[SolverSettings]:
    """Settings next to ones that give the digits, which may do so in less time.

    Args:
        settings: those.
        n_states: of the model.
    """
    yield _rounded(replace(settings, rtol=settings.rtol * 10.0**0.5))
    yield _rounded(replace(settings, rtol=settings.rtol * 10.0**0.25))
    if settings.sensitivities == "forward":
        relative = settings.rtol_fsa or settings.rtol
        absolute = settings.atol_fsa or settings.atol
        yield _rounded(replace(settings, rtol_fsa=relative * 10))
        yield _rounded(replace(settings, rtol_fsa=relative * 100))
        yield _rounded(replace(settings, atol_fsa=max(absolute, 1e-14) * 100))
        yield _rounded(replace(settings, atol_fsa=1e-5))
        for method in _METHODS:
            yield replace(settings, internal_sensitivity_method=method)
    if settings.atol < 1e-12:
        yield replace(settings, atol=1e-12)
    if n_states < _DENSE_BELOW:
        yield replace(settings, linear_solver="dense")


def _rounded(settings: SolverSettings) -> SolverSettings:
    """The same with tolerances of two digits: nobody wants to read 3.1622776601683795e-07."""
    names = ("rtol", "rtol_fsa", "atol_fsa")
    values = {name: getattr(settings, name) for name in names}
    rounded: dict[str, Any] = {
        name: float(f"{x:.1e}") for name, x in values.items() if x is not None
    }
    return replace(settings, **rounded)
