"""The records of profiles: one side of one, all of one with its verdict, and several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amijax.fit.record import Start
from amijax.fit.work import Answer
from amijax.scales import FloatArray, Scale
from amijax.simulation.settings import SolverSettings

SideName = Literal["down", "up"]
End = Literal["threshold", "bound", "far", "better", "failed", "running", "cancelled"]
Verdict = Literal["identifiable", "one-sided", "flat", "multimodal", "failed"]


@dataclass(frozen=True, eq=False)
class Side(Answer):
    """A profile from the optimum outwards, to one side.

    Attributes:
        position: of the parameter in theta.
        side: down or up.
        thetas: the points, the optimum first, shape (k, n_parameters), on the PEtab scale.
        values: llh + log prior at them, shape (k,).
        slopes: of the profile, with respect to the parameter, shape (k,).
        end: threshold: fell below it; bound: reached it before; far: there is no bound, and the
            end of what is looked at was reached; better: a better optimum came up; failed.
        message: what ended it, where that needs words.
        crossing: where the threshold is crossed, on the PEtab scale; NaN where it is not.
        n_evaluations: of llh and gradient.
        seconds: that they took.
    """

    position: int
    side: SideName
    thetas: FloatArray
    values: FloatArray
    slopes: FloatArray
    end: End
    message: str
    crossing: float
    n_evaluations: int
    seconds: float

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.end == "running"

    @property
    def is_over(self) -> bool:
        """Whether following it again would give the same."""
        return self.end not in ("running", "cancelled")


@dataclass(frozen=True, eq=False)
class Profile:
    """The profile of one parameter: the best llh + log prior with the parameter held at each value.

    Attributes:
        parameter: its id.
        scale: its PEtab scale.
        optimum: its value at the optimum, on the PEtab scale.
        thetas: points in the order of the parameter, shape (k, n_parameters), on the PEtab scale.
        points: the parameter's values at them, shape (k,).
        values: llh + log prior, shape (k,).
        slopes: of the profile, with respect to the parameter, shape (k,).
        verdict: identifiable: the threshold is crossed on both sides; one-sided: on one, the other
            ends at a bound (or far away, without one); flat: on none; multimodal: values that the
            data do not refuse lie apart; failed: with the reason in `sentence`.
        interval: of values that the data do not refuse, lower and upper end on the PEtab scale;
            one that is a bound is named in `open_ends`. NaN where a side failed.
        interval_linear: the same on linear scale.
        open_ends: ends of the interval that are no crossings: `lower`, `upper`, both or none.
        sentence: the verdict in words.
        is_complete: whether both sides came to their end.
        n_evaluations: of llh and gradient.
        seconds: that they took, of both sides.
    """

    parameter: str
    scale: Scale
    optimum: float
    thetas: FloatArray
    points: FloatArray
    values: FloatArray
    slopes: FloatArray
    verdict: Verdict
    interval: FloatArray
    interval_linear: FloatArray
    open_ends: tuple[Literal["lower", "upper"], ...]
    sentence: str
    is_complete: bool
    n_evaluations: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Better:
    """A better optimum that came up on the way.

    Attributes:
        theta: on the PEtab scale, after a local optimisation of all parameters.
        value: llh + log prior there.
        gain: over the optimum that the profiles began at.
        parameter: whose profile it was.
    """

    theta: FloatArray
    value: float
    gain: float
    parameter: str


@dataclass(frozen=True, eq=False)
class ProfileResult:
    """Profiles of some parameters, as far as they are.

    Attributes:
        problem_id: the problem.
        problem_digest: of its files.
        parameter_ids: all free parameters.
        scales: their PEtab scales.
        lower, upper: bounds on the PEtab scale.
        asked: the parameters whose profiles were asked for.
        level: of the intervals.
        threshold: by how much llh + log prior falls to their ends.
        optimizer: of the start and of all points.
        priors: whether objective priors counted.
        theta_start: the point that was given.
        start_value: llh + log prior there; NaN where it can't be evaluated.
        optimum: the local optimisation from there; its best point is where profiles begin.
        profiles: of the parameters asked for, in the order of theta, those that have begun.
        better: the best of the better optima that came up, None without one.
        solver_error: by how much tight tolerances change what llh falls by from the optimum to a
            profile's end, at most; NaN where it is not known.
        solver_error_in: the parameter whose profile that is.
        n_restarts: how often the profiles started anew from a better optimum.
        solver: the solver's settings.
        seconds: wall time of the run that completed it.
        workers: how many sides were followed at a time.
        versions: of what computed it.
        started: date and time, UTC.
    """

    problem_id: str
    problem_digest: str
    parameter_ids: tuple[str, ...]
    scales: tuple[Scale, ...]
    lower: FloatArray
    upper: FloatArray
    asked: tuple[str, ...]
    level: float
    threshold: float
    optimizer: str
    priors: bool
    theta_start: FloatArray
    start_value: float
    optimum: Start
    profiles: tuple[Profile, ...]
    better: Better | None
    solver_error: float
    solver_error_in: str
    n_restarts: int
    solver: SolverSettings
    seconds: float
    workers: int
    versions: dict[str, str]
    started: str

    @property
    def is_complete(self) -> bool:
        """Whether all profiles that were asked for came to their end."""
        done = {each.parameter for each in self.profiles if each.is_complete}
        return set(self.asked) <= done

    @property
    def gain(self) -> float:
        """By how much the local optimisation raised llh + log prior; 0 at an optimum."""
        return self.optimum.value - self.start_value
