"""A problem whose gradient takes seconds: what is typed, ended, and shown meanwhile."""

from pathlib import Path

import pytest
from petab_files import tiny_problem

from amijax import AmiciObjective, load_problem
from amijax.auto import settle
from amijax.simulation.settings import SolverChoice
from pages import html_table, idle, no_traceback, type_value, until

pytestmark = pytest.mark.browser

SLOW = "Slow_Oscillation"
TYPED = ("0.25", "0.5", "-0.75")
# Forced so often that the solver needs thousands of steps, in each of many conditions.
RATE = """<apply><times/><ci> kd </ci><apply><cos/><apply><times/><cn> 40 </cn>
  <csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time"> t </csymbol>
</apply></apply></apply>"""
# Whether an element is missing, or is one of those that the page no longer shows.
_IS_GONE = """selector => [...document.querySelectorAll(selector)].every((element) => {
  for (let each = element; each; each = each.parentElement)
    if (getComputedStyle(each).opacity === '0') return true;
  return false;
})"""
N_CONDITIONS = 60


def write_slow(folder: Path) -> Path:
    """Write a problem with three parameters on log10 scale, and open it."""
    tiny_problem(folder, rate=RATE)
    (folder / "observables.tsv").write_text(
        "observableId\tobservableFormula\tnoiseFormula\nobs_A\tgain * A\tsd\n"
    )
    with (folder / "parameters.tsv").open("a") as table:
        table.writelines(f"{name}\tlog10\t0.001\t100\t1\t1\n" for name in ("gain", "sd"))
    names = [f"c{i}" for i in range(N_CONDITIONS)]
    (folder / "conditions.tsv").write_text("\n".join(["conditionId", *names, ""]))
    (folder / "measurements.tsv").write_text(
        "observableId\tsimulationConditionId\tmeasurement\ttime\n"
        + "".join(f"obs_A\t{name}\t2.1\t10\n" for name in names)
    )
    return folder / "tiny.yaml"


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A collection that holds the problem alone, which is compiled, and its objective."""
    collection = tmp_path_factory.mktemp("collection")
    yaml = write_slow(collection / SLOW)
    yaml.rename(yaml.with_name("problem.yaml"))
    patch = pytest.MonkeyPatch()
    patch.setenv("AMIJAX_COLLECTION", str(collection))
    with patch.context():
        yield collection, AmiciObjective(load_problem(SLOW))
    patch.undo()


def test_edits_one_after_the_other_survive_and_old_numbers_vanish(start_server, new_page, slow):
    collection, objective = slow
    page = new_page(start_server(AMIJAX_COLLECTION=str(collection)) + f"/?problem={SLOW}&x64=true")
    chart = page.locator(".st-key-gradient_chart")
    chart.first.wait_for()
    idle(page)
    for row, text in enumerate(TYPED):
        type_value(page, row, text, at_rest=False)
        page.get_by_text("At these parameters:").wait_for()
        # Nothing of the point before stands beside the new value.
        until(page, lambda: page.evaluate(_IS_GONE, ".st-key-gradient_chart"))
        until(page, lambda: page.evaluate(_IS_GONE, ".amijax-gradient_table"))
    chart.first.wait_for()
    idle(page)
    no_traceback(page)
    shown = html_table(page, "gradient_table")
    ids = objective.problem.parameter_ids
    assert [shown[name]["theta"]["text"] for name in ids] == list(TYPED)
    # The page leaves the kind of sensitivities to auto, which has decided: a cache remembers it.
    expected = settle(objective, [float(text) for text in TYPED], SolverChoice()).evaluation
    for name, value in zip(ids, expected.gradient, strict=True):
        assert float(shown[name]["amici"]["value"]) == value
