"""The command that tells the lesson in a terminal."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from amijax.cli.shared import (
    PROBLEM_HELP,
    compiled_objective,
    opened_problem,
    point_of,
    point_options,
    table,
)
from amijax.json_values import json_text
from amijax.simulation.settings import SolverChoice

if TYPE_CHECKING:
    from amijax.bit_patterns import Float32Rounding
    from amijax.digit_stack import DigitStack
    from amijax.lesson import Exemplar, Here, Question, Result, Step
    from amijax.scales import FloatArray

_WIDTH = 100  # characters


@click.command("lesson", epilog=PROBLEM_HELP)
@click.argument("problem", metavar="[PROBLEM]", required=False)
@click.option("--step", "number", metavar="N", type=int, help="This step only.  [default: all]")
@point_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def lesson_command(
    problem: str | None,
    number: int | None,
    assignments: tuple[str, ...],
    scaled: bool,
    scales: tuple[str, ...],
    as_json: bool,
) -> None:
    """What precision does to gradients, in nine steps: question, answer, what is seen, and why.

    All numbers are computed now, at PROBLEM and the point that --set gives; without PROBLEM at the
    problems that show each step best. The same as the page Lesson. Exit status: 0 done, 1 the
    simulation failed, 2 wrong use.
    """
    if problem is None and (assignments or scales):
        raise click.UsageError(f"--{'set' if assignments else 'scales'} needs a PROBLEM.")

    from amijax.jax_setup import set_up_jax

    set_up_jax()
    from amijax.lesson import EXERCISES, STEPS, step_of

    try:
        steps = STEPS if number is None else (step_of(number),)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    teller = _Teller(problem, assignments, scaled, scales)
    told = []
    for step in steps:
        parts = teller.tell(step)
        told.append(parts)
        if not as_json:
            click.echo("\n".join(_as_text(step, parts)))
    solved = []
    if number is None:
        here = teller.here_of(STEPS[-1])
        for exercise in EXERCISES:
            solution = exercise.solve(here, _silent)
            solved.append({"title": exercise.title, "task": exercise.task,
                           "answer": solution.value, "text": solution.text})  # fmt: skip
        if not as_json:
            click.echo("\n".join(_exercises_as_text(solved)))
    if as_json:
        content = [
            {"step": step.number, "title": step.title, "points": [_as_json(*p) for p in parts]}
            for step, parts in zip(steps, told, strict=True)
        ]
        click.echo(json_text({"steps": content, "exercises": solved}, indent=2))
    sys.exit(0)


class _Teller:
    """Tells steps at a person's problem or at the lesson's own; opens each problem once."""

    def __init__(
        self,
        problem: str | None,
        assignments: tuple[str, ...],
        scaled: bool,
        scales: tuple[str, ...],
    ) -> None:
        self._is_own = problem is not None
        self._known: dict[tuple[str, bool], Any] = {}
        self._own: Here | None = None
        if problem is not None:
            opened = opened_problem(problem, scales=scales)
            theta = point_of(opened, assignments, scaled)
            self._own = self._settled(opened, theta, SolverChoice())

    def tell(self, step: Step) -> list[tuple[Here, Question, Result]]:
        """A step's question and result, and those of its contrast if it has one."""
        from amijax.lesson import places

        main, contrast = places(step.number, own=self._is_own)
        chosen = [main] if contrast is None else [main, contrast]
        told = []
        for exemplar in chosen:
            here = self._here(exemplar)
            told.append((here, step.ask(here), step.compute(here, _silent)))
        return told

    def here_of(self, step: Step) -> Here:
        """Where a step is told."""
        from amijax.lesson import places

        return self._here(places(step.number, own=self._is_own)[0])

    def _here(self, exemplar: Exemplar | None) -> Here:
        if exemplar is None:
            assert self._own is not None
            return self._own
        key = (exemplar.problem, exemplar.repair)
        if key not in self._known:
            opened = opened_problem(exemplar.problem)
            opened = opened if exemplar.repair else opened.without_repairs()
            theta = opened.theta_from(dict(exemplar.theta))
            self._known[key] = self._settled(opened, theta, exemplar.settings)
        here: Here = self._known[key]
        return here

    def _settled(self, problem: Any, theta: FloatArray, choice: SolverChoice) -> Here:
        from amijax.lesson import Here

        here = Here.at(compiled_objective(problem), theta, choice)
        if here.failure is not None:
            raise click.ClickException(str(here.failure))
        return here


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def _as_json(here: Here, question: Question, result: Result) -> dict[str, Any]:
    content = result.table
    return {
        "problem": here.problem.problem_id,
        "repair": here.problem.repair,
        "theta": dict(zip(here.problem.parameter_ids, here.theta, strict=True)),
        "solver": here.objective.solver.as_dict(),
        "question": question.text,
        "options": question.options,
        "answer": result.answer,
        "answer_text": question.said(result.answer),
        "claim": result.claim,
        "seen": result.seen,
        "why": result.why,
        "table": content and {"columns": (content.corner, *content.columns), "rows": content.rows},
    }


