"""Step 7: digits that stay at ever tighter tolerances need not be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amijax.audit.jobs import audited, stored_audit
from amijax.audit.record import Audit
from amijax.audit.testimony import Witness
from amijax.audit.verdicts import QuantityVerdict
from amijax.digits import digits
from amijax.lesson.here import Here, OnProgress
from amijax.lesson.questions import Question
from amijax.lesson.step import Table
from amijax.lesson.studied import with_tolerances
from amijax.lesson.texts import counted, digits_text, value_text
from amijax.models.plan import Repair
from amijax.scales import FloatArray

RTOLS = (1e-6, 1e-8, 1e-10, 1e-12)
OPTIONS = (
    "Yes: every entry is right",
    "No: at least one is wrong",
    "Nobody can tell of all of them",
)
_WITNESSES: dict[Witness, str] = {
    "finite differences": "llh itself: move the parameter a little, simulate llh without any "
    "sensitivities, and see by how much it changes",
    "closed form": "the solution of this model in closed form: a formula, for which nothing is "
    "integrated",
    "libRoadRunner": "another simulator, libRoadRunner",
    "AMICI's JAX export": "the model as a JAX program, solved by another solver and differentiated "
    "automatically",
}
# What AMICI agrees with itself in at the two tightest tolerances counts as settled from here on.
_SETTLED = 4.0


@dataclass(frozen=True, eq=False)
class Tight:
    """The gradient at ever tighter tolerances, and what witnesses say of the tightest.

    Attributes:
        rtols: that work, from large to small.
        gradients: at these, shape (n_rtols, n_parameters).
        audit: at the tightest one, entry by entry.
        repairs: what was changed in the model so that AMICI's numbers are right.
        is_repaired: whether that was allowed.
    """

    rtols: tuple[float, ...]
    gradients: FloatArray
    audit: Audit
    repairs: tuple[Repair, ...]
    is_repaired: bool

    @property
    def wrong(self) -> tuple[QuantityVerdict, ...]:
        """Entries that a witness calls wrong."""
        return tuple(entry for entry in self.audit.gradient if entry.verdict == "wrong")

    @property
    def settled(self) -> FloatArray:
        """Digits in which the two tightest agree, shape (n_parameters,); NaN with only one."""
        if len(self.rtols) < 2:
            return np.full(self.gradients.shape[1], np.nan)
        return digits(self.gradients[-1], self.gradients[-2])

    @property
    def position(self) -> int:
        """Of the entry to look at: the wrong one that settles most, one that is not 0 if there is
        such a one; without any the one that settles least.
        """
        settled = np.nan_to_num(self.settled, nan=0.0)
        wrong = np.array([entry.verdict == "wrong" for entry in self.audit.gradient])
        if not wrong.any():
            return int(np.argmin(settled))
        chosen = wrong & (self.gradients[-1] != 0)
        chosen = chosen if chosen.any() else wrong
        return int(np.argmax(np.where(chosen, settled, -1.0)))

    @property
    def has_settled(self) -> bool:
        """Whether the entry's digits stay at the tightest tolerances."""
        return bool(self.settled[self.position] >= _SETTLED)

    @property
    def parameter(self) -> str:
        """Of that entry."""
        return self.audit.gradient[self.position].quantity

    @property
    def answer(self) -> float:
        """Position in `OPTIONS`."""
        if self.wrong:
            return 1.0
        return 0.0 if all(e.verdict == "right" for e in self.audit.gradient) else 2.0

    @property
    def claim(self) -> str:
        """What the step shows."""
        n = len(self.audit.gradient)
        if self.wrong:
            if self.has_settled:
                digits_stay = digits_text(float(self.settled[self.position]))
                return (
                    f"Tight is not right: the entry of `{self.parameter}` is computed ever more "
                    f"tightly, {digits_stay} digits of it stay, and it is wrong."
                )
            return (
                f"Not tight enough: at rtol {self.rtols[-1]:.0e} the entry of `{self.parameter}` "
                "is still wrong, and its digits still change."
            )
        right = sum(entry.verdict == "right" for entry in self.audit.gradient)
        if right == n:
            return f"Here tight is right: witnesses confirm all of {counted(n, 'entry')}."
        return (
            f"Tight is not yet right: witnesses confirm {right} of {counted(n, 'entry')}; nobody "
            "can tell of the rest."
        )

    @property
    def seen(self) -> tuple[str, ...]:
        """The live result in sentences."""
        entry = self.audit.gradient[self.position]
        values = ", ".join(
            f"{value_text(row[self.position])} at {rtol:.0e}"
            for rtol, row in zip(self.rtols, self.gradients, strict=True)
        )
        return (
            f"The entry of `{entry.quantity}`, by rtol: {values}.",
            f"Held against a witness: {entry.sentence} {entry.cause}".strip(),
        )

    @property
    def why(self) -> tuple[str, ...]:
        """Why it is so."""
        first = (
            "A tighter tolerance solves the same equations better. Where AMICI solves other "
            "equations than the model's, it finds another number, and finds it ever more exactly. "
            "Only a witness that shares nothing with these equations can tell."
        )
        if self.wrong and not self.has_settled:
            first = (
                "AMICI's own values still change from one tolerance to the next: the solver's "
                "error alone may be as large as what the witness objects to."
            )
        lines = [first]
        witness = self.audit.gradient[self.position].witness
        if witness in _WITNESSES:
            lines.append(f"The witness here is {_WITNESSES[witness]}.")
        if self.repairs:
            lines += [f"amijax knows this kind of model and changed it: {r.message}"
                      for r in self.repairs]  # fmt: skip
        elif not self.is_repaired and self.wrong:
            lines.append(
                "amijax knows this kind of model and repairs it. For this step the repair is "
                "switched off."
            )
        return tuple(lines)

    @property
    def table(self) -> Table:
        """Values by tolerance, and the witness."""
        rows = tuple(
            (
                entry.quantity,
                *(value_text(value) for value in self.gradients[:, i]),
                digits_text(self.settled[i]),
                value_text(entry.witness_value) if entry.witness_value is not None else "—",
                entry.verdict,
            )
            for i, entry in enumerate(self.audit.gradient)
        )
        return Table(
            "∂llh/∂θ",
            (*(f"rtol {r:.0e}" for r in self.rtols), "digits that stay", "witness", "verdict"),
            (
                *("AMICI at this tolerance" for _ in self.rtols),
                "In which the two tightest agree",
                "What the sharpest witness that is not AMICI finds",
                "Right, wrong or unproven",
            ),
            rows,
            tuple(entry.quantity for entry in self.wrong)
            or (self.audit.gradient[self.position].quantity,),
        )


