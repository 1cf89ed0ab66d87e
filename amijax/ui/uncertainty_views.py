"""Views of uncertainty: verdicts first, then profiles, spectrum, correlations, and exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd
import streamlit as st

from amijax.figures import correlations_figure, profiles_figure, spectrum_figure
from amijax.identifiability.exports import curvature_as_json, profiles_as_json
from amijax.identifiability.findings import local_findings, profile_findings
from amijax.identifiability.profile_record import ProfileResult
from amijax.identifiability.record import Identifiability
from amijax.identifiability.verdicts import digits_for
from amijax.json_values import json_text
from amijax.scales import FloatArray
from amijax.sharing.exports import parameter_table
from amijax.sharing.points import point_in_words
from amijax.ui import charts, numbers
from amijax.ui.context import Context
from amijax.ui.markdown import plain
from amijax.ui.results import number

_GRAVE = ("failed", "better-optimum")
_VERDICTS = {
    "identifiable": "The data refuse values on both sides",
    "one-sided": "The data refuse values on one side; the other ends at a bound",
    "flat": "The data refuse no value between the bounds",
    "multimodal": "Values that the data do not refuse lie apart",
    "failed": "The profile is not complete, or broke off: its sentence says why",
}
_MOST_PANELS = 30
_MOST_CORRELATED = 40


def draw(context: Context, result: ProfileResult | None, local: Identifiability | None) -> None:
    """All that is known: of profiles, of the curvature, or of both at one point."""
    if result is not None:
        for finding in profile_findings(result):
            show = st.error if finding.code in _GRAVE else st.warning
            show(plain(finding.message))
    if local is not None and local.failure is not None:
        st.error(plain(str(local.failure)))
        local = None
    if result is not None and result.profiles:
        _verdicts(result)
        if not np.array_equal(result.optimum.theta, context.session.theta):
            st.button(
                "Make the optimum the current point", key="uncertainty_take",
                icon=":material/my_location:", on_click=_take, args=(context, result),
                help="All pages then show llh, gradient and trajectories there",
            )  # fmt: skip
    elif local is not None:
        _first_order(local)
    views = []
    if result is not None and result.profiles:
        views += ["Profiles", "Intervals"]
    if local is not None:
        views += ["Spectrum", "Correlations"]
    if not views:
        return
    view = st.segmented_control(
        "View", [*views, "Export"], default=views[0], required=True, key="uncertainty_view",
        label_visibility="collapsed", wrap=True,
    )  # fmt: skip
    at = _in_words(context, result, local)
    if view == "Profiles" and result is not None:
        _profiles(result, local, at)
    elif view == "Intervals" and result is not None:
        _intervals(result, local)
    elif view == "Spectrum" and local is not None:
        _spectrum(local, at)
    elif view == "Correlations" and local is not None:
        _correlations(local, at)
    elif view == "Export":
        _export(context, result, local)


def what(result: ProfileResult) -> str:
    """What profiles are of, in words."""
    return "llh" if result.optimum.log_prior is None else "llh + log prior"


def _take(context: Context, result: ProfileResult) -> None:
    context.session.move_to(result.optimum.theta)
    st.toast("The profiles' optimum is the current point.")


def _verdicts(result: ProfileResult) -> None:
    counts = Counter[str](each.verdict for each in result.profiles)
    with numbers.row("uncertainty_figures"):
        for verdict, words in _VERDICTS.items():
            if counts[verdict]:
                numbers.figure(verdict, counts[verdict], help=words)
        numbers.figure(
            f"{what(result)} at the optimum", number(result.optimum.value, 9),
            help=f"Intervals end where it has fallen by {result.threshold:.4g}: "
            f"{100 * result.level:.4g} % of chi-square, one degree of freedom",
        )  # fmt: skip
    shown = result.profiles
    level = f"{100 * result.level:.4g} %"
    frame = pd.DataFrame(
        {
            "verdict": [each.verdict for each in shown],
            "linear from": [each.interval_linear[0] for each in shown],
            "linear to": [each.interval_linear[1] for each in shown],
        },
        index=pd.Index([each.parameter for each in shown], name="parameter"),
    )
    numbers.grid(
        "uncertainty_table", frame,
        dict.fromkeys(("linear from", "linear to"), _format([p.interval_linear for p in shown])),
        alt="Verdict and interval of every parameter",
        help={
            "linear from": f"Lower end of the {level} interval, on linear scale",
            "linear to": "Upper end",
        },
    )  # fmt: skip
    # The interval is all that there is to say of the others.
    sentences = [plain(each.sentence) for each in shown if each.verdict != "identifiable"]
    if sentences:
        st.markdown("\n".join(f"- {sentence}" for sentence in sentences))


def _intervals(result: ProfileResult, local: Identifiability | None) -> None:
    """Intervals on the parameters' scales, by profiles and by the curvature."""
    shown = result.profiles
    nothing = np.full(len(result.parameter_ids), np.nan)
    errors, ends = nothing, np.column_stack([nothing, nothing])
    if local is not None:
        errors, ends = local.standard_errors, local.intervals
    at = [result.parameter_ids.index(each.parameter) for each in shown]
    frame = pd.DataFrame(
        {
            "scale": [each.scale for each in shown],
            "estimate": [each.optimum for each in shown],
            "from": [each.interval[0] for each in shown],
            "to": [each.interval[1] for each in shown],
            "standard error": [_finite(errors[i]) for i in at],
            "first order from": [_finite(ends[i, 0]) for i in at],
            "first order to": [_finite(ends[i, 1]) for i in at],
            "points": [len(each.points) for each in shown],
            "evaluations": [each.n_evaluations for each in shown],
        },
        index=pd.Index([each.parameter for each in shown], name="parameter"),
    )
    level = f"{100 * result.level:.4g} %"
    numbers.grid(
        "uncertainty_intervals", frame,
        {
            **dict.fromkeys(
                ("estimate", "from", "to", "first order from", "first order to"),
                _format([each.interval for each in shown]),
            ),
            "standard error": "%.4g",
            "points": "%.0f", "evaluations": "%.0f",
        },
        alt="Intervals of every parameter on its scale, by profiles and by the curvature",
        help={
            "estimate": "At the optimum, on the parameter's scale, as all numbers here",
            "from": f"Lower end of the {level} interval, by the profile",
            "to": "Upper end",
            "standard error": "By the curvature at the optimum; — where flat directions move the "
            "parameter",
            "first order from": f"Lower end of the {level} interval, by the curvature; may lie "
            "beyond the bounds",
            "first order to": "Upper end",
        },
    )  # fmt: skip


