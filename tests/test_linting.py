"""Mistakes in a problem's files: each kind gets a sentence that names it, and valid ones open."""

import re
from pathlib import Path

import numpy as np
import pytest
from petab_files import write_decay

from amijax import ProblemError, load_problem
from amijax.problems.bundle import open_bundle

MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">'
RULES = (
    '<listOfRules><{kind} variable="{target}">' + MATH + "<ci>A</ci></math></{kind}></listOfRules>"
)


@pytest.fixture
def decay(tmp_path) -> Path:
    """The folder of a valid problem with a preequilibration, overrides and a condition table."""
    folder = tmp_path / "decay"
    write_decay(folder, extra_parameters="sd\tlin\t0.01\t10\t0.1\t1\nfix\tlog10\t0\t10\t0\t0\n")
    model = (folder / "model.xml").read_text()
    model = model.replace(
        "<listOfParameters>", '<listOfParameters><parameter id="dose" value="0" constant="true"/>'
    )
    (folder / "model.xml").write_text(model)
    (folder / "conditions.tsv").write_text(
        "conditionId\tconditionName\tdose\nc0\tfirst\t1\nc1\t\tfix\n"
    )
    (folder / "observables.tsv").write_text(
        "observableId\tobservableFormula\tnoiseFormula\tobservableTransformation\n"
        "obs_A\tA * observableParameter1_obs_A\tnoiseParameter1_obs_A\tlog10\n"
    )
    (folder / "measurements.tsv").write_text(
        "observableId\tpreequilibrationConditionId\tsimulationConditionId\tmeasurement\ttime\t"
        "observableParameters\tnoiseParameters\n"
        "obs_A\tc1\tc0\t1.3\t0.5\t1e-1\tsd\n"
        "obs_A\t\tc1\t0.6\t1.0\t0.5\t0.2\n"
    )
    return folder


def edited(folder: Path, name: str, old: str, new: str) -> Path:
    """Replace a text in a file once; return the YAML file."""
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return folder / "decay.yaml"


def sentence_for(path: Path) -> str:
    with pytest.raises(ProblemError) as caught:
        load_problem(path)
    message = str(caught.value)
    assert not re.search(r"Traceback|Error\b|\bNone\b|(?<![“'])nan|dtype", message), message
    return message


def test_the_problem_without_a_mistake_opens(decay):
    problem = load_problem(decay / "decay.yaml")
    assert problem.warnings == ()
    assert problem.parameter_ids == ("rate", "sd")
    assert problem.fixed_parameters == {"fix": 0.0}
    assert problem.simulation_conditions.to_dict("list") == {
        "simulationConditionId": ["c0", "c1"],
        "preequilibrationConditionId": ["c1", ""],
    }
    rows = problem.measurements
    assert rows["observableParameters"].tolist() == [0.1, 0.5]
    assert rows["noiseParameters"].tolist() == ["sd", 0.2]
    assert problem.conditions["dose"].tolist() == [1.0, "fix"]


