"""What an objective knows beyond log-likelihood and gradient: each measurement, and curvature."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self

from numpy.typing import ArrayLike

from amijax.problems.problem import Problem
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation
from amijax.simulation.failures import Failure
from amijax.simulation.hessians import Hessian, HessianMethod, hessian_of
from amijax.simulation.information import FisherInformation, fisher_information
from amijax.simulation.measured_values import MeasuredValues
from amijax.simulation.measuring import check_forward, measure, measure_each
from amijax.simulation.residuals import (
    NOISE_OFFSET,
    Residuals,
    check_normal,
    extended_constant,
    residuals_of,
)
from amijax.simulation.settings import SolverSettings
from amijax.simulation.simulator import Simulator


class MeasuredObjective(ABC):
    """The part of an `AmiciObjective` that simulates measurements one by one.

    Attributes:
        problem: the PEtab problem.
        simulator: of its conditions.
    """

    problem: Problem
    simulator: Simulator

    @property
    @abstractmethod
    def solver(self) -> SolverSettings:
        """How AMICI integrates."""

    @property
    @abstractmethod
    def num_threads(self) -> int:
        """Cores used for the conditions of a single point."""

    @property
    @abstractmethod
    def batch_threads(self) -> int:
        """Cores used for batches."""

    @abstractmethod
    def refusal(self, theta: FloatArray, gradient: bool) -> Failure | None:
        """Why theta is not simulated; None if it is."""

    @abstractmethod
    def with_solver(self, solver: SolverSettings) -> Self:
        """The same problem with other solver settings."""

    @abstractmethod
    def evaluate(self, theta: ArrayLike, gradient: bool = True) -> Evaluation:
        """Evaluate at theta."""

    @abstractmethod
    def evaluate_batch(self, thetas: ArrayLike, gradient: bool = True) -> Sequence[Evaluation]:
        """Evaluate at many points."""

    @abstractmethod
    def gradient_within(self, theta: ArrayLike, cpu_seconds: float) -> Evaluation | None:
        """Evaluate unless it takes longer."""

    @property
    def n_measurements(self) -> int:
        """Rows of the problem's measurement table."""
        return self.problem.n_measurements

    def check_jacobian(self) -> None:
        """Refuse settings with which there are no derivatives of single measurements.

        Raises:
            ValueError: the settings say adjoint.
        """
        check_forward(self.solver)

    def residual_constant(self, noise_offset: float = NOISE_OFFSET) -> float:
        """What -0.5 * sum(r**2) of extended residuals lacks to llh, the same at every theta.

        Args:
            noise_offset: of the noise terms, as in `residuals`.

        Raises:
            ProblemError: the noise of some measurements is not normal.
        """
        noise = self.simulator.prepared.noise
        check_normal(noise)
        return extended_constant(noise, noise_offset)

    def measured_values(self, theta: ArrayLike, jacobian: bool = True) -> MeasuredValues:
        """Observable and noise scale of every measurement, and their derivatives, at theta.

        One simulation, whose log-likelihood and gradient come along; a failure is part of the
        result, never raised.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            jacobian: whether to compute the derivatives (and the gradient) as well.

        Raises:
            ValueError: theta has the wrong shape, or derivatives are asked for with adjoint
                sensitivities, which have no Jacobian.
        """
        return measure(
            self.simulator, self.problem.checked(theta), self.refusal,
            jacobian=jacobian, num_threads=self.num_threads,
        )  # fmt: skip

    def measured_values_batch(
        self,
        thetas: ArrayLike,
        jacobian: bool = True,
        *,
        on_chunk: Callable[[int], None] | None = None,
    ) -> tuple[MeasuredValues, ...]:
        """`measured_values` at many points at once, on all `batch_threads` cores of this process.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            jacobian: whether to compute derivatives as well.
            on_chunk: as in `evaluate_batch`.

        Raises:
            ValueError: as `measured_values`.
        """
        return measure_each(
            self.simulator, self.problem.checked_points(thetas), self.refusal,
            jacobian=jacobian, num_threads=self.batch_threads, on_chunk=on_chunk,
        )  # fmt: skip

    def residuals(
        self,
        theta: ArrayLike,
        jacobian: bool = True,
        *,
        extended: bool = False,
        noise_offset: float = NOISE_OFFSET,
    ) -> Residuals:
        """Normal residuals at theta and their Jacobian: llh = -0.5 * sum(r**2) + constant.

        Without noise terms, the constant depends on theta where noise scales are estimated: what
        minimises the sum of squares does not maximise llh then. With them it never does.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            jacobian: whether to compute the Jacobian as well.
            extended: with noise terms: see `amijax.simulation.residuals.extended_residuals`.
            noise_offset: of the noise terms.

        Raises:
            ProblemError: the noise of some measurements is not normal.
            ValueError: as `measured_values`.
        """
        make = residuals_of(self.simulator.prepared.noise, extended, noise_offset)
        return make(self.measured_values(theta, jacobian))

    def residuals_batch(
        self,
        thetas: ArrayLike,
        jacobian: bool = True,
        *,
        extended: bool = False,
        noise_offset: float = NOISE_OFFSET,
    ) -> tuple[Residuals, ...]:
        """`residuals` at many points at once, as `measured_values_batch`.

        Args:
            thetas: shape (n, n_parameters), on the PEtab scale.
            jacobian: as in `residuals`.
            extended: likewise.
            noise_offset: likewise.

        Raises:
            ProblemError, ValueError: as `residuals`.
        """
        make = residuals_of(self.simulator.prepared.noise, extended, noise_offset)
        return tuple(map(make, self.measured_values_batch(thetas, jacobian)))

    def llh_gradient_fim(self, theta: ArrayLike) -> FisherInformation:
        """Log-likelihood, gradient and AMICI's Fisher information at theta, of one simulation.

        The information comes with every gradient from forward sensitivities and costs nothing
        more. It stands for the Hessian of minus llh.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.

        Raises:
            ProblemError: the noise of some measurements is not normal.
            ValueError: theta has the wrong shape, or the settings say adjoint.
        """
        return fisher_information(
            self.simulator, self.problem.checked(theta), self.refusal, num_threads=self.num_threads
        )

    def hessian(
        self, theta: ArrayLike, method: HessianMethod = "differences", *, errors: bool = True
    ) -> Hessian:
        """Second derivatives of llh with respect to theta, with what is known of their errors.

        `differences` of gradients at tight tolerances is exact but for an error that is measured,
        and takes some 6 gradients for each parameter. `ggn`, the generalised Gauss-Newton matrix
        in observables and noise scales, and `fisher`, minus AMICI's Fisher information, take one
        gradient; their errors, if asked for, some 30 more however many parameters there are.

        Args:
            theta: shape (n_parameters,), on the PEtab scale.
            method: which; `left_out` of the result says what is missing in it.
            errors: whether `ggn` and `fisher` measure what they leave out.

        Raises:
            ProblemError: `ggn` or `fisher`, and the noise of some measurements is not normal.
            ValueError: theta has the wrong shape, there is no such method, or `ggn` or `fisher`
                are asked for with adjoint sensitivities.
        """
        return hessian_of(self, self.problem.checked(theta), method, errors)