def _first_order(local: Identifiability) -> None:
    """What the curvature alone says, parameter by parameter."""
    for finding in local_findings(local):
        st.warning(plain(finding.message))
    with numbers.row("uncertainty_figures"):
        numbers.figure("llh", number(local.llh, 9))
        numbers.figure(
            "rank", f"{local.rank} of {local.n_parameters}",
            help="Directions along which the curvature stands above its noise",
        )  # fmt: skip
        numbers.figure(
            "llh could grow by", number(local.expected_gain, 3),
            help="Up to the maximum of the quadratic approximation; 0 at an optimum",
        )  # fmt: skip
    bounds = {-1: "on its lower bound", 0: "", 1: "on its upper bound"}
    frame = pd.DataFrame(
        {
            "scale": local.scales,
            "theta": local.theta,
            "standard error": [_finite(error) for error in local.standard_errors],
            "from": [_finite(end) for end in local.intervals[:, 0]],
            "to": [_finite(end) for end in local.intervals[:, 1]],
            "linear from": [_finite(end) for end in local.intervals_linear[:, 0]],
            "linear to": [_finite(end) for end in local.intervals_linear[:, 1]],
            "in words": [
                ", ".join(
                    word
                    for word in (
                        "" if np.isfinite(local.standard_errors[i]) else "not determined",
                        bounds[int(local.at_bounds[i])],
                    )
                    if word
                )
                for i in range(local.n_parameters)
            ],
        },
        index=pd.Index(local.parameter_ids, name="parameter"),
    )
    numbers.grid(
        "uncertainty_local_table", frame,
        {
            **dict.fromkeys(("theta", "from", "to"), _format(local.intervals)),
            **dict.fromkeys(("linear from", "linear to"), _format(local.intervals_linear)),
            "standard error": "%.4g",
        },
        alt="Standard error and interval of every parameter by the curvature",
        texts={"in words": 200},
        help={
            "from": f"Lower end of the {100 * local.level:.4g} % interval, by the curvature",
            "standard error": "On the parameter's scale; — where flat directions move it",
        },
    )  # fmt: skip