MISTAKES = [
    # measurements
    (
        "measurements.tsv",
        "\tc0\t",
        "\tc2\t",
        "line 2, column simulationConditionId: the condition c2",
    ),
    ("measurements.tsv", "\tc1\tc0", "\tC1\tc0", r"preequilibrationConditionId.*C1.*mean c1"),
    ("measurements.tsv", "\nobs_A\t\t", "\nobs_B\t\t", "line 3, column observableId: .* obs_B"),
    (
        "measurements.tsv",
        "\nobs_A\t\t",
        "\n\t\t",
        "line 3, column observableId: the observable is miss",
    ),
    ("measurements.tsv", "\tsd", "\tsdd", r"“sdd” is neither .* \(did you mean sd\?\)"),
    ("measurements.tsv", "\tsd", "", "line 2, column noiseParameters: obs_A has 1 noise parameter"),
    ("measurements.tsv", "\tsd", "\tsd;0.1", "2 values are given for it"),
    ("measurements.tsv", "\tsd", "\tsd;", "2 values are given"),
    ("measurements.tsv", "\tsd", "\tinf", "noise parameter inf of obs_A is not finite"),
    ("measurements.tsv", "\t0.2", "\t0", "the noise of obs_A is 0 here; it must be above 0"),
    ("measurements.tsv", "\t0.2", "\t-0.2", "the noise of obs_A is -0.2"),
    ("measurements.tsv", "1e-1", "0,1", "“0,1” is not a number; write it with a point"),
    ("measurements.tsv", "noiseParameters", "noiseParameter", "obs_A has 1 noise parameter"),
    ("measurements.tsv", "\t0.5\t1e", "\t-0.5\t1e", "column time: the time -0.5 is negative"),
    ("measurements.tsv", "\t0.5\t1e", "\t-inf\t1e", "the time -inf is negative"),
    ("measurements.tsv", "\t0.5\t1e", "\t\t1e", "line 2, column time: the time is missing"),
    ("measurements.tsv", "\t0.5\t1e", "\t0.5 h\t1e", "“0.5 h” is not a number"),
    ("measurements.tsv", "\t0.5\t1e", "\t0,5\t1e", "“0,5” is not a number; write it with a point"),
    ("measurements.tsv", "1.3", "1.3 nM", "line 2, column measurement: “1.3 nM” is not a number"),
    ("measurements.tsv", "1.3", "< 1.3", "“< 1.3” is not a number"),
    ("measurements.tsv", "1.3", "inf", "inf is not finite"),
    ("measurements.tsv", "1.3", "-1.3", r"measurement -1\.3 of obs_A has no logarithm"),
    ("measurements.tsv", "1.3", "0", "measurement 0 of obs_A has no logarithm"),
    ("measurements.tsv", "\ttime", "\tTime", r"no column time \(did you mean Time\?\)"),
    ("measurements.tsv", "\ttime", "\tmeasurement", "column measurement is there twice"),
    ("measurements.tsv", "\tsd", "\tsd\tmore", "line 2: the row has more cells than .* columns"),
    ("measurements.tsv", "\tsd", '\t"sd', "line 2: .*quotation mark"),
    # observables
    (
        "observables.tsv",
        "A * ",
        "B * ",
        "column observableFormula: B in a formula of obs_A is neither",
    ),
    ("observables.tsv", "A * ", "A * scle + ", "scle in a formula of obs_A is neither"),
    ("observables.tsv", "A * ", "A ** ", "is not a formula that PEtab allows"),
    ("observables.tsv", "A * ", "foo(A) * ", "is not a formula that PEtab allows"),
    (
        "observables.tsv",
        "A * observableParameter1_obs_A",
        "",
        "the observableFormula of obs_A is empty",
    ),
    ("observables.tsv", "\tnoiseParameter1_obs_A", "\t", "the noiseFormula of obs_A is empty"),
    (
        "observables.tsv",
        "\tnoiseParameter1_obs_A",
        "\t0",
        "the noise of obs_A is 0; it must be above",
    ),
    ("observables.tsv", "\tnoiseParameter1_obs_A", "\tnan", "is not a formula"),
    ("observables.tsv", "\tnoiseParameter1_obs_A", "\t1/0", "is not a formula"),
    (
        "observables.tsv",
        "\tnoiseParameter1_obs_A",
        "\t0.5-1",
        "the noise of obs_A is 0.5-1; it must",
    ),
    ("observables.tsv", "A * observableParameter1_obs_A", "-inf", "is not a formula"),
    ("observables.tsv", "noiseParameter1", "noiseParameter2", "must be numbered 1, 2 and so on"),
    (
        "observables.tsv",
        "\tnoiseParameter1_obs_A",
        "\tnoiseParameter1_obs_B",
        "of another observable",
    ),
    ("observables.tsv", "\nobs_A", "\n1_A", "“1_A” is not a valid observable id"),
    ("observables.tsv", "\nobs_A", "\nobs A", "“obs A” is not a valid observable id"),
    ("observables.tsv", "\nobs_A", "\n", "the observable id is empty"),
    (
        "observables.tsv",
        "\nobs_A",
        "\nobs_A\tA\t1\tlin\nobs_A",
        "lines 2, 3.* obs_A is given twice",
    ),
    ("observables.tsv", "A * ", "obs_A * ", "obs_A in a formula of obs_A is an observable"),
    ("observables.tsv", "\tlog10", "\tlog2", "observableTransformation “log2” is unknown"),
    ("observables.tsv", "noiseFormula", "noise", "no column noiseFormula"),
    # conditions
    (
        "conditions.tsv",
        "\tdose",
        "\tdoes",
        r"does is neither in the model .*\(did you mean dose\?\)",
    ),
    ("conditions.tsv", "\tdose", "\trate", "rate has a column in the condition table as well"),
    ("conditions.tsv", "\tdose", "\tdecay", "decay is a reaction of the model, which no condition"),
    ("conditions.tsv", "\tfix", "\tfxi", r"line 3, column dose: “fxi” is neither .* mean fix"),
    ("conditions.tsv", "\tfix", "\t2*fix", "“2\\*fix” is neither a number nor the id"),
    ("conditions.tsv", "\nc1", "\nc0", "the condition id c0 is given twice"),
    ("conditions.tsv", "\nc1", "\n001", "“001” is not a valid condition id"),
    ("conditions.tsv", "\nc1", "\n1e3", "“1e3” is not a valid condition id"),
    ("conditions.tsv", "conditionId", "condition", "no column conditionId"),
    # parameters
    ("parameters.tsv", "0.8", "0.8 1/s", "line 2, column nominalValue: “0.8 1/s” is not a number"),
    ("parameters.tsv", "0.8", "inf", "nominalValue inf is not a finite number"),
    ("parameters.tsv", "\t0.001\t100", "\t100\t0.001", "the lower one must come first"),
    ("parameters.tsv", "\t0.001\t100", "\tinf\t-inf", "the lower one must come first"),
    ("parameters.tsv", "\t0.001\t100", "\t-1\t100", "not on its scale log10"),
    ("parameters.tsv", "\t0.001\t100", "\t\t100", "rate is estimated but has no lowerBound"),
    ("parameters.tsv", "\t0.001\t100", "\tlow\thigh", "“low” is not a number"),
    ("parameters.tsv", "0.8\t1", "0.8\t", "estimate of rate is empty"),
    ("parameters.tsv", "0.8\t1", "0.8\t2", "estimate of rate is “2”"),
    ("parameters.tsv", "0.8\t1", "0.8\tyes", "estimate of rate is “yes”"),
    ("parameters.tsv", "\tlog10\t", "\tlog2\t", "parameterScale “log2” is unknown"),
    ("parameters.tsv", "\nsd", "\nrate", "the parameter id rate is given twice"),
    ("parameters.tsv", "\nsd", "\nsd 1", "“sd 1” is not a valid parameter id"),
    ("parameters.tsv", "\nsd", "\ninf", "“inf” is not a valid parameter id"),
    ("parameters.tsv", "\nsd", "\nA", "A is a species of the model, not a parameter"),
    (
        "parameters.tsv",
        "\nsd",
        "\nidle\tlin\t0\t1\t1\t1\nsd",
        "idle is neither a parameter of the model",
    ),
    ("parameters.tsv", "\nrate", "\nrates", r"rates is neither .*\(did you mean rate\?\)"),
    (
        "parameters.tsv",
        "\t0\t0\n",
        "\t\t0\n",
        r"fix is fixed \(estimate 0\) but has no nominalValue",
    ),
    ("parameters.tsv", "upperBound", "upper", r"no column upperBound"),
    # the model
    ("model.xml", "<ci>A</ci>", "<ci>AA</ci>", "not valid SBML: .*AA"),
    ("model.xml", '"cell" initial', '"cll" initial', "not valid SBML: .*cll"),
    ("model.xml", 'id="dose"', 'id="A"', "not valid SBML"),
    ("model.xml", 'id="rate" value="1"', 'id="rate2" value="1"', "not valid SBML: .*rate"),
    ("model.xml", "</model>", "", "not well-formed"),
    # the YAML file
    (
        "decay.yaml",
        "[measurements.tsv]",
        "[measurements.tsv, measurements.tsv]",
        "measurements.tsv twice",
    ),
    ("decay.yaml", "[measurements.tsv]", "[measurements.tsv, ./measurements.tsv]", "tsv twice"),
    ("decay.yaml", "[measurements.tsv]", "[observables.tsv]", "no column simulationConditionId"),
]


