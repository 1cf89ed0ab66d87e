"""PEtab v2 problems in links, snapshots, recipes, exports, scripts, and on the command line."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import petab.v2 as petab_v2
import pytest
from click.testing import CliRunner

from amijax import AmiciObjective, ProblemError, load_problem
from amijax.cli.main import main
from amijax.problems.points import read_text
from amijax.problems.recipe import ProblemRecipe
from amijax.sharing.conversion import convert
from amijax.sharing.exports import parameter_table
from amijax.sharing.links import State, asked_scales, link_query, read_link
from amijax.sharing.script import script
from amijax.sharing.snapshots import (
    Snapshot,
    SnapshotError,
    compare_snapshots,
    export_snapshots,
    import_snapshots,
)
from amijax.simulation.settings import SolverChoice, SolverSettings

NAME = "Inhibited_Conversion"
CHOICE = {"k1": "lin", "total": "log10"}


@pytest.fixture(scope="module")
def chosen():
    return load_problem(NAME, scales=CHOICE)


def snapshot_of(problem, name):
    theta = problem.nominal_theta + 0.01
    return Snapshot(
        name, NAME, problem.parameter_ids, theta, "float64", SolverChoice(), 1.0,
        np.zeros_like(theta), scales=problem.chosen_scales,
    )  # fmt: skip


def test_only_scales_that_were_chosen_are_told(chosen):
    assert chosen.chosen_scales == CHOICE
    assert load_problem(NAME).chosen_scales == {}
    assert load_problem(NAME, scales={"k1": "log10"}).chosen_scales == {}
    assert chosen.identity != load_problem(NAME).identity


def test_a_link_has_the_scales(chosen):
    query = link_query(State(NAME, chosen.nominal_theta + 0.01), chosen)
    assert query["scales"] == "k1:lin,total:log10"
    again = load_problem(NAME, scales=asked_scales(query))
    assert again.scales == chosen.scales
    np.testing.assert_array_equal(read_link(query, again).theta, chosen.nominal_theta + 0.01)
    default = load_problem(NAME)
    assert link_query(State(NAME, default.nominal_theta), default) == {"problem": NAME}
    everywhere = load_problem(NAME, scales="lin")
    query = link_query(State(NAME, everywhere.nominal_theta), everywhere)
    assert asked_scales(query) == query["scales"] == "lin"


@pytest.mark.parametrize("text", ["", "ln", "k1", "k1:ln", "k1:lin,<b>:lin", "k1:lin" * 9000])
def test_scales_of_a_link_that_are_none_are_left_out(text):
    assert asked_scales({"scales": text}) is None


def test_a_recipe_and_a_pickle_have_the_scales(chosen, objective_of):
    again = pickle.loads(pickle.dumps(ProblemRecipe.of(chosen))).open()
    assert again.scales == chosen.scales
    objective = AmiciObjective(chosen, model=objective_of(NAME).model)
    other = pickle.loads(pickle.dumps(objective))
    theta = chosen.nominal_theta
    assert other.llh_and_gradient(theta)[0] == objective.llh_and_gradient(theta)[0]
    np.testing.assert_array_equal(
        other.llh_and_gradient(theta)[1], objective.llh_and_gradient(theta)[1]
    )


def test_snapshots_know_their_scales(chosen):
    kept, default = snapshot_of(chosen, "chosen"), snapshot_of(load_problem(NAME), "default")
    (again,) = import_snapshots(export_snapshots([kept]))
    assert again.scales == CHOICE
    np.testing.assert_array_equal(again.theta_for(chosen), kept.theta)
    moved = again.theta_for(load_problem(NAME))
    np.testing.assert_allclose(load_problem(NAME).linear(moved), chosen.linear(kept.theta))
    with pytest.raises(SnapshotError, match="have other scales of theta"):
        compare_snapshots(kept, default)
    damaged = export_snapshots([kept]).replace('"k1": "lin"', '"k1": "ln"')
    with pytest.raises(SnapshotError, match="scales must be an object"):
        import_snapshots(damaged)


def test_the_parameter_table_is_one_of_v2(chosen, tmp_path):
    theta = chosen.nominal_theta + 0.01
    text = parameter_table(chosen, theta)
    path = tmp_path / "parameters.tsv"
    path.write_text(text)
    table = petab_v2.ParameterTable.from_tsv(path)
    assert [p.nominal_value for p in table.parameters] == pytest.approx(chosen.linear(theta))
    assert "parameterScale" not in text
    values = read_text(chosen, text).values
    assert [values[name] for name in chosen.parameter_ids] == pytest.approx(theta)


def test_a_script_takes_the_yaml_file_for_amicis_own_classes():
    problem = load_problem("Infused_Tracer")
    text = script(problem, problem.nominal_theta, SolverSettings())
    compile(text, "exported.py", "exec")
    assert "from amici.importers.petab import PetabImporter" in text
    assert "set_relative_tolerance(1e-08)" in text.partition("PetabImporter(")[2]
    assert "@" not in text.replace("@jax.custom_jvp", "").replace("@llh_of_linear", "")
    v1 = load_problem("Conversion_Reaction")
    assert "PetabImporter" not in script(v1, v1.nominal_theta, SolverSettings())


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_evaluate_says_the_scales():
    done = run("evaluate", NAME, "--json", "--scales", "k1=lin")
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    scales = {row["parameter"]: row["scale"] for row in content["gradient"]}
    assert scales["k1"] == "lin"
    assert scales["k2"] == "log10"
    assert content["llh"]["amici"] == pytest.approx(84.5003948, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--scales", "ln"), "is not a scale"),
        (("--scales", "k9=lin"), "not a free parameter"),
        (("--scales", "lin", "--scales", "k1=log"), "not both"),
    ],
)
def test_scales_that_are_none_are_wrong_use(arguments, sentence):
    done = run("evaluate", NAME, *arguments)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


def test_convert_writes_the_same_problem(tmp_path, objective_of):
    folder = tmp_path / "new"
    objective_of("Conversion_Reaction")
    done = run("convert", "Conversion_Reaction", "-o", str(folder))
    assert done.exit_code == 0, done.output
    for words in ("2 simulations became 2 experiments", "k1 (log10)", "--scales k2=log"):
        assert words in done.output
    old = load_problem("Conversion_Reaction")
    new = load_problem(folder / "problem.yaml", scales=dict(zip(old.parameter_ids, old.scales)))  # noqa: B905
    assert new.petab_version == "2"
    assert new.scales == old.scales
    ours, theirs = AmiciObjective(new), AmiciObjective(old)
    llh, gradient = ours.llh_and_gradient(new.nominal_theta)
    expected, expected_gradient = theirs.llh_and_gradient(old.nominal_theta)
    assert llh == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6)
    again = run("convert", "Conversion_Reaction", "-o", str(folder))
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_convert_refuses_v2_and_what_would_be_another_problem(tmp_path, monkeypatch):
    assert run("convert", NAME, "-o", str(tmp_path / "x")).exit_code == 2
    from amijax.sharing import conversion

    monkeypatch.setattr(conversion, "_evaluated", lambda *_: (1.0, 1.1))
    with pytest.raises(ProblemError, match="is another problem after the conversion"):
        convert(load_problem("Conversion_Reaction"), tmp_path / "y")
    assert list(tmp_path.iterdir()) == []


def test_priors_and_noise_that_v2_lacks_are_told(tmp_path):
    problem = load_problem("Conversion_Reaction")
    source = tmp_path / "v1"
    source.mkdir()
    for path in problem.source.parent.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    table = pd.read_csv(source / "parameters.tsv", sep="\t")
    table["objectivePriorType"] = ["parameterScaleNormal", *[""] * (len(table) - 1)]
    table["objectivePriorParameters"] = ["-0.3;1", *[""] * (len(table) - 1)]
    table.to_csv(source / "parameters.tsv", sep="\t", index=False)
    done = convert(load_problem(source / "problem.yaml"), tmp_path / "v2")
    text = " ".join(done.changes)
    assert "The prior of k1 was parameterScaleNormal -0.3;1 and is log-normal" in text
    assert done.llh_v1 == pytest.approx(done.llh_v2, rel=1e-9)
    assert replace(done, changes=()).scales == done.scales
