"""PEtab's own linter, run quietly: what it says becomes findings."""

from __future__ import annotations

import copy
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import petab.v1 as petab
from petab.v1 import C
from petab.v1.lint import lint_problem
from petab.v1.models.sbml_model import SbmlModel

from amijax.problems.findings import Findings

_LOCK = threading.Lock()  # loggers are the process's
_SUMS = ("Not OK", "Visualization table not available. Skipping.")
# What it refuses although the likelihood is well defined: bounds that it can't sample from, ids
# that have one meaning all the same, parameters that only rows without a measurement refer to.
_HARMLESS = re.compile(
    r".+ scaled parameter \w+ must be positive if |Extraneous parameter\(s\) in parameter table|"
    r"Missing parameter\(s\) in the model or the|Observable ID \w+ shadows model entity"
)
_OVERRIDES = (C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS)


class _CheckedModel(SbmlModel):
    """A model that was found valid already, with the categories of checks that matter."""

    def is_valid(self) -> bool:
        return True


def run_petab_linter(problem: petab.Problem, findings: Findings) -> None:
    """Note what PEtab's linter says of a problem.

    Args:
        problem: complete, its model checked.
        findings: where it is noted: its errors as errors, where they matter for numbers.
    """
    reduced = copy.copy(problem)
    model = problem.model
    reduced.model = _CheckedModel(model.sbml_model, model.sbml_reader, model.sbml_document)
    reduced.measurement_df = _distinct(problem.measurement_df)
    collector = _Collector(findings)
    with _LOCK, _heard(collector), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            lint_problem(reduced)
        except Exception as error:  # some of its checks raise instead of logging
            collector.note(logging.ERROR, str(error) or "it stopped without a reason")


def _distinct(table: pd.DataFrame) -> pd.DataFrame:
    """A measurement table with one row for all that the linter can't tell apart.

    It walks through the rows in Python, several times.
    """
    names = (C.OBSERVABLE_ID, C.SIMULATION_CONDITION_ID, C.PREEQUILIBRATION_CONDITION_ID)
    columns = [name for name in (*names, *_OVERRIDES) if name in table]
    return table[~table[columns].astype(str).duplicated()]


@contextmanager
def _heard(collector: logging.Handler) -> Iterator[None]:
    """Let warnings and errors of PEtab reach a handler, and nothing else."""
    logger = logging.getLogger("petab")
    children = {
        child: child.level
        for name, child in logging.root.manager.loggerDict.items()
        if name.startswith("petab.") and isinstance(child, logging.Logger)
    }
    before = logger.level, logger.propagate
    for child in children:
        child.setLevel(logging.NOTSET)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(collector)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        for child, level in children.items():
            child.setLevel(level)


class _Collector(logging.Handler):
    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        self.note(record.levelno, record.getMessage())

    def note(self, level: int, message: str) -> None:
        message = " ".join(message.split())
        if message in _SUMS or _HARMLESS.match(message):
            return
        words = re.sub(r"[{}\[\]'\"]", "", message)[:300].rstrip(".")
        sentence = f"PEtab's linter: {words}."
        if level >= logging.ERROR:
            self._findings.error(sentence, "linter")
        else:
            self._findings.warning(sentence, "linter")