@pytest.mark.parametrize(("name", "old", "new", "sentence"), MISTAKES)
def test_a_mistake_gets_a_sentence(decay, name, old, new, sentence):
    assert re.search(sentence, sentence_for(edited(decay, name, old, new)))


@pytest.mark.parametrize(
    ("name", "column", "misspelt"),
    [
        ("observables.tsv", "observableTransformation", "observableTransformations"),
        ("observables.tsv", "observableTransformation", "ObservableTransformation"),
        ("measurements.tsv", "preequilibrationConditionId", "preequilibrationCondition"),
        ("parameters.tsv", "nominalValue", "nominalvalue"),
    ],
)
def test_a_misspelt_column_is_said(decay, name, column, misspelt):
    edited(decay, "parameters.tsv", "\t0\t0\n", "\t1\t1\n")
    warnings = load_problem(edited(decay, name, column, misspelt)).warnings
    (warning,) = (w for w in warnings if w.code == "unknown_column")
    assert (warning.table, warning.message) == (
        name,
        f"the column {misspelt} means nothing in PEtab and is ignored; did you mean {column}?",
    )


@pytest.mark.parametrize("separator", [",", ";"])
def test_tables_with_other_separators(decay, separator):
    table = decay / "parameters.tsv"
    table.write_text(table.read_text().replace("\t", separator))
    assert "parameters.tsv: its columns are not separated by tabs" in sentence_for(
        decay / "decay.yaml"
    )


