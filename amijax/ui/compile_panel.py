"""A model being compiled: phases, time, log and cancel, while the rest of the page stays usable."""

from __future__ import annotations

import streamlit as st

from amijax.models.cache import PHASES
from amijax.models.compilation import CompileJob, latest_compile, start_compile
from amijax.models.lookup import CompiledModel, find_model, model_key
from amijax.paths import cache_sentence
from amijax.problems import Problem, ProblemError
from amijax.ui.cancel import cancel_button


def compiled_model(problem: Problem) -> CompiledModel | None:
    """The problem's compiled model; while there is none, draw its compilation instead."""
    try:
        if (model := _known_model(problem)) is not None:
            # Whoever has a model is going to compute. JAX takes a second to import, for which
            # the parameter table doesn't wait.
            from amijax.jax_setup import set_up_jax

            set_up_jax()
            return model
        job = latest_compile(model_key(problem))
        if job is None or job.state == "done":  # the model has vanished from the cache since
            job = start_compile(problem)
    except ProblemError as error:
        st.error(f"{problem.problem_id} is not compiled. {error}")
        return None
    except OSError as error:
        st.error(cache_sentence(error))
        return None
    if job.state == "failed":
        _show_failure(problem, job)
    elif job.state == "cancelled":
        st.info(f"Compiling {problem.problem_id} was cancelled.")
        _retry_button(problem, "Compile")
    else:
        _watch(problem, job)
    return None


def _known_model(problem: Problem) -> CompiledModel | None:
    """The compiled model, looked up on disk until it is found; then this session remembers it."""
    models: dict[str, CompiledModel] = st.session_state.setdefault("amijax_models", {})
    key = model_key(problem)
    if key not in models and (model := find_model(problem)) is not None:
        models[key] = model
    return models.get(key)


@st.fragment(run_every=0.5)
def _watch(problem: Problem, job: CompileJob) -> None:
    progress = job.progress()
    if progress.is_over:
        st.rerun()
    st.markdown(f"**Compiling {problem.problem_id}** — once; the result is kept for the next time.")
    done = dict(progress.phases)
    for phase in PHASES:
        if phase in done:
            st.markdown(f":material/check_circle: {phase} — {done[phase]:.1f} s")
        elif phase == progress.phase:
            st.markdown(f":material/pending: **{phase}** …")
        else:
            st.markdown(f":material/radio_button_unchecked: :gray[{phase}]")
    if progress.phase and progress.phase not in PHASES:
        st.caption(progress.phase)
    st.caption(f"{progress.elapsed:.0f} s so far. It goes on when you leave this page.")
    cancel_button(job, "cancel_compile")
    with st.expander("Log"):
        st.code("\n".join(progress.log_tail) or "Nothing yet.", language=None)


def _show_failure(problem: Problem, job: CompileJob) -> None:
    failure = job.failure
    assert failure is not None
    st.error(f"{problem.problem_id} could not be compiled. {failure.message}\n\n{failure.remedy}")
    with st.expander("Log"):
        st.code("\n".join(failure.log_tail) or "The log is empty.", language=None)
    _retry_button(problem, "Try again")


def _retry_button(problem: Problem, label: str) -> None:
    def retry() -> None:
        start_compile(problem)

    st.button(label, key="retry_compile", icon=":material/refresh:", on_click=retry)
