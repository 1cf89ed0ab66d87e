"""The figure of an audit: each witness's value and bar where they are, AMICI's line among them."""

import numpy as np

from amijax.audit.verdicts import Claim, judge
from amijax.figures import audit_figure


def drawn(*quantities):
    figure = audit_figure(quantities)
    return figure, {trace.name: trace for trace in figure.data}


def test_values_and_uncertainties_are_where_they_are():
    claims = [Claim("finite differences", 2.5, 0.01), Claim("other sensitivities", 0.0, 1e-9)]
    _, traces = drawn(judge("b0", 0.0, claims, 2.5))
    assert list(traces["AMICI"].x) == [0.0, 0.0]
    assert list(traces["finite differences"].x) == [2.5]
    assert list(traces["finite differences"].error_x.array) == [0.01]


def test_every_value_is_on_its_axis_and_a_wide_bar_does_not_hide_the_others():
    quantities = [
        judge("a", 1.0, [Claim("libRoadRunner", 1.0 + 1e-9, 1e-10)], 1.0),
        judge("b", 1.0, [Claim("finite differences", 1.001, 1e6)], 1.0),
        judge("c", 0.0, [Claim("finite differences", 0.0, 0.0)], 1.0),
        judge("d", -2.0, [Claim("finite differences", 3.0, 0.1)], 1.0),
    ]
    figure, _ = drawn(*quantities)
    for i, quantity in enumerate(quantities, start=1):
        low, high = figure.layout["xaxis" + ("" if i == 1 else str(i))].range
        for value in (quantity.value, quantity.claims[0].value):
            assert low < value < high
        distance = abs(quantity.value - quantity.claims[0].value)
        assert np.isfinite([low, high]).all()
        assert high - low < 1000 * max(distance, 1e-12)


def test_wrong_ones_are_marked_and_witnesses_are_named_once():
    wrong = judge("x", 0.0, [Claim("finite differences", 2.5, 0.01)], 2.5)
    right = judge("y", 2.5, [Claim("finite differences", 2.5, 0.01)], 2.5)
    figure, _ = drawn(wrong, right)
    lines = [trace for trace in figure.data if trace.name == "AMICI"]
    assert lines[0].line.color != lines[1].line.color
    assert sum(bool(trace.showlegend) for trace in figure.data) == 2
    assert figure.layout.yaxis.ticktext == ("x · wrong",)
