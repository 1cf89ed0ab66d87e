"""Harvested_Stock and Constant_Ligand in closed form, with 40 decimal digits: what is true."""

from collections.abc import Callable

import mpmath as mp
import numpy as np
from numpy.typing import NDArray

from amijax.problems import Problem

_DIGITS = 40
_STEP = mp.mpf(10) ** -12  # central differences: 24 digits of the derivative are left


def harvested_stock(problem: Problem) -> Callable[..., mp.mpf]:
    """Log-likelihood by linear parameters: (n - low) / (high - n) is an exponential of time."""
    table = problem.measurements
    fished = table["simulationConditionId"].eq("fished")
    rows = list(zip(table["time"], table["measurement"], fished, strict=True))

    def llh(growth, capacity, quota, initial, sigma):
        total = mp.mpf(0)
        for time, measured, is_fished in rows:
            root = mp.sqrt(1 - 4 * (quota if is_fished else 0) / (growth * capacity))
            low, high = capacity * (1 - root) / 2, capacity * (1 + root) / 2
            ratio = (initial - low) / (high - initial) * mp.exp(growth * root * mp.mpf(time))
            total += _normal(measured, (low + ratio * high) / (1 + ratio), sigma)
        return total

    return llh


def constant_ligand(problem: Problem) -> Callable[..., mp.mpf]:
    """Log-likelihood by linear parameters: the bound receptor is a single exponential."""
    table = problem.measurements
    columns = ("time", "measurement", "simulationConditionId", "observableId")
    rows = list(zip(*(table[column] for column in columns), strict=True))
    receptor = mp.mpf(problem.fixed_parameters["receptor_stock"])

    def llh(k_on, k_off, stock, dilution, sigma_bound, sigma_ligand):
        total = mp.mpf(0)
        for time, measured, condition, observable in rows:
            ligand = (4 if condition == "high_dose" else 1) * stock / dilution
            rate = k_on * ligand + k_off
            bound = receptor / dilution * k_on * ligand / rate * (1 - mp.exp(-rate * mp.mpf(time)))
            is_ligand = observable == "ligand_measured"
            total += _normal(
                measured, ligand if is_ligand else bound, sigma_ligand if is_ligand else sigma_bound
            )
        return total

    return llh


def _normal(measured, simulated, sigma):
    return -(mp.log(2 * mp.pi * sigma**2) + ((mp.mpf(measured) - simulated) / sigma) ** 2) / 2


FORMS = {"Harvested_Stock": harvested_stock, "Constant_Ligand": constant_ligand}


def llh_and_gradient(problem: Problem, theta: NDArray) -> tuple[float, NDArray]:
    """Log-likelihood and its gradient with respect to theta, both to the last bit or nearly so."""
    of_p = FORMS[problem.problem_id](problem)
    scales = problem.scales

    def of_theta(*values):
        return of_p(*(v if s == "lin" else 10**v for v, s in zip(values, scales, strict=True)))

    with mp.workdps(_DIGITS):
        point = [mp.mpf(float(value)) for value in theta]
        gradient = []
        for i in range(len(point)):
            moved = [
                of_theta(*(x + sign * _STEP if i == j else x for j, x in enumerate(point)))
                for sign in (1, -1)
            ]
            gradient.append(float((moved[0] - moved[1]) / (2 * _STEP)))
        return float(of_theta(*point)), np.array(gradient)
