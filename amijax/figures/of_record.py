"""The figure of a record, whichever it is: for notebooks."""

from __future__ import annotations

import plotly.graph_objects as go

from amijax.audit.record import Audit
from amijax.comparison import Comparison
from amijax.figures.audit import audit_figure
from amijax.figures.gradient import gradient_figure
from amijax.figures.precision import digits_figure
from amijax.figures.tuning import tuning_figure
from amijax.figures.work_precision import work_precision_figure
from amijax.precision.study import Study
from amijax.precision.work_precision import WorkPrecision
from amijax.tuning.record import Tuning


def figure_of(record: Comparison | Study | Audit | Tuning | WorkPrecision) -> go.Figure:
    """The figure that says most of a record; the other functions of this package draw the rest.

    Args:
        record: a comparison (both gradients and their differences), a precision study (digits of
            float64), an audit (what witnesses say, where any does), a tuning (what was tried), or
            the work-precision diagram.

    Raises:
        TypeError: it is something else.
        ValueError: there is nothing to draw.
    """
    match record:
        case Comparison():
            return gradient_figure({record.precision: record}, record.precision)
        case Study():
            if not record.verdicts:
                raise ValueError("The study has no error budget yet: there is nothing to draw.")
            return digits_figure(record.verdicts, "float64")
        case Audit():
            heard = [each for each in (record.llh, *record.gradient) if each.claims]
            if not heard:
                raise ValueError("No witness was heard: there is nothing to draw.")
            return audit_figure(heard)
        case Tuning():
            return tuning_figure(record)
        case WorkPrecision():
            return work_precision_figure(record)
    raise TypeError(
        "figure_of draws a Comparison, a Study, an Audit, a Tuning or a WorkPrecision, but got "
        f"{type(record).__name__}."
    )