def ask(here: Here) -> Question:
    """Is what stays right?"""
    repaired = "" if here.problem.repair else " (amijax's repair is switched off)"
    rtols = ", ".join(f"{rtol:.0e}" for rtol in RTOLS)
    return Question(
        f"AMICI computes the gradient at rtol {rtols}{repaired}. The tighter, the more digits "
        "stay. Is the last gradient right?",
        OPTIONS,
    )


def compute(here: Here, on_progress: OnProgress) -> Tight:
    """Tighten, then ask witnesses."""
    points = []
    for i, rtol in enumerate(RTOLS):
        on_progress("tighter tolerances", i, len(RTOLS))
        point = with_tolerances(here, rtol)
        if point.failure is None:
            points.append((rtol, point))
    if not points:
        points = [(here.objective.solver.rtol, here)]
    _, tightest = points[-1]

    def go_on() -> None:
        on_progress("witnesses that are not AMICI", 0, 1)

    go_on()
    audit = stored_audit(tightest.objective, here.theta, "all", jax_export=False) or audited(
        tightest.objective, here.theta, "all", tightest.evaluation, jax_export=False, go_on=go_on
    )
    return Tight(
        rtols=tuple(r for r, _ in points),
        gradients=np.array([point.gradient for _, point in points]),
        audit=audit,
        repairs=here.objective.repairs,
        is_repaired=here.problem.repair,
    )
