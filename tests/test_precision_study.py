"""Studies: all pieces in order, kept on disk with all their digits, stopped and gone on with."""

import dataclasses
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from amijax import AmiciObjective, SolverSettings
from amijax.audit.jobs import audited
from amijax.precision import (
    PIECE_NAMES,
    PIECES,
    NoiseFloor,
    error_budget,
    forecast,
    noise_floor,
    studies,
    with_needs,
)
from amijax.precision import pieces as pieces_module
from amijax.precision.bits import FORMATS, MANTISSA_BITS
from amijax.precision.study import study_precision
from amijax.precision.tolerances import RTOLS
from amijax.result_store import ResultStore


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """An empty folder for pieces."""
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def folder_of_all(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="module")
def computed(conversion, folder_of_all):
    """The states of a study of all pieces, and the calls of its progress."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amijax.result_store.cache_dir", lambda: folder_of_all)
        states = list(
            studies(
                conversion,
                conversion.problem.nominal_theta,
                on_progress=lambda *call: calls.append(call),
            )
        )
    return states, calls


@pytest.fixture
def kept(computed, folder_of_all, monkeypatch):
    """The finished study, whose pieces are on disk."""
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: folder_of_all)
    return computed[0][-1]


def assert_same(a, b):
    """Two records are equal bit for bit, NaN, infinities and signs of 0 included."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a), np.signbit(b))
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for mine, other in zip(a, b, strict=True):
            assert_same(mine, other)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, float):
        assert a == b or (math.isnan(a) and math.isnan(b))
        assert math.copysign(1, a) == math.copysign(1, b)
    else:
        assert a == b


class Recomputed(Exception):
    pass


def refuse(*call):
    raise Recomputed(call)


def files(folder):
    """The study's pieces on disk; its audit is kept a second time, for the audit's own page."""
    return {path.stem: path for path in (folder / "precision").rglob("*.json")}


# --- pieces


def test_each_state_has_one_piece_more(computed):
    states, _ = computed
    assert len(states) == len(PIECE_NAMES)
    for i, state in enumerate(states):
        there = [piece for piece in PIECE_NAMES if getattr(state, piece) is not None]
        assert there == list(PIECE_NAMES[: i + 1])
        assert list(state.seconds) == there
        assert state.impossible == ()
    assert all(seconds > 0 for seconds in states[-1].seconds.values())


def test_the_study_says_of_what_it_is(conversion, computed):
    study = computed[0][-1]
    assert study.problem_id == "Conversion_Reaction"
    assert study.parameter_ids == conversion.problem.parameter_ids
    assert study.scales == conversion.problem.scales
    assert study.positions == tuple(range(6))
    assert study.solver == conversion.solver
    np.testing.assert_array_equal(study.theta, conversion.problem.nominal_theta)


def test_pieces_are_those_of_their_functions(conversion, kept):
    theta, positions = conversion.problem.nominal_theta, np.arange(6)
    assert_same(kept.budget, error_budget(conversion, theta, positions))
    assert_same(kept.noise, noise_floor(conversion, theta, positions))
    assert kept.bits.errors.shape == (len(MANTISSA_BITS), 7)
    assert kept.bits.format_errors.shape == (len(FORMATS), 7)
    assert kept.tolerances.errors.shape == (2, len(RTOLS), 7)
    assert kept.curvature.hessian.shape == (6, 6)
    assert list(kept.work.lines) == [
        "forward, simultaneous", "forward, staggered", "forward, staggered1", "adjoint",
    ]  # fmt: skip
    assert {len(line) for line in kept.work.lines.values()} == {len(RTOLS)}
    assert kept.work.marked["AMICI's defaults"].settings == conversion.solver


