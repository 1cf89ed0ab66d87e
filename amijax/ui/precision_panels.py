"""The panels of the precision page: claim, something to change, what to see, why it is so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from amijax.figures import (
    bits_figure,
    budget_figure,
    curvature_figure,
    digits_figure,
    tolerances_figure,
    work_precision_figure,
)
from amijax.precision import Study
from amijax.precision.curvature import UNIT_ROUNDOFF
from amijax.precision.story import SOURCES, story, worst
from amijax.precisions import Precision
from amijax.problems import Problem
from amijax.sharing.points import point_in_words
from amijax.ui import charts, numbers

_NOT_FORETOLD = "What curvature foretells, and what it does not"


type State = tuple[str, ...]  # what an exported figure says of the state that it shows


def state_of(study: Study, problem: Problem) -> State:
    """The point and the settings that a study is of."""
    return point_in_words(problem, study.theta), str(study.solver)


def budget(study: Study, at: State) -> None:
    """Panel A."""
    if study.budget is None:
        return
    early = study.budget.enters_before_amici
    claim = "Nearly all of the float32 error enters before AMICI runs"
    st.markdown(f"##### A · {claim if early else 'Where the float32 error enters'}")
    _budget(study, at)
    check = "equals" if study.budget.bit_identical else "**does not equal**"
    st.caption(
        "Each stage is an evaluation with explicit casts, with the stages before it. AMICI itself "
        "computes in float64 throughout: float32 moves the point at which it simulates, by half a "
        "unit in the 24th bit, and the curvature of llh turns that into the gradient's error. "
        f"Check: after the last stage every bit {check} the float32 JaxObjective."
    )
    for stage, failure in zip(
        ("float64", "input", "transform"), study.budget.failures, strict=True
    ):
        if failure is not None:
            st.warning(f"No result at stage “{stage}”. {failure}")


@st.fragment
def _budget(study: Study, at: State) -> None:
    assert study.budget is not None
    shown = st.segmented_control(
        "Show", ["what each stage adds", "all up to a stage"], required=True,
        default="what each stage adds", key="budget_mode",
        persist_state="session", label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    figure = budget_figure(
        study.parameter_ids, study.budget, cumulative=shown == "all up to a stage"
    )
    charts.draw(figure, "budget_chart", "Float32 error of each gradient entry by stage", at)


def truth(study: Study, precision: Precision, at: State) -> None:
    """Panel B."""
    reference, noise = study.reference, study.noise
    if study.budget is None or reference is None:
        return
    st.markdown("##### B · Agreement is not accuracy")
    entries = study.verdicts[1:]
    st.markdown(
        f"Grey: digits in which both sides agree. Coloured: digits of the {precision} value that a "
        "witness other than AMICI confirms (the switch is in the sidebar). Where the grey bar is "
        "long and the coloured one short, both sides make the same error."
    )
    charts.draw(
        digits_figure(entries, precision), "digits_chart", "Digits of agreement and accuracy", at
    )
    frame = study.frame().rename(columns={"self-consistent": "consistent"})
    numbers.grid(
        "verdict_table", frame[["verdict", *_DIGITS, "limited by", "why", "witnesses"]],
        dict.fromkeys(_DIGITS, "%.1f"), alt="Verdict for llh and every gradient entry",
        help=_VERDICT_HELP, texts={"why": 360, "witnesses": 480},
    )  # fmt: skip
    with st.expander("Values"):
        numbers.grid(
            "verdict_values", frame[_VALUES], dict.fromkeys(_VALUES, "%.6g"),
            alt="Values of llh and every gradient entry", help=_VERDICT_HELP,
        )  # fmt: skip
    if not reference.values.is_finite:
        st.caption(
            "There is no reference: none of the tighter tolerances works within reasonable time, "
            "so the noise takes its place in the verdicts."
        )
        return
    settled = "It has converged" if reference.converged else "**It has not converged**"
    st.caption(
        f"Reference: rtol {reference.solver.rtol:g}, atol {reference.solver.atol:g}, forward "
        f"sensitivities. {settled}: at 10 times these tolerances it keeps "
        f"{np.fmin.reduce(reference.digits[1:]):.1f} to "
        f"{np.fmax.reduce(reference.digits[1:]):.1f} digits. "
        + (f"{len(reference.failed)} tighter settings did not work. " if reference.failed else "")
        + (
            f"Noise: {len(noise.samples)} evaluations with theta moved by up to {noise.units} "
            "units in its last place; the solver then takes other steps."
            if noise is not None
            else ""
        )
    )


def bits(study: Study, at: State) -> None:
    """Panel C."""
    if study.bits is None or study.budget is None:
        return
    st.markdown("##### C · How many bits does this gradient need?")
    _bits(study, at)
    for form, names in zip(study.bits.formats, study.bits.out_of_range, strict=True):
        if names:
            st.caption(
                f"The exponents of {form.name} end here: on linear scale "
                f"{', '.join(f'`{name}`' for name in names[:6])}"
                f"{f' and {len(names) - 6} more' if len(names) > 6 else ''} "
                f"{'lies' if len(names) == 1 else 'lie'} beyond its normal numbers and would "
                "become 0 or infinite, so there is no result in that format."
            )
    st.caption(
        "Theta and the linear parameters are rounded to so many bits (`jax.lax.reduce_precision`), "
        "the exponent's range left as it is; diamonds are the real formats with theirs. An entry "
        "that follows 2⁻ᵖ is well conditioned; the distance above that line is its condition "
        "number. To the left of the noise floor more bits bring nothing."
    )


@st.fragment
def _bits(study: Study, at: State) -> None:
    assert study.bits is not None
    assert study.budget is not None
    ids = list(study.parameter_ids)
    weakest = worst(study.verdicts[1:], "digits_float32")
    chosen = st.selectbox(
        "Highlight", ids, index=ids.index(weakest.quantity) if weakest else 0,
        key=f"bits_parameter_{study.problem_id}", persist_state="session", width=320,
    )  # fmt: skip
    figure = bits_figure(ids, study.bits, study.noise, chosen, study.budget.float64.gradient)
    charts.draw(figure, "bits_chart", "Relative gradient error against mantissa bits", at)


def tolerances(study: Study, at: State) -> None:
    """Panel D."""
    if "tolerances" in study.impossible:
        st.info("Tolerances and curvature need a reference, and there is none at this point.")
    if study.tolerances is None:
        return
    st.markdown("##### D · x64 is not accuracy: match the tolerance to the precision")
    _tolerances(study, at)
    st.caption(
        "The error is that against the reference. From a circle on, a tighter rtol gains less "
        "than a factor of two: time spent on tolerances is lost. There is none where even the "
        "tightest rtol leaves less than a digit, or where the reference is too uncertain. "
        f"atol is {study.tolerances.atol:g} throughout; times are of one evaluation of llh and "
        "gradient on all cores."
    )


def work(study: Study, at: State) -> None:
    """Panel D's second figure."""
    if study.work is None:
        if "work" in study.impossible and "tolerances" not in study.impossible:
            st.caption(
                "Work against precision is drawn where all parameters are studied: its error is "
                "that of the gradient as a whole."
            )
        return
    st.markdown("###### Work against precision: which method gives how many digits, at what cost")
    charts.draw(
        work_precision_figure(study.work, study.export), "work_chart",
        "Error of the gradient against CPU time, by method", at,
    )  # fmt: skip
    st.caption(
        "A point is one setting: rtol goes from 1e-4 (left) to 1e-13 (right) along each line; "
        "point at it to see it. *simultaneous*, *staggered* and *staggered1* are the ways in which "
        "AMICI integrates forward sensitivities along with the states. The lower and the farther "
        "left, the better. Below the dashed lines nothing is known, or float32 can't follow."
    )
    if study.export is None:
        st.caption(
            "*AMICI's JAX export* under *What is studied* adds a line to this diagram, by diffrax "
            "and automatic differentiation."
        )
    elif study.export.points:
        st.caption(
            "*AMICI's JAX export* is the same model in JAX, solved by diffrax (Kvaerno5, atol as "
            "large as rtol from 1e-4 to 1e-10) and differentiated by JAX. Its times leave out what "
            f"it needs once: {study.export.export_seconds:.3g} s to write the model, and "
            f"{study.export.compile_seconds:.3g} s to compile it. {study.export.missing}"
        )
    else:
        st.info(f"No line for AMICI's JAX export. {study.export.missing}")


