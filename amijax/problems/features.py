"""Size and features of the problems that are known by id, before any of their files is read."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

_TABLE = Path(__file__).with_name("features.tsv")


@dataclass(frozen=True)
class ProblemFeatures:
    """What the collection's own overview says of a problem; nothing here is measured by us.

    Attributes:
        species, estimated_parameters, measurements, observables, events: how many there are;
            species may be 0 where a model consists of rate rules.
        conditions: number of simulations.
        preequilibration, postequilibration: number of simulations that begin at, or are
            measured at, a steady state.
        possible_discontinuities: whether formulas may jump, for example by `piecewise`.
        noise_distributions: `normal`, `log-normal`, `log10-normal`, `laplace`.
        objective_priors: types of the priors in the parameter table; empty if there are none.
        reference_llh: log-likelihood at the nominal parameters as AMICI's benchmark tests hold
            it (rtol 1e-8, atol 1e-8, at most 10 000 steps), where they do.
        references: addresses of publications, a DOI first.
    """

    species: int
    estimated_parameters: int
    measurements: int
    observables: int
    conditions: int
    preequilibration: int
    postequilibration: int
    events: int
    possible_discontinuities: bool
    noise_distributions: tuple[str, ...]
    objective_priors: tuple[str, ...]
    reference_llh: float | None
    references: tuple[str, ...]

    @property
    def keywords(self) -> tuple[str, ...]:
        """What is special about the problem, in words to search for."""
        present = {
            "events": self.events,
            "preequilibration": self.preequilibration,
            "postequilibration": self.postequilibration,
            "steady state": self.preequilibration or self.postequilibration,
            "discontinuities": self.possible_discontinuities,
            "priors": self.objective_priors,
        }
        return (
            *(word for word, has in present.items() if has),
            *(f"{noise} noise" for noise in self.noise_distributions),
            *(f"{prior} prior" for prior in self.objective_priors),
        )

    @property
    def reference(self) -> str | None:
        """Address of the publication, if known."""
        return self.references[0] if self.references else None


@cache
def known_features() -> Mapping[str, ProblemFeatures]:
    """Features by problem id: the 35 problems of the collection and the embedded ones."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        rows = {row["problem_id"]: row for row in csv.DictReader(file, delimiter="\t")}
    return MappingProxyType({problem_id: _features(row) for problem_id, row in rows.items()})


def _features(row: dict[str, str]) -> ProblemFeatures:
    return ProblemFeatures(
        species=int(row["species"]),
        estimated_parameters=int(row["estimated_parameters"]),
        measurements=int(row["measurements"]),
        observables=int(row["observables"]),
        conditions=int(row["conditions"]),
        preequilibration=int(row["preequilibration"]),
        postequilibration=int(row["postequilibration"]),
        events=int(row["events"]),
        possible_discontinuities=row["possible_discontinuities"] != "0",
        noise_distributions=_words(row["noise_distributions"]),
        objective_priors=_words(row["objective_priors"]),
        reference_llh=float(row["reference_llh"]) if row["reference_llh"] else None,
        references=_words(row["references"]),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
