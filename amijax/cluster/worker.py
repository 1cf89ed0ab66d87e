"""What a worker of a Dask cluster does with a chunk of points.

Nothing here loads AMICI or Dask: the scheduler imports this module, too.
"""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass

from amijax.scales import FloatArray
from amijax.versions import versions

# What decides about results; Dask itself warns of differences in Python and its own packages.
SAME_VERSIONS = ("amijax", "amici", "petab")


@dataclass(frozen=True)
class Answer:
    """What a worker sends back for a chunk.

    Attributes:
        evaluations: pickled as one: thousands of small arrays travel slowly one by one.
        seconds: what evaluating took.
        refusal: the versions that differ from the asker's, in which case there are no evaluations.
    """

    evaluations: bytes
    seconds: float
    refusal: str | None = None


def evaluate_chunk(
    recipe: bytes, points: FloatArray, gradient: bool, asked_by: dict[str, str]
) -> Answer:
    """Evaluate points on a worker.

    Args:
        recipe: the objective's, pickled: only the worker unpacks what needs AMICI.
        points: shape (n, n_parameters), on the PEtab scale.
        gradient: whether to compute gradients as well.
        asked_by: versions where the batch comes from, by name, as `versions()` gives them.
    """
    here = versions()
    if differing := [name for name in SAME_VERSIONS if here[name] != asked_by[name]]:
        return Answer(b"", 0.0, " and ".join(f"{name} {here[name]}" for name in differing))
    objective = pickle.loads(recipe).rebuild()
    start = time.perf_counter()
    evaluations = objective.evaluate_batch(points, gradient)
    return Answer(pickle.dumps(evaluations), time.perf_counter() - start)
