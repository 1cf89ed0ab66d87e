"""pyPESTO's optimisers as optimisers of `fit`."""

from __future__ import annotations

from typing import Any

from amijax.fit.function import FitFunction
from amijax.fit.optimizers import End, Optimizer
from amijax.scales import FloatArray


def adapted(optimizer: Any) -> Optimizer:
    """An optimiser for `fit(..., optimizer=adapted(pypesto.optimize.ScipyOptimizer("TNC")))`.

    It gets minus the value and its gradient, from one simulation, and the bounds.

    Args:
        optimizer: a `pypesto.optimize.Optimizer`.

    Raises:
        ImportError: pyPESTO is not installed.
    """
    try:
        import pypesto
    except ImportError as error:
        raise ImportError(
            "Optimisers of pyPESTO need it, and it is not installed: run `pip install pypesto`."
        ) from error

    def run(function: FitFunction, theta: FloatArray) -> End:
        def value_and_gradient(theta: FloatArray) -> tuple[float, FloatArray]:
            return function.minus_value_and_gradient(theta)

        problem = pypesto.Problem(
            pypesto.Objective(fun=value_and_gradient, grad=True),
            lb=function.lower, ub=function.upper, copy_objective=False,
        )  # fmt: skip
        found = optimizer.minimize(problem, x0=theta, id="0")
        return End("finished", f"pyPESTO: {found.message}")

    run.__qualname__ = type(optimizer).__name__
    return run
