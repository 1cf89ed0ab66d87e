"""Finding and opening problems, and the sentences for what can't be opened."""

import numpy as np
import pytest
from petab_files import write_decay
from small_problems import Case, Model

from amijax import ProblemError, list_problems, load_problem
from amijax.problems.catalogue import DEFAULT_PROBLEM

EMBEDDED = [info.problem_id for info in list_problems() if info.source == "embedded"]


def test_the_default_problem_comes_first():
    assert list_problems()[0].problem_id == DEFAULT_PROBLEM == load_problem().problem_id


@pytest.mark.parametrize("problem_id", EMBEDDED)
def test_embedded_problems_open(problem_id):
    problem = load_problem(problem_id)
    n = problem.n_parameters
    assert len(problem.parameter_names) == len(problem.scales) == n
    for array in (
        problem.nominal_theta,
        problem.lower_theta,
        problem.upper_theta,
        problem.nominal_p,
    ):
        assert array.shape == (n,)
        assert array.dtype == np.float64
        assert not array.flags.writeable
    assert (problem.lower_theta <= problem.nominal_theta).all()
    assert (problem.nominal_theta <= problem.upper_theta).all()
    np.testing.assert_allclose(problem.linear(problem.nominal_theta), problem.nominal_p, rtol=1e-14)
    table = problem.petab_problem.parameter_df.loc[list(problem.parameter_ids)]
    np.testing.assert_array_equal(problem.lower_p, table["lowerBound"])
    assert problem.description


def test_boehm_record():
    problem = load_problem()
    assert problem.parameter_ids[0] == "Epo_degradation_BaF3"
    assert problem.fixed_parameters == {"ratio": 0.693, "specC17": 0.107}
    assert problem.reference == "https://doi.org/10.1021/pr5006923"
    assert set(problem.scales) == {"log10"}
    assert (problem.n_states, problem.n_measurements) == (8, 48)
    np.testing.assert_allclose(problem.lower_theta, -5)


def test_teaching_problem_has_all_scales():
    assert set(load_problem("Conversion_Reaction").scales) == {"lin", "log", "log10"}


@pytest.mark.collection
def test_the_whole_local_collection_opens(collection):
    known = {info.problem_id: info for info in list_problems()}
    folders = [folder.name for folder in collection.iterdir() if folder.is_dir()]
    assert len(folders) >= 20
    for name in folders:
        assert known[name].source == ("embedded" if name in EMBEDDED else "local collection")
        problem = load_problem(known[name].path)
        assert problem.problem_id == name
        assert np.isfinite(problem.nominal_theta).all()


def test_path_and_id_of_a_yaml_file(tmp_path):
    path = write_decay(tmp_path / "mine")
    assert load_problem(path).problem_id == "decay"
    assert load_problem(str(path)).parameter_ids == ("rate",)
    renamed = path.rename(path.with_name("problem.yaml"))
    assert load_problem(renamed).problem_id == "mine"


@pytest.mark.parametrize("scale", ["lin", "log", "log10"])
def test_theta_from(tmp_path, scale):
    problem = load_problem(write_decay(tmp_path, scale=scale))
    function = {"lin": float, "log": np.log, "log10": np.log10}[scale]
    np.testing.assert_allclose(problem.theta_from({"rate": 2.0}, linear=True), [function(2.0)])
    np.testing.assert_array_equal(problem.theta_from({"rate": 0.5}), [0.5])
    np.testing.assert_allclose(problem.theta_from({}), [function(0.8)])


def test_theta_from_complains():
    problem = load_problem()
    with pytest.raises(ProblemError, match="fixed in the parameter table"):
        problem.theta_from({"ratio": 1.0})
    with pytest.raises(ProblemError, match="no such parameter"):
        problem.theta_from({"k_fos": 1.0})
    with pytest.raises(ProblemError, match="above 0"):
        problem.theta_from({"k_phos": -1.0}, linear=True)


def _yaml(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


def _whole(extra="", *, model="m.xml", table="t.tsv"):
    tables = "".join(f"  {kind}_files: [{table}]\n" for kind in ("condition", "measurement"))
    return (
        f"format_version: 1\nparameter_file: p.tsv\nproblems:\n- sbml_files: [{model}]\n{tables}"
        "  observable_files: [o.tsv]\n" + (f"  {extra}\n" if extra else "")
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("just text", "not a PEtab problem"),
        ("a: [1,", "not a readable YAML file"),
        ("format_version: 2.0.0\n", "has no model_files"),
        ("format_version: 3\nproblems: []\n", "only PEtab v1 and v2"),
        ("format_version: 1\nproblems: []\n", "exactly one entry"),
        (
            "format_version: 1\nproblems:\n- sbml_files: [http://example.org/m.xml]\n",
            "only local files",
        ),
        ("format_version: 1\nproblems:\n- sbml_files: [m.xml]\n", "no parameter_file and no"),
        (_whole(), "which is not there"),
        (_whole("model_files: {m: {language: sbml}}"), "belong to PEtab v2"),
        (_whole("mapping_files: [m.tsv]"), "belong to PEtab v2"),
        (_whole(model="/m.xml"), "relative to the YAML file"),
        (_whole(model="m.xml.gz"), r"ends in \.xml"),
        (_whole(table="t.tsv.zip"), r"ends in \.tsv"),
        (_whole(table="s3://x/t.tsv"), "only local files"),
        (_whole(table="[a.tsv]"), "not a list of file names"),
        (_whole() + "extensions: {sciml: {required: true}}\n", "extension 'sciml'"),
        (_whole().replace("version: 1", "version: 3"), "only PEtab v1"),
        ("[" * 50, "nested deeply"),
        ("x: &x [1]\ny: [" + "*x," * 50 + "]\n", "full of aliases"),
        ("x: &x [*x]\n", "not a"),
        ("x: 2020-99-99\n", "not a readable YAML file"),
        ("#" * 200_000, "more than the 100,000"),
        (
            "format_version: 1\nproblems:\n- model_files: {m: {location: m.py, language: pysb}}\n",
            "only SBML models",
        ),
    ],
)
def test_unusable_yaml_gets_a_sentence(tmp_path, text, sentence):
    with pytest.raises(ProblemError, match=sentence):
        load_problem(_yaml(tmp_path, text))