def test_verdicts_begin_with_the_budget(conversion, computed):
    states, _ = computed
    names = ["llh", *conversion.problem.parameter_ids]
    for state in states:
        assert [quantity.quantity for quantity in state.verdicts] == names
    assert all(np.isnan(q.digits_self_consistent) for q in states[0].verdicts)
    assert all(np.isfinite(q.digits_self_consistent) for q in states[1].verdicts)
    assert all(np.isnan(q.digits_accuracy) for q in states[1].verdicts)
    assert all(np.isfinite(q.digits_accuracy) for q in states[2].verdicts)
    assert {q.verdict for q in states[2].verdicts} == {"right"}
    assert dataclasses.replace(states[-1], budget=None).verdicts == ()


def test_a_piece_brings_what_it_needs(conversion, folder):
    assert with_needs(("noise",)) == ("noise",)
    assert with_needs(("tolerances",)) == ("reference", "tolerances")
    assert with_needs(("curvature",)) == ("budget", "reference", "noise", "curvature")
    assert with_needs(("bits", "noise")) == ("noise", "bits")
    study = study_precision(conversion, conversion.problem.nominal_theta, pieces=("tolerances",))
    assert set(files(folder)) == {"reference", "tolerances"}
    assert study.budget is None
    assert study.tolerances is not None


def test_without_a_reference_what_needs_it_is_impossible(conversion, folder, monkeypatch):
    monkeypatch.setattr("amijax.precision.reference._candidates", lambda _: iter(()))
    study = study_precision(conversion, conversion.problem.nominal_theta)
    assert study.impossible == ("tolerances", "curvature", "work")
    assert study.tolerances is study.curvature is study.work is None
    assert not study.reference.values.is_finite
    assert study.noise is not None
    assert len(study.verdicts) == 7
    assert set(files(folder)) == {"budget", "reference", "audit", "noise", "bits"}


def test_without_float32_there_is_no_prediction(conversion, folder):  # noqa: ARG001
    theta = conversion.problem.nominal_theta.copy()
    theta[0] = -46.0  # 0 in float32
    *_, study = studies(conversion, theta, pieces=("curvature",))
    assert study.budget.failed_stage is not None
    assert study.curvature is None
    assert study.impossible == ("curvature",)


# --- kept on disk


def test_kept_pieces_are_the_same_bit_for_bit(conversion, kept):
    again = list(studies(conversion, conversion.problem.nominal_theta, on_progress=refuse))
    assert len(again) == len(PIECE_NAMES)
    assert_same(again[-1], kept)


def test_nan_infinities_and_failures_are_kept(boehm, folder):  # noqa: ARG001
    theta = boehm.problem.nominal_theta.copy()
    theta[boehm.problem.parameter_ids.index("k_phos")] = -46.0  # 0 in float32
    pieces = ("budget", "bits")
    first = study_precision(boehm, theta, pieces=pieces)
    assert first.budget.failures[2] is not None
    assert np.isnan(first.budget.float32.llh)
    assert "k_phos" in first.bits.out_of_range[1]
    again = study_precision(boehm, theta, pieces=pieces, on_progress=refuse)
    assert_same(again, first)


def test_numbers_keep_all_their_digits(tmp_path):
    tricky = [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, np.nan, np.inf, -np.inf, 3.0]
    values = np.array([tricky, tricky[::-1]])
    noise = NoiseFloor(values, values[0], values[1], 4, ())
    store = ResultStore(tmp_path / "new")
    store.save("noise", noise, 0.1 + 0.7)
    found, seconds = store.load("noise", NoiseFloor)
    assert_same(found, noise)
    assert seconds == 0.1 + 0.7


def test_a_noise_floor_without_samples_is_kept(boehm, tmp_path):
    failing = boehm.with_solver(SolverSettings(max_steps=5))
    noise = noise_floor(failing, boehm.problem.nominal_theta, np.arange(9))
    ResultStore(tmp_path).save("noise", noise, 1.0)
    assert_same(ResultStore(tmp_path).load("noise", NoiseFloor)[0], noise)


