"""A log-likelihood from outside as a differentiable JAX function of scaled parameters."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from amijax.host_objective import (
    BatchHostObjective,
    HostEvaluation,
    HostObjective,
    StoppableHostObjective,
)
from amijax.jax_internals import host_callback
from amijax.scales import FloatArray, linear_slope, to_scaled
from amijax.scaling import unscale


class PrecisionError(ValueError):
    """float64 was asked for, but JAX is running without it."""


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

    Examples:
        >>> import jax
        >>> from amijax import AmiciObjective, JaxObjective, load_problem
        >>> jax.config.update("jax_enable_x64", True)  # once, at the start of a program
        >>> problem = load_problem("Conversion_Reaction")
        >>> f = JaxObjective(AmiciObjective(problem))
        >>> value, gradient = jax.value_and_grad(f)(problem.nominal_theta)
        >>> round(float(value), 4), gradient.dtype
        (41.7502, dtype('float64'))
    """

    def __init__(self, objective: HostObjective) -> None:
        """Wrap an objective.

        Args:
            objective: an `AmiciObjective`, or anything with its `scales` and `evaluate`, and
                perhaps its `evaluate_batch`.
        """
        self.objective = objective
        self.failures: deque[HostEvaluation] = deque(maxlen=16)
        self._scales = tuple(objective.scales)
        # The calls of `evaluate` under way, by the number that JAX hands to the callback.
        self._calls: dict[int, _Call] = {}
        self._numbers = count()
        self._programs: dict[tuple[bool, str], tuple[Any, float]] = {}
        self._lock = threading.Lock()
        self._llh_linear = _differentiable(
            partial(self._host, gradient=False), partial(self._host, gradient=True)
        )
        self._call = jax.jit(lambda theta: self._llh_linear(unscale(theta, self._scales)))

    def __call__(self, theta: Any) -> jax.Array:
        """Log-likelihood at theta, in theta's precision.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale.

        Raises:
            PrecisionError: theta is float64 and JAX's 64-bit mode is off.
            TypeError: theta has another dtype.
            ValueError: theta has the wrong shape.
        """
        return self._call(self._checked(theta))

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
        theta = self._checked(theta)
        program, compile_seconds = self._program(gradient, theta)
        call, number = _Call(check), next(self._numbers) % _MOST_NUMBERS
        self._calls[number] = call
        try:
            start = time.perf_counter()
            llh, grad = jax.block_until_ready(program(theta, np.int32(number)))
            wall_seconds = time.perf_counter() - start
        finally:
            del self._calls[number]
        if call.ended_by is not None:
            raise call.ended_by
        return JaxEvaluation(
            llh=theta.dtype.type(llh),
            gradient=None if grad is None else np.asarray(grad),
            host=call.evaluation,
            wall_seconds=wall_seconds,
            compile_seconds=compile_seconds,
        )

    def _llh_of_call(self, theta: jax.Array, number: jax.Array) -> jax.Array:
        return self._llh_linear(unscale(theta, self._scales), number)

    def _checked(self, theta: Any) -> Any:
        if not isinstance(theta, jax.Array):
            theta = np.asarray(theta)
        if theta.dtype not in (np.float32, np.float64):
            raise TypeError(
                f"theta must be float32 or float64, since its dtype is the precision; "
                f"it is {theta.dtype}."
            )
        if theta.dtype == np.float64 and not jax.config.jax_enable_x64:
            raise PrecisionError(
                "theta is float64, but JAX's 64-bit mode is off and would round it to float32. "
                'Call jax.config.update("jax_enable_x64", True) once at the start of the '
                "program, or pass float32."
            )
        if theta.shape != (len(self._scales),):
            raise ValueError(
                f"theta must have shape ({len(self._scales)},), but has shape {theta.shape}; "
                "use jax.vmap for several points."
            )
        return theta

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
        """The callback: NumPy only (JAX inside a callback can deadlock), and no exception leaves
        it (its effect on the running program is undefined).

        `linear` has shape (..., n_parameters); the leading axes are those of `vmap`. A call of
        `evaluate`, which has a single point, has a number.
        """
        points = linear.reshape(-1, linear.shape[-1]).astype(np.float64)
        call = _Call() if number is None else self._calls[int(number)]
        evaluations = self._evaluate(points, gradient, call)
        if number is not None and not isinstance(evaluations[0], _Broken):
            call.evaluation = evaluations[0]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            llh = np.array([evaluation.llh for evaluation in evaluations])
            out[0][...] = llh.reshape(linear.shape[:-1])
            if gradient:
                slopes = np.array([evaluation.gradient for evaluation in evaluations])
                slopes = slopes.reshape(points.shape) / linear_slope(points, self._scales)
                out[1][...] = slopes.reshape(linear.shape)

    def _evaluate(
        self, points: FloatArray, gradient: bool, call: _Call
    ) -> Sequence[HostEvaluation]:
        """Evaluate at linear parameters, shape (n, n_parameters)."""
        # Row by row: NumPy's logarithm may round differently in larger arrays.
        thetas = [to_scaled(point, self._scales) for point in points]
        objective = self.objective
        evaluations: Sequence[HostEvaluation]
        try:
            if call.check is not None and isinstance(objective, StoppableHostObjective):
                evaluations = [objective.evaluate_unless(thetas[0], gradient, call.go_on)]
            elif len(thetas) > 1 and isinstance(objective, BatchHostObjective):
                evaluations = objective.evaluate_batch(np.array(thetas), gradient=gradient)
            else:
                evaluations = [objective.evaluate(t, gradient=gradient) for t in thetas]
        except BaseException as error:
            if call.ended_by is None and not isinstance(error, Exception):
                raise
            evaluations = [_Broken(error, np.full(points.shape[-1], np.nan))] * len(thetas)
        if call.ended_by is None:
            self.failures.extend([e for e in evaluations if e.failure is not None])
        return evaluations


_MOST_NUMBERS = 2**31  # of calls, in 32 bits


class _Call:
    """A call of `evaluate` under way, seen from the callback."""

    def __init__(self, check: Callable[[], None] | None = None) -> None:
        self.check = check
        self.evaluation: HostEvaluation | None = None
        self.ended_by: BaseException | None = None

    def go_on(self) -> None:
        """Check, and remember by what the call is ended."""
        assert self.check is not None
        try:
            self.check()
        except BaseException as error:
            self.ended_by = error
            raise


@dataclass(frozen=True)
class _Broken:
    """The evaluation of an objective that raised, which it should not."""

    failure: BaseException
    gradient: FloatArray
    llh: float = np.nan


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
