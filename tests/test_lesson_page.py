"""The lesson's page without a browser: every step, at the lesson's problems and at others."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from amijax import AmiciObjective, SolverChoice, load_problem
from amijax.lesson import PLANS, STEPS, Here
from amijax.lesson.here import silent
from amijax.problems import list_problems
from amijax.sharing.presets import list_presets

REPOSITORY = Path(__file__).parents[1]
TIMEOUT = 120
EMBEDDED = tuple(info.problem_id for info in list_problems() if info.source == "embedded")


def opened(**query):
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=TIMEOUT)
    app.switch_page("pages/lesson.py")
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def shown(app):
    """After giving up on the prediction."""
    return app.button(key="lesson_show").click().run()


def text_of(app):
    elements = (*app.main.markdown, *app.main.caption, *app.info, *app.success, *app.warning)
    text = "\n".join(element.value for element in elements)
    # Marks that keep Markdown from seeing markup, and lines from ending within a number.
    return text.replace("\\", "").replace("\u2060", "").replace("\u00a0", " ")


def heading(app):
    return next(m.value for m in app.main.markdown if m.value.startswith("####"))


@pytest.fixture(scope="module", autouse=True)
def compiled(objective_of):
    """Every model that the lesson needs."""
    for problem_id in EMBEDDED:
        objective_of(problem_id)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: str(step.number))
def test_the_claim_comes_after_the_prediction(step):
    app = opened(step=str(step.number))
    assert not app.exception
    assert not app.error
    assert heading(app) == f"#### {step.number} · {step.title}"
    plan = PLANS[step.number].main
    objective = AmiciObjective(load_problem(plan.problem, repair=plan.repair))
    here = Here.at(objective, objective.problem.nominal_theta, SolverChoice())
    claim = step.compute(here, silent).claim
    assert "Predict." in text_of(app)
    assert claim not in text_of(app)
    app = shown(app)
    assert not app.exception
    assert claim in text_of(app)
    assert "**See**" in text_of(app)
    assert "**Why**" in text_of(app)


@pytest.mark.parametrize("problem", EMBEDDED)
def test_every_step_is_told_at_every_embedded_problem(problem):
    app = opened(problem=problem)
    for step in STEPS:
        assert heading(app) == f"#### {step.number} · {step.title}"
        assert f"Computed now, for {problem}" in text_of(app)
        app = shown(app)
        assert not app.exception
        assert not app.error
        assert "**Why**" in text_of(app)
        if step is not STEPS[-1]:
            app.button(key="lesson_next").click().run()


def test_buttons_go_forward_and_back_and_the_address_follows():
    app = opened()
    assert heading(app).startswith("#### 1 ")
    assert app.button(key="lesson_back").disabled
    app.button(key="lesson_next").click().run()
    assert heading(app).startswith("#### 2 ")
    assert app.query_params["step"] == "2"
    app.button(key="lesson_step_9").click().run()
    assert app.button(key="lesson_next").disabled
    app.button(key="lesson_back").click().run()
    assert heading(app).startswith("#### 8 ")


def test_a_prediction_is_answered_and_asked_again():
    app = opened(step="8")
    app.button(key="lesson_guess_0").click().run()
    assert "No: 4 wrong. You said 0 wrong." in text_of(app)
    assert "float32 fails here" in text_of(app)
    app.button(key="lesson_again").click().run()
    assert "float32 fails here" not in text_of(app)
    app.button(key="lesson_guess_4").click().run()
    assert "Right: 4 wrong." in text_of(app)


def test_a_changed_parameter_is_asked_about_anew(objective_of):
    app = shown(opened(step="4"))
    nominal = objective_of("Boehm_JProteomeRes2014").problem.nominal_theta
    assert app.selectbox(key="lesson_parameter_Boehm_JProteomeRes2014").value == "k_phos"
    app.text_input(key=f"lesson_bits_k_phos_value_{float(nominal[5])!r}").set_value("4.0").run()
    assert not app.exception
    assert "**Why**" not in text_of(app)
    app = shown(app)
    assert "**Why**" in text_of(app)
    app.button(key="lesson_unchanged").click().run()
    assert "1.1 %" in text_of(app)  # what was answered before
    app.text_input(key=f"lesson_bits_k_phos_value_{float(nominal[5])!r}").set_value("four").run()
    assert "is not a number" in text_of(app)


def test_an_address_with_a_problem_and_no_step_is_told_there():
    app = opened(problem="Conversion_Reaction")
    assert "Computed now, for Conversion_Reaction" in text_of(app)
    assert app.query_params["own"] == "true"


def test_a_lecturer_s_own_point_is_in_the_address():
    app = opened(problem="Boehm_JProteomeRes2014", theta="k_phos:4.0", step="3", own="true")
    assert "`k_phos` = 4 changed from nominal" in text_of(app)
    assert app.query_params["theta"].startswith("k_phos:4~")
    app.button(key="lesson_own").click().run()
    assert "at the nominal parameters" in text_of(app)
    assert "own" not in app.query_params


def test_another_problem_in_the_sidebar_is_taken_up():
    app = opened(step="1")
    app.selectbox(key="problem").set_value("Robertson_Stiff").run()
    assert "Computed now, for Robertson_Stiff" in text_of(app)
    assert app.query_params["own"] == "true"


def test_what_others_can_t_show_is_shown_after_an_own_problem():
    app = shown(opened(problem="Conversion_Reaction", step="8", own="true"))
    text = text_of(app)
    assert "float32 does no harm to the signs here" in text
    assert "Computed now, for Robertson_Stiff" in text
    assert "float32 fails here" in text


def test_the_projector_is_in_the_address():
    app = opened(step="2", projector="true")
    assert app.button(key="lesson_projector").label == "Back to normal"
    app.button(key="lesson_projector").click().run()
    assert "projector" not in app.query_params


@pytest.mark.parametrize("step", ["0", "10", "-1", "x", "9999999999"])
def test_an_unusable_step_is_none(step):
    app = opened(step=step)
    assert not app.exception
    assert heading(app).startswith(("#### 1 ", "#### 9 "))


def test_exercises_are_answered_when_asked():
    app = opened(problem="Conversion_Reaction", step="9", own="true")
    assert "Exercises" in text_of(app)
    for i in range(3):
        app.button(key=f"lesson_answer_{i}").click().run()
        assert not app.exception
    text = text_of(app)
    assert "condition number" in text
    assert "keeps" in text
    assert "times as long" in text


def test_all_steps_are_listed_by_name():
    app = opened(step="1")
    for step in STEPS:
        assert step.title in app.button(key=f"lesson_go_{step.number}").label
    app.button(key="lesson_go_7").click().run()
    assert heading(app).startswith("#### 7 ")


def test_instructive_points_are_listed():
    app = opened(step="1")
    text = text_of(app)
    for preset in list_presets():
        assert preset.look_at.replace("\\", "") in text


def test_what_fails_is_a_sentence():
    app = opened(problem="Robertson_Stiff", step="3", own="true", max_steps="5")
    assert not app.exception
    assert any("steps" in error.value for error in app.error)


def test_a_link_that_says_x64_brings_its_solver_settings(conversion):
    assert conversion
    app = opened(step="1")
    app.sidebar.text_input(key="rtol").set_value("1e-9").run()
    app.query_params.clear()
    app.query_params["problem"] = "Conversion_Reaction"
    app.query_params["x64"] = "false"
    app.query_params["atol"] = "1e-14"
    app.switch_page("app.py").run()
    assert not app.exception
    assert app.sidebar.toggle(key="x64").value is False
    assert app.sidebar.text_input(key="rtol").value == ""
    assert app.sidebar.text_input(key="atol").value == "1e-14"
