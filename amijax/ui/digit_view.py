"""One number from AMICI, JAX and a witness, digit below digit: what agrees, and what is known."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from amijax.audit.best_known import best_known
from amijax.audit.record import Audit
from amijax.comparison import Comparison
from amijax.digit_stack import DigitRow, DigitStack, stack_digits
from amijax.digits import relative_text
from amijax.precisions import Precision
from amijax.ui.markdown import plain

LARGEST = ""  # the choice that follows the largest relative difference

_DIGIT_EM = 0.62  # width of a digit of the monospaced font, with something to spare
_STYLE = """
.amijax-digits { container-type: inline-size; margin: 0.2rem 0 0.4rem; }
.amijax-digits .row { display: grid; grid-template-columns: 8.5rem max-content 1fr; gap: 0 1rem;
  align-items: baseline; padding: 0.12rem 0; }
.amijax-digits .title, .amijax-digits .note { font-size: 0.875rem; }
.amijax-digits .note { opacity: 0.75; }
.amijax-digits .known .title { font-weight: 650; }
.amijax-digits .digits { font-family: "Source Code Pro", "DejaVu Sans Mono", monospace;
  white-space: pre; line-height: 1.5;
  font-size: min(1.15rem, calc((100cqw - 0.5rem) / (COLUMNS * DIGIT_EM))); }
.amijax-digits sup { line-height: 0; font-size: 0.75em; }
.amijax-digits .different { color: light-dark(#b71c1c, #ff8a80); font-weight: 700;
  text-decoration: underline 2px; text-underline-offset: 3px;
  background: color-mix(in srgb, currentColor 12%, transparent); }
.amijax-digits .unknown { opacity: 0.6; text-decoration: underline dotted;
  text-underline-offset: 3px; }
@container (max-width: 46rem) {
  .amijax-digits .row, .amijax-digits .row > span { display: block; }
}
"""


def choose(comparisons: Mapping[Precision, Comparison], audit: Audit | None) -> None:
    """Let an entry be chosen, at first the one that differs most, and draw its digits.

    Args:
        comparisons: of one point, in both precisions.
        audit: of the same point; None while there is none.
    """
    parameters = next(iter(comparisons.values())).parameter_ids
    worst = most_different(comparisons)
    entry = st.selectbox(
        "Digit by digit",
        [LARGEST, "llh", *parameters],
        format_func=lambda name: name or f"largest relative difference: {worst}",
        key="digits_entry",
        help="One number from AMICI, from AMICI inside JAX, and the best known value of it, with "
        "all 17 digits.",
    )
    if entry != "llh" and entry not in parameters:
        entry = worst
    draw(stack_of(comparisons, entry, audit))


def most_different(comparisons: Mapping[Precision, Comparison]) -> str:
    """The parameter whose gradient entry differs most from AMICI's, in whichever precision.

    llh where no entry differs in any.
    """
    worst = {
        float(abs(each.gradient_rel_diff[each.worst])): each.parameter_ids[each.worst]
        for each in comparisons.values()
        if each.worst is not None
    }
    return worst[max(worst)] if worst else "llh"


def stack_of(
    comparisons: Mapping[Precision, Comparison], entry: str, audit: Audit | None
) -> DigitStack:
    """The digits of llh or of a gradient entry, from AMICI, JAX and the audit's witness.

    Args:
        comparisons: of one point.
        entry: "llh" or a parameter's id.
        audit: of the same point; None without one.

    Raises:
        ValueError: AMICI has no result.
    """
    first = next(iter(comparisons.values()))
    verdict = None
    if entry == "llh":
        values = {"AMICI": first.llh_amici}
        values |= {f"JAX, {c.precision}": c.llh_jax for c in comparisons.values()}
        verdict = audit.llh if audit else None
    else:
        i = first.parameter_ids.index(entry)
        values = {"AMICI": float(first.gradient_amici[i])}
        values |= {f"JAX, {c.precision}": float(c.gradient_jax[i]) for c in comparisons.values()}
        verdict = audit.gradient[i] if audit else None
    ordered = {name: values[name] for name in sorted(values, key=_place)}
    best = best_known(verdict, "llh" if entry == "llh" else "gradient") if verdict else None
    return stack_digits(entry, ordered, best)


def draw(stack: DigitStack) -> None:
    """Draw a stack of digits; numbers are never cut, and marks are not by colour alone.

    Args:
        stack: of one number.
    """
    st.html(_html(stack))
    what = "llh" if stack.quantity == "llh" else f"∂llh/∂{stack.quantity}"
    marked = any(run.mark == "different" for row in stack.rows for run in row.runs)
    unknown = any(run.mark == "unknown" for row in stack.rows for run in row.runs)
    standard = "the best known value" if stack.against == "best known" else stack.against
    marks = [
        *([f"underlined in red: differs from {standard}"] if marked else []),
        *(["pale with dots: not known so far"] if unknown else []),
    ]
    legend = f" {_capital('; '.join(marks))}." if marks else ""
    with st.container(key="digits_sentence"):
        st.caption(f"{plain(what)}. {plain(stack.sentence)}{legend}")


def _capital(text: str) -> str:
    """A sentence's first letter as a capital; the others stay, since names are among them."""
    return text[0].upper() + text[1:]


def _html(stack: DigitStack) -> str:
    exponent = str(stack.exponent).replace("-", "−")
    power = f" ×10<sup>{exponent}</sup>" if stack.exponent else ""
    columns = max(len(row.text) for row in stack.rows) + (len(exponent) + 4 if power else 0)
    style = _STYLE.replace("COLUMNS", str(columns)).replace("DIGIT_EM", str(_DIGIT_EM))
    rows = "".join(_row(row, row.title == stack.against, power) for row in stack.rows)
    return f"<style>{style}</style><div class='amijax-digits'>{rows}</div>"


def _row(row: DigitRow, is_standard: bool, power: str) -> str:
    digits = "".join(
        escape(run.text) if run.mark == "same" else f"<span class={run.mark}>{run.text}</span>"
        for run in row.runs
    )
    agreed = "" if row.agreed is None else f"{row.agreed} agree"
    if row.agreed is not None and any(run.mark == "different" for run in row.runs):
        agreed += f", off by {relative_text(row.off or 0.0)}"
    return (
        f"<div class='row{' known' if is_standard else ''}' data-title='{escape(row.title)}' "
        f"data-value='{row.value!r}'><span class=title>{escape(row.title)}</span>"
        f"<span class=digits title='{row.value!r}'>{digits}{power}</span>"
        f"<span class=note>{escape(row.note or agreed)}</span></div>"
    )


def _place(title: str) -> int:
    return ("AMICI", "JAX, float64", "JAX, float32").index(title)