def halved(text):
    return text[: len(text) // 2]


def without_llh(text):
    content = json.loads(text)
    del content["result"]["values"]["llh"]
    return json.dumps(content)


@pytest.mark.parametrize(
    "damage",
    [
        halved,
        without_llh,
        lambda _: "",
        lambda _: "[1, 2]",
        lambda _: '{"result": null, "seconds": 1}',
        lambda _: '{"result": {"values": 7}, "seconds": 1}',
    ],
)
def test_a_damaged_piece_is_computed_again_and_mended(conversion, folder, damage):
    theta = conversion.problem.nominal_theta
    first = study_precision(conversion, theta, pieces=("reference", "noise"))
    path = files(folder)["reference"]
    whole = path.read_text()
    path.write_text(damage(whole))
    calls = []
    again = study_precision(
        conversion,
        theta,
        pieces=("reference", "noise"),
        on_progress=lambda piece, *_: calls.append(piece),
    )
    assert set(calls) == {"reference"}
    np.testing.assert_array_equal(again.reference.values.all, first.reference.values.all)
    mended = study_precision(conversion, theta, pieces=("reference", "noise"), on_progress=refuse)
    assert_same(mended, again)


def test_bytes_that_are_no_text_are_damage_too(conversion, folder):
    theta = conversion.problem.nominal_theta
    study_precision(conversion, theta, pieces=("noise",))
    files(folder)["noise"].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Recomputed):
        study_precision(conversion, theta, pieces=("noise",), on_progress=refuse)


