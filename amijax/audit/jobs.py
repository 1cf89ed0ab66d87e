"""Audits in the background: shared by who asks for the same, watched, cancelled, kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from amijax.audit import jax_export_process, roadrunner_process
from amijax.audit.audit import Entries, asks_for_entries, audit_gradient
from amijax.audit.record import Audit
from amijax.background import Progress, Registry, State, WatchedJob
from amijax.fair_queue import FairQueue
from amijax.objective import AmiciObjective
from amijax.result_store import ResultStore
from amijax.scales import FloatArray
from amijax.simulation.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class AuditProgress(Progress):
    """An audit at one moment; it waits while another one runs.

    Attributes:
        audit: the finished one, None before.
        error: what broke, for state failed.
    """

    audit: Audit | None
    error: str


class AuditJob(WatchedJob[AuditProgress]):
    """One audit in a thread of its own, one after the other, at low priority."""

    def __init__(
        self,
        objective: AmiciObjective,
        theta: FloatArray,
        entries: Entries,
        evaluation: Evaluation | None,
        abandon_after: float | None,
        owner: Hashable,
    ) -> None:
        super().__init__("audit", _one_at_a_time, abandon_after, owner=owner)
        self._audit: Audit | None = None
        self._start(lambda: self._audit_all(objective, theta, entries, evaluation))

    def _progress(self) -> AuditProgress:
        return AuditProgress(self.state, self._elapsed(), self._audit, self._error)

    def _audit_all(
        self,
        objective: AmiciObjective,
        theta: FloatArray,
        entries: Entries,
        evaluation: Evaluation | None,
    ) -> State:
        with self._turn():
            self._audit = stored_audit(objective, theta, entries) or audited(
                objective, theta, entries, evaluation, go_on=self._check_wanted
            )
        return "done"


_jobs: Registry[AuditJob] = Registry()
_one_at_a_time = FairQueue()


def start_audit(
    objective: AmiciObjective,
    theta: ArrayLike,
    *,
    entries: Entries = "auto",
    evaluation: Evaluation | None = None,
    abandon_after: float | None = None,
    owner: Hashable = None,
) -> AuditJob:
    """Audit a point in the background; a job for the same that runs or is done is returned.

    Args:
        objective: the problem and the settings whose numbers are in question.
        theta: shape (n_parameters,), on the PEtab scale.
        entries: as in `audit_gradient`.
        evaluation: of the objective at theta, if it is at hand.
        abandon_after: seconds after which a job that nobody asks about stops; never if None.
        owner: who asks; people have their turns in rotation.
    """
    theta = np.array(theta, dtype=np.float64)
    here = objective.with_executor(None)
    return _jobs.start_or_join(
        _key(objective, theta, entries),
        lambda: AuditJob(here, theta, entries, evaluation, abandon_after, owner),
        once=True,
    )


def latest_audit(
    objective: AmiciObjective, theta: ArrayLike, *, entries: Entries = "auto"
) -> AuditJob | None:
    """This process's latest job for an audit, which may be over; None if there was none lately."""
    return _jobs.latest(_key(objective, np.array(theta, dtype=np.float64), entries))


def audited(
    objective: AmiciObjective,
    theta: FloatArray,
    entries: Entries = "auto",
    evaluation: Evaluation | None = None,
    *,
    jax_export: bool | None = None,
    go_on: Callable[[], None] = lambda: None,
) -> Audit:
    """An audit, which is kept on disk; arguments as for `audit_gradient`."""
    audit = audit_gradient(
        objective, theta, entries=entries, jax_export=jax_export, evaluation=evaluation, go_on=go_on
    )
    _store(objective, theta).save(_name(entries, jax_export), audit, audit.seconds)
    return audit


def stored_audit(
    objective: AmiciObjective,
    theta: FloatArray,
    entries: Entries = "auto",
    *,
    jax_export: bool | None = None,
) -> Audit | None:
    """An audit of the same from the disk; None if there is none."""
    return _store(objective, theta).load(_name(entries, jax_export), Audit)[0]


def _store(objective: AmiciObjective, theta: FloatArray) -> ResultStore:
    every = np.arange(objective.problem.n_parameters)
    return ResultStore.of("audits", objective, theta, every)


def _name(entries: Entries, jax_export: bool | None = None) -> str:
    """What tells audits of a point apart: the entries asked for, and who could be asked."""
    asked = entries if isinstance(entries, str) else "\0".join(sorted(entries))
    asked += f"\0{roadrunner_process.is_installed()}"
    if jax_export if jax_export is not None else asks_for_entries(entries):
        asked += f"\0{jax_export_process.is_installed()}"
    digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return f"audit-{digest}"


def _key(objective: AmiciObjective, theta: FloatArray, entries: Entries) -> Hashable:
    return (
        objective.model.key, objective.problem.identity, objective.solver, theta.tobytes(),
        _name(entries),
    )  # fmt: skip