@st.fragment
def _tolerances(study: Study, at: State) -> None:
    assert study.tolerances is not None
    options = ["median of the gradient", "worst of the gradient", "llh", *study.parameter_ids]
    chosen = st.selectbox(
        "Error of",
        options,
        key=f"tolerances_entry_{study.problem_id}",
        persist_state="session",
        width=320,
    )
    which: Any = {0: "median", 1: "worst"}.get(options.index(chosen), options.index(chosen) - 2)
    st.markdown(study.tolerances.advice(which))
    charts.draw(
        tolerances_figure(study.tolerances, which), "tolerances_chart",
        f"Error and time against rtol, {chosen}", at,
    )  # fmt: skip


def curvature(study: Study, at: State) -> None:
    """Panel E."""
    if "curvature" in study.impossible and "tolerances" not in study.impossible:
        st.info("There is no prediction from curvature: float32 or the Hessian has no result here.")
    if study.curvature is None:
        return
    curvature = study.curvature
    foretold = 2 * curvature.outcomes.count("predicted") >= len(curvature.outcomes)
    st.markdown(f"##### E · {'Curvature foretells the error' if foretold else _NOT_FORETOLD}")
    missed = ", ".join(f"{name}: {miss:.0e}" for name, miss in curvature.misses.items())
    _curvature(study, at)
    with st.expander("Numbers", key="curvature_numbers"):
        frame = pd.DataFrame(
            {
                "predicted": curvature.predicted,
                "measured": curvature.measured,
                "condition number": curvature.condition,
                "bound, relative": curvature.condition * UNIT_ROUNDOFF,
                "outcome": curvature.outcomes,
            },
            index=pd.Index(study.parameter_ids, name="parameter"),
        )
        numbers.grid(
            "curvature_table", frame, dict.fromkeys(frame.columns.drop("outcome"), "%.2e"),
            alt="Predicted and measured float32 error of each gradient entry",
        )  # fmt: skip
    st.caption(
        "To first order the gradient moves by the Hessian times what float32 does to theta. The "
        f"Hessian comes from {curvature.method}, the better of two: along the direction of the "
        f"rounding they miss the gradient's change by {missed}, relative. Its condition number is "
        f"{curvature.hessian_condition:.0e}; that of an entry, in the table, times 2⁻²⁴ bounds its "
        "float32 error. The prediction fails where the solver's noise is larger than the effect, "
        "where rounding of the result is all there is, and where higher derivatives count."
    )