def _profiles(result: ProfileResult, local: Identifiability | None, at: tuple[str, ...]) -> None:
    shown = result.profiles
    if len(shown) > _MOST_PANELS:
        names = [each.parameter for each in shown]
        chosen = st.multiselect(
            f"Parameters ({len(names)})", names, default=names[:_MOST_PANELS],
            max_selections=_MOST_PANELS, key="uncertainty_panels", wrap=True,
        )  # fmt: skip
        shown = tuple(each for each in shown if each.parameter in chosen)
    if not shown:
        st.info("Choose some of the parameters.")
        return
    charts.draw(
        profiles_figure(result, local, shown), "uncertainty_profiles_chart",
        "Profiles: llh below the optimum, with each parameter held from value to value", at,
    )  # fmt: skip
    st.caption(
        "An arrow ends an interval that is open: at a bound (dotted) or where nothing was looked "
        "for any more. Where a profile parts from the dashed parabola, standard errors mislead. "
        "Modes beyond the ends are not looked for; points of fits on this machine count."
    )


def _spectrum(local: Identifiability, at: tuple[str, ...]) -> None:
    st.markdown(
        f"**Rank {local.rank} of {local.n_parameters}**: eigenvalues of minus the second "
        "derivative that stand above the noise of its entries."
    )
    for each in local.directions:
        st.markdown(f"- {plain(each.sentence)}")
    if not local.directions:
        st.markdown("- No direction is flat, or so weak that the bounds leave less than it takes.")
    charts.draw(
        spectrum_figure(local), "uncertainty_spectrum_chart",
        "Eigenvalues of the curvature and their noise", at,
    )  # fmt: skip
    st.caption(
        "Per unit squared: a decade or factor e on logarithmic scales, the parameter's own size on "
        f"linear scale. Second derivatives by {local.method}, {local.evaluations} gradients. "
        f"{local.left_out}"
    )


def _correlations(local: Identifiability, at: tuple[str, ...]) -> None:
    if local.n_parameters > _MOST_CORRELATED:
        st.caption("Point at a field for its parameters.")
    charts.draw(
        correlations_figure(local), "uncertainty_correlations_chart",
        "Correlations of the estimates, to first order", at,
    )  # fmt: skip
    if not np.isfinite(np.diag(local.correlations)).all():
        st.caption("Parameters that flat directions move have no correlations.")


def _export(context: Context, result: ProfileResult | None, local: Identifiability | None) -> None:
    name = context.session.name
    with st.container(horizontal=True, key="uncertainty_export"):
        if result is not None:
            st.download_button(
                "Profiles (JSON)", lambda: json_text(profiles_as_json(result), indent=2),
                file_name=f"{name}_profiles.json", mime="application/json",
                key="uncertainty_json", on_click="ignore", icon=":material/download:",
                help="What `python -m amijax profile --json` prints",
            )  # fmt: skip
            st.download_button(
                "Profiles (CSV)", lambda: _points(result), file_name=f"{name}_profiles.csv",
                mime="text/csv", key="uncertainty_csv", on_click="ignore",
                icon=":material/download:", help="A row for each point, with all parameters there",
            )  # fmt: skip
            st.download_button(
                "Parameter table at the optimum",
                lambda: parameter_table(context.problem, result.optimum.theta),
                file_name=f"parameters_{name}.tsv", mime="text/tab-separated-values",
                key="uncertainty_parameters", on_click="ignore", icon=":material/download:",
                help="PEtab's, with the optimum as nominal values",
            )  # fmt: skip
        if local is not None:
            st.download_button(
                "Curvature (JSON)", lambda: json_text(curvature_as_json(local), indent=2),
                file_name=f"{name}_curvature.json", mime="application/json",
                key="uncertainty_local_json", on_click="ignore", icon=":material/download:",
                help="What `python -m amijax identify --json` prints",
            )  # fmt: skip
    if result is not None:
        st.caption(
            f"{result.optimizer}, {result.solver}, begun {result.started}; "
            + ", ".join(f"{package} {version}" for package, version in result.versions.items())
            + "."
        )


def _points(result: ProfileResult) -> str:
    frames = [
        pd.DataFrame(each.thetas, columns=list(result.parameter_ids)).assign(
            profile=each.parameter, value=each.values
        )
        for each in result.profiles
    ]
    columns = ["profile", "value", *result.parameter_ids]
    return str(pd.concat(frames)[columns].to_csv(index=False, float_format="%.17g"))


def _in_words(
    context: Context, result: ProfileResult | None, local: Identifiability | None
) -> tuple[str, ...]:
    if result is not None:
        where = point_in_words(context.problem, result.optimum.theta)
        return (f"optimum: {where}", f"{result.optimizer}, {result.solver}")
    assert local is not None
    return (point_in_words(context.problem, local.theta), str(local.solver))


def _format(intervals: Iterable[FloatArray]) -> str:
    """With digits enough to tell the ends of the narrowest interval apart."""
    return f"%.{max((digits_for(*each) for each in intervals), default=4)}g"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
