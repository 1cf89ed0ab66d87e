"""Simulated measurements and residuals from outside as differentiable JAX functions of theta."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from amijax.host_calls import Broken, HostCalls
from amijax.host_measurements import HostResiduals, HostValues, MeasuredHostObjective
from amijax.jax_derivatives import SecondDerivativeError
from amijax.jax_internals import HostFunction, host_callback
from amijax.jax_theta import checked_theta
from amijax.scales import linear_slope
from amijax.scaling import unscale

_NOISE_OFFSET = 50.0  # AMICI's

type _Read = Callable[[Any], tuple[tuple[Any, ...], tuple[Any, ...]]]
"""The values of a host's result, and their Jacobians."""


@jax.tree_util.register_static
class JaxSimulator:
    """A model's measurements as a JAX function of theta, once differentiable.

    From it any likelihood can be written in JAX. `jit`, `grad`, `jacfwd`, `jacrev`, `linearize`
    and `vmap` work; the value alone costs a simulation without sensitivities, value and
    derivatives together one with forward sensitivities, however many derivatives are asked for;
    `vmap` costs one batch. theta's dtype is the precision, as in `JaxObjective`; a failure is NaN,
    and `failures` keeps the latest ones. To JAX it is a static value, equal to itself only; it
    pickles as its objective and options. Safe to use from many threads at once.
    """

    def __init__(
        self, objective: MeasuredHostObjective, *, noise_offset: float = _NOISE_OFFSET
    ) -> None:
        """Wrap an objective.

        Args:
            objective: an `AmiciObjective`, or what has its `measured_values` and `residuals`.
            noise_offset: of the noise terms of `residuals_extended`.
        """
        self.objective = objective
        self._noise_offset = noise_offset
        self._scales = tuple(objective.scales)
        self._calls = HostCalls(self._scales)
        n = objective.n_measurements
        self._values = self._function(
            2 * [n], objective.measured_values, objective.measured_values_batch, _of_values
        )
        self._residuals = {
            extended: self._function(
                [2 * n if extended else n],
                partial(objective.residuals, extended=extended, noise_offset=noise_offset),
                partial(objective.residuals_batch, extended=extended, noise_offset=noise_offset),
                _of_residuals,
            )
            for extended in (False, True)
        }

    def __reduce__(self) -> tuple[Callable[..., JaxSimulator], tuple[MeasuredHostObjective]]:
        return partial(type(self), noise_offset=self._noise_offset), (self.objective,)

    @property
    def failures(self) -> deque[Any]:
        """The latest simulations that failed."""
        return self._calls.failures

    @property
    def constant(self) -> float:
        """Llh is -0.5 * sum(r**2) of `residuals_extended` plus this, at every theta.

        Raises:
            ProblemError: the noise of some measurements is not normal.
        """
        return self.objective.residual_constant(self._noise_offset)

    def __call__(self, theta: Any) -> tuple[jax.Array, jax.Array]:
        """Observables and noise scales of all measurements, in theta's precision.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale; or a pytree of
                single numbers under their parameters' ids.

        Returns:
            y, on linear scale, and sigma, on the scale of the observableTransformation; each of
            shape (n_measurements,), in the order of the measurement table.

        Raises:
            PrecisionError: theta is float64 and JAX's 64-bit mode is off.
            TypeError: theta has another dtype.
            ValueError: theta has the wrong shape, or ids in it are unknown or missing; or
                derivatives are asked for with adjoint sensitivities, which have none.
        """
        y, sigma = self._run(self._values, theta)
        return y, sigma

    def residuals(self, theta: Any) -> jax.Array:
        """(t(y) - t(m)) / sigma of each measurement m, shape (n_measurements,).

        t is the observableTransformation. They are computed in float64 and rounded to theta's
        precision.

        Args:
            theta: as calling the object takes it.

        Raises:
            ProblemError: the noise of some measurements is not normal.
            PrecisionError, TypeError, ValueError: as calling the object does.
        """
        self.objective.residual_constant(self._noise_offset)
        (values,) = self._run(self._residuals[False], theta)
        return values

    def residuals_extended(self, theta: Any) -> jax.Array:
        """The residuals, and behind them a noise term for each; shape (2 n_measurements,).

        llh is -0.5 * sum(r**2) + `constant`, with estimated noise scales as well: see
        `amijax.simulation.residuals`.

        Args:
            theta: as calling the object takes it.

        Raises:
            ProblemError, PrecisionError, TypeError, ValueError: as `residuals`.
        """
        self.objective.residual_constant(self._noise_offset)
        (values,) = self._run(self._residuals[True], theta)
        return values

    def _run(self, function: Any, theta: Any) -> tuple[jax.Array, ...]:
        theta = checked_theta(theta, len(self._scales), self.objective.parameter_ids)
        if isinstance(theta, jax.core.Tracer):
            return function(theta)
        with self._calls.uninterrupted():
            return function(theta)

    def _function(
        self,
        sizes: Sequence[int],
        one: Callable[..., Any],
        many: Callable[..., Sequence[Any]],
        read: _Read,
    ) -> Callable[[jax.Array], tuple[jax.Array, ...]]:
        host = partial(self._host, one=one, many=many, read=read)
        on_linear = _differentiable(
            partial(host, jacobian=False),
            partial(host, jacobian=True),
            sizes,
            self.objective.check_jacobian,
        )
        return jax.jit(lambda theta: on_linear(unscale(theta, self._scales)))

    def _host(
        self,
        out: tuple[np.ndarray, ...],
        linear: np.ndarray,
        *,
        one: Callable[..., Any],
        many: Callable[..., Sequence[Any]],
        read: _Read,
        jacobian: bool,
    ) -> None:
        """The callback: NumPy only (JAX inside a callback can deadlock).

        `linear` has shape (..., n_parameters); the leading axes are those of `vmap`. Values are
        filled in first, then their Jacobians.
        """
        thetas = self._calls.thetas(linear)

        def results() -> Sequence[Any]:
            if len(thetas) > 1:
                return many(np.array(thetas), jacobian)
            return [one(theta, jacobian) for theta in thetas]

        found = self._calls.run(results, len(thetas))
        # Of one point, whatever the axes of vmap: the last axis, or the last two of a Jacobian.
        n_values = len(out) // 2 if jacobian else len(out)
        flat = [
            each.reshape(-1, *each.shape[-1 if k < n_values else -2 :])
            for k, each in enumerate(out)
        ]
        points = linear.reshape(-1, linear.shape[-1])
        for i, result in enumerate(found):
            if isinstance(result, Broken):
                for each in flat:
                    each[i] = np.nan
                continue
            values, jacobians = read(result)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                for each, value in zip(flat, values, strict=False):
                    each[i] = value
                if jacobian:
                    slope = linear_slope(points[i], self._scales)
                    for each, matrix in zip(flat[n_values:], jacobians, strict=True):
                        each[i] = matrix / slope