def test_uploads_are_refused_with_the_same_sentences(decay, monkeypatch, tmp_path):
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    edited(decay, "measurements.tsv", "\tc0\t", "\tc2\t")
    with pytest.raises(
        ProblemError, match="line 2, column simulationConditionId: the condition c2"
    ):
        open_bundle({path.name: path.read_bytes() for path in decay.iterdir()})


def test_all_mistakes_are_named_the_first_ten_in_full(decay):
    rows = "".join(f"obs_{i}\t\tc0\t1\t-1\t1\t1\n" for i in range(20))
    message = sentence_for(edited(decay, "measurements.tsv", "obs_A\t\tc1", f"{rows}obs_A\t\tc1"))
    assert "it has 21 mistakes" in message
    assert "(10)" in message
    assert "(11)" not in message
    assert message.endswith("And 11 more.")


def test_the_same_mistake_in_many_rows_is_one(decay):
    rows = "obs_Z\t\tc0\t1\t1\t1\t1\n" * 50
    message = sentence_for(edited(decay, "measurements.tsv", "obs_A\t\tc1", f"{rows}obs_A\t\tc1"))
    assert "measurements.tsv, lines 3, 4, 5 and 47 more, column observableId" in message
    assert "mistakes" not in message


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize("name", ["model.xml", "conditions.tsv", "parameters.tsv"])
def test_other_encodings(decay, name, encoding):
    text = (decay / name).read_text()
    marked = (
        text.replace("first", "µ") if name != "model.xml" else text.replace('name="A"', 'name="µ"')
    )
    marked += "\n<!-- µ -->" if name == "model.xml" else "µ"
    (decay / name).write_bytes(marked.encode(encoding))
    assert re.search("not encoded in UTF-8|is not text", sentence_for(decay / "decay.yaml"))


@pytest.mark.parametrize(
    ("kind", "target", "sentence"),
    [
        ("assignmentRule", "dose", "dose is determined by an assignment rule"),
        ("assignmentRule", "rate", "rate is determined by an assignment rule of the model"),
        ("rateRule", "rate", "rate is determined by a rate rule of the model"),
    ],
)
def test_rules_and_tables_can_not_both_set_something(decay, kind, target, sentence):
    rules = RULES.format(kind=kind, target=target)
    edited(
        decay,
        "model.xml",
        f'id="{target}" value="1" constant="true"',
        f'id="{target}" value="1" constant="false"',
    ) if target == "rate" else edited(
        decay,
        "model.xml",
        'id="dose" value="0" constant="true"',
        'id="dose" value="0" constant="false"',
    )
    path = edited(decay, "model.xml", "<listOfReactions>", f"{rules}<listOfReactions>")
    assert sentence in sentence_for(path)


def test_a_condition_may_set_what_a_rate_rule_changes(decay):
    edited(decay, "model.xml", 'value="0" constant="true"', 'value="0" constant="false"')
    rules = RULES.format(kind="rateRule", target="dose")
    load_problem(edited(decay, "model.xml", "<listOfReactions>", f"{rules}<listOfReactions>"))


