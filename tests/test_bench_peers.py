"""The benchmark against peers: fair turns, honest failures, and errors measured right."""

import sys
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from benchmarks.peers import CONTENDERS
from benchmarks.peers.isolation import run_worker
from benchmarks.peers.reasons import reason
from benchmarks.peers.records import add_accuracy, add_ratios, collect, errors
from benchmarks.peers.table import markdown, number
from benchmarks.peers.timing import FEWEST, MOST, repetitions, spread, turns

from amijax.precision.reference import find_reference
from amijax.simulation.settings import SolverSettings


def test_a_call_is_made_as_often_as_its_budget_allows_within_limits():
    counts = repetitions({"quick": 1e-5, "usual": 0.1, "slow": 60.0}, budget=2.05)
    assert counts == {"quick": MOST, "usual": 20, "slow": FEWEST}


def test_turns_are_as_many_as_asked_for_and_spread_over_the_whole_run():
    counts = {"a": 30, "b": 30, "slow": 3}
    order = list(turns(counts))
    assert Counter(order) == counts
    thirds = [order[:21], order[21:42], order[42:]]
    assert [third.count("slow") for third in thirds] == [1, 1, 1]
    assert all(9 <= third.count("a") <= 11 for third in thirds)


def test_spread_is_in_milliseconds():
    assert asdict(spread([0.001, 0.002, 0.003, 0.004, 0.1])) == pytest.approx(
        {"median": 3.0, "lower": 2.0, "upper": 4.0, "n": 5}
    )


def test_errors_are_relative_to_the_reference():
    found = errors([1.1, 0.0, 2.0], [1.0, 0.0, 2.0])
    assert found["norm"] == pytest.approx(0.1 / np.sqrt(5.0))
    assert found["median"] == 0.0
    assert errors([-1.0], [1.0])["median_digits"] == 0.0


def test_a_missing_peer_says_how_to_install_it():
    with pytest.raises(ModuleNotFoundError) as caught:
        import no_such_peer  # noqa: F401
    assert reason(caught.value) == (
        "not installed (no_such_peer): pip install -r tests/benchmarks/requirements.txt"
    )


def test_a_killed_worker_leaves_what_it_had_and_the_phase_it_was_in():
    events = [
        {"event": "set up", "contender": "raw", "seconds": 1.0},
        {"event": "set up", "contender": "slow", "seconds": 2.0},
        *(
            {"event": kind, "contender": "raw", "quantity": "llh"} | rest
            for kind, rest in (
                ("first", {"seconds": 0.1, "llh": -1.0, "gradient": None}),
                ("measured", {"median": 2.0, "lower": 1.0, "upper": 4.0, "n": 3}),
            )
        ),
        {"event": "failed", "contender": "slow", "quantity": "llh", "reason": "NaN"},
        {"event": "phase", "contender": "slow", "phase": "first gradient"},
    ]
    records = collect(events, ["raw", "slow"], "stopped after 9 s")
    add_ratios(records)
    assert records["raw"]["llh"]["ratio_upper"] == 2.0
    assert records["slow"]["llh"] == {"failure": "NaN"}
    stopped = "stopped after 9 s (first gradient of slow)"
    assert records["slow"]["gradient"] == {"failure": stopped}


def test_numbers_in_tables_are_short():
    assert [number(x) for x in (0.5, 1.019, 62.04, 1234.5)] == ["0.50", "1.02", "62.0", "1234"]


@pytest.fixture(scope="module")
def request_for_conversion(conversion):
    return {
        "problem": conversion.problem.problem_id,
        "settings": asdict(SolverSettings()),
        "contenders": [c.name for c in CONTENDERS if c.name not in ("pypesto", "diffrax")],
        "budget": 0.0,
    }


def test_a_worker_that_takes_too_long_is_stopped(request_for_conversion):
    events, why = run_worker(request_for_conversion, timeout=0.01, memory_gb=8.0)
    assert events == []
    assert why == "stopped after 0.01 s"


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process is known on Linux only")
def test_a_worker_that_takes_too_much_memory_is_stopped(request_for_conversion):
    _, why = run_worker(request_for_conversion, timeout=60.0, memory_gb=0.001)
    assert why == "stopped at 0.001 GB of memory"


def test_all_that_need_no_peer_give_the_same_numbers(request_for_conversion, conversion):
    """A real run of the worker and its tables, without the peers that CI doesn't install."""
    names = request_for_conversion["contenders"]
    events, why = run_worker(request_for_conversion, timeout=120.0, memory_gb=8.0)
    assert why is None
    records = collect(events, names, why)
    add_ratios(records)
    theta = conversion.problem.nominal_theta
    add_accuracy(records, find_reference(conversion, theta, np.arange(len(theta))))
    llh, gradient = conversion.llh_and_gradient(theta)
    for name, record in records.items():
        assert not record["llh"]["llh_differs"]
        # Tuned settings take other steps: their llh is off by what the tolerances allow.
        same = 1e-7 if name == "tuned" else 1e-12
        assert record["gradient"]["llh"] == pytest.approx(llh, rel=same)
        # JAX's detour through linear scale moves theta by an ulp, and the solver's steps with it.
        assert record["gradient"]["gradient"] == pytest.approx(gradient, rel=1e-4)
        assert record["gradient"]["n"] == FEWEST
        assert record["gradient"]["error"]["norm"] < 1e-3
    default, tuned = (records[name]["gradient"]["error"]["norm"] for name in ("raw", "tuned"))
    assert tuned <= default + 1e-10  # of the two references
    report = {
        "date": "2000-01-01T00:00:00",
        "machine": {"cpu": "CPU", "cores": 2, "python": "3"},
        "main_versions": {"amici": "1"},
        "contenders": names,
        "problems": [
            {
                "problem": "Conversion_Reaction",
                "conditions": 1,
                "parameters": len(theta),
                "settings": request_for_conversion["settings"],
                "reference": {"converged": True, "rtol": 1e-13, "atol": 1e-16},
                "compile_seconds": 5.0,
                "contenders": records,
            }
        ],
    }
    lines = [line for line in markdown(report).splitlines() if line.startswith("| Conv")]
    assert len(lines) == 4
    assert "no [" not in markdown(report)
