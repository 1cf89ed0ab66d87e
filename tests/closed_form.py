"""The conversion reaction in closed form: simulation, log-likelihood and gradient."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

PARAMETER_IDS = ("k1", "k2", "total", "background_B", "sigma_A", "sigma_B")
SCALES = ("log10", "log", "lin", "lin", "log10", "log")

Array = NDArray[np.float64]


def unscale(theta: ArrayLike) -> Array:
    """Parameters on linear scale, from parameters on their PEtab scale."""
    inverse = {"lin": float, "log": np.exp, "log10": lambda x: 10.0**x}
    return np.array([inverse[scale](x) for scale, x in zip(SCALES, np.asarray(theta), strict=True)])


def derivative_of_unscale(theta: ArrayLike) -> Array:
    """Derivative of linear p by theta, one number a parameter."""
    factors = {"lin": lambda _: 1.0, "log": lambda p: p, "log10": lambda p: np.log(10.0) * p}
    return np.array([factors[scale](p) for scale, p in zip(SCALES, unscale(theta), strict=True)])


def fraction_of_a(
    k1: float, k2: float, time: ArrayLike, start: ArrayLike
) -> tuple[Array, Array, Array]:
    """A / total at each time, with its derivatives by k1 and k2; `start` is its value at time 0."""
    time, start = np.asarray(time, dtype=float), np.asarray(start, dtype=float)
    rate = k1 + k2
    equilibrium = k2 / rate
    decay = np.exp(-rate * time)
    by_rate = -time * (start - equilibrium) * decay
    by_k1 = -k2 / rate**2 * (1.0 - decay) + by_rate
    by_k2 = k1 / rate**2 * (1.0 - decay) + by_rate
    return equilibrium + (start - equilibrium) * decay, by_k1, by_k2


def simulate(theta: ArrayLike, measurements: pd.DataFrame) -> tuple[Array, Array]:
    """What a PEtab measurement table should hold without noise, and its Jacobian by linear p."""
    k1, k2, total, background, _, _ = unscale(theta)
    starts_with_a = measurements["simulationConditionId"].eq("start_with_A").to_numpy(dtype=float)
    is_b = measurements["observableId"].eq("B_measured").to_numpy()
    fraction, by_k1, by_k2 = fraction_of_a(k1, k2, measurements["time"], starts_with_a)
    sign = np.where(is_b, -1.0, 1.0)
    share = np.where(is_b, 1.0 - fraction, fraction)
    zero = np.zeros_like(fraction)
    jacobian = [sign * total * by_k1, sign * total * by_k2, share, is_b.astype(float), zero, zero]
    return total * share + background * is_b, np.stack(jacobian, axis=1)


def llh_and_gradient(theta: ArrayLike, measurements: pd.DataFrame) -> tuple[float, Array]:
    """Log-likelihood and its gradient with respect to theta."""
    simulation, jacobian = simulate(theta, measurements)
    sigmas = unscale(theta)[4:]
    index = measurements["observableId"].eq("B_measured").to_numpy(dtype=int)
    sigma = sigmas[index]
    residual = (measurements["measurement"].to_numpy(dtype=float) - simulation) / sigma
    llh = -0.5 * np.sum(np.log(2.0 * np.pi * sigma**2) + residual**2)
    gradient = (residual / sigma) @ jacobian
    np.add.at(gradient, 4 + index, (residual**2 - 1.0) / sigma)
    return float(llh), gradient * derivative_of_unscale(theta)


def hessian(theta: ArrayLike, measurements: pd.DataFrame) -> Array:
    """By central differences of the closed-form gradient, extrapolated from two steps."""
    theta = np.asarray(theta, dtype=float)

    def differences(h: float) -> Array:
        columns = [
            llh_and_gradient(theta + h * e, measurements)[1]
            - llh_and_gradient(theta - h * e, measurements)[1]
            for e in np.eye(len(theta))
        ]
        return np.array(columns).T / (2 * h)

    return (4 * differences(5e-4) - differences(1e-3)) / 3
