"""Embedded problems that have a closed form: their log-likelihood and gradient without a solver."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from petab.v1 import C

from amijax.audit.testimony import Testimony
from amijax.problems.catalogue import is_embedded
from amijax.problems.problem import Problem
from amijax.scales import FloatArray, linear_slope

# Rounding of sums, relative to the largest term.
_ROUNDING = 1e-12
_COMPLEX_STEP = 1e-30  # no digits cancel, whatever its size

ComplexArray = NDArray[np.complex128]
_Form = Callable[[Problem, FloatArray], tuple[float, FloatArray]]


def closed_form(problem: Problem, theta: FloatArray) -> tuple[Testimony, Testimony] | None:
    """Log-likelihood and gradient (with respect to theta) as testimonies; None without one.

    Args:
        problem: any.
        theta: shape (n_parameters,), on the PEtab scale.
    """
    function = _FORMS.get(problem.problem_id) if is_embedded(problem) else None
    if function is None:
        return None
    llh, gradient = function(problem, theta)
    of_llh, of_gradient = _spread(function, problem, theta)
    largest = float(np.abs(gradient).max(initial=0.0))
    return (
        Testimony(
            "closed form", np.array([llh]), np.array([of_llh + _ROUNDING * max(1.0, abs(llh))])
        ),
        Testimony("closed form", gradient, of_gradient + _ROUNDING * largest),
    )


def _spread(function: _Form, problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """How far llh and gradient move if theta's last bits do: rounding within moves them so far.

    At an optimum that is more than the numbers' own last bits: a gradient there is a small
    difference of large terms.
    """
    llh, gradient = function(problem, theta)
    of_llh, of_gradient = 0.0, np.zeros_like(gradient)
    for i in range(len(theta)):
        moved = []
        for towards in (-np.inf, np.inf):
            point = np.array(theta)
            point[i] = np.nextafter(point[i], towards)
            moved.append(function(problem, point))
        of_llh += max(abs(there - llh) for there, _ in moved)
        of_gradient += np.max([np.abs(there - gradient) for _, there in moved], axis=0)
    return of_llh, of_gradient


def _conversion_reaction(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """A <-> B with constant total: a linear equation, d(a)/dt = -k1 a + k2 (total - a)."""
    p = problem.linear(theta)
    k1, k2, total, background, sigma_a, sigma_b = p
    table = problem.measurements
    time = table[C.TIME].to_numpy(dtype=np.float64)
    start = table[C.SIMULATION_CONDITION_ID].eq("start_with_A").to_numpy(dtype=np.float64)
    is_b = table[C.OBSERVABLE_ID].eq("B_measured").to_numpy()
    rate = k1 + k2
    decay = np.exp(-rate * time)
    rest = k2 / rate
    a = rest + (start - rest) * decay
    by_rate = -time * (start - rest) * decay
    a_by_k1 = -rest / rate * (1.0 - decay) + by_rate
    a_by_k2 = k1 / rate**2 * (1.0 - decay) + by_rate
    sign = np.where(is_b, -1.0, 1.0)
    share = np.where(is_b, 1.0 - a, a)
    sigma = np.where(is_b, sigma_b, sigma_a)
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    residual = (measured - total * share - background * is_b) / sigma
    llh = -0.5 * float(np.sum(np.log(2.0 * np.pi * sigma**2) + residual**2))
    by_sigma = (residual**2 - 1.0) / sigma
    weights = residual / sigma
    by_p = np.array(
        [
            weights @ (sign * total * a_by_k1),
            weights @ (sign * total * a_by_k2),
            weights @ share,
            weights @ is_b.astype(float),
            by_sigma @ (~is_b).astype(float),
            by_sigma @ is_b.astype(float),
        ]
    )
    return llh, by_p * linear_slope(p, problem.scales)


def _harvested_stock(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """Logistic growth with a constant quota: a Riccati equation.

    With its fixed points low and high, where growth equals quota, (stock - low) / (high - stock)
    is an exponential of time (e.g. Clark, Mathematical Bioeconomics, on constant quotas).
    """
    table = problem.measurements
    time = table[C.TIME].to_numpy(dtype=np.float64)
    is_fished = table[C.SIMULATION_CONDITION_ID].eq("fished").to_numpy(dtype=np.float64)
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)

    def llh(p: ComplexArray) -> np.complex128:
        growth, capacity, quota, initial, sigma = p
        root = np.sqrt(1.0 - 4.0 * quota * is_fished / (growth * capacity))
        low, high = capacity / 2.0 * (1.0 - root), capacity / 2.0 * (1.0 + root)
        ratio = (initial - low) / (high - initial) * np.exp(growth * root * time)
        stock = (low + ratio * high) / (1.0 + ratio)
        return _normal_llh(measured, stock, sigma)

    return _with_gradient(problem, theta, llh)


def _constant_ligand(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """Binding to a ligand that stays as it is: a linear equation for the bound receptor."""
    table = problem.measurements
    time = table[C.TIME].to_numpy(dtype=np.float64)
    dose = table[C.SIMULATION_CONDITION_ID].map(problem.conditions["dose"]).to_numpy(np.float64)
    is_ligand = table[C.OBSERVABLE_ID].eq("ligand_measured").to_numpy()
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    receptor_stock = problem.fixed_parameters["receptor_stock"]

    def llh(p: ComplexArray) -> np.complex128:
        k_on, k_off, ligand_stock, dilution, sigma_bound, sigma_ligand = p
        ligand = dose * ligand_stock / dilution
        rate = k_on * ligand + k_off
        bound = receptor_stock / dilution * k_on * ligand / rate * (1.0 - np.exp(-rate * time))
        return _normal_llh(
            measured,
            np.where(is_ligand, ligand, bound),
            np.where(is_ligand, sigma_ligand, sigma_bound),
        )

    return _with_gradient(problem, theta, llh)


def _inhibited_conversion(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """A <-> B with a forward rate that changes: a single exponential between two changes."""
    table = problem.measurements
    is_b = table[C.OBSERVABLE_ID].eq("B_measured").to_numpy()
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    rows = list(
        zip(table[C.SIMULATION_CONDITION_ID], table[C.TIME].astype(float), is_b, strict=True)
    )

    def llh(p: ComplexArray) -> np.complex128:
        k1, k2, total, remaining, fed, sigma_a, sigma_b = p
        nothing = 0.0 * k1
        periods = {  # when, forward rate from then on, and how much A is added
            "control": [(0.0, k1, nothing)],
            "inhibitor": [(0.0, k1, nothing), (2.0, remaining * k1, nothing)],
            "wash_out": [(0.0, k1, nothing), (2.0, remaining * k1, nothing), (5.0, k1, fed)],
        }
        simulated = []
        for experiment, time, row_is_b in rows:
            a, amount, course = total, total, periods[experiment]
            ends = [begin for begin, _, _ in course[1:]] + [np.inf]
            for (begin, forward, added), end in zip(course, ends, strict=True):
                if time < begin:
                    break
                a, amount = a + added, amount + added
                rate = forward + k2
                rest = k2 / rate * amount
                a = rest + (a - rest) * np.exp(-rate * (min(time, end) - begin))
            simulated.append(amount - a if row_is_b else a)
        values = np.array(simulated)
        of_a = _normal_llh(measured[~is_b], values[~is_b], sigma_a)
        of_b = _normal_llh(np.log(measured[is_b]), np.log(values[is_b]), sigma_b)
        total_llh: np.complex128 = of_a + of_b - np.sum(np.log(measured[is_b]))
        return total_llh

    return _with_gradient(problem, theta, llh)


def _infused_tracer(problem: Problem, theta: FloatArray) -> tuple[float, FloatArray]:
    """Two linear compartments from a steady state: sums of two exponentials between changes."""
    table = problem.measurements
    is_tissue = table[C.OBSERVABLE_ID].eq("tissue_measured").to_numpy()
    measured = table[C.MEASUREMENT].to_numpy(dtype=np.float64)
    rows = list(
        zip(table[C.SIMULATION_CONDITION_ID], table[C.TIME].astype(float), is_tissue, strict=True)
    )

    def llh(p: ComplexArray) -> np.complex128:
        loss, uptake, clearance, basal, fold, dose, left, sigma_plasma, sigma_tissue = p
        rate = loss + uptake
        resting = basal / rate
        nothing = 0.0 * loss
        starts = {"rest": uptake * resting / clearance, "infused": left}
        periods = {  # when, infusion from then on, and the bolus
            "rest": [(0.0, basal, nothing), (4.0, basal, dose)],
            "infused": [
                (0.0, fold * basal, nothing), (4.0, fold * basal, dose), (6.0, nothing, nothing)
            ],
        }  # fmt: skip
        simulated = []
        for experiment, time, row_is_tissue in rows:
            plasma, tissue, course = resting, starts[experiment], periods[experiment]
            ends = [begin for begin, _, _ in course[1:]] + [np.inf]
            for (begin, infusion, bolus), end in zip(course, ends, strict=True):
                if time < begin:
                    break
                plasma = plasma + bolus
                length = min(time, end) - begin
                steady, kept = infusion / rate, np.exp(-clearance * length)
                swing = plasma - steady
                tissue = (
                    uptake * steady / clearance * (1.0 - kept)
                    + tissue * kept
                    + uptake * swing * (kept - np.exp(-rate * length)) / (rate - clearance)
                )
                plasma = steady + swing * np.exp(-rate * length)
            simulated.append(tissue if row_is_tissue else plasma)
        values = np.array(simulated)
        of_plasma = _normal_llh(measured[~is_tissue], values[~is_tissue], sigma_plasma)
        residual = measured[is_tissue] - values[is_tissue]
        distance = np.where(residual.real < 0.0, -residual, residual)
        of_tissue = -np.sum(np.log(2.0 * sigma_tissue) + distance / sigma_tissue)
        total_llh: np.complex128 = of_plasma + of_tissue
        return total_llh

    return _with_gradient(problem, theta, llh)


def _normal_llh(
    measured: FloatArray, simulated: ComplexArray, sigma: ComplexArray | np.complex128
) -> np.complex128:
    variance = 2.0 * np.pi * sigma**2 + 0.0 * simulated  # as many as there are measurements
    total: np.complex128 = -0.5 * np.sum(np.log(variance) + ((measured - simulated) / sigma) ** 2)
    return total


def _with_gradient(
    problem: Problem, theta: FloatArray, llh: Callable[[ComplexArray], np.complex128]
) -> tuple[float, FloatArray]:
    """A function of linear p and its gradient with respect to theta, by the complex step.

    The derivative of an analytic function is the imaginary part of f(p + ih) / h, to rounding
    (Squire and Trapp, SIAM Review 40, 1998).
    """
    p = problem.linear(theta)
    steps = 1j * _COMPLEX_STEP * np.eye(len(p))
    by_p = np.array(
        [(llh((p + step).astype(np.complex128)) / _COMPLEX_STEP).imag for step in steps]
    )
    return float(llh(p.astype(np.complex128)).real), by_p * linear_slope(p, problem.scales)


_FORMS: dict[str, _Form] = {
    "Conversion_Reaction": _conversion_reaction,
    "Harvested_Stock": _harvested_stock,
    "Constant_Ligand": _constant_ligand,
    "Inhibited_Conversion": _inhibited_conversion,
    "Infused_Tracer": _infused_tracer,
}
