"""PEtab v2 on opening: cases of PEtab's test suite, scales of theta, priors, and bad input."""

import math

import numpy as np
import pytest
import yaml
from scipy import stats
from small_problems import Model
from v2_problems import CaseV2

from amijax import AmiciObjective, ProblemError, load_problem
from amijax.problems import log_prior, objective_priors
from amijax.problems.distributions import read_distribution
from amijax.problems.scale_choice import default_scale
from amijax.simulation.settings import SolverSettings

TIGHT = SolverSettings(rtol=1e-12, atol=1e-16)
DIFFERENCES = 1e-5  # of the norm; central differences of llh with a step of 1e-5


def differences(objective, theta):
    """Central differences of llh."""
    step = 1e-5
    return np.array(
        [
            (objective.llh(theta + move) - objective.llh(theta - move)) / (2 * step)
            for move in step * np.eye(theta.size)
        ]
    )


@pytest.mark.parametrize("case", [f"{i:04}" for i in range(1, 32)])
def test_a_case_of_the_test_suite_has_its_published_numbers(v2_cases, case):
    folder = v2_cases / case
    if not folder.is_dir():
        pytest.skip(f"case {case} of the PEtab test suite is not in {v2_cases}")
    solution = yaml.safe_load((folder / f"_{case}_solution.yaml").read_text())
    problem = load_problem(folder / f"_{case}.yaml")
    objective = AmiciObjective(problem, TIGHT)
    llh, gradient = objective.llh_and_gradient(problem.nominal_theta)
    assert llh == pytest.approx(solution["llh"], abs=solution["tol_llh"])
    truth = differences(objective, problem.nominal_theta)
    assert np.linalg.norm(gradient - truth) <= DIFFERENCES * (1 + np.linalg.norm(truth))
    if "log_prior" in solution:
        priors = {p.parameter: p for p in objective_priors(problem)}
        for name, expected in solution["log_prior"].items():
            p = problem.nominal_p[problem.parameter_ids.index(name)]
            assert priors[name].log_density(p) == pytest.approx(expected, rel=1e-13)
        total = sum(solution["log_prior"].values())
        assert log_prior(problem, problem.nominal_theta) == pytest.approx(total, rel=1e-13)


DECAY = CaseV2(
    Model(species={"A": 2.0}, parameters={"ka": 1.0}, reactions=[("A", "", "ka*A")]),
    {"ka": 0.4}, lambda p, _, t: {"oA": 2 * math.exp(-p["ka"] * t)}, {"oA": "A"},
    {"c": {"A": "3"}, "unused": {"A": "not_there"}}, {"e": [(0.0, ""), (1.0, "c")]},
    {"e": (0.5,)},
)  # fmt: skip


@pytest.fixture
def decay(tmp_path):
    return DECAY.write(tmp_path / "decay")


def edited(path, name, old, new):
    """The problem with another text in one of its files."""
    file = path.parent / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return path


def sentence_for(path):
    with pytest.raises(ProblemError) as caught:
        load_problem(path)
    return str(caught.value)


def test_version_and_experiments_are_told(decay):
    problem = load_problem(decay)
    assert problem.petab_version == "2"
    assert load_problem("Conversion_Reaction").petab_version == "1"
    (experiment,) = problem.experiments
    assert [period.time for period in experiment.periods] == [0.0, 1.0]
    assert [change.value for change in experiment.periods[1].changes] == ["3"]


