"""AMICI's Fisher information, which comes with every gradient from forward sensitivities."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from amijax.problems.findings import ProblemError
from amijax.scales import FloatArray
from amijax.simulation.evaluation import (
    Evaluation,
    condition_result,
    evaluation_of,
    failed_evaluation,
)
from amijax.simulation.failures import Failure
from amijax.simulation.measuring import Refusal, check_forward
from amijax.simulation.residuals import check_normal
from amijax.simulation.simulator import Simulator


@dataclass(frozen=True, eq=False)
class FisherInformation:
    """Log-likelihood, gradient and AMICI's Fisher information at a point, of one simulation.

    The information stands for the Hessian of minus llh (the sign!): products of the residuals'
    sensitivities, without the residuals' own curvature. Of estimated noise scales it holds about
    half of the curvature (see `amijax.simulation.hessians`).

    Attributes:
        fim: with respect to theta, shape (n_parameters, n_parameters); NaN after a failure.
        evaluation: llh and gradient of the same simulation, and what it took.
    """

    fim: FloatArray
    evaluation: Evaluation

    @property
    def theta(self) -> FloatArray:
        """The point, shape (n_parameters,), on the PEtab scale."""
        return self.evaluation.theta

    @property
    def llh(self) -> float:
        """Log-likelihood, NaN after a failure."""
        return self.evaluation.llh

    @property
    def gradient(self) -> FloatArray:
        """Its derivative with respect to theta, shape (n_parameters,); NaN after a failure."""
        assert self.evaluation.gradient is not None
        return self.evaluation.gradient

    @property
    def failure(self) -> Failure | None:
        """Why there is no result, None if there is one."""
        return self.evaluation.failure


def fisher_information(
    simulator: Simulator, theta: FloatArray, refusal: Refusal, *, num_threads: int
) -> FisherInformation:
    """Simulate all conditions with sensitivities and add AMICI's information matrices up.

    Args:
        simulator: of the problem.
        theta: shape (n_parameters,), on the PEtab scale.
        refusal: of points that must not be simulated.
        num_threads: cores to use.

    Raises:
        ProblemError: the noise of some measurements, or of an observable, is not normal.
        ValueError: the settings ask for adjoint sensitivities.
    """
    start = time.perf_counter()
    check_forward(simulator.settings)
    check_normal(simulator.prepared.noise)
    if (failure := refusal(theta, True)) is not None:
        evaluation = failed_evaluation(theta, True, failure, 0.0, simulator.settings)
        return FisherInformation(np.full((theta.size, theta.size), np.nan), evaluation)
    rdatas = simulator.likelihoods(theta, gradient=True, num_threads=num_threads)
    results = [
        condition_result(condition, rdata, True, simulator.never_steady(theta, i, rdata), fim=True)
        for i, (condition, rdata) in enumerate(zip(simulator.conditions, rdatas, strict=True))
    ]
    seconds = time.perf_counter() - start
    evaluation = evaluation_of(theta, simulator.conditions, results, seconds, simulator.settings)
    if evaluation.failure is not None:
        return FisherInformation(np.full((theta.size, theta.size), np.nan), evaluation)
    if evaluation.fim is None:
        raise ProblemError(
            "AMICI gives no Fisher information: an observable of the problem has Laplace noise, "
            'measured or not. Use hessian(theta, method="differences").'
        )
    return FisherInformation(evaluation.fim, evaluation)