def _of_values(found: HostValues) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return (found.y, found.sigma), (found.y_jacobian, found.sigma_jacobian)


def _of_residuals(found: HostResiduals) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return (found.values,), (found.jacobian,)


def _differentiable(
    host_values: HostFunction,
    host_values_and_jacobians: HostFunction,
    sizes: Sequence[int],
    check_jacobian: Callable[[], None],
) -> Callable[[jax.Array], tuple[jax.Array, ...]]:
    """Vectors of given sizes as a function of linear parameters, with the host's Jacobians.

    Values alone and values with Jacobians are two callbacks, as in `differentiable_llh`.
    """

    @jax.custom_jvp
    def vectors(p: jax.Array) -> tuple[jax.Array, ...]:
        result = tuple(jax.ShapeDtypeStruct((n,), p.dtype) for n in sizes)
        return tuple(host_callback(host_values, result)(p))

    @jax.custom_jvp
    def vectors_and_jacobians(p: jax.Array) -> tuple[jax.Array, ...]:
        result = [jax.ShapeDtypeStruct((n,), p.dtype) for n in sizes]
        result += [jax.ShapeDtypeStruct((n, *p.shape), p.dtype) for n in sizes]
        return tuple(host_callback(host_values_and_jacobians, tuple(result))(p))

    @vectors.defjvp
    def vectors_jvp(primals: Any, tangents: Any) -> Any:
        check_jacobian()
        (p,), (dp,) = primals, tangents
        found = vectors_and_jacobians(p)
        values, jacobians = found[: len(sizes)], found[len(sizes) :]
        return values, tuple(jnp.dot(matrix, dp) for matrix in jacobians)

    @vectors_and_jacobians.defjvp
    def no_second_derivative(*_: Any) -> Any:
        raise SecondDerivativeError(
            "A JaxSimulator can be differentiated once: AMICI gives first derivatives only. For "
            "second derivatives of the log-likelihood there is "
            'JaxObjective(objective, second_derivative="differences"), and least squares need '
            "none. Where no derivative is wanted, jax.lax.stop_gradient belongs on the input."
        )

    return vectors