def test_unknown_problem_names_those_that_exist(tmp_path):
    with pytest.raises(ProblemError, match=DEFAULT_PROBLEM):
        load_problem("Bohm")
    with pytest.raises(ProblemError, match="is a folder"):
        load_problem(tmp_path)


def test_a_broken_table_gets_a_sentence(tmp_path):
    path = write_decay(tmp_path)
    (tmp_path / "parameters.tsv").write_text("nothing\there\n")
    with pytest.raises(ProblemError, match="has no column parameterId and no column estimate"):
        load_problem(path)
    (tmp_path / "parameters.tsv").write_bytes(b"\xff")
    with pytest.raises(ProblemError, match="not encoded in UTF-8"):
        load_problem(path)


def test_nothing_estimated(tmp_path):
    path = write_decay(tmp_path)
    table = tmp_path / "parameters.tsv"
    table.write_text(table.read_text().replace("0.8\t1", "0.8\t0"))
    with pytest.raises(ProblemError, match="no parameter is estimated"):
        load_problem(path)


def test_a_problem_in_several_files(tmp_path):
    path = write_decay(tmp_path)
    (tmp_path / "more").mkdir()
    for name, row in (
        ("conditions", "c1\t3"),
        ("observables", "obs_B\t2 * A\tsigma"),
        ("measurements", "obs_B\tc1\t1.0\t1\nobs_B\tc1\t1.0\tinf"),
        ("parameters", "sigma\tlin\t0.01\t1\t0.1\t1"),
    ):
        header = (tmp_path / f"{name}.tsv").read_text().splitlines()[0]
        header += "\tA" if name == "conditions" else ""
        (tmp_path / "more" / f"{name}.tsv").write_text(f"{header}\n{row}\n")
        text = path.read_text().replace(f"[{name}.tsv]", f"[{name}.tsv, more/{name}.tsv]")
        text = text.replace("file: parameters.tsv", "file: [parameters.tsv, more/parameters.tsv]")
        path.write_text(text)
    problem = load_problem(path)
    assert problem.parameter_ids == ("rate", "sigma")
    assert list(problem.observables.index) == ["obs_A", "obs_B"]
    assert (problem.n_measurements, len(problem.simulation_conditions)) == (6, 2)


def test_neighbours_of_ones_own_files_are_read_but_looked_at(tmp_path):
    path = write_decay(tmp_path / "mine")
    (tmp_path / "mine" / "model.xml").rename(tmp_path / "model.xml")
    path.write_text(path.read_text().replace("model.xml", "../model.xml"))
    assert load_problem(path).n_states == 1
    text = (tmp_path / "model.xml").read_text()
    (tmp_path / "model.xml").write_text(text.replace("?>", '?><!DOCTYPE sbml SYSTEM "x">'))
    with pytest.raises(ProblemError, match=r"model.xml has a DOCTYPE declaration"):
        load_problem(path)
    (tmp_path / "model.xml").write_text(text.replace('id="A"', ""))
    with pytest.raises(ProblemError, match="not valid SBML"):
        load_problem(path)


def test_scale_may_be_left_out_and_no_other_column(tmp_path):
    path = write_decay(tmp_path, scale="lin")
    table = tmp_path / "parameters.tsv"
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    table.write_text("".join("\t".join([r[0], *r[2:]]) + "\n" for r in rows))
    assert load_problem(path).scales == ("lin",)
    table.write_text("".join("\t".join([r[0], *r[3:]]) + "\n" for r in rows))
    with pytest.raises(ProblemError, match="parameter table has no column lowerBound"):
        load_problem(path)


@pytest.mark.parametrize("version", [1, 2])
def test_local_parameters_become_global_ones(version, tmp_path):
    text = Model({"A": 2.0}, {"k": 0.4}, [("A", "", "k*A"), ("A", "", "k*A")]).sbml()
    local = '<listOfLocalParameters><localParameter id="k" value="0.1"/></listOfLocalParameters>'
    before, law, after = text.rpartition("</kineticLaw>")
    case = Case(Model(), {"k": ("lin", 0.4)}, lambda _p, _t: {"o": 1.0}, {"o": "A"})
    path = case.write(tmp_path)
    core = f"level3/version{version}/core"
    text = (before + local + law + after).replace("level3/version2/core", core)
    text = text.replace('level="3" version="2"', f'level="3" version="{version}"')
    if version == 1:
        text = text.replace('reversible="false"', 'reversible="false" fast="false"')
    (tmp_path / "model.xml").write_text(text)
    model = load_problem(path).petab_problem.model.sbml_model
    assert {p.getId(): p.getValue() for p in model.getListOfParameters()} == {
        "k": 0.4, "r1_k": 0.1
    }  # fmt: skip