def test_a_parameter_without_a_value_anywhere(decay):
    edited(decay, "model.xml", ' value="1"', "")
    load_problem(decay / "decay.yaml")  # the parameter table has one
    path = edited(decay, "model.xml", 'id="dose" value="0"', 'id="dose"')
    load_problem(path)  # the condition table has one
    edited(decay, "parameters.tsv", "\nfix\tlog10\t0\t10\t0\t0", "")
    text = (decay / "conditions.tsv").read_text()
    (decay / "conditions.tsv").write_text(re.sub(r"(?m)\t[^\t]*$", "", text))
    load_problem(path)  # nothing refers to it
    path = edited(decay, "model.xml", "<ci>cell</ci>", "<ci>cell</ci><ci>dose</ci>")
    assert "“dose” has no value in the model" in sentence_for(path)


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        (' size="1"', "compartment cell has no"),
        (' initialConcentration="2"', "species A has no value"),
    ],
)
def test_a_value_that_is_assumed_is_said(tmp_path, attribute, words):
    write_decay(tmp_path)
    (warning,) = load_problem(edited(tmp_path, "model.xml", attribute, "")).warnings
    assert warning.code == "no_value"
    assert words in warning.message


# What is unusual, but valid, or harmless


def test_blanks_and_an_index_column_are_no_mistakes(decay):
    for path in decay.glob("*.tsv"):
        lines = path.read_text().splitlines()
        rows = ["\t" + lines[0], *(f"{i}\t{line}" for i, line in enumerate(lines[1:]))]
        path.write_text("\n".join(row.replace("\t", " \t ") + " \t" for row in rows) + "\n\n \t\n")
    problem = load_problem(decay / "decay.yaml")
    assert {w.code for w in problem.warnings} == {"unnamed_column"}
    assert problem.parameter_ids == ("rate", "sd")
    assert problem.n_measurements == 2


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_line_ends_and_byte_order_marks(decay, line_end):
    for path in decay.glob("*.tsv"):
        text = path.read_text()
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", line_end).encode())
    assert load_problem(decay / "decay.yaml").n_measurements == 2


def test_quotation_marks_are_read_as_pandas_does(decay):
    edited(decay, "conditions.tsv", "first", '"the ""first"" one"')
    edited(
        decay,
        "observables.tsv",
        "A * observableParameter1_obs_A",
        '"A * observableParameter1_obs_A"',
    )
    problem = load_problem(decay / "decay.yaml")
    assert problem.conditions["conditionName"].iloc[0] == 'the "first" one'


@pytest.mark.parametrize(
    "name",
    ["NA", "nan", "None", "null", "k", "p", "t", "w", "x", "y", "h", "pi", "E", "I", "S", "Q", "N",
     "class", "double", "lambda", "M_PI", "amici", "exp", "sin", "true_", "observable", "C1", "_"],
)  # fmt: skip
def test_no_id_is_reserved(tmp_path, name):
    """Ids of conditions, observables and parameters at once, none read as a missing value."""
    if name == "nan":  # reserved in PEtab's formulas
        pytest.skip("no formula can refer to it")
    path = write_decay(tmp_path, rate=f"{name}1", noise=f"{name}")
    for table in ("conditions", "measurements"):
        file = tmp_path / f"{table}.tsv"
        file.write_text(file.read_text().replace("c0", name))
    file = tmp_path / "parameters.tsv"
    file.write_text(file.read_text() + f"{name}\tlin\t0.01\t10\t0.1\t1\n")
    problem = load_problem(path)
    assert problem.parameter_ids == (f"{name}1", name)
    assert problem.simulation_conditions["simulationConditionId"].tolist() == [name]
    assert problem.n_measurements == 4


def test_time_may_be_a_parameter_but_not_in_a_formula(tmp_path):
    path = write_decay(tmp_path, rate="time")
    assert load_problem(path).parameter_ids == ("time",)
    table = tmp_path / "observables.tsv"
    table.write_text(table.read_text().replace("\tA\t", "\tA + time\t"))
    assert "call that something else" in sentence_for(path)


@pytest.mark.parametrize("estimate", ["1", "1.0", "true", "True", " 1 ", "1e0"])
def test_estimate_may_be_written_in_several_ways(tmp_path, estimate):
    path = write_decay(tmp_path)
    table = tmp_path / "parameters.tsv"
    table.write_text(table.read_text().replace("0.8\t1", f"0.8\t{estimate}"))
    assert load_problem(path).parameter_ids == ("rate",)


