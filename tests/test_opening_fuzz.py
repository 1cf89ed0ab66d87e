"""Valid problems with one mutation: each opens, or gets a sentence, whatever was changed."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from petab_files import write_decay

from amijax import ProblemError, load_problem

TABLES = ("parameters.tsv", "conditions.tsv", "observables.tsv", "measurements.tsv")
ODD = (
    "", " ", "nan", "NA", "None", "inf", "-inf", "-1", "0", "1", "2.5", "1e-1", "1e400", "0,5",
    "1 h", "001", "1e3", "_", "A", "rate", "sd", "cell", "decay", "obs_A", "c0", "c1", "time", "k",
    "lin", "log", "log10", "normal", "laplace", "0.1;0.2", "sd;", ";", "sd;rate", "A +", "2*A",
    "exp(A)", "log(0)", "1/0", "A/(A-A)", "piecewise(1, A > 1, 2)", "noiseParameter1_obs_A",
    "observableParameter2_obs_A", "observableParameter1_obs_B", "__import__", "a b", "é", "“", "'",
    '"', "\\", "#", "=1+1", "%s", "{}", "<b>", "x" * 300, "\u00a0", "True", "parameterId", "9" * 40,
)  # fmt: skip
# Words that only Python has for what went wrong.
PYTHON = re.compile(
    r"Traceback|\w+Error\b|NoneType|has no attribute|\bndarray|dtype|<class|object at 0x|"
    r"its readers stop"
)
COMPILED = 2  # models, each of which takes seconds
FUZZ = settings(
    deadline=None,
    database=None,
    derandomize=True,  # CI tries the same cases each time
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def decay(tmp_path_factory) -> dict[str, str]:
    """The files of a problem that uses most of what PEtab has."""
    folder = tmp_path_factory.mktemp("decay")
    write_decay(folder, extra_parameters="sd\tlin\t0.01\t10\t0.1\t1\nfix\tlog10\t0\t10\t0\t0\n")
    (folder / "parameters.tsv").write_text(
        "parameterId\tparameterName\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate\t"
        "objectivePriorType\tobjectivePriorParameters\n"
        "rate\tthe rate\tlog10\t0.001\t100\t0.8\t1\tparameterScaleNormal\t0;1\n"
        "sd\t\tlin\t0.01\t10\t0.1\t1\tlaplace\t0.1;1\n"
        "fix\t\tlog10\t0\t10\t0\t0\t\t\n"
    )
    (folder / "conditions.tsv").write_text(
        "conditionId\tconditionName\tA\nc0\tfirst\t1\nc1\t\tfix\n"
    )
    (folder / "observables.tsv").write_text(
        "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\tnoiseDistribution\n"
        "obs_A\tA * observableParameter1_obs_A\tnoiseParameter1_obs_A\tlog10\tnormal\n"
        "obs_B\tA + rate\t0.1 + sd * A\t\tlaplace\n"
    )
    (folder / "measurements.tsv").write_text(
        "observableId\tpreequilibrationConditionId\tsimulationConditionId\tmeasurement\ttime\t"
        "observableParameters\tnoiseParameters\tdatasetId\n"
        "obs_A\tc1\tc0\t1.3\t0.5\t1e-1\tsd\td1\n"
        "obs_A\t\tc1\t0.6\t1.0\t0.5\t0.2\td1\n"
        "obs_B\tc1\tc0\t0.6\tinf\t\t\td1\n"
    )
    return {path.name: path.read_text() for path in folder.iterdir()}


def opens_or_gets_a_sentence(folder: Path, files: dict[str, str | bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        (folder / name).write_bytes(data)
    try:
        problem = load_problem(folder / "decay.yaml")
    except ProblemError as error:
        message = str(error).replace(str(folder), "")
        assert not PYTHON.search(message), message
        return
    assert problem.n_parameters > 0
    assert np.isfinite(problem.nominal_theta).all()
    assert (problem.lower_theta <= problem.upper_theta).all()
    assert len(problem.simulation_conditions) > 0
    assert np.isfinite(problem.measurements["measurement"]).all()
    assert (problem.measurements["time"] >= 0).all()
    assert set(problem.simulation_conditions["simulationConditionId"]) <= set(
        problem.conditions.index
    )
    assert set(problem.measurements["observableId"]) <= set(problem.observables.index)


def test_the_problem_opens_as_it_is(decay, tmp_path):
    opens_or_gets_a_sentence(tmp_path, decay)
    assert load_problem(tmp_path / "decay.yaml").warnings == ()


@settings(FUZZ, max_examples=200)
@given(st.sampled_from(TABLES), st.integers(0, 50), st.integers(0, 50), st.sampled_from(ODD))
def test_a_cell(decay, tmp_path, name, row, column, value):
    rows = [line.split("\t") for line in decay[name].splitlines()]
    cells = rows[row % len(rows)]
    cells[column % len(cells)] = value
    text = "\n".join("\t".join(cells) for cells in rows) + "\n"
    opens_or_gets_a_sentence(tmp_path / "fuzz", {**decay, name: text})


@pytest.fixture(scope="module")
def numbers():
    """Keys of models that were compiled for `test_a_number`, and how many numbers it compared."""
    return {"keys": set(), "compared": 0}


@settings(FUZZ, max_examples=100)
@given(
    st.sampled_from(TABLES),
    st.integers(1, 50),
    st.integers(0, 50),
    st.sampled_from(
        ["", "0", "1", "2.5", "1e-1", "A", "rate", "sd", "fix", "c0", "c1", "0.1", "inf"]
    ),
)
def test_a_number(decay, numbers, tmp_path, name, row, column, value):
    """What opens has libRoadRunner's number, from the files themselves, or a sentence."""
    pytest.importorskip("roadrunner", reason="libRoadRunner is not installed")
    from amijax import AmiciObjective
    from amijax.audit.roadrunner import RoadRunnerProblem
    from amijax.audit.testimony import OutOfReachError
    from amijax.models.lookup import model_key

    # A start from 0 would have no logarithm, and no number to compare.
    parameters = decay["parameters.tsv"].replace("log10\t0\t10\t0\t0", "lin\t0\t10\t2\t0")
    files = {**decay, "parameters.tsv": parameters}
    rows = [line.split("\t") for line in files[name].splitlines()]
    cells = rows[1 + row % (len(rows) - 1)]
    cells[column % len(cells)] = value
    text = "\n".join("\t".join(cells) for cells in rows) + "\n"
    folder = tmp_path / "fuzz"
    opens_or_gets_a_sentence(folder, {**files, name: text})
    try:
        problem = load_problem(folder / "decay.yaml")
        key = model_key(problem)
    except ProblemError:
        return
    if key not in numbers["keys"] and len(numbers["keys"]) >= COMPILED:
        return
    numbers["keys"].add(key)
    evaluation = AmiciObjective(problem).evaluate(problem.nominal_theta, gradient=False)
    try:
        expected = RoadRunnerProblem(problem).llh(problem.nominal_theta, 1e-10, 1e-14)
    except OutOfReachError:
        return
    if evaluation.failure is None or np.isfinite(expected):
        assert evaluation.llh == pytest.approx(expected, rel=1e-5)
        numbers["compared"] += 1


