"""Numbers on pages: how wide a column must be, and what the browser makes of a format."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from amijax.ui.numbers import column_width, drawn


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-138.2219973, "%.6g", "-138.222"),
        (-1.68077e11, "%.6g", "-168077000000"),  # JavaScript writes no exponent below 1e21
        (1.5e21, "%.6g", "1.5e+21"),
        (-2.5e-7, "%.3g", "-2.5e-7"),
        (2.5e-6, "%.3g", "0.0000025"),
        (0.0, "%.6g", "0"),
        (12.34, "%.1f", "12.3"),
        (float("nan"), "%.6g", "nan"),
    ],
)
def test_numbers_as_the_browser_writes_them(value, form, text):
    assert drawn(value, form) == text


def test_a_column_grows_with_its_longest_number():
    short, long = pd.Series([1.0, np.nan]), pd.Series([1.0, -1.68077e11, np.nan])
    assert column_width(long, "%.6g", "llh") > column_width(short, "%.6g", "llh") + 50
    assert column_width(short, "%.6g", "a long header") > column_width(short, "%.6g", "llh")
    assert column_width(pd.Series([], dtype=float), "%.6g", "llh") > 0


def test_figures_and_grids_on_a_page():
    def page():
        import pandas as pd

        from amijax.ui import numbers

        with numbers.row("figures"):
            numbers.figure("llh", "-138.221998", help="Log-likelihood", note="k_phos")
        frame = pd.DataFrame(
            {"value": [1.0], "words": ["x"]}, index=pd.Index(["a"], name="parameter")
        )
        numbers.grid("table", frame, {"value": "%.6g", "absent": "%.1f"}, alt="A table")

    app = AppTest.from_function(page).run()
    assert not app.exception
    (metric,) = app.metric
    assert (metric.label, metric.value, metric.delta) == ("llh", "-138.221998", "k_phos")
    assert list(app.dataframe[0].value.columns) == ["value", "words"]