@pytest.mark.parametrize("empty", ["", "NaN", "nan", "NA"])
def test_rows_without_a_measurement_are_left_out(decay, empty):
    problem = load_problem(edited(decay, "measurements.tsv", "1.3", empty))
    assert problem.n_measurements == 1
    (warning,) = problem.warnings
    assert str(warning) == (
        "measurements.tsv, line 2, column measurement: 1 row without a measurement is left out."
    )
    path = edited(decay, "measurements.tsv", "0.6", empty)
    assert "the table has no measurement" in sentence_for(path)


@pytest.mark.parametrize("files", ["", "condition_files: []"])
@pytest.mark.parametrize("column", [True, False])
def test_without_conditions_there_is_one_that_changes_nothing(tmp_path, files, column):
    path = write_decay(tmp_path)
    path.write_text(
        path.read_text()
        .replace("- condition_files: [conditions.tsv]\n ", f"- {files}\n ")
        .replace("- \n  ", "- ")
    )
    if not column:
        table = tmp_path / "measurements.tsv"
        table.write_text(
            table.read_text().replace("\tc0", "").replace("\tsimulationConditionId", "")
        )
    problem = load_problem(path)
    assert problem.conditions.shape == (1, 0)
    expected = ["c0"] if column else ["default"]
    assert problem.simulation_conditions["simulationConditionId"].tolist() == expected


@pytest.mark.parametrize(
    ("scale", "low", "high", "middle"),
    [
        ("lin", 1, 3, 2),
        ("lin", "-inf", "inf", 0),
        ("lin", 0, "inf", 5),
        ("lin", "100", "inf", 105),
        ("log10", 0.01, 100, 1),
        ("log", 1, np.e**2, np.e),
        ("log10", 0, 100, 10**-4),
        ("log10", 0, "inf", 1),
        ("log10", 0, 1e-12, 1e-17),
    ],
)
@pytest.mark.parametrize("column", [True, False])
def test_a_missing_nominal_value_is_the_middle_of_the_bounds(
    tmp_path, scale, low, high, middle, column
):
    path = write_decay(tmp_path, scale=scale)
    cells = ["rate", scale, str(low), str(high), *([""] if column else []), "1"]
    header = "parameterId\tparameterScale\tlowerBound\tupperBound\t" + "nominalValue\t" * column
    (tmp_path / "parameters.tsv").write_text(f"{header}estimate\n" + "\t".join(cells) + "\n")
    problem = load_problem(path)
    np.testing.assert_allclose(problem.nominal_p, [middle], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        problem.linear(problem.nominal_theta), [middle], rtol=1e-12, atol=1e-15
    )
    (warning,) = problem.warnings
    assert (warning.code, warning.parameters) == ("nominal_missing", ("rate",))
    assert "rate = " in str(warning)


@pytest.mark.parametrize(
    ("scale", "low", "nominal", "start"),
    [
        ("log10", 0.001, 0, 0.001),
        ("log", 0.01, -3, 0.01),
        ("log10", 0, 0, 1e-10),
        ("log", 0, 0, 1e-10),
    ],
)
def test_a_nominal_value_without_a_logarithm_moves_to_the_bound(
    tmp_path, scale, low, nominal, start
):
    path = write_decay(tmp_path, scale=scale, nominal=nominal)
    table = tmp_path / "parameters.tsv"
    table.write_text(table.read_text().replace("\t0.001\t", f"\t{low}\t"))
    problem = load_problem(path)
    np.testing.assert_allclose(problem.nominal_p, [start])
    (warning,) = problem.warnings
    assert (warning.code, warning.parameters) == ("nominal_moved", ("rate",))
    assert problem.lower_theta[0] == (
        -np.inf if low == 0 else pytest.approx(problem.nominal_theta[0])
    )


PACKAGES = "http://www.sbml.org/sbml/level3/version1"


@pytest.mark.parametrize("package", ["comp", "multi", "spatial", "arrays", "fbc"])
def test_a_package_may_be_declared_but_not_used(tmp_path, package):
    path = write_decay(tmp_path)
    model = tmp_path / "model.xml"
    declared = (
        f'level="3" version="1" xmlns:{package}="{PACKAGES}/{package}/version1" '
        f'{package}:required="true">'
    )
    model.write_text(model.read_text().replace('level="3" version="1">', declared))
    problem = load_problem(path)
    document = problem.petab_problem.model.sbml_document
    assert document.getNumPlugins() == 0
    if package == "comp":
        used = '<comp:submodel comp:id="s" comp:modelRef="m"/>'
        used = f"<comp:listOfSubmodels>{used}</comp:listOfSubmodels>"
        model.write_text(
            model.read_text().replace("<listOfCompartments>", f"{used}<listOfCompartments>")
        )
        assert "flatten the model" in sentence_for(path)


