"""Whether a model may run in this process: not before it has proved itself in another one."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from amijax.background import Job, Progress, Registry, State
from amijax.models.cache import CompiledModel, ModelFolders
from amijax.models.plan import ModelPlan, ProblemNumbers
from amijax.models.sample import Sample, has_steady_states
from amijax.processes import clear_group, kill_group, start_module
from amijax.simulation.failures import Failure
from amijax.simulation.native_code import (
    MEMORY_VARIABLE,
    METHODS,
    TIME_VARIABLE,
    Limits,
    NativeCode,
    Verdict,
    read_verdict,
)
from amijax.simulation.settings import SolverSettings

_START_SECONDS = 120.0  # for the process to start, on a busy machine
_GRACE_SECONDS = 1.0


class RefusedModelError(RuntimeError):
    """A model that must not run in this process; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, eq=False)
class Probation:
    """What is known of a model that is about to run, and how to find out more.

    Attributes:
        model: the compiled model.
        plan, numbers: of its problem.
        is_trusted: whether it need not be tried.
    """

    model: CompiledModel
    plan: ModelPlan
    numbers: ProblemNumbers
    is_trusted: bool

    def refusal(self, settings: SolverSettings, gradient: bool) -> Failure | None:
        """Why the model must not run here with some settings; None if it may.

        What was never tried is tried now, in a process that takes some seconds, with the usual
        settings along with these. Where several threads ask, they wait for the same process.

        Args:
            settings: how AMICI integrates.
            gradient: with sensitivities.
        """
        if self.is_trusted:
            return None
        code = self._code(settings, gradient)
        verdict = _known(self._folders, code)
        if verdict is None:
            usual = NativeCode.usual(steady_states=self._steady_states)
            try:
                trial = self._try((code, *(c for c in usual if c != code)))
            except OSError as error:
                return _untried(str(error))
            verdict = trial.verdicts.get(code)
            if verdict is None:
                return _untried(trial.output)
        return None if verdict.end == "survived" else _failure(code, verdict)

    def try_ahead(self, settings: Iterable[SolverSettings]) -> None:
        """Try the gradients of many settings in one process, which is faster than in one each.

        What can't be tried now is tried when it is asked for.

        Args:
            settings: ways in which AMICI will integrate.
        """
        codes = dict.fromkeys(self._code(each, True) for each in settings)
        unknown = tuple(code for code in codes if _known(self._folders, code) is None)
        if unknown and not self.is_trusted:
            with suppress(OSError):
                self._try(unknown)

    def _try(self, codes: tuple[NativeCode, ...]) -> Trial:
        """A finished trial; where several threads ask for the same, it is one."""
        folders = self._folders
        trial = _trials.start_or_join(
            (folders, codes, Limits.current()), lambda: Trial(self, folders, codes)
        )
        trial.wait()
        for code, verdict in trial.verdicts.items():
            _verdicts[folders, code] = verdict  # perhaps the cache can't be written
        return trial

    def _code(self, settings: SolverSettings, gradient: bool) -> NativeCode:
        return NativeCode.of(settings, gradient=gradient, steady_states=self._steady_states)

    @property
    def _folders(self) -> ModelFolders:
        """Beside the entry, wherever that is."""
        return ModelFolders(self.model.path.parent, self.model.key)

    @cached_property
    def _steady_states(self) -> bool:
        return has_steady_states(self.plan, self.numbers)


class Trial(Job[Progress]):
    """A process that tries kinds of native code of one model."""

    def __init__(
        self, probation: Probation, folders: ModelFolders, codes: tuple[NativeCode, ...]
    ) -> None:
        """Start it.

        Args:
            probation: the model's.
            folders: the model's.
            codes: what to try, in order; what is known already costs nothing.
        """
        super().__init__(f"trial {folders.key}")
        self.verdicts: dict[NativeCode, Verdict] = {}
        self.output = ""
        self._codes = codes
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        (folder / "sample").write_bytes(Sample.of(probation.plan, probation.numbers).packed())
        self._errors = folder / "errors"
        with self._errors.open("wb") as errors:
            self._process = start_module(
                "amijax.simulation.trial",
                *(str(folders.root), folders.key),
                *(str(probation.model.path / probation.model.library), str(folder / "sample")),
                *(code.name for code in codes),
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._start(self._follow)

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.state, self._elapsed())

    def _stop(self) -> None:
        kill_group(self._process)

    def _follow(self) -> State:
        limit = _START_SECONDS + len(self._codes) * (Limits.current().wall_seconds + 5.0)
        try:
            written, _ = self._process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            kill_group(self._process)
            written, _ = self._process.communicate()
        clear_group(self._process, _GRACE_SECONDS)
        for line in written.splitlines():
            with suppress(ValueError):
                content = json.loads(line)
                code = NativeCode.named(content.pop("code"))
                self.verdicts[code] = Verdict(**content)
        self.output = self._errors.read_text(errors="replace").strip()
        self._folder.cleanup()
        self._check_cancelled()
        return "done"


_trials: Registry[Trial] = Registry()
_verdicts: dict[tuple[ModelFolders, NativeCode], Verdict] = {}


def _known(folders: ModelFolders, code: NativeCode) -> Verdict | None:
    """What this process or the cache remembers, unless there is a reason to try again."""
    verdict = _verdicts.get((folders, code)) or read_verdict(folders, code)
    if verdict is None or not verdict.holds(Limits.current()):
        return None
    _verdicts[folders, code] = verdict
    return verdict


def _failure(code: NativeCode, verdict: Verdict) -> Failure:
    if verdict.end == "time":
        message = f"This model hangs (AMICI computes for {verdict.detail}) when {code}"
        remedy = (
            "It is not run here. Look for events that trigger each other, or raise "
            f"{TIME_VARIABLE} (seconds) to have it tried again."
        )
        return Failure("trial", message, remedy)
    if verdict.end == "memory":
        message = f"This model fills the memory (AMICI takes {verdict.detail}) when {code}"
        remedy = (
            f"It is not run here. Raise {MEMORY_VARIABLE} (GB), on a machine that has as much, to "
            "have it tried again."
        )
        return Failure("trial", message, remedy)
    if verdict.end == "raised":
        message = f"AMICI breaks off with an error ({verdict.detail}) when {code}"
    else:
        message = f"This model ends AMICI's process: {verdict.detail}, when {code}"
    return Failure("trial", message, f"It is not run here. {_way_round(code)}")


def _way_round(code: NativeCode) -> str:
    default = SolverSettings()
    modes = (code.steady_state, code.steady_state_sensitivities)
    if any(mode not in ("", default.steady_state) for mode in modes):
        return f"Compute steady states with {default.steady_state}."
    if methods := [name for name in METHODS if getattr(code, name)]:
        return f"Use AMICI's default of {' and '.join(methods)}."
    if code.sensitivities == "adjoint":
        return "Use forward sensitivities."
    if code.gradient:
        return (
            "Look at the log-likelihood alone, try adjoint sensitivities, or rewrite the model: "
            "algebraic rules are a usual cause, and an assignment rule can say the same."
        )
    return (
        "Rewrite the model: algebraic rules are a usual cause, and an assignment rule can say the "
        "same."
    )


def _untried(output: str) -> Failure:
    last = output.splitlines()[-1][:200] if output else "it ended without a word"
    return Failure(
        "trial",
        f"The model could not be tried in a process of its own ({last})",
        "Try again; that there is memory and room on the disk, and that nothing empties the cache "
        "folder meanwhile, are worth a look.",
    )
