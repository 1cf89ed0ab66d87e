"""A log-likelihood from outside as a differentiable JAX function of scaled parameters."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from amijax.host_calls import Broken, Call, HostCalls
from amijax.host_objective import (
    BatchHostObjective,
    HostEvaluation,
    HostObjective,
    StoppableHostObjective,
)
from amijax.jax_internals import host_callback
from amijax.jax_theta import checked_theta
from amijax.scales import FloatArray, linear_slope
from amijax.scaling import unscale


class SecondDerivativeError(NotImplementedError):
    """A second derivative was asked for, which AMICI does not provide."""


@dataclass(frozen=True, eq=False)
class JaxEvaluation:
    """One evaluation of a `JaxObjective` at a point.

    Attributes:
        llh: log-likelihood, a NumPy scalar in the precision asked for.
        gradient: its derivative with respect to theta, in the precision asked for; None if it
            was not asked for.
        host: the evaluation that the callback made, at the point that JAX's arithmetic led to;
            None if the callback itself broke.
        wall_seconds: duration of the call, without compilation.
        compile_seconds: what tracing and compiling took, once, before the first call in this
            precision; not part of wall_seconds.
    """

    llh: np.floating[Any]
    gradient: np.ndarray | None
    host: HostEvaluation | None
    wall_seconds: float
    compile_seconds: float


class JaxObjective:
    """A log-likelihood as a JAX function of theta: `jit`, `grad`, `jvp` and `vmap` work.

    The dtype of theta, float32 or float64, is the precision of everything that JAX does: the
    transformation to linear scale, its derivative, the products and the results. The objective
    inside always works in float64, on the PEtab scale. The value alone costs one evaluation
    without gradient, value and gradient together one with gradient; `vmap` costs one batch,
    nested or not, if the objective has an `evaluate_batch`. A failure is NaN in JAX; `failures`
    keeps the latest ones. Safe to use from many threads at once.
    """

    def __init__(self, objective: HostObjective) -> None:
        """Wrap an objective.

        Args:
            objective: an `AmiciObjective`, or anything with its `scales` and `evaluate`, and
                perhaps its `evaluate_batch`.
        """
        self.objective = objective
        self._scales = tuple(objective.scales)
        self._calls = HostCalls(self._scales)
        self._programs: dict[tuple[bool, str], tuple[Any, float]] = {}
        self._lock = threading.Lock()
        self._llh_linear = _differentiable(
            partial(self._host, gradient=False), partial(self._host, gradient=True)
        )
        self._call = jax.jit(lambda theta: self._llh_linear(unscale(theta, self._scales)))

    @property
    def failures(self) -> deque[HostEvaluation]:
        """The latest evaluations that failed."""
        return self._calls.failures

    def __call__(self, theta: Any) -> jax.Array:
        """Log-likelihood at theta, in theta's precision.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale.

        Raises:
            PrecisionError: theta is float64 and JAX's 64-bit mode is off.
            TypeError: theta has another dtype.
            ValueError: theta has the wrong shape.
        """
        return self._call(checked_theta(theta, len(self._scales)))

    def evaluate(
        self, theta: Any, gradient: bool = True, *, check: Callable[[], None] | None = None
    ) -> JaxEvaluation:
        """Evaluate at theta and tell what happened: result, host evaluation, durations.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale.
            gradient: whether to compute the gradient as well.
            check: called several times a second, if the objective has an `evaluate_unless`, in
                the thread that simulates; what it raises ends the simulation and is raised here.

        Raises:
            PrecisionError, TypeError, ValueError: as calling the object does.
        """
        theta = checked_theta(theta, len(self._scales))
        program, compile_seconds = self._program(gradient, theta)
        call = Call(check)
        number = self._calls.begin(call)
        try:
            start = time.perf_counter()
            llh, grad = jax.block_until_ready(program(theta, np.int32(number)))
            wall_seconds = time.perf_counter() - start
        finally:
            self._calls.end(number)
        if call.ended_by is not None:
            raise call.ended_by
        return JaxEvaluation(
            llh=theta.dtype.type(llh),
            gradient=None if grad is None else np.asarray(grad),
            host=call.result,
            wall_seconds=wall_seconds,
            compile_seconds=compile_seconds,
        )

    def _llh_of_call(self, theta: jax.Array, number: jax.Array) -> jax.Array:
        return self._llh_linear(unscale(theta, self._scales), number)

    def _program(self, gradient: bool, theta: Any) -> tuple[Any, float]:
        """The compiled function for theta's precision, and what compiling it took."""
        key = (gradient, str(theta.dtype))
        if key not in self._programs:
            with self._lock:
                if key not in self._programs:
                    start = time.perf_counter()
                    function = (
                        jax.value_and_grad(self._llh_of_call)
                        if gradient
                        else lambda theta, number: (self._llh_of_call(theta, number), None)
                    )
                    program = jax.jit(function).lower(theta, np.int32(0)).compile()
                    self._programs[key] = (program, time.perf_counter() - start)
        return self._programs[key]

    def _host(
        self,
        out: tuple[np.ndarray, ...],
        linear: np.ndarray,
        number: np.ndarray | None = None,
        *,
        gradient: bool,
    ) -> None:
        """The callback: NumPy only (JAX inside a callback can deadlock).

        `linear` has shape (..., n_parameters); the leading axes are those of `vmap`. A call of
        `evaluate`, which has a single point, has a number.
        """
        call = self._calls.call_of(number)
        thetas = self._calls.thetas(linear)
        evaluations = self._calls.run(
            lambda: self._evaluate(thetas, gradient, call), len(thetas), call
        )
        if evaluations and isinstance(evaluations[0], Broken):
            for each in out:
                each[...] = np.nan
            return
        if number is not None:
            call.result = evaluations[0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            out[0][...] = np.array([each.llh for each in evaluations]).reshape(out[0].shape)
            if gradient:
                slopes = np.array([each.gradient for each in evaluations]).reshape(linear.shape)
                out[1][...] = slopes / linear_slope(linear, self._scales)

    def _evaluate(
        self, thetas: list[FloatArray], gradient: bool, call: Call
    ) -> Sequence[HostEvaluation]:
        objective = self.objective
        if call.check is not None and isinstance(objective, StoppableHostObjective):
            return [objective.evaluate_unless(thetas[0], gradient, call.go_on)]
        if len(thetas) > 1 and isinstance(objective, BatchHostObjective):
            return objective.evaluate_batch(np.array(thetas), gradient=gradient)
        return [objective.evaluate(theta, gradient=gradient) for theta in thetas]


def _differentiable(host_value: Any, host_value_and_gradient: Any) -> Any:
    """The log-likelihood of linear parameters, with AMICI's gradient as its derivative.

    A second argument is the number of the call, for the callback alone.

    Value alone and value with gradient are two callbacks, so that neither asks for what it does
    not need; the derivative rule makes one call for both.
    """

    @jax.custom_jvp
    def llh(p: jax.Array, *number: jax.Array) -> jax.Array:
        return host_callback(host_value, jax.ShapeDtypeStruct((), p.dtype))(p, *number)

    @jax.custom_jvp
    def llh_and_gradient(p: jax.Array, *number: jax.Array) -> tuple[jax.Array, jax.Array]:
        result = (jax.ShapeDtypeStruct((), p.dtype), jax.ShapeDtypeStruct(p.shape, p.dtype))
        return host_callback(host_value_and_gradient, result)(p, *number)

    @llh.defjvp
    def llh_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
        value, gradient = llh_and_gradient(*primals)
        return value, jnp.dot(gradient, tangents[0])

    @llh_and_gradient.defjvp
    def no_second_derivative(*_: Any) -> Any:
        raise SecondDerivativeError(
            "AMICI gives first derivatives only: the gradient of a JaxObjective can't be "
            "differentiated. For a Hessian use finite differences of the gradient."
        )

    return llh
