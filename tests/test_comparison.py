"""AMICI against AMICI-in-JAX on real models: agreement, the lesson of float32, threads."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

from amijax import JaxObjective, SolverSettings, compare
from amijax.comparison import compare_precisions, jax_objective_of, rel_diff


def test_float64_agrees_with_amici(boehm):
    comparison = compare(boehm, boehm.problem.nominal_theta)
    assert abs(comparison.llh_rel_diff) <= 1e-12
    assert (np.abs(comparison.gradient_rel_diff) <= 1e-12).all()
    assert comparison.failure is None


def test_float32_shows_the_lesson(boehm):
    comparison = compare(boehm, boehm.problem.nominal_theta, "float32")
    assert abs(comparison.llh_rel_diff) <= 1e-6
    assert np.abs(comparison.gradient_rel_diff).max() >= 1e-3
    assert comparison.worst == np.abs(comparison.gradient_rel_diff).argmax()


def test_float32_fails_visibly_on_the_stiff_problem(objective_of):
    objective = objective_of("Robertson_Stiff")
    comparisons = compare_precisions(objective, objective.problem.nominal_theta)
    assert (np.abs(comparisons["float32"].gradient_rel_diff) > 0.1).sum() >= 3
    assert np.abs(comparisons["float64"].gradient_rel_diff).max() < 1e-3


def test_float32_is_enough_for_the_well_conditioned_problem(conversion):
    comparison = compare(conversion, conversion.problem.nominal_theta, "float32")
    assert np.abs(comparison.gradient_rel_diff).max() < 1e-3


def test_the_record_says_all(boehm):
    settings = SolverSettings(rtol=1e-9)
    theta = boehm.problem.nominal_theta + 0.1
    comparison = compare(boehm.with_solver(settings), theta, "float32")
    assert comparison.solver == settings
    assert comparison.precision == "float32"
    np.testing.assert_array_equal(comparison.theta, theta)
    np.testing.assert_allclose(comparison.p, 10**theta)
    frame = comparison.frame()
    assert list(frame["quantity"]) == ["llh"] + ["gradient"] * 9
    assert (frame["rtol"] == 1e-9).all()
    row = comparison.gradient_frame().loc["k_phos"]
    assert row["rel_diff"] == (row["amici"] - row["jax"]) / abs(row["amici"])
    seconds = comparison.timings
    assert 0 < seconds.amici_cpu < seconds.amici_wall
    assert 0 < seconds.jax_cpu < seconds.jax_wall
    assert seconds.jax_compile > 0


def test_precisions_share_one_evaluation_by_amici(boehm):
    comparisons = compare_precisions(boehm, boehm.problem.nominal_theta)
    assert comparisons["float32"].timings.amici_wall == comparisons["float64"].timings.amici_wall
    assert set(comparisons) == {"float32", "float64"}


def test_failures_are_part_of_the_record(boehm):
    comparison = compare(
        boehm.with_solver(SolverSettings(max_steps=5)), boehm.problem.nominal_theta
    )
    assert comparison.failure is comparison.failure_amici
    assert comparison.failure_amici.status == -1
    assert comparison.failure_jax is None  # not tried
    assert np.isnan(comparison.gradient_jax).all()
    assert comparison.worst is None


def test_overflow_in_float32_alone(boehm):
    theta = boehm.problem.nominal_theta.copy()
    theta[boehm.problem.parameter_ids.index("sd_pSTAT5A_rel")] = 39.0  # 1e39 is no float32
    comparison = compare(boehm, theta, "float32")
    assert comparison.failure_amici is None
    assert comparison.failure_jax.kind == "input"  # 1e39, cast to float32
    assert comparison.failure is comparison.failure_jax
    assert "float32" in comparison.failure.remedy


def test_unknown_precision(boehm):
    with pytest.raises(ValueError, match="float32 or float64"):
        compare(boehm, boehm.problem.nominal_theta, "float16")


def test_rel_diff_conventions():
    np.testing.assert_array_equal(
        rel_diff([0, 0, 2, -2, np.nan], [0, 1, 1, -1, 1]), [0, -np.inf, 0.5, -0.5, np.nan]
    )


def test_the_notebook_s_convention(boehm):
    ours = compare(boehm, boehm.problem.nominal_theta, "float32")
    notebook = ours.in_convention("notebook")
    assert notebook.llh_rel_diff == (ours.llh_amici - ours.llh_jax) / ours.llh_amici
    difference = ours.gradient_amici - ours.gradient_jax
    np.testing.assert_array_equal(notebook.gradient_rel_diff, difference / ours.gradient_jax)
    assert set(notebook.frame()["rel_diff_convention"]) == {"notebook"}
    back = notebook.in_convention("magnitude")
    assert back.llh_rel_diff == ours.llh_rel_diff
    np.testing.assert_array_equal(back.gradient_rel_diff, ours.gradient_rel_diff)


def test_jax_may_be_left_out(boehm):
    for comparison in compare_precisions(
        boehm, boehm.problem.nominal_theta, run_jax=False
    ).values():
        assert not comparison.jax_was_run
        assert comparison.failure is None
        assert np.isfinite(comparison.gradient_amici).all()
        assert np.isnan(comparison.gradient_jax).all()
        assert comparison.timings.jax_wall == 0


def test_no_objective_is_kept_alive(tmp_path):
    import gc
    import weakref

    from petab_files import write_decay

    from amijax import AmiciObjective, load_problem

    objective = AmiciObjective(load_problem(write_decay(tmp_path)))
    compare(objective, objective.problem.nominal_theta)
    reference = weakref.ref(objective)
    del objective
    gc.collect()
    assert reference() is None


def test_second_derivative_of_a_real_objective(boehm):
    with pytest.raises(NotImplementedError, match="first derivatives"):
        jax.hessian(JaxObjective(boehm))(boehm.problem.nominal_theta)


CODE = """
import sys, numpy as np
sys.path.insert(0, {repository!r})
from amijax import AmiciObjective, JaxObjective, load_problem
import jax
assert not jax.config.jax_enable_x64
objective = JaxObjective(AmiciObjective(load_problem()))
thetas = np.load({thetas!r})
out = [objective.evaluate(theta.astype(np.float32)) for theta in thetas]
np.savez({out!r}, llh=[e.llh for e in out], gradient=[e.gradient for e in out])
"""


@pytest.fixture(scope="module")
def thetas(boehm):
    return boehm.problem.nominal_theta + np.random.default_rng(2).uniform(-0.1, 0.1, (12, 9))


def test_float32_equals_a_32_bit_process_bit_for_bit(boehm, thetas, tmp_path):
    paths = {
        name: str(tmp_path / f"{name}.np{end}") for name, end in (("thetas", "y"), ("out", "z"))
    }
    np.save(paths["thetas"], thetas)
    code = CODE.format(repository=str(Path(__file__).parents[1]), **paths)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "JAX_ENABLE_X64": "0"}
    )
    reference = np.load(paths["out"])
    for i, theta in enumerate(thetas):
        evaluation = jax_objective_of(boehm).evaluate(theta.astype(np.float32))
        assert reference["gradient"].dtype == evaluation.gradient.dtype == np.float32
        np.testing.assert_array_equal(evaluation.llh, reference["llh"][i])
        np.testing.assert_array_equal(evaluation.gradient, reference["gradient"][i])


def test_eight_threads_of_mixed_precision(boehm, thetas):
    objective = jax_objective_of(boehm)
    precisions = [np.float32, np.float64]
    expected = {d: [objective.evaluate(theta.astype(d)) for theta in thetas] for d in precisions}

    def work(seed):
        wrong = 0
        for k in range(500):
            i, dtype = (7 * k + seed) % len(thetas), precisions[(k + seed) % 2]
            got, wanted = objective.evaluate(thetas[i].astype(dtype)), expected[dtype][i]
            wrong += (
                got.llh.dtype != dtype
                or got.llh != wanted.llh
                or (got.gradient != wanted.gradient).any()
                or (got.host.theta != wanted.host.theta).any()
            )
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