def _as_text(step: Step, parts: list[tuple[Here, Question, Result]]) -> list[str]:
    lines = [f"{step.number} · {step.title}", "=" * (len(step.title) + 4), ""]
    for k, (here, question, result) in enumerate(parts):
        lines += [_where(here) if k == 0 else f"In contrast: {_where(here)}", ""]
        if k == 0:
            options = [f"{i + 1} · {text}" for i, text in enumerate(question.options)]
            lines += _wrapped(f"Predict. {question.text}")
            lines += [f"  {line}" for line in options]
            lines += [f"Answer: {question.said(result.answer)}.", ""]
        lines += [*_wrapped(result.claim), ""]
        for line in result.seen:
            lines += _wrapped(line, "- ")
        lines += ["", *_drawn(result)]
        for line in result.why:
            lines += _wrapped(line)
        lines.append("")
        if (content := result.table) is not None:
            rows = [list(row) for row in content.rows]
            lines += [*table(rows, [content.corner, *content.columns]), ""]
    return lines


def _drawn(result: Result) -> list[str]:
    """Digits below each other in step 3, bits in step 4."""
    from amijax.lesson.cancellation import Cancellation
    from amijax.lesson.two_precisions import TwoPrecisions

    if isinstance(result, TwoPrecisions):
        return [*_digits(result.stack(result.float64.parameter_ids[result.weakest])), ""]
    if isinstance(result, Cancellation):
        theta = f"{result.parameter} has θ = {result.rounding.float64.value!r}."
        return [*_wrapped(f"{theta} {result.rounding.sentence}"), *_bits(result.rounding), ""]
    return []


def _digits(stack: DigitStack) -> list[str]:
    """A number from several sources; what differs has a caret below it."""
    power = f" x 10^{stack.exponent}" if stack.exponent else ""
    lines = []
    for row in stack.rows:
        lines.append(f"{row.title:<14}{row.text}{power}")
        marks = "".join(
            ("^" if run.mark == "different" else " ") * len(run.text) for run in row.runs
        )
        if "^" in marks:
            lines.append(f"{'':<14}{marks.rstrip()}")
    return lines


def _bits(rounding: Float32Rounding) -> list[str]:
    """Sign, exponent and mantissa of a number in both formats."""
    lines = []
    for pattern in (rounding.float64, rounding.float32):
        bits = "".join(map(str, pattern.bits))
        parts = [pattern.part(i) for i in range(len(bits))]
        ends = [parts.index("exponent"), parts.index("mantissa")]
        shown = f"{bits[: ends[0]]} {bits[ends[0] : ends[1]]} {bits[ends[1] :]}"
        lines.append(f"{pattern.precision}  {shown}  {pattern.value!r}")
    return lines


def _exercises_as_text(solved: list[dict[str, Any]]) -> list[str]:
    lines = ["Exercises", "=========", ""]
    for i, each in enumerate(solved):
        lines += [*_wrapped(f"{i + 1}. {each['title']}. {each['task']}"), ""]
        lines += [*_wrapped(f"Answer: {each['text']}"), ""]
    return lines


def _where(here: Here) -> str:
    moved = int((here.theta != here.problem.nominal_theta).sum())
    point = f"{moved} parameters changed from nominal" if moved else "nominal parameters"
    repair = "" if here.problem.repair else ", without amijax's repair of the model"
    return f"{here.problem.problem_id}, {point}{repair}, {here.objective.solver}"


def _wrapped(text: str, lead: str = "") -> list[str]:
    plain = text.replace("`", "").replace("**", "")
    return textwrap.wrap(plain, _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead))