@pytest.mark.parametrize(
    ("name", "old", "new", "sentence"),
    [
        ("problem.yaml", "language: sbml", "language: pysb", "the model is written in pysb; only"),
        ("problem.yaml", "location: model.xml", "location: http://x/m.xml", "only local files"),
        ("problem.yaml", "  model:\n", "  m2: {language: sbml, location: b.xml}\n  model:\n",
         "names 2 models; exactly one"),
        ("problem.yaml", "format_version: 2.0.0", "format_version: 3.0.0", "only PEtab v1 and v2"),
        ("problem.yaml", "format_version: 2.0.0", "format_version: 2.0.0\nproblems: []",
         "belongs to PEtab v1"),
        ("problem.yaml", "format_version: 2.0.0",
         "format_version: 2.0.0\nextensions: {sciml: {version: 1.0.0, required: true}}",
         "uses the PEtab extension 'sciml'"),
        ("problem.yaml", "parameter_files: [parameters.tsv]", "id: x", "has no parameter_files"),
        ("problem.yaml", "model.xml", "../../../etc/passwd", "the name of one ends in .xml"),
        ("measurements.tsv", "oA\te\t", "oA\tf\t", "the experiment f is not in the experiment"),
        ("measurements.tsv", "e\t0.5", "e\t-0.5", "before the experiment begins, at time 0"),
        ("experiments.tsv", "1.0\tc", "1.0\tk", "the condition k is not in the condition table"),
        ("experiments.tsv", "1.0\tc", "one\tc", "“one” is not the time of a period"),
        ("experiments.tsv", "1.0\tc", "1.0\tc\ne\t1.0\td", "the condition d is not"),
        ("experiments.tsv", "1.0\tc", "1.0\tunused", "not_there in “not_there” is neither in"),
        ("conditions.tsv", "c\tA\t3", "c\tka\t3", "ka is in the parameter table"),
        ("conditions.tsv", "c\tA\t3", "c\tA\t3\nc\tA\t4", "c changes A twice"),
        ("conditions.tsv", "c\tA\t3", "c\tA\t__import__('os')", "is not a formula that PEtab"),
        ("conditions.tsv", "c\tA\t3", "c\tr0\t3", "r0 is a reaction of the model, which no"),
        ("conditions.tsv", "c\tA\t3", "c\tB\t3", "B is neither in the model nor in a formula"),
        ("observables.tsv", "\tnormal", "\tlog10-normal", "noiseDistribution “log10-normal” is"),
        ("observables.tsv", "\t\tnormal", "\t1a\tnormal", "“1a” is not a valid placeholder"),
        ("observables.tsv", "\t\tnormal", "\ta\tnormal", "oA has 1 observable parameter in its"),
        ("parameters.tsv", "true", "yes", "estimate of ka is “yes”"),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_sentence(decay, name, old, new, sentence):
    assert sentence in sentence_for(edited(decay, name, old, new))


def test_columns_of_v1_are_ignored_with_a_warning(decay):
    edited(decay, "parameters.tsv", "estimate\t", "parameterScale\testimate\t")
    edited(decay, "parameters.tsv", "ka\ttrue", "ka\tlog\ttrue")
    problem = load_problem(decay)
    assert problem.scales == ("log10",)
    assert [w.code for w in problem.warnings] == ["old_column"]


@pytest.mark.parametrize(
    ("lower", "upper", "nominal", "scale"),
    [
        (1e-3, 1e3, 1.0, "log10"), (0.1, 10.0, 1.0, "lin"), (0.1, 10.1, 1.0, "log10"),
        (0.0, 1e3, 1.0, "lin"), (1e-3, 1e3, 0.0, "lin"), (-1.0, 1e3, 1.0, "lin"),
        (1e-3, math.inf, 1.0, "log10"), (1e-3, 1e3, math.nan, "log10"),
    ],
)  # fmt: skip
def test_default_scale(lower, upper, nominal, scale):
    assert default_scale(lower, upper, nominal) == scale


def test_scales_are_chosen_and_gradients_follow(decay):
    default = load_problem(decay)
    assert default.scales == default.default_scales == ("log10",)
    gradients = {}
    for scale in ("lin", "log", "log10"):
        problem = load_problem(decay, scales=scale)
        assert problem.scales == load_problem(decay, scales={"ka": scale}).scales == (scale,)
        objective = AmiciObjective(problem, TIGHT)
        gradients[scale] = objective.llh_and_gradient(problem.nominal_theta)[1][0]
    assert gradients["log"] == pytest.approx(0.4 * gradients["lin"], rel=1e-9)
    assert gradients["log10"] == pytest.approx(math.log(10) * gradients["log"], rel=1e-9)


def test_scales_that_are_none_get_a_sentence(decay):
    for choice, sentence in (
        ("ln", "'ln' is not a scale; there are lin, log, log10"),
        ({"kb": "lin"}, "A scale is given for 'kb', which is not a free parameter"),
    ):
        with pytest.raises(ProblemError, match=sentence):
            load_problem(decay, scales=choice)
    with pytest.raises(ProblemError, match="whose parameter table says what the scales are"):
        load_problem("Conversion_Reaction", scales="lin")
    edited(decay, "parameters.tsv", "0.0004", "-1")
    with pytest.raises(ProblemError, match="which are not on its scale log"):
        load_problem(decay, scales="log")


PRIORS = {
    ("normal", "4;2"): stats.norm(4, 2),
    ("log-normal", "1;2"): stats.lognorm(2, scale=math.e),
    ("laplace", "3;5"): stats.laplace(3, 5),
    ("log-laplace", "1;0.5"): stats.loglaplace(2, scale=math.e),
    ("cauchy", "3;5"): stats.cauchy(3, 5),
    ("chisquare", "4"): stats.chi2(4),
    ("exponential", "3"): stats.expon(scale=3),
    ("gamma", "3;5"): stats.gamma(3, scale=5),
    ("rayleigh", "3"): stats.rayleigh(scale=3),
    ("uniform", "1;20"): stats.uniform(1, 19),
    ("log-uniform", "1;20"): stats.loguniform(1, 20),
}


@pytest.mark.parametrize("kind", PRIORS)
def test_priors_end_at_the_bounds(kind):
    prior, truth = read_distribution("the prior", *kind, 2.0, 9.0), PRIORS[kind]
    mass = truth.cdf(9.0) - truth.cdf(2.0)
    for value in (2.0, 5.0, 9.0):
        assert prior.log_density(value) == pytest.approx(truth.logpdf(value) - math.log(mass))
    assert prior.log_density(1.9) == prior.log_density(9.1) == -math.inf


def test_priors_far_in_a_tail_keep_their_digits():
    prior = read_distribution("the prior", "normal", "0;1", 20.0, 21.0)
    truth = stats.truncnorm(20, 21)
    assert prior.log_density(20.1) == pytest.approx(truth.logpdf(20.1), rel=1e-10)


@pytest.mark.parametrize(
    ("kind", "shown", "sentence"),
    [
        ("beta", "1;2", "unknown distribution 'beta'"),
        ("normal", "1", "takes its mean and standard deviation, with a semicolon between them"),
        ("normal", "1;-1", "the standard deviation -1; it must be above 0"),
        ("uniform", "3;2", "the upper end must be above the lower"),
        ("log-uniform", "0;2", "the lower end 0; it must be above 0"),
        ("uniform", "30;40", "no probability between the bounds 2 and 9"),
    ],
)
def test_priors_that_are_none_get_a_sentence(kind, shown, sentence):
    with pytest.raises(ProblemError) as caught:
        read_distribution("The prior of k", kind, shown, 2.0, 9.0)
    assert sentence in str(caught.value)


def test_a_parameter_without_a_prior_has_a_uniform_one_if_another_has_one(tmp_path):
    case = CaseV2(
        DECAY.model, {"ka": 0.4, "b": 1.0}, lambda p, *_: {"oA": p["b"]}, {"oA": "b*A"},
        times={"": (0.5,)},
    )  # fmt: skip
    path = case.write(tmp_path / "prior")
    assert log_prior(load_problem(path), np.zeros(2)) is None
    edited(
        path,
        "parameters.tsv",
        "nominalValue\n",
        "nominalValue\tpriorDistribution\tpriorParameters\n",
    )
    edited(path, "parameters.tsv", "\t0.4\n", "\t0.4\texponential\t3\n")
    edited(path, "parameters.tsv", "\t1.0\n", "\t1.0\t\t\n")
    problem = load_problem(path)
    kinds = {prior.parameter: prior.type for prior in objective_priors(problem)}
    assert kinds == {"ka": "exponential", "b": "uniform"}


LOCAL = """<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
<model id="m"><listOfCompartments>
<compartment id="C" size="1" spatialDimensions="3" constant="true"/></listOfCompartments>
<listOfSpecies><species id="A" compartment="C" initialConcentration="2"
 hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/></listOfSpecies>
<listOfReactions><reaction id="r" reversible="false" fast="false"><listOfReactants>
<speciesReference species="A" stoichiometry="1" constant="true"/></listOfReactants>
<kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML"><apply><times/><ci>k</ci><ci>A</ci>
</apply></math><listOfLocalParameters><localParameter id="k" value="9"/></listOfLocalParameters>
</kineticLaw></reaction></listOfReactions></model></sbml>"""


def test_local_parameters_have_the_names_of_the_mapping_table(decay):
    (decay.parent / "model.xml").write_text(LOCAL)
    (decay.parent / "mapping.tsv").write_text(
        "petabEntityId\tmodelEntityId\tname\nka\tr.k\ta rate\nA\tA\tthe same\nnote\t\tnothing\n"
    )
    edited(
        decay, "problem.yaml", "condition_files", "mapping_files: [mapping.tsv]\ncondition_files"
    )
    problem = load_problem(decay)
    llh = AmiciObjective(problem, TIGHT).llh(problem.nominal_theta)
    assert llh == pytest.approx(DECAY.llh({"ka": 0.4}), rel=1e-8)
    for old, new, sentence in (
        ("r.k", "r.q", "“r.q” is neither an id of the model nor a local parameter"),
        ("ka\tr.q", "ka\tA", "A is a valid id already, which PEtab doesn't allow"),
    ):
        edited(decay, "mapping.tsv", old, new)
        assert sentence in sentence_for(decay)