@pytest.mark.parametrize("kind", ["ordinal", "semiquantitative"])
def test_categories_are_no_measurements(decay, kind):
    edited(decay, "measurements.tsv", "noiseParameters", "noiseParameters\tmeasurementType")
    path = edited(decay, "measurements.tsv", "\tsd", f"\tsd\t{kind}")
    assert f"line 2, column measurementType: {kind} data are not supported" in sentence_for(path)


def test_categories_alone_are_ordinal(decay):
    edited(decay, "measurements.tsv", "noiseParameters", "noiseParameters\tmeasurementCategory")
    path = edited(decay, "measurements.tsv", "\tsd", "\tsd\t1")
    assert "ordinal data are not supported" in sentence_for(path)


@pytest.mark.parametrize("kind", ["censored", "left-censored", "interval-censored"])
def test_censored_data_are_taken_as_measured_and_that_is_said(decay, kind):
    edited(
        decay,
        "measurements.tsv",
        "noiseParameters",
        "noiseParameters\tmeasurementType\tcensoringBounds",
    )
    problem = load_problem(edited(decay, "measurements.tsv", "\tsd", f"\tsd\t{kind}\t1;2"))
    (warning,) = problem.warnings
    assert warning.code == "censored"
    assert (warning.table, warning.row) == ("measurements.tsv", "line 2")


def test_an_unused_observable_needs_no_overrides(decay):
    row = "obs_U\tA + observableParameter1_obs_U\tnoiseParameter1_obs_U\tlin\n"
    path = decay / "observables.tsv"
    path.write_text(path.read_text() + row)
    assert load_problem(decay / "decay.yaml").warnings == ()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("rate\tA\t1\tlin\n", "observable_id"),
        ("obs_B\tA\t0.1 * obs_B\tlin\n", "observable_in_noise"),
        ("obs_B\tA\tsd + obs_C\tlin\nobs_C\tA\t1\tlin\n", "observable_in_noise"),
    ],
)
def test_what_petab_does_not_allow_but_has_one_meaning_is_said(decay, row, code):
    path = decay / "observables.tsv"
    path.write_text(path.read_text() + row)
    (warning,) = load_problem(decay / "decay.yaml").warnings
    assert (warning.code, warning.row) == (code, "line 3")


def test_an_override_may_be_a_parameter_that_only_the_model_has(decay):
    edited(
        decay,
        "model.xml",
        "<listOfParameters>",
        '<listOfParameters><parameter id="s" value="2" constant="true"/>',
    )
    path = edited(decay, "measurements.tsv", "1e-1", "s")
    assert load_problem(path).measurements["observableParameters"].tolist() == ["s", 0.5]


def test_an_undeclared_modifier_is_said_but_harmless(tmp_path):
    path = write_decay(tmp_path)
    model = tmp_path / "model.xml"
    species = (
        '<species id="B" compartment="cell" initialConcentration="1" '
        'hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>'
    )
    text = model.read_text().replace("<listOfSpecies>", f"<listOfSpecies>{species}")
    model.write_text(text.replace("<ci>A</ci>", "<ci>B</ci>"))
    (warning,) = load_problem(path).warnings
    assert warning.severity == "warning"
    assert "B" in warning.message


def test_several_parameter_files_and_a_visualization_that_is_not_there(decay):
    head, *rows = (decay / "parameters.tsv").read_text().splitlines()
    (decay / "parameters.tsv").write_text(f"{head}\n{rows[0]}\n")
    (decay / "more.tsv").write_text("\n".join([head, *rows[1:]]) + "\n")
    path = edited(decay, "decay.yaml", "file: parameters.tsv", "file: [parameters.tsv, more.tsv]")
    path.write_text(path.read_text() + "  visualization_files: [none.tsv]\n")
    assert load_problem(path).parameter_ids == ("rate", "sd")
    (decay / "more.tsv").write_text("\n".join([head, *rows]) + "\n")
    assert "parameters.tsv, line 2; more.tsv, line 2, column parameterId" in sentence_for(path)
