"""Figures of the what-if page: room between rows, legends, names, and exported pages."""

import itertools

import numpy as np
import plotly.graph_objects as go
import pytest

from amijax.figures import states_figure, trajectories_figure, web_page
from amijax.figures.exported import titled
from amijax.figures.panels import COLUMNS, name_each_once, panels, place
from amijax.sharing.points import point_in_words
from amijax.whatif.trajectories import simulate_trajectories

TEXT = 15  # pixels of a line of ticks or of a title


@pytest.fixture(scope="module")
def courses(boehm):
    return simulate_trajectories(boehm, boehm.problem.nominal_theta, states=True)


@pytest.mark.parametrize("n", [1, 2, 4, 12, 40])
def test_rows_leave_room_for_ticks_axis_title_and_the_next_title(n):
    figure = panels([f"panel {k}" for k in range(n)], 250)
    drawn = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    domains = sorted({axis.domain for axis in figure.select_yaxes()})
    for (_, end), (start, _) in itertools.pairwise(domains):
        assert (start - end) * drawn > 4 * TEXT
    assert all((end - start) * drawn == pytest.approx(250, abs=1) for start, end in domains)
    assert len(domains) == (n + COLUMNS - 1) // COLUMNS
    assert figure.layout.margin.b > 2 * TEXT


def test_long_titles_stay_within_their_panel():
    names = ["a" * 20 + "_" * 30 + "b" * 20, "short"]
    long, short = [a.text for a in panels(names, 250).layout.annotations]
    assert len(long) <= 30
    assert long.startswith("aaa")
    assert long.endswith("bbb")
    assert short == "short"


def test_the_legend_names_each_group_once_whatever_panel_it_is_in_first():
    figure = panels(["one", "two"], 250)
    for k, group in ((0, "now"), (1, "now"), (1, "measured")):
        figure.add_scatter(x=[0], y=[0], name=group, legendgroup=group, **place(k))
    name_each_once(figure)
    assert [trace.showlegend for trace in figure.data] == [True, False, True]


def test_both_states_are_called_by_their_names(courses):
    names = ("fast export", "a snapshot with a rather long name")
    for figure in (
        trajectories_figure(courses, courses, courses.observable_ids, names=names),
        states_figure(courses, courses, courses.state_ids[:4], names=names),
    ):
        shown = [trace.name for trace in figure.data if trace.showlegend]
        assert set(names) <= set(shown)
        assert len(shown) == len(set(shown))


def test_measured_observables(boehm, courses):
    assert courses.measured == courses.observable_ids
    none = simulate_trajectories(boehm, boehm.problem.nominal_theta, conditions=[])
    assert none.measured == ()


def test_an_exported_figure_says_what_it_shows_and_keeps_its_labels(courses, boehm):
    figure = trajectories_figure(courses, None, courses.observable_ids)
    theta = boehm.problem.nominal_theta.copy()
    theta[5] = 4.3
    at = point_in_words(boehm.problem, theta)
    assert at.startswith("At k_phos = 4.3 (log10; nominal 4.19")
    assert point_in_words(boehm.problem, boehm.problem.nominal_theta) == "At the nominal parameters"
    assert " and 7 more" in point_in_words(boehm.problem, theta - 0.1, most=2)
    other = titled(figure, "Boehm: <courses>", (at,))
    assert other.layout.height > figure.layout.height
    assert other.layout.margin.t > figure.layout.margin.t
    assert all(axis.automargin for axis in [*other.select_xaxes(), *other.select_yaxes()])
    assert figure.layout.title.text is None  # a copy
    page = web_page(figure, "Boehm: <courses>", (at,), "Boehm_courses")
    assert "&lt;courses&gt;" in page
    assert "<courses>" not in page
    assert "k_phos = 4.3" in page
    for form in ("png", "svg"):
        assert f"&quot;format&quot;: &quot;{form}&quot;" in page
    assert "cdn" not in page.split("<div")[0]


def test_a_figure_without_a_legend_is_exported_as_well():
    figure = go.Figure(go.Scatter(x=[1], y=[np.nan]))
    figure.update_layout(height=300, margin={"t": 40})
    assert titled(figure, "x", ()).layout.height > 300
