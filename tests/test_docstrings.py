"""Examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "amijax"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
ENTRY_POINTS = {  # modules that must have some
    "amijax.problems.loading", "amijax.objective", "amijax.jax_objective", "amijax.comparison",
    "amijax.audit.audit", "amijax.tuning.found", "amijax.precision.study",
}  # fmt: skip


def test_the_main_entry_points_have_examples():
    assert set(MODULES) >= ENTRY_POINTS


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, conversion):  # noqa: ARG001 - compiled beforehand
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner()
    examples = [each for each in doctest.DocTestFinder().find(module) if each.examples]
    assert examples
    said: list[str] = []
    for each in examples:
        runner.run(each, out=said.append)
    assert runner.failures == 0, "".join(said)