@st.fragment
def _curvature(study: Study, at: State) -> None:
    assert study.curvature is not None
    shown = st.segmented_control(
        "Error of", ["all of float32", "rounding theta alone"], required=True,
        default="all of float32", key="curvature_mode",
        persist_state="session", label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    figure = curvature_figure(
        study.parameter_ids, study.curvature, input_alone=shown == "rounding theta alone"
    )
    charts.draw(figure, "curvature_chart", "Measured against predicted float32 error", at)


def tell(study: Study) -> None:
    """The whole story with this problem's numbers, and its sources."""
    paragraphs = story(study)
    if not paragraphs:
        return
    st.markdown("##### The whole story")
    with st.container(key="story"):
        for paragraph in paragraphs:
            st.markdown(paragraph)
    with st.expander("Sources"):
        for text, address in SOURCES:
            st.markdown(f"- [{text}]({address})")


_VERDICT_HELP = {
    "agreement": "Digits in which AMICI and float64 JAX agree",
    "float32": "Digits in which float32 and float64 JAX agree",
    "accuracy": "Digits of the float64 value that a witness other than AMICI confirms",
    "consistent": "Digits in which float64 agrees with AMICI at tight tolerances",
    "noise": "Significant digits when theta moves by its last bits",
    "reference": "The value at tight tolerances",
}
_DIGITS = ["agreement", "float32", "accuracy", "consistent", "noise"]
_VALUES = ["float64 value", "float32 value", "reference"]
