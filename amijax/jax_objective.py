"""A log-likelihood from outside as a differentiable JAX function of scaled parameters."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from amijax.host_calls import Broken, Call, HostCalls
from amijax.host_objective import (
    BatchHostObjective,
    CurvatureMethod,
    CurvedHostObjective,
    HostEvaluation,
    HostObjective,
    NamedHostObjective,
    StoppableHostObjective,
)
from amijax.jax_derivatives import HostFunctions, differentiable_llh
from amijax.jax_theta import checked_theta
from amijax.scales import FloatArray, linear_slope
from amijax.scaling import unscale

Value = Literal["alone", "with_gradient"]
OnFailure = Literal["nan", "reject"]
SecondDerivative = Literal["error", CurvatureMethod]


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


@jax.tree_util.register_static
class JaxObjective:
    """A log-likelihood as a JAX function of theta: `jit`, `grad`, `jvp` and `vmap` work.

    The dtype of theta, float32 or float64, is the precision of everything that JAX does: the
    transformation to linear scale, its derivative, the products and the results. The objective
    inside always works in float64, on the PEtab scale. The value alone costs one evaluation
    without gradient, value and gradient together one with gradient; `vmap` costs one batch,
    nested or not, if the objective has an `evaluate_batch`. A failure is NaN in JAX; `failures`
    keeps the latest ones. Safe to use from many threads at once.

    To JAX it is a static value: an argument of a jitted function, or a field of an equinox module,
    without leaves. It equals itself only, since its `failures` are its own. It pickles as its
    objective and options.

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

    def __init__(
        self,
        objective: HostObjective,
        *,
        value: Value = "alone",
        on_failure: OnFailure = "nan",
        second_derivative: SecondDerivative = "error",
    ) -> None:
        """Wrap an objective.

        Args:
            objective: an `AmiciObjective`, or anything with its `scales` and `evaluate`, and
                perhaps its `evaluate_batch`, `parameter_ids` and `hessian`.
            value: how the value is computed where no gradient is asked for: "alone", which is
                faster, or "with_gradient", so that it is the value of `jax.value_and_grad` to the
                last bit. AMICI's solver takes other steps with sensitivities, and line searches
                that compare the two may stop early.
            on_failure: what a failed point is to JAX: "nan", value and derivatives; or "reject":
                the value is minus infinity, and all derivatives are 0. Whatever is not finite
                counts as failed.
            second_derivative: "error", or what stands for the Hessian, from the objective's
                `hessian`: "differences" of gradients; "ggn", the generalised Gauss-Newton matrix;
                "fisher", AMICI's Fisher information matrix.

        Raises:
            TypeError: the objective has no `hessian`, but second derivatives are asked for.
            ValueError: there is no such option.
        """
        for name, given, known in (
            ("value", value, get_args(Value)),
            ("on_failure", on_failure, get_args(OnFailure)),
            ("second_derivative", second_derivative, get_args(SecondDerivative)),
        ):
            if given not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, but is {given!r}.")
        if second_derivative != "error" and not isinstance(objective, CurvedHostObjective):
            raise TypeError(
                f"second_derivative={second_derivative!r} needs an objective with a method "
                f"hessian(theta, method), which {type(objective).__name__} does not have."
            )
        self.objective = objective
        self._options: dict[str, Any] = {
            "value": value,
            "on_failure": on_failure,
            "second_derivative": second_derivative,
        }
        self._scales = tuple(objective.scales)
        self._parameter_ids = (
            tuple(objective.parameter_ids) if isinstance(objective, NamedHostObjective) else None
        )
        instead = "minus infinity" if on_failure == "reject" else "NaN"
        self._calls = HostCalls(self._scales, instead)
        self._programs: dict[tuple[bool, str], tuple[Any, float]] = {}
        self._lock = threading.Lock()
        self._llh_linear = differentiable_llh(
            HostFunctions(
                partial(self._host, gradient=False),
                partial(self._host, gradient=True),
                None if second_derivative == "error" else self._host_hessian,
            ),
            self._scales,
            always_with_gradient=value == "with_gradient",
        )
        self._call = jax.jit(self._llh)

    def __reduce__(self) -> tuple[Callable[..., JaxObjective], tuple[HostObjective]]:
        return partial(type(self), **self._options), (self.objective,)

    @property
    def failures(self) -> deque[Any]:
        """The latest evaluations that failed."""
        return self._calls.failures

    def __call__(self, theta: Any) -> jax.Array:
        """Log-likelihood at theta, in theta's precision.

        Args:
            theta: shape (n_parameters,), float32 or float64, on the PEtab scale; or a pytree of
                single numbers under their parameters' ids, if the objective has `parameter_ids`.
                A derivative has the same structure.

        Raises:
            PrecisionError: theta is float64 and JAX's 64-bit mode is off.
            TypeError: theta has another dtype.
            ValueError: theta has the wrong shape, or ids in it are unknown or missing.
        """
        theta = self._checked(theta)
        with self._calls.uninterrupted():
            return self._call(theta)

    def evaluate(
        self, theta: Any, gradient: bool = True, *, check: Callable[[], None] | None = None
    ) -> JaxEvaluation:
        """Evaluate at theta and tell what happened: result, host evaluation, durations.

        Args:
            theta: as calling the object takes it.
            gradient: whether to compute the gradient as well.
            check: called several times a second, if the objective has an `evaluate_unless`, in
                the thread that simulates; what it raises ends the simulation and is raised here.

        Raises:
            PrecisionError, TypeError, ValueError: as calling the object does.
        """
        theta = self._checked(theta)
        program, compile_seconds = self._program(gradient, theta)
        call = Call(check)
        with self._calls.call(call) as number, self._calls.uninterrupted():
            start = time.perf_counter()
            llh, grad = jax.block_until_ready(program(theta, np.int32(number)))
            wall_seconds = time.perf_counter() - start
        if call.ended_by is not None:
            raise call.ended_by
        return JaxEvaluation(
            llh=theta.dtype.type(llh),
            gradient=None if grad is None else np.asarray(grad),
            host=call.result,
            wall_seconds=wall_seconds,
            compile_seconds=compile_seconds,
        )

    def _checked(self, theta: Any) -> Any:
        return checked_theta(theta, len(self._scales), self._parameter_ids)

    def _llh(self, theta: jax.Array, *number: jax.Array) -> jax.Array:
        p = unscale(theta, self._scales)
        if self._options["on_failure"] == "reject":
            # Where p overflows, 0 times its slope would make a NaN of the rejected derivative.
            is_finite = jnp.isfinite(p)
            inside = unscale(jnp.where(is_finite, theta, 0), self._scales)
            p = jnp.where(is_finite, inside, jax.lax.stop_gradient(p))
        return self._llh_linear(p, *number)

    def _program(self, gradient: bool, theta: Any) -> tuple[Any, float]:
        """The compiled function for theta's precision, and what compiling it took."""
        key = (gradient, str(theta.dtype))
        if key not in self._programs:
            with self._lock:
                if key not in self._programs:
                    start = time.perf_counter()
                    function = (
                        jax.value_and_grad(self._llh)
                        if gradient
                        else lambda theta, number: (self._llh(theta, number), None)
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
        else:
            if number is not None:
                call.result = evaluations[0]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                out[0][...] = np.array([each.llh for each in evaluations]).reshape(out[0].shape)
                if gradient:
                    slopes = np.array([each.gradient for each in evaluations])
                    slopes = slopes.reshape(linear.shape)
                    out[1][...] = slopes / linear_slope(linear, self._scales)
        if self._options["on_failure"] == "reject":
            failed = ~np.isfinite(out[0])
            for each in out[1:]:
                failed |= ~np.isfinite(each).all(-1)
                each[failed] = 0.0
            out[0][failed] = -np.inf

    def _evaluate(
        self, thetas: list[FloatArray], gradient: bool, call: Call
    ) -> Sequence[HostEvaluation]:
        objective = self.objective
        if call.check is not None and isinstance(objective, StoppableHostObjective):
            return [objective.evaluate_unless(thetas[0], gradient, call.go_on)]
        if len(thetas) > 1 and isinstance(objective, BatchHostObjective):
            return objective.evaluate_batch(np.array(thetas), gradient=gradient)
        return [objective.evaluate(theta, gradient=gradient) for theta in thetas]

    def _host_hessian(self, out: tuple[np.ndarray, ...], linear: np.ndarray) -> None:
        """The callback for second derivatives, with respect to theta."""
        thetas = self._calls.thetas(linear)
        objective: Any = self.objective
        method = self._options["second_derivative"]
        found = self._calls.run(
            lambda: [objective.hessian(theta, method=method, errors=False) for theta in thetas],
            len(thetas),
        )
        matrices = out[0].reshape(-1, *out[0].shape[-2:])
        for matrix, each in zip(matrices, found, strict=True):
            broken = isinstance(each, Broken) or each.failure is not None
            matrix[...] = np.nan if broken else each.hessian
        if self._options["on_failure"] == "reject":
            matrices[~np.isfinite(matrices).all((-1, -2))] = 0.0
