"""Snapshots: every bit kept, differences found, and hostile files refused in a sentence."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amijax import SolverChoice, load_problem
from amijax.sharing.snapshots import (
    MAX_BYTES,
    Snapshot,
    SnapshotError,
    clean_name,
    compare_snapshots,
    export_snapshots,
    import_snapshots,
)

PROBLEM = load_problem()
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def snapshot(name="first", theta=None, **changes):
    theta = PROBLEM.nominal_theta if theta is None else theta
    values = {
        "name": name,
        "problem": PROBLEM.problem_id,
        "parameter_ids": PROBLEM.parameter_ids,
        "theta": theta,
        "precision": "float64",
        "choice": SolverChoice(),
        "llh": -138.2,
        "gradient": np.arange(9.0),
        **changes,
    }
    return Snapshot(**values)


def same(a, b):
    def plain(value):
        return value.tobytes() if isinstance(value, np.ndarray) else repr(value)

    return all(plain(getattr(a, f.name)) == plain(getattr(b, f.name)) for f in fields(Snapshot))


@settings(derandomize=True, deadline=None)
@given(
    st.lists(FINITE, min_size=9, max_size=9),
    st.lists(st.floats(allow_nan=False), min_size=9, max_size=9),
    st.floats(allow_nan=False) | st.just(np.nan),
    st.text(),
)
def test_a_file_keeps_every_bit(theta, gradient, llh, name):
    choice = SolverChoice(rtol=1e-9, max_steps=7, sensitivities="adjoint")
    before = snapshot(
        clean_name(name), np.array(theta), gradient=np.array(gradient), llh=llh, choice=choice,
        precision="float32",
    )  # fmt: skip
    text = export_snapshots([before, snapshot()])
    after = import_snapshots(text.encode())
    assert len(after) == 2
    assert same(before, after[0])
    json.loads(text, parse_constant=pytest.fail)  # NaN and infinities are no JSON


def test_missing_values_are_kept():
    before = snapshot(llh=np.nan, gradient=np.full(9, np.nan))
    after = import_snapshots(export_snapshots([before]))[0]
    assert np.isnan(after.llh)
    assert np.isnan(after.gradient).all()


def test_differences():
    theta = PROBLEM.nominal_theta.copy()
    theta[5] = np.nextafter(theta[5], 9)  # one bit is a difference
    a = snapshot()
    b = snapshot("second", theta, llh=-138.0, precision="float32", gradient=np.arange(9.0) * 2)
    found = compare_snapshots(a, b)
    assert list(found.parameters.index) == ["k_phos"]
    assert found.parameters.loc["k_phos", "b - a"] > 0
    assert found.llh.loc["llh", "b - a"] == pytest.approx(0.2)
    np.testing.assert_array_equal(found.gradient["b - a"], np.arange(9.0))
    assert list(found.settings.index) == ["precision"]
    with pytest.raises(SnapshotError, match="same problem"):
        compare_snapshots(a, snapshot(problem="other"))


def test_parameters_are_matched_by_id():
    order = np.argsort(PROBLEM.parameter_ids)
    ids = tuple(PROBLEM.parameter_ids[i] for i in order)
    shuffled = snapshot(
        theta=PROBLEM.nominal_theta[order], parameter_ids=ids, gradient=np.arange(9.0)[order]
    )
    np.testing.assert_array_equal(shuffled.theta_for(PROBLEM), PROBLEM.nominal_theta)
    found = compare_snapshots(snapshot(), shuffled)
    assert found.parameters.empty
    assert (found.gradient["b - a"] == 0).all()
    outdated = snapshot(parameter_ids=(*PROBLEM.parameter_ids[:-1], "gone"))
    with pytest.raises(SnapshotError, match="other free parameters"):
        outdated.theta_for(PROBLEM)


def damaged(**changes):
    data = json.loads(export_snapshots([snapshot()]))
    data["snapshots"][0].update(changes)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "no export of snapshots"),
        ("{}", "no export of snapshots"),
        ('{"format": "amijax snapshots", "revision": 99}', "revision 99"),
        ('{"format": "amijax snapshots", "revision": 1}', "list of at most"),
        ('{"format": "amijax snapshots", "revision": 1, "snapshots": [1]}', "not an object"),
        ('{"format": "amijax snapshots", "revision": 1, "snapshots": [{}]}', "is missing"),
        (" " * (MAX_BYTES + 1), "10 MB"),
        (damaged(theta=[1.0]), "one number for each of 9"),
        (damaged(theta=["nan"] * 9), "theta is not finite"),
        (damaged(theta=[True] * 9), "not a number"),
        (damaged(theta=[None] * 9), "not a number"),
        (damaged(theta={"a": 1}), "a list"),
        (damaged(theta=[10**400] * 9), "can't be used"),
        (damaged(llh="many"), "not a number"),
        (damaged(llh=float("nan")), "not a number"),  # NaN is no JSON, but Python reads it
        (damaged(name=""), "name must be text"),
        (damaged(name=["x"]), "name must be text"),
        (damaged(parameter_ids=["a"] * 9), "twice"),
        (damaged(precision="float16"), "precision must be"),
        (damaged(created="yesterday"), "can't be used"),
        (damaged(versions=[]), "versions"),
        (damaged(choice={"evil": 1}), "choice must be"),
        (damaged(choice={"rtol": -1.0}), "rtol must be"),
        (damaged(choice={"rtol": "x"}), "rtol must be a number"),
        (damaged(choice={"max_steps": 1.5}), "whole number"),
        (damaged(choice={"sensitivities": []}), "one of"),
    ],
)
def test_unusable_files_get_one_sentence(content, sentence):
    with pytest.raises(SnapshotError) as caught:
        import_snapshots(content)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from([f.name for f in fields(Snapshot)]), JSON)
def test_whatever_stands_in_a_field_it_is_read_or_refused(name, value):
    data = json.loads(export_snapshots([snapshot()]))
    data["snapshots"][0][name] = value
    try:
        (found,) = import_snapshots(json.dumps(data))
    except SnapshotError:
        return
    assert np.isfinite(found.theta).all()
    assert found.choice.ladder()


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=300))
def test_whatever_a_file_holds_it_is_read_or_refused(content):
    with pytest.raises(SnapshotError):
        import_snapshots(content)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  after   the\n wash ", "after the wash"),
        ("\x00\x1b[31m", "[31m"),
        ("", "unnamed"),
        ("x" * 200, "x" * 80),
        ("‮evil", "evil"),
    ],
)
def test_names_are_one_short_line(text, name):
    assert clean_name(text) == name