@pytest.mark.usefixtures("decay")
def test_numbers_were_compared(numbers):
    if not numbers["keys"]:
        pytest.skip("test_a_number did not run")
    assert numbers["compared"] >= 5


@settings(FUZZ, max_examples=60)
@given(
    st.sampled_from(TABLES),
    st.integers(0, 50),
    st.sampled_from(["drop", "twice", "blank", "cut", "longer", "first", "quote"]),
)
def test_a_row(decay, tmp_path, name, row, change):
    rows = decay[name].splitlines()
    i = row % len(rows)
    changed = {
        "drop": [],
        "twice": [rows[i], rows[i]],
        "blank": [rows[i], "\t\t", ""],
        "cut": [rows[i].rpartition("\t")[0]],
        "longer": [rows[i] + "\tmore"],
        "first": [],
        "quote": ['"' + rows[i]],
    }[change]
    rows = ([rows[i]] if change == "first" else []) + rows[:i] + changed + rows[i + 1 :]
    opens_or_gets_a_sentence(tmp_path / "fuzz", {**decay, name: "\n".join(rows) + "\n"})


@settings(FUZZ, max_examples=80)
@given(
    st.sampled_from(TABLES),
    st.integers(0, 50),
    st.sampled_from(["drop", "twice", "empty", "last", *ODD]),
)
def test_a_column(decay, tmp_path, name, column, change):
    rows = [line.split("\t") for line in decay[name].splitlines()]
    i = column % len(rows[0])
    for at, row in enumerate(rows):
        if change == "drop":
            del row[i]
        elif change == "twice":
            row.insert(i, row[i])
        elif change == "last":
            row.append(row.pop(i))
        elif change == "empty" and at:
            row[i] = ""
        elif change not in ("empty", "last") and at == 0:
            row[i] = change
    text = "\n".join("\t".join(row) for row in rows) + "\n"
    opens_or_gets_a_sentence(tmp_path / "fuzz", {**decay, name: text})


@settings(FUZZ, max_examples=120)
@given(
    st.integers(0, 50),
    st.integers(0, 10),
    st.sampled_from(["drop the attribute", "drop the element", "twice", "text", *ODD]),
)
def test_an_attribute_of_the_model(decay, tmp_path, element, attribute, change):
    root = ElementTree.fromstring(decay["model.xml"])
    parents = {child: parent for parent in root.iter() for child in parent}
    elements = list(root.iter())
    target = elements[element % len(elements)]
    names = sorted(target.attrib)
    if change in ("drop the element", "twice") and target in parents:
        parent = parents[target]
        if change == "twice":
            parent.append(target)
        else:
            parent.remove(target)
    elif change == "text":
        target.text = "nonsense"
    elif names and change == "drop the attribute":
        del target.attrib[names[attribute % len(names)]]
    elif names:
        target.attrib[names[attribute % len(names)]] = change
    text = '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, encoding="unicode")
    opens_or_gets_a_sentence(tmp_path / "fuzz", {**decay, "model.xml": text})


@settings(FUZZ, max_examples=60)
@given(
    st.sampled_from(["decay.yaml", "model.xml", *TABLES]),
    st.integers(0, 5000),
    st.integers(0, 20),
    st.binary(max_size=6),
)
def test_bytes(decay, tmp_path, name, at, cut, data):
    content = decay[name].encode()
    at %= len(content)
    files = {**decay, name: content[:at] + data + content[at + cut :]}
    opens_or_gets_a_sentence(tmp_path / "fuzz", files)