def test_a_cache_that_can_t_be_written_is_no_error(conversion, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr("amijax.result_store.cache_dir", lambda: blocked)
    study = study_precision(conversion, conversion.problem.nominal_theta, pieces=("noise",))
    assert study.noise is not None
    assert blocked.read_text() == "not a folder"


def test_nothing_but_whole_pieces_is_left_in_the_folder(kept, folder_of_all):
    assert kept.curvature is not None
    names = sorted(path.name for path in (folder_of_all / "precision").rglob("*") if path.is_file())
    assert names == sorted(f"{piece}.json" for piece in PIECE_NAMES)


def test_whatever_changes_a_result_has_a_folder_of_its_own(boehm, conversion, folder):
    def folder_of(objective=boehm, theta=None, positions=(0, 1)):
        theta = objective.problem.nominal_theta if theta is None else theta
        return ResultStore.of("precision", objective, theta, np.array(positions)).folder

    nominal = boehm.problem.nominal_theta
    moved = nominal.copy()
    moved[3] = np.nextafter(moved[3], 0)
    settings = [
        SolverSettings(rtol=1e-9), SolverSettings(atol=1e-15), SolverSettings(max_steps=9999),
        SolverSettings(time_limit=59.0), SolverSettings(sensitivities="adjoint"),
        SolverSettings(steady_state="newtonOnly"),
        SolverSettings(steady_state_sensitivities="newtonOnly"),
        SolverSettings(internal_sensitivity_method="staggered"), SolverSettings(atol_fsa=1e-9),
    ]  # fmt: skip
    every = [
        folder_of(), folder_of(theta=moved), folder_of(positions=(0, 2)),
        folder_of(positions=(0,)), folder_of(conversion),
        *(folder_of(boehm.with_solver(solver)) for solver in settings),
    ]  # fmt: skip
    assert len(set(every)) == len(every)
    assert all(folder in path.parents for path in every)
    assert folder_of(theta=nominal.copy()) == folder_of()
    # Other data, the same model.
    other = replace(boehm.problem, digest="other")
    assert folder_of(AmiciObjective(other, model=boehm.model)) not in every
    more_cores = AmiciObjective(boehm.problem, model=boehm.model, num_threads=2)
    assert folder_of(more_cores) == folder_of()  # cores change nothing


def test_another_theta_or_other_settings_are_computed(conversion, kept):
    theta = conversion.problem.nominal_theta
    assert kept.theta is not None
    for objective, point, chosen in (
        (conversion, theta + 1e-12, None),
        (conversion.with_solver(SolverSettings(rtol=1e-7)), theta, None),
        (conversion, theta, ["k1", "k2"]),
    ):
        with pytest.raises(Recomputed):
            study_precision(
                objective, point, parameters=chosen, pieces=("noise",), on_progress=refuse
            )


# --- chosen parameters


def test_chosen_parameters_alone_in_the_table_s_order(conversion, folder):
    theta = conversion.problem.nominal_theta
    study = study_precision(conversion, theta, parameters=["sigma_A", "k2"])
    assert study.parameter_ids == ("k2", "sigma_A")
    assert study.positions == (1, 4)
    assert study.scales == ("log", "log10")
    assert study.budget.float32.gradient.shape == (2,)
    assert study.budget.bit_identical
    assert study.reference.values.gradient.shape == (2,)
    assert study.noise.samples.shape[1] == 3
    assert study.bits.errors.shape[1] == 3
    assert study.tolerances.errors.shape[2] == 3
    assert study.curvature.hessian.shape == (2, 6)
    # Fisher information needs all sensitivities: with chosen ones alone it misses most of it.
    assert study.curvature.misses["Fisher information"] < 0.25
    assert [quantity.quantity for quantity in study.verdicts] == ["llh", "k2", "sigma_A"]
    again = study_precision(conversion, theta, parameters=["k2", "sigma_A"], on_progress=refuse)
    assert_same(again, study)
    assert len(files(folder)) == len(PIECE_NAMES) - 1
    assert study.impossible == ("work",)  # which is of the gradient as a whole


def test_all_parameters_by_name_are_the_whole_study(conversion, kept):
    names = conversion.problem.parameter_ids[::-1]
    again = study_precision(
        conversion, conversion.problem.nominal_theta, parameters=names, on_progress=refuse
    )
    assert_same(again, kept)


def test_an_unknown_parameter_is_named_beside_the_nearest(conversion, folder):
    with pytest.raises(ValueError, match=r"no free parameter k_42 \(did you mean k2\?\), nose"):
        study_precision(
            conversion, conversion.problem.nominal_theta, parameters=["nose", "k1", "k_42"]
        )
    assert files(folder) == {}


def test_no_parameter_is_refused(conversion, folder):  # noqa: ARG001
    with pytest.raises(ValueError, match="at least one"):
        study_precision(conversion, conversion.problem.nominal_theta, parameters=[])


def test_the_wrong_shape_is_refused_with_the_right_one(conversion, folder):  # noqa: ARG001
    with pytest.raises(ValueError, match=r"shape \(6,\)"):
        study_precision(conversion, np.zeros(5))


# --- progress


def test_progress_counts_each_piece_up_to_its_end(computed):
    _, calls = computed
    pieces = [piece for piece, _, _ in calls]
    assert list(dict.fromkeys(pieces)) == list(PIECE_NAMES)
    assert pieces == sorted(pieces, key=PIECE_NAMES.index)
    for piece in PIECE_NAMES:
        counts = [(done, total) for name, done, total in calls if name == piece]
        done = [count for count, _ in counts]
        totals = {total for _, total in counts}
        assert len(totals) == 1
        assert done == sorted(done)
        assert done[0] >= 0
        assert done[-1] == totals.pop()


def test_stopping_keeps_the_pieces_before(conversion, folder):
    def stop(piece, *_):
        if piece == "noise":
            raise KeyboardInterrupt

    theta = conversion.problem.nominal_theta
    pieces = ("budget", "reference", "noise", "bits")
    seen = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(studies(conversion, theta, pieces=pieces, on_progress=stop))
    assert set(files(folder)) == {"budget", "reference"}
    calls = []
    study_precision(
        conversion, theta, pieces=pieces, on_progress=lambda piece, *_: calls.append(piece)
    )
    assert list(dict.fromkeys(calls)) == ["noise", "bits"]


def test_a_study_is_computed_only_as_far_as_it_is_asked_for(conversion, folder):
    running = studies(conversion, conversion.problem.nominal_theta)
    assert next(running).reference is None
    assert set(files(folder)) == {"budget"}


# --- what it will cost


def test_the_forecast_has_seconds_for_every_piece(conversion):
    evaluation = conversion.evaluate(conversion.problem.nominal_theta)
    for chosen in (1, 6):
        seconds = forecast(conversion, evaluation, chosen)
        assert list(seconds) == list(PIECES)
        assert all(0 < s < np.inf for s in seconds.values())


def test_a_busy_machine_makes_no_study_look_dearer(conversion):
    evaluation = conversion.evaluate(conversion.problem.nominal_theta)
    cpu = evaluation.cpu_seconds
    alone, waited = (dataclasses.replace(evaluation, wall_seconds=k * cpu) for k in (1, 100))
    assert forecast(conversion, waited, 6) == forecast(conversion, alone, 6)


def test_fewer_parameters_and_more_cores_cost_less(boehm):
    evaluation = boehm.evaluate(boehm.problem.nominal_theta)
    one, two = (
        AmiciObjective(boehm.problem, model=boehm.model, num_threads=cores) for cores in (1, 2)
    )
    few, all_of_them = (forecast(one, evaluation, n) for n in (2, 9))
    assert all(few[piece] < all_of_them[piece] for piece in PIECE_NAMES)
    on_two = forecast(two, evaluation, 9)
    assert all(on_two[piece] <= all_of_them[piece] for piece in PIECE_NAMES)
    assert on_two["noise"] == pytest.approx(all_of_them["noise"] / 2)


def test_the_forecast_counts_the_evaluations_that_are_made(conversion, computed, monkeypatch):
    """A second for each evaluation, whatever its tolerances: seconds are evaluations."""
    calls = computed[1]
    totals = {
        piece: max(total for name, _, total in calls if name == piece) for piece in PIECE_NAMES
    }
    monkeypatch.setattr(pieces_module, "_TIGHT", 1.0)
    evaluation = conversion.evaluate(conversion.problem.nominal_theta)
    one = dataclasses.replace(evaluation, wall_seconds=1.0, cpu_seconds=1.0)
    on_one_core = AmiciObjective(conversion.problem, model=conversion.model, num_threads=1)
    seconds = forecast(on_one_core, one, 6)
    # 0.5 for JAX; the bits' equal points are simulated once, and a sweep has two for each rtol.
    assert seconds["budget"] == pytest.approx(totals["budget"], abs=0.5)
    assert seconds["reference"] == totals["reference"]
    assert seconds["noise"] == totals["noise"]
    assert totals["bits"] <= seconds["bits"] <= len(MANTISSA_BITS) + len(FORMATS) + 1
    assert seconds["tolerances"] == 2 * totals["tolerances"]
    assert seconds["curvature"] == pytest.approx(totals["curvature"], abs=2)


def test_what_has_run_corrects_the_forecast_of_the_rest(boehm):
    evaluation = boehm.evaluate(boehm.problem.nominal_theta)
    at_first = forecast(boehm, evaluation, 9)
    taken = {"budget": 10 * at_first["budget"], "audit": 10 * at_first["audit"]}
    corrected = forecast(boehm, evaluation, 9, taken)
    for piece in PIECE_NAMES:
        assert corrected[piece] == pytest.approx(10 * at_first[piece])
    assert forecast(boehm, evaluation, 9, {}) == at_first


def test_the_forecast_knows_how_long_the_first_pages_audit_took(conversion):
    evaluation = conversion.evaluate(conversion.problem.nominal_theta)
    audit = audited(conversion, evaluation.theta)
    at_first = forecast(conversion, evaluation, 6)
    for seconds in (0.001, 1000.0):
        known = forecast(conversion, evaluation, 6, audit=replace(audit, seconds=seconds))
        assert known == {**at_first, "audit": max(at_first["audit"], seconds)}


def test_only_the_latest_studies_of_a_problem_are_kept(conversion, folder, monkeypatch):
    monkeypatch.setattr("amijax.result_store._MOST_POINTS", 2)
    for i in range(4):
        theta = conversion.problem.nominal_theta + i * 0.001
        study_precision(conversion, theta, pieces=("budget",))
    assert len(list(folder.rglob("budget.json"))) == 2
