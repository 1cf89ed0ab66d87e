"""PEtab v2 problems with mutations, and uploads of them: each opens, or gets a sentence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_problems import Event, Model
from test_opening_fuzz import FUZZ, ODD, PYTHON
from v2_problems import CaseV2

from amijax import ProblemError, load_problem
from amijax.models.source import model_source
from amijax.problems.bundle import open_bundle
from amijax.problems.limits import BundleLimits

CASE = CaseV2(
    Model(
        species={"A": 2.0}, parameters={"kk": 1.0}, reactions=[("A", "", "kk*A")],
        events=[Event("time >= 3", {"A": "A + kk"})],
    ),
    {"ka": 0.4, "d": 1.5}, lambda p, *_: {"oA": p["d"]}, {"oA": "g*A + off"},
    {"start": {"kk": "ka", "off": "d/2"}, "dose": {"A": "A + d", "kk": "0.5*kk"}},
    {"e1": [(-np.inf, "start"), (0.0, "dose"), (3.0, "dose")], "e2": [(1.0, "start")]},
    {"e1": (0.5, 3.0), "e2": (2.0,)},
    placeholders={"oA": "g"}, overrides=lambda *_: "d",
)  # fmt: skip
TABLES = ("parameters.tsv", "conditions.tsv", "experiments.tsv", "observables.tsv",
          "measurements.tsv")  # fmt: skip
MORE = (*ODD, "kk", "ka", "d", "off", "start", "dose", "e1", "e2", "g", "ka;d", "A + d", "9^9")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    path = CASE.write(tmp_path_factory.mktemp("v2"))
    return {file.name: file.read_text() for file in path.parent.iterdir()}


def opens_or_gets_a_sentence(folder: Path, files: dict[str, str | bytes]) -> None:
    """Open it, and translate the model for AMICI."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)
    try:
        problem = load_problem(folder / "problem.yaml")
        plan = model_source(problem).plan
    except ProblemError as error:
        message = str(error).replace(str(folder), "")
        assert not PYTHON.search(message), message
        return
    assert np.isfinite(problem.nominal_theta).all()
    assert len(plan.simulations) == len(problem.experiments)
    for name in ("ka", "kk", "off", "start", "dose", "e1"):
        assert f">{name}<".encode() not in plan.sbml


def test_it_opens_as_it_is(files, tmp_path):
    opens_or_gets_a_sentence(tmp_path, files)
    assert load_problem(tmp_path / "problem.yaml").warnings == ()


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(TABLES), st.integers(0, 8), st.integers(0, 5), st.sampled_from(MORE))
def test_a_cell(files, tmp_path, name, row, column, value):
    lines = [line.split("\t") for line in files[name].splitlines()]
    cells = lines[row % len(lines)]
    cells[column % len(cells)] = value
    opens_or_gets_a_sentence(
        tmp_path, {**files, name: "\n".join("\t".join(line) for line in lines) + "\n"}
    )


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(TABLES), st.integers(0, 8), st.sampled_from(("drop", "twice", "header")))
def test_a_row(files, tmp_path, name, row, change):
    lines = files[name].splitlines()
    at = row % len(lines)
    changed = {
        "drop": lines[:at] + lines[at + 1 :],
        "twice": [*lines, lines[at]],
        "header": lines[:1],
    }[change]
    opens_or_gets_a_sentence(tmp_path, {**files, name: "\n".join(changed) + "\n"})


@settings(FUZZ, max_examples=60)
@given(st.sampled_from(TABLES), st.integers(0, 5))
def test_a_column(files, tmp_path, name, column):
    lines = [line.split("\t") for line in files[name].splitlines()]
    at = column % len(lines[0])
    text = "\n".join("\t".join(line[:at] + line[at + 1 :]) for line in lines) + "\n"
    opens_or_gets_a_sentence(tmp_path, {**files, name: text})


@settings(FUZZ, max_examples=60)
@given(
    st.sampled_from(["problem.yaml", "model.xml", *TABLES]), st.integers(0, 2000),
    st.integers(0, 20), st.binary(max_size=8),
)  # fmt: skip
def test_bytes(files, tmp_path, name, at, cut, data):
    content = files[name].encode()
    at %= len(content)
    changed = content[:at] + data + content[at + cut :]
    opens_or_gets_a_sentence(tmp_path, {**files, name: changed})


def as_upload(files: dict[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in files.items()}


def test_an_upload_opens(files):
    bundle = open_bundle(as_upload(files))
    assert bundle.problem.petab_version == "2"
    assert [e.experiment_id for e in bundle.problem.experiments] == ["e1", "e2"]


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("problem.yaml", "conditions.tsv", "../conditions.tsv", "must lie inside it"),
        ("problem.yaml", "experiments.tsv", "missing.tsv", "which the upload does not hold"),
        ("problem.yaml", "location: model.xml", "location: /etc/model.xml", "relative to the YAML"),
        ("problem.yaml", "language: sbml", "language: pysb", "models in some other languages are"),
        ("conditions.tsv", "A + d", "__import__('os').system('x')", "not a formula that PEtab"),
        ("model.xml", "<sbml", "<!DOCTYPE x [<!ENTITY a 'b'>]><sbml", "has a DOCTYPE declaration"),
    ],
)
def test_an_upload_that_could_harm_is_refused(files, name, old, new, sentence):
    assert old in files[name]
    with pytest.raises(ProblemError) as caught:
        open_bundle(as_upload({**files, name: files[name].replace(old, new)}))
    assert sentence in str(caught.value)


def test_a_value_that_never_ends_is_stopped(files):
    hostile = {**files, "conditions.tsv": files["conditions.tsv"].replace("A + d", "9^9^9^9^9")}
    with pytest.raises(ProblemError, match=r"was stopped|more time or memory|no finite value"):
        open_bundle(as_upload(hostile), BundleLimits(check_seconds=5.0))


@pytest.mark.parametrize("name", ["conditions.tsv", "experiments.tsv"])
def test_tables_of_v2_have_limits(files, name):
    with pytest.raises(ProblemError, match="is too large: more than 2 rows"):
        open_bundle(as_upload({name: files[name]} | files), BundleLimits(table_rows=2))
